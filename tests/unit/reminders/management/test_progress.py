"""Progress bars: one line in a terminal that is gone afterwards, and not a character anywhere else."""

from io import StringIO

import pytest
from django.core.management.base import OutputWrapper

from reminders.management.progress import progress
from tests.terminal import terminal


@pytest.mark.parametrize("columns", [100, 0], ids=["of a known size", "of no size"])
def test_a_terminal_shows_how_far_it_is_and_then_an_empty_line(columns, monkeypatch):
    with terminal(monkeypatch, columns=columns) as (stream, seen):
        with progress("counting", stream=OutputWrapper(stream), unit="rows", total=4) as bar:
            bar.advance(3, "row 3")
            bar.aside(lambda: stream.write("a line of the command\n"))
        shown = seen()
    assert "counting:   0%|" in shown
    assert "counting:  75%|" in shown
    assert "3/4 [" in shown
    assert "row 3]" in shown
    # The line is free when the command writes its own, and afterwards.
    assert " \ra line of the command\r\n" in shown
    assert shown.rsplit("\r", 2)[1].strip() == ""


def test_the_line_is_empty_again_when_the_work_stops_at_an_error(monkeypatch):
    with terminal(monkeypatch) as (stream, seen):
        with pytest.raises(KeyboardInterrupt), progress("counting", stream=stream, unit="rows"):
            raise KeyboardInterrupt
        shown = seen()
    assert "counting: 0 rows [" in shown
    assert shown.rsplit("\r", 2)[1].strip() == ""


def test_nothing_is_written_into_a_pipe_or_where_it_is_hidden(monkeypatch):
    pipe = StringIO()
    with progress("counting", stream=pipe, unit="rows", total=4) as bar:
        bar.advance(3)
        bar.aside(lambda: pipe.write("its own line\n"))
    assert pipe.getvalue() == "its own line\n"
    with terminal(monkeypatch) as (stream, seen):
        with progress("counting", stream=stream, unit="rows", total=4, hidden=True) as bar:
            bar.advance(3)
        assert seen() == ""
