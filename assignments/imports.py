"""Reads assignments that others send in bulk: JSON values and CSV files become rows, or complaints about rows.

What a value may be is decided by `assignments.services`, for one assignment as for ten thousand; here text and
JSON become values of the right kind. Nothing here asks the database.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, TextIO

from assignments import instants
from assignments.bulk import BadRow, Parsed, Row
from assignments.models import ReminderStatus, Status
from assignments.services import ANSWER_FIELDS

MOST_AT_ONCE = 10_000
"""Assignments in one call; a file of any size is committed in portions of this size."""

FAULTS_PER_ROW = 10
SEPARATORS = ",;\t"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
SPREADSHEET_DATE = re.compile(r"\d{5}([.,]\d+)?", re.ASCII)
FORMULA = re.compile(r"'[=+\-@\t\r]")
"""How a cell begins that was kept from being a formula when it was exported."""

SURROGATE = re.compile("[\ud800-\udfff]")
BIGGEST_ID = 2**63 - 1
ANSWERED = {"id", "version", "created_at", "updated_at", *ANSWER_FIELDS}


class Unreadable(Exception):
    """The whole of what was sent cannot be read. The text says what is needed instead."""


class Complaint(Exception):
    """A value is not of the right kind."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# --- rows out of JSON ------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Complaint("invalid", "text is needed")
    if "\x00" in value:
        raise Complaint("null_characters_not_allowed", "a NUL character is not accepted")
    if SURROGATE.search(value):
        raise Complaint("surrogate_characters_not_allowed", "half a character is no text")
    return value.strip()


def _key(value: Any) -> str | None:
    if value is None:
        return None
    if not (text := _text(value)):
        raise Complaint("blank", "a key is needed; null where there is none")
    return text


def _instant(value: Any) -> Any:
    if isinstance(value, str) and SPREADSHEET_DATE.fullmatch(value):
        told = f"{value} is a date as spreadsheets count it: write it out, such as 2026-11-23T09:00:00+01:00"
        raise Complaint("spreadsheet_date", told)
    try:
        return instants.read(value)
    except instants.NotAnInstant as refusal:
        raise Complaint(refusal.code, str(refusal)) from refusal


def _maybe_instant(value: Any) -> Any:
    return None if value is None else _instant(value)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Complaint("invalid", "a whole number is needed")
    return value


def _lead(value: Any) -> int | None:
    return None if value is None else _whole(value)


def _id(value: Any) -> int:
    number = _whole(value)
    if not 1 <= number <= BIGGEST_ID:
        raise Complaint("unknown", "there is no such assignee")
    return number


