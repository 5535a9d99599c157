"""The largest body that is read is imported, or refused, within the memory of a small container."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from assignments.models import Assignment
from tests.unit.assignments.imports.xlsx_files import sheet_file

ROOT = Path(__file__).parents[4]
MOST_MEGABYTES = 250
SIZE = 20 * 1024 * 1024
PEAK = "int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) // 1024"
"""Megabytes. The peak of getrusage is no less than that of the process which started this one (proc(5), getrusage(2))."""

READ = """
import sys
import django
django.setup()
from pathlib import Path
from io import BytesIO
from itertools import islice
from assignments.imports.formats import BY_SUFFIX
from assignments.imports.rows import MAX_ROWS, UnreadableFile
path = Path(sys.argv[1])
good = 0
try:
    source = BY_SUFFIX[path.suffix](BytesIO(path.read_bytes()), "utf-8")
    good = sum(not isinstance(row, list) for row in list(islice(source, MAX_ROWS)))
except UnreadableFile as error:
    print(error, file=sys.stderr)
print(good, PEAK)
"""
IMPORT = """
import sys
import django
django.setup()
from pathlib import Path
from django.contrib.auth import get_user_model
from django.core.handlers.wsgi import WSGIRequest
from rest_framework.test import force_authenticate
from reminders.web.api.imports import ImportView as Import
path = Path(sys.argv[1])
media_type = {".json": "application/json", ".ics": "text/calendar", ".csv": "text/csv"}[path.suffix]
request = WSGIRequest({
    "REQUEST_METHOD": "POST", "PATH_INFO": "/api/assignments/import", "CONTENT_TYPE": media_type,
    "CONTENT_LENGTH": str(path.stat().st_size), "wsgi.input": path.open("rb"),
    "SERVER_NAME": "testserver", "SERVER_PORT": "80",
})
request._dont_enforce_csrf_checks = True
Import.permission_classes = Import.throttle_classes = []
force_authenticate(request, get_user_model()(pk=1, username="test"))
answer = Import.as_view()(request)
print(answer.data["created"], PEAK)
"""
START = "2026-06-15T13:00:00Z"
ROW = {"reference": "W-%d", "title": "x", "scheduled_start": START, "notes": "n" * 1_950}


def filled(piece, head="", tail="", size=SIZE):
    """Pieces until the file is full."""
    return (head + piece * ((size - len(head) - len(tail)) // len(piece)) + tail).encode()


def full_json():
    return json.dumps([{**ROW, "reference": f"W-{n}"} for n in range(9_800)]).encode()


def full_calendar():
    event = "BEGIN:VEVENT\r\nUID:W-{}\r\nSUMMARY:x\r\nDTSTART:20260615T130000Z\r\nDESCRIPTION:{}\r\nEND:VEVENT\r\n"
    events = "".join(event.format(n, "n" * 1_950) for n in range(9_800))
    return f"BEGIN:VCALENDAR\r\n{events}END:VCALENDAR\r\n".encode()


def wide_json():
    """Text of which Python keeps each character in four bytes."""
    rows = [{**ROW, "reference": f"W-{n}", "notes": "n" * 1_950 + "\U0001f600"} for n in range(9_800)]
    return json.dumps(rows, ensure_ascii=False).encode()


FILES = {
    "rows_wide.json": wide_json,
    "rows.json": full_json,
    "lists.json": lambda: filled("[],", "[", "[]]"),
    "one_row.json": lambda: filled("[],", '[{"title": [', "[]]}]"),
    "deep.json": lambda: b"[" * SIZE,
    "long_text.json": lambda: filled("\U0001f600a", '["', '"]', SIZE // 2),
    "rows.ics": full_calendar,
    "attendees.ics": lambda: filled(
        "ATTENDEE:mailto:a@example.test\r\n",
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n",
        "END:VEVENT\r\nEND:VCALENDAR\r\n",
    ),
    "events.ics": lambda: filled(
        "BEGIN:VEVENT\r\nEND:VEVENT\r\n", "BEGIN:VCALENDAR\r\n", "END:VCALENDAR\r\n"
    ),
    "one_line.ics": lambda: filled(
        "x", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:", "\r\nEND:VEVENT\r\nEND:VCALENDAR"
    ),
    "cells.csv": lambda: filled('","\n', "title,scheduled_start\n"),
    "commas.csv": lambda: filled(",", "title,scheduled_start\n"),
    "lines.csv": lambda: filled("x,\n", "title,scheduled_start\n"),
    "one_line.csv": lambda: filled("x", "title,scheduled_start\n"),
    "texts.xlsx": lambda: sheet_file(
        '<row r="1"><c r="A1" t="s"><v>0</v></c></row>',
        more={"xl/sharedStrings.xml": f"<sst>{'<si><t>ab</t></si>' * 490_000}</sst>".encode()},
    ),
    "cells.xlsx": lambda: sheet_file(f"<row>{'<c/>' * 1_000}</row>" * 4_000),
}


def measured(program, path, **env):
    """Good rows, and megabytes at the peak, of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program.replace("PEAK", PEAK), str(path)],
        cwd=ROOT,
        env={
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DEBUG": "false",
            "SECRET_KEY": "x" * 50,
            "PATH": "",
            **env,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    good, megabytes = map(int, done.stdout.split())
    return good, megabytes


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize("name", FILES)
def test_twenty_megabytes_are_read_within_the_memory_of_a_small_container(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FILES[name]())
    good, megabytes = measured(READ, path)
    assert good == (9_800 if name.startswith("rows") else 0)
    assert megabytes < MOST_MEGABYTES


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["rows.json", "rows_wide.json", "rows.ics"])
def test_twenty_megabytes_are_imported_within_it(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FILES[name]())
    there = connection.settings_dict
    url = f"postgres://{there['USER']}:{there['PASSWORD']}@{there['HOST']}:{there['PORT']}/{there['NAME']}"
    good, megabytes = measured(IMPORT, path, DATABASE_URL=url)
    assert good == Assignment.objects.count() == 9_800
    assert megabytes < MOST_MEGABYTES
