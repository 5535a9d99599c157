"""Links to pages of assignees are hidden in every line, however they are written."""

import io
import json
import logging
from datetime import UTC, datetime
from select import PIPE_BUF

import pytest

from assignments.models import Status
from config.logs import JsonFormatter, LineHandler, PlainFormatter, without_links

TOKEN = "eyJ0b2tlbiI6MX0:1abc:sig"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"Not Found: /a/{TOKEN}", "Not Found: /a/(link)"),
        (f"Not Found: /a/\\xe9{TOKEN}", "Not Found: /a/(link)"),
        (f"Not Found: /a/{TOKEN}\\u2026x and more", "Not Found: /a/(link) and more"),
        (f"Not Found: /a/\\\\U0001f600{TOKEN}", "Not Found: /a/(link)"),
        (f"Not Found: /a/é{TOKEN}", "Not Found: /a/(link)"),
        (f"Not Found: /a/{TOKEN}\\n{TOKEN}", "Not Found: /a/(link)"),
        (f"/admin/login/?next=%2Fa%2F{TOKEN}&x", "/admin/login/?next=/a/(link)"),
        (f"next=%2fa%2f{TOKEN}", "next=/a/(link)"),
        (f'GET "https://x.example/a/{TOKEN}" 200', 'GET "https://x.example/a/(link)" 200'),
        (f"(see https://x.example/a/{TOKEN}).", "(see https://x.example/a/(link))."),
        ("/api/assignments, and /a/", "/api/assignments, and /a/"),
    ],
)
def test_a_link_is_hidden_however_it_is_written(line, shown):
    assert without_links(line) == shown


@pytest.mark.parametrize("text", [f'"/a/{TOKEN}"', f"/a/{TOKEN}\\", f"/a/\\\\{TOKEN}\\é", f"'/a/{TOKEN}\n'"])
def test_a_line_stays_json(text):
    record = logging.makeLogRecord({"msg": "%s", "args": (text,), "levelname": "INFO", "path": text})
    line = JsonFormatter().format(record)
    assert json.loads(line)["level"] == "INFO"
    assert "sig" not in line + PlainFormatter().format(record)


def test_hiding_takes_a_time_in_proportion_to_the_line():
    assert without_links("/a/" + "\\" * 200_000 + '"') == "/a/" + "\\" * 200_000 + '"'


def test_a_line_holds_what_was_passed_whatever_it_is():
    data = {
        "text": 'a "quoted" \\ line\n\u2028é',
        "number": -7,
        "share": 0.5,
        "nothing": None,
        "yes": True,
        "state": Status.SCHEDULED,
        "at": datetime(2026, 11, 26, tzinfo=UTC),
        "ids": [1, 2],
        'odd "name"': "x",
    }
    line = json.loads(JsonFormatter().format(logging.makeLogRecord({"msg": "Sent", **data})))
    assert {name: line[name] for name in data} == {
        **data,
        "state": "SCHEDULED",
        "at": "2026-11-26T00:00:00+00:00",
    }


class Pipe(io.StringIO):
    """Remembers what it is given in one piece."""

    def __init__(self):
        super().__init__()
        self.pieces = []

    def write(self, text):
        self.pieces.append(text)
        return super().write(text)


def logged(formatter, **extra):
    """What a line with these data puts on the pipe."""
    handler = LineHandler(pipe := Pipe())
    handler.setFormatter(formatter)
    handler.handle(logging.makeLogRecord({"msg": "Reminder sent", "levelname": "INFO", **extra}))
    return pipe


def test_what_happened_to_many_things_at_once_is_a_line_for_each():
    each = [
        {"reminder_id": 1, "kind": "REMINDER"},
        {"reminder_id": 2, "kind": "OVERDUE", "path": f"/a/{TOKEN}"},
    ]
    lines = [
        json.loads(line) for line in logged(JsonFormatter(), each=each, host="one").getvalue().splitlines()
    ]
    expected = [dict(each[0]), {**each[1], "path": "/a/(link)"}]
    assert [
        {name: line[name] for name in data} for line, data in zip(lines, expected, strict=True)
    ] == expected
    assert {(line["event"], line["host"], "each" in line) for line in lines} == {
        ("Reminder sent", "one", False)
    }


@pytest.mark.parametrize(
    "second",
    [
        {"title": 'é \n " }, { \\'},
        {"title": "one", "of": [{"a": 1}, {"b": 2}]},
        {"title": None, "at": datetime(2026, 6, 15, tzinfo=UTC), "share": 0.5, "is_late": True},
    ],
)
def test_the_line_of_each_says_what_it_would_say_alone(second):
    each = [{"number": 1, "title": "}"}, second, {"number": 3}]
    together = logged(JsonFormatter(), each=each, host="one", created=0.0, msecs=0.0).getvalue().splitlines()
    alone = [
        logged(JsonFormatter(), host="one", created=0.0, msecs=0.0, **one).getvalue().strip() for one in each
    ]
    assert together == alone


def test_plain_text_has_a_line_for_each_too():
    lines = logged(PlainFormatter(), each=[{"reminder_id": 1}, {"reminder_id": 2}]).getvalue().splitlines()
    assert [line[9:] for line in lines] == [
        "INFO Reminder sent reminder_id=1",
        "INFO Reminder sent reminder_id=2",
    ]


@pytest.mark.parametrize("text", ["x" * 70, "é" * 70, "x" * 2 * PIPE_BUF])
def test_many_lines_are_written_in_pieces_that_no_other_process_can_break_up(text):
    pipe = logged(JsonFormatter(), each=[{"number": number, "text": text} for number in range(300)])
    assert [json.loads(line)["number"] for line in pipe.getvalue().splitlines()] == list(range(300))
    assert all(piece.endswith("\n") for piece in pipe.pieces)
    whole = [piece for piece in pipe.pieces if piece.count("\n") > 1]
    assert all(len(piece.encode()) <= PIPE_BUF for piece in whole)
    assert whole or len(text) > PIPE_BUF