def _word(words: type[Status] | type[ReminderStatus]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if value not in words.values:
            raise Complaint("invalid_choice", f"one of {', '.join(words.values)} is needed")
        return words(value)

    return read


Readers = Mapping[str, Callable[[Any], Any]]

VALUES: Readers = {
    "reference": _key,
    "title": _text,
    "kind": _text,
    "location": _text,
    "notes": _text,
    "scheduled_start": _instant,
    "scheduled_end": _maybe_instant,
    "lead_minutes": _lead,
}
STATES: Readers = {"status": _word(Status), "reminder_status": _word(ReminderStatus)}
PERSON: Readers = {
    "id": _id,
    "reference": _key,
    "name": _text,
    "email": _text,
    "phone": _text,
    "time_zone": _text,
    "language": _text,
}
REQUIRED = ("title", "scheduled_start")
NAMES = (*VALUES, *STATES, "assignee")
COLUMNS = (*VALUES, *STATES, *(f"assignee_{name}" for name in PERSON))
"""The columns of a CSV file, in the order in which they are exported."""
EXPORTED = (*COLUMNS, *ANSWER_FIELDS)
"""What an export has besides is left out by an import: nobody answers for the assignee."""


def row(number: int, given: Any) -> Parsed:
    """One assignment out of JSON, or what is wrong with it: 10 complaints at most, the rest is of their kind."""
    faults: list[BadRow] = []

    def complain(field: str | None, code: str, message: str) -> None:
        if len(faults) < FAULTS_PER_ROW:
            faults.append(BadRow(number, field, code, message))

    def read(values: Mapping[str, Any], readers: Readers, path: str = "") -> dict[str, Any]:
        found = {}
        for name, reader in readers.items():
            if name in values:
                try:
                    found[name] = reader(values[name])
                except Complaint as complaint:
                    complain(path + name, complaint.code, str(complaint))
        return found

    def refuse_strangers(values: Mapping[str, Any], known: Iterable[str], path: str = "") -> None:
        for name in values:
            if name not in known:
                if name in ANSWERED and not path:
                    complain(path + name, "read_only", "this cannot be set: leave it out")
                else:
                    complain(path + name[:100], "unknown_field", f"unknown: {', '.join(known)} are accepted")

    if not isinstance(given, Mapping):
        return [BadRow(number, None, "invalid", "an object is needed: one assignment")]
    values, states = read(given, VALUES), read(given, STATES)
    for name in REQUIRED:
        if name not in given:
            complain(name, "required", "this is needed")
    person = None
    if (sent := given.get("assignee")) is not None:
        if isinstance(sent, Mapping):
            person = read(sent, PERSON, "assignee.")
            refuse_strangers(sent, PERSON, "assignee.")
            if not sent.keys() & {"id", "reference", "name", "email"}:
                told = "an id, a reference, an e-mail address or a name is needed"
                complain("assignee", "required", told)
        else:
            complain("assignee", "invalid", "an object or null is needed")
    refuse_strangers(given, NAMES)
    if faults:
        return faults
    return Row(
        number=number,
        values=values,
        assignee=person,
        status=states.get("status"),
        told=states.get("reminder_status") == ReminderStatus.SENT,
    )


def rows(given: Any) -> Iterator[Parsed]:
    """The rows of a list, or of {"assignments": [...]}; numbered from 1. Raises Unreadable."""
    if isinstance(given, Mapping) and given.keys() == {"assignments"}:
        given = given["assignments"]
    if not isinstance(given, list):
        raise Unreadable('a list of assignments is needed, or {"assignments": [...]}')
    yield from (row(number, one) for number, one in enumerate(given, start=1))


def json_of(text: str | bytes) -> Any:
    """The value of a JSON text. Raises Unreadable."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"this is not JSON: {error}") from error


def json_lines(text: TextIO) -> Iterator[Parsed]:
    """The rows of a file with one JSON object a line, numbered as its lines; closes it. Raises Unreadable."""
    try:
        with text:
            for number, line in enumerate(text, start=1):
                if line.strip():
                    yield _json_line(number, line)
    except UnicodeDecodeError as error:
        raise Unreadable("this is not UTF-8") from error


def _json_line(number: int, line: str) -> Parsed:
    try:
        return row(number, json_of(line))
    except Unreadable as refusal:
        return [BadRow(number, None, "parse_error", str(refusal))]


# --- rows out of CSV -------------------------------------------------------------------------------------------


def text_of(file: BinaryIO) -> TextIO:
    """The file as text in UTF-8, with or without a byte order mark. Raises Unreadable for UTF-16."""
    start = file.read(4)
    file.seek(0)
    if start.startswith(UTF16) or b"\x00" in start:
        raise Unreadable("this is UTF-16: save the file as CSV in UTF-8")
    return io.TextIOWrapper(file, encoding="utf-8-sig", newline="")


def csv_rows(text: TextIO) -> Iterator[Parsed]:
    """The rows of a CSV file, one after the other, numbered as a spreadsheet does: the header is row 1.

    Comma, semicolon or tab separates; the header says which. An empty cell is left out. Closes the
    file at its end. Raises Unreadable.
    """
    try:
        with text:
            header = text.readline()
            separator = max(SEPARATORS, key=header.count)
            names = [name.strip() for name in next(csv.reader([header], delimiter=separator), [])]
            _check_header(names)
            for number, cells in enumerate(csv.reader(text, delimiter=separator, strict=True), start=2):
                if any(cells):
                    yield _csv_row(number, names, cells)
    except UnicodeDecodeError as error:
        raise Unreadable("this is not UTF-8: save the file as CSV in UTF-8") from error
    except csv.Error as error:
        raise Unreadable(f"this is not CSV: {error}") from error


def _check_header(names: list[str]) -> None:
    strangers = [name for name in names if name not in EXPORTED]
    if strangers:
        raise Unreadable(f"unknown column {strangers[0][:100]!r}: {', '.join(COLUMNS)} are accepted")
    if twice := {name for name in names if names.count(name) > 1}:
        raise Unreadable(f"column {min(twice)!r} stands there twice")
    if missing := [name for name in REQUIRED if name not in names]:
        raise Unreadable(f"there is no column {missing[0]!r}: the first line names the columns")


def _csv_row(number: int, names: list[str], cells: list[str]) -> Parsed:
    if len(cells) != len(names):
        told = f"{len(cells)} cells stand under {len(names)} columns"
        return [BadRow(number, None, "columns", told)]
    given: dict[str, Any] = {}
    person: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=True):
        if not cell.strip() or name in ANSWER_FIELDS:
            continue
        value: Any = cell[1:] if FORMULA.match(cell) else cell
        if name in ("lead_minutes", "assignee_id") and re.fullmatch(r"\s*-?\d{1,19}\s*", value, re.ASCII):
            value = int(value)
        own = name.removeprefix("assignee_")
        (given if own == name else person)[own] = value
    return row(number, {**given, "assignee": person} if person else given)
