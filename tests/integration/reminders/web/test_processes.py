"""The page of queue and processes: who was seen when, who is frozen and who is gone, and what to do about it."""

from datetime import timedelta

import pytest

from reminders.insight.process_status import Life, process_statuses
from reminders.models import Process
from reminders.web.ops.overview import Tile, by_urgency
from tests.conftest import NOON

pytestmark = pytest.mark.django_db


def process(
    kind: str, seconds_ago: float, *, pid: int = 1, host: str = "here", started: float = 3600
) -> Process:
    return Process.objects.create(
        kind=kind,
        host=host,
        pid=pid,
        started_at=NOON - timedelta(seconds=started),
        seen_at=NOON - timedelta(seconds=seconds_ago),
    )


def told() -> list[tuple[str, int, Life]]:
    found = process_statuses(here="here", is_there=lambda pid: pid == 7)
    return [(one.kind, one.pid, one.life) for one in found]


def test_frozen_and_gone_are_told_apart(clock):
    process("worker", 5)
    process("beat", 40, pid=7)
    process("scanner", 40, pid=8)
    assert told() == [("beat", 7, Life.FROZEN), ("scanner", 8, Life.GONE), ("worker", 1, Life.RUNNING)]
    frozen, gone, running = process_statuses(here="here", is_there=lambda pid: pid == 7)
    assert "kill -9 7" in frozen.advice
    assert "start a scanner" in gone.advice
    assert (running.advice, running.tone) == ("", "good")


def test_one_that_was_replaced_needs_nobody(clock):
    process("worker", 5, pid=2, started=60)
    process("worker", 90, pid=1)
    process("worker", 90, pid=3, host="other")
    process("worker", 90, pid=4, host="third")
    process("worker", 5, pid=5, host="third", started=80)
    assert told() == [
        ("worker", 3, Life.SILENT),
        ("worker", 2, Life.RUNNING),
        ("worker", 4, Life.SILENT),
        ("worker", 5, Life.RUNNING),
    ]
    assert [bool(one.advice) for one in process_statuses(here="here", is_there=lambda _: False)] == [
        True,
        False,
        False,
        False,
    ]


def test_what_has_long_been_silent_is_left_out_where_others_are_at_work(clock):
    process("worker", 5, pid=2)
    process("worker", 7200, pid=7)
    process("beat", 7200, pid=9)
    process("scrape", 1, pid=3)
    assert told() == [("beat", 9, Life.GONE), ("worker", 2, Life.RUNNING)]


def test_a_web_process_that_nobody_asks_is_not_taken_for_a_frozen_one(clock, viewer):
    process("web", 40, pid=7)
    process("web", 40, pid=8)
    assert told() == [("web", 8, Life.GONE), ("web", 7, Life.UNASKED)]
    assert [one.advice for one in process_statuses(here="here", is_there=lambda _: True)] == ["", ""]
    page = viewer.get("/ops/queue").content.decode()
    assert ">running<" in page  # The one that answers.


def test_the_page_and_its_live_part_show_them(clock, viewer):
    process("beat", 40, host="elsewhere")
    for path in ("/ops/queue", "/ops/queue/live"):
        text = viewer.get(path).content.decode()
        assert "40 s ago" in text or "silent" in text
        assert "On elsewhere: `kill -0 1`" in text


def test_alarms_come_first_and_zeros_are_one_line():
    def tile(name: str, value: int, tone: str = "quiet", alarm: str = "") -> Tile:
        return Tile(name=name, label=name, value=value, note="", href="/", tone=tone, alarm=alarm)

    tiles = [
        tile("none", 0),
        tile("sent", 3, "good"),
        tile("duplicates", 2, "warn"),
        tile("failed", 1, "bad"),
        tile("bounced", 0, alarm="cannot be read"),
        tile("unknown", 0),
        tile("due", 4),
    ]
    shown = {name: [one.name for one in found] for name, found in by_urgency(tiles).items()}
    assert shown == {
        "alarms": ["failed", "duplicates", "bounced"],
        "figures": ["none", "sent", "due"],
        "clear": ["unknown"],
    }


def test_an_overview_without_alarms_says_all_clear(clock, viewer):
    text = viewer.get("/ops/").content.decode()
    assert "<strong>All clear:</strong>" in text
    assert "Needs attention" not in text
