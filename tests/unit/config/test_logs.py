"""Links to pages of assignees are hidden in every line, however they are written."""

import json
import logging
from datetime import UTC, datetime

import pytest

from assignments.models import Status
from config.logs import JsonFormatter, PlainFormatter, without_links

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
