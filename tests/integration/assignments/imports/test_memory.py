"""The largest body that is read is imported, or refused, within the memory of a small container."""

import json
import os
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection

from assignments.models import Assignment
from tests.console import Console
from tests.unit.assignments.imports.xlsx_files import MAIN, sheet_file, with_declared_size

MOST_MEGABYTES = 250
SIZE = 20 * 1024 * 1024
PEAK = "int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) // 1024"
"""Megabytes. The peak of getrusage is no less than that of the process which started this one (proc(5), getrusage(2))."""

READ = """
import sys
from pathlib import Path
from io import BytesIO
from itertools import islice
from assignments.imports.formats import BY_SUFFIX
from assignments.imports.rows import MAX_ROWS, UnreadableFile
path = Path(input())
good = 0
try:
    source = BY_SUFFIX[path.suffix](BytesIO(path.read_bytes()), "utf-8")
    good = sum(not isinstance(row, list) for row in list(islice(source, MAX_ROWS)))
except UnreadableFile as error:
    print(error, file=sys.stderr)
print(good, PEAK)
"""
IMPORT = """
from pathlib import Path
from django.contrib.auth import get_user_model
from django.core.handlers.wsgi import WSGIRequest
from rest_framework.test import force_authenticate
from reminders.web.api.imports import ImportView as Import
path = Path(input())
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
TABLE = """
import resource
import time
from io import BytesIO
from pathlib import Path
from assignments.imports.rows import UnreadableFile
from assignments.imports.tables.opening import open_rows
from assignments.imports.tables.table import Unusable
path = Path(input())
rows = faulty = 0
said = ""
try:
    for row in open_rows(BytesIO(path.read_bytes())).rows:
        rows += 1
        faulty += row.broken is not None or any(isinstance(one, Unusable) for one in row.cells)
except UnreadableFile as error:
    said = str(error)
of_children = resource.getrusage(resource.RUSAGE_CHILDREN)
print(rows, faulty, PEAK, int(time.process_time() + of_children.ru_utime + of_children.ru_stime), said)
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
    "rows.json": full_json,
    "lists.json": lambda: filled("[],", "[", "[]]"),
    "one_row.json": lambda: filled("[],", '[{"title": [', "[]]}]"),
    "deep.json": lambda: b"[" * SIZE,
    "long_text.json": lambda: filled("\U0001f600a", '["', '"]', SIZE // 2),
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


IMPORTED = {"rows_wide.json": wide_json, "rows.ics": full_calendar}
"""Files whose 9,800 rows are written, too: those that take most memory of their format."""


def entities():
    """A text of 10^9 characters in a few hundred bytes."""
    names = "abcdefghi"
    nested = "".join(f'<!ENTITY {two} "{f"&{one};" * 10}">' for one, two in pairwise(names))
    cell = '<row r="1"><c r="A1" t="inlineStr"><is><t>&i;</t></is></c></row>'
    return sheet_file(cell, before=f'<!DOCTYPE x [<!ENTITY a "0123456789">{nested}]>')


def shared(text, rows, cells):
    """A text that a few hundred bytes put into very many cells."""
    texts = f'<sst xmlns="{MAIN}"><si><t>{text}</t></si></sst>'.encode()
    row = "<row>" + '<c t="s"><v>0</v></c>' * cells + "</row>"
    return sheet_file(row * rows, more={"xl/sharedStrings.xml": texts})


SMALL = sheet_file('<row r="1"><c r="A1"><v>1</v></c></row>')
HOSTILE = {
    "declared.xlsx": (
        lambda: with_declared_size(SMALL, "xl/worksheets/sheet1.xml", 2**30),
        *(0, 0, "unpacks to more than is read"),
    ),
    "entities.xlsx": (entities, 0, 0, "not an XLSX file"),
    "shared.xlsx": (lambda: shared("x" * 32_000, 1_000, 100), 0, 0, "more memory or time"),
    "columns.xlsx": (
        lambda: sheet_file(
            '<row r="1"><c r="XFD1"><v>1</v></c></row><row r="2"><c r="A2"><v>1</v></c></row>'
        ),
        *(2, 1, ""),
    ),
    "cell.xlsx": (
        lambda: sheet_file(f'<row r="1"><c t="inlineStr"><is><t>{"x" * 10_000_000}</t></is></c></row>'),
        *(1, 1, ""),
    ),
    "cell.csv": (lambda: f"a,b\n{'x' * 10_000_000},1\nx,1\n".encode(), 3, 1, ""),
    "quoted.csv": (lambda: f'a,b\n"{"x" * 10_000_000}",1\nx,1\n'.encode(), 3, 1, ""),
    "columns.csv": (lambda: (",".join(map(str, range(16_384))) + "\nx,1\n").encode(), 2, 1, ""),
}
"""By its name each file, its rows, those at fault, and what is said of it as a whole."""


@pytest.fixture(scope="module")
def console(django_db_setup):
    """Each file is read in a process that was a fork of one with Django and nothing else in its memory."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak is read from /proc")
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    environment = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DEBUG": "false",
        "SECRET_KEY": "x" * 50,
        "PATH": "",
        "DATABASE_URL": url,
        "LOG_LEVEL": "ERROR",
    }
    home = {name: os.environ[name] for name in ("HOME",) if name in os.environ}
    started = Console({**home, **environment}, forked=False)
    yield started
    started.stop()


def measured(console, program, path):
    """What the program prints about the file: counts, and megabytes at the peak."""
    done = console.python(program.replace("PEAK", PEAK), f"{path}\n")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", FILES)
def test_twenty_megabytes_are_read_within_the_memory_of_a_small_container(name, tmp_path, console):
    path = tmp_path / name
    path.write_bytes(FILES[name]())
    good, megabytes = map(int, measured(console, READ, path).split())
    assert good == (9_800 if name.startswith("rows") else 0)
    assert megabytes < MOST_MEGABYTES


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", IMPORTED)
def test_twenty_megabytes_are_imported_within_it(name, tmp_path, console):
    path = tmp_path / name
    path.write_bytes(IMPORTED[name]())
    good, megabytes = map(int, measured(console, IMPORT, path).split())
    assert good == Assignment.objects.count() == 9_800
    assert megabytes < MOST_MEGABYTES


def test_hostile_tables_cost_little_and_are_told_by_their_rows(tmp_path, console):
    for name, (content, rows, faulty, said) in HOSTILE.items():
        path = tmp_path / name
        path.write_bytes(content())
        read, at_fault, megabytes, seconds, *words = measured(console, TABLE, path).split(" ", 4)
        assert said in " ".join(words), name
        assert (int(read), int(at_fault)) == (rows, faulty), name
        assert int(megabytes) < MOST_MEGABYTES, name
        assert int(seconds) < 20, name
