"""The rows of a table as rows of an import, under a mapping. Errors name the column, the value and the accepted form."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.utils.translation import gettext

from assignments import instants
from assignments.imports.formulas import unguarded
from assignments.imports.rows import ERRORS_PER_ROW, ImportRow, ParsedRow, RowError, UnreadableFile, read_row
from assignments.imports.tables.mapping import ASSIGNEE_COLUMNS, JOINTS, TableMapping
from assignments.imports.tables.table import Cell, Table, TableRow, wrong_width
from assignments.imports.tables.values import (
    ValueNotAccepted,
    as_text,
    is_date_alone,
    read_date,
    read_duration,
    read_flag,
    read_moment,
    read_time,
    read_times,
)
from assignments.models import Status
from assignments.references import normalized
from assignments.wording import quoted

Value = TypeVar("Value")

STATUS_WORDS = {
    **{value.lower(): value for value in Status.values},
    **dict.fromkeys(
        ("open", "planned", "published", "confirmed", "tentative", "geplant", "upcoming"), "SCHEDULED"
    ),
    **dict.fromkeys(("in progress", "started", "in arbeit"), "IN_PROGRESS"),
    **dict.fromkeys(("done", "complete", "erledigt", "abgeschlossen", "completado"), "COMPLETED"),
    **dict.fromkeys(("canceled", "storniert", "abgesagt", "cancelado", "annulé"), "CANCELLED"),
}
"""Words for a status that need not be said in a mapping."""

NAMED_ADDRESS = re.compile(r"\s*\"?(?P<name>[^<>\"]*?)\"?\s*<\s*(?P<email>[^<>\s]+@[^<>\s]+)\s*>\s*")
ADDRESS = re.compile(r"[^\s,<>@]+@[^\s,<>@]+")
KEY_PREFIX = "table:"
KNOWN_BY = ("reference", "name", "email")
MAX_PEOPLE = 50
DAY = timedelta(days=1)


def check_columns(table: Table, mapping: TableMapping) -> None:
    """Raises UnreadableFile where the table has not the columns of the mapping."""
    missing = sorted(mapping.used - set(table.columns))
    if missing:
        names = ", ".join(map(quoted, missing[:10]))
        there = ", ".join(map(quoted, table.columns[:40]))
        raise UnreadableFile(
            gettext("the table has no column %(names)s, which the mapping names: it has %(there)s")
            % {"names": names, "there": there}
        )


def mapped_rows(table: Table, mapping: TableMapping) -> Iterator[ParsedRow]:
    """Each row that is not blank. Raises UnreadableFile where the table has not the columns of the mapping."""
    check_columns(table, mapping)
    reader = _Reader(mapping, {name: place for place, name in enumerate(table.columns)})
    for row in table.rows:
        if row.broken is not None:
            yield [RowError(row.number, None, "broken_row", row.broken)]
        elif any(not isinstance(one, str) or one.strip() for one in row.cells[len(table.columns) :]):
            yield [wrong_width(row, len(table.columns))]
        elif not row.blank:
            yield from reader.read(row)


def with_columns(errors: Iterable[RowError], mapping: TableMapping) -> list[RowError]:
    """The errors with the columns that fill their fields, where they name none yet."""
    return [one if one.column else replace(one, column=column_of(one.field, mapping)) for one in errors]


def column_of(name: str | None, mapping: TableMapping) -> str | None:
    """The column, or the columns, that fill a field of a row."""
    wanted = (name or "").replace("assignee.", "assignee_")
    places = {
        "scheduled_start": ("scheduled_start", "start_date", "start_time", "times"),
        "scheduled_end": ("scheduled_end", "end_date", "end_time", "duration"),
        "reference": ("reference",),
    }.get(wanted, (wanted, *(("assignee",) if wanted.startswith("assignee") else ())))
    columns = [column for target in places for column in mapping.columns.get(target, ())]
    if wanted == "reference" and not columns:
        columns = list(mapping.key)
    return ", ".join(dict.fromkeys(columns)) or None


class _Reader:
    """Reads one row after the other; the places of the columns are known."""

    def __init__(self, mapping: TableMapping, places: Mapping[str, int]) -> None:
        self._mapping = mapping
        self._places = places
        self._zone = ZoneInfo(mapping.zone) if mapping.zone else None
        self._cells: list[Cell] = []
        self._errors: list[RowError] = []
        self._number = 0

    def read(self, row: TableRow) -> Iterator[ParsedRow]:
        """The row, once for each person whom it names."""
        self._cells, self._errors, self._number = row.cells, [], row.number
        given: dict[str, Any] = self._texts()
        given |= self._when()
        people = self._people()
        rows = []
        for place, (word, person) in enumerate(people):
            reference = self._reference(word, further=place > 0)
            rows.append({**given, "reference": reference, **({"assignee": person} if person else {})})
        if self._errors:
            yield self._errors[:ERRORS_PER_ROW]
            return
        for one in rows:
            found = read_row(row.number, one)
            yield found if isinstance(found, ImportRow) else with_columns(found, self._mapping)

    def _cell(self, column: str) -> Cell:
        place = self._places[column]
        cell = self._cells[place] if place < len(self._cells) else ""
        return unguarded(cell) if isinstance(cell, str) else cell

    def _of(self, target: str) -> tuple[str, Cell] | None:
        """The first column of a target whose cell is not empty, and the cell."""
        for column in self._mapping.columns.get(target, ()):
            cell = self._cell(column)
            if not isinstance(cell, str) or cell.strip():
                return column, cell
        return None

    def _read(self, target: str, field: str, read: Callable[[Cell], Value]) -> Value | None:
        """The value of a target; None where its cell is empty, or is not accepted, which is an error then."""
        found = self._of(target)
        if found is None:
            return None
        try:
            return read(found[1])
        except ValueNotAccepted as refusal:
            self._refuse(field, refusal.code, str(refusal), found[0])
            return None

    def _refuse(self, field: str, code: str, message: str, column: str | None = None) -> None:
        """Notes an error; of one cell that fills the field and is a key besides, one is enough."""
        error = RowError(self._number, field, code, message, column or column_of(field, self._mapping))
        if (error.column, message) not in ((one.column, one.message) for one in self._errors):
            self._errors.append(error)

    def _text(self, target: str, field: str | None = None) -> str:
        """The texts of all columns of a target, joined; its constant where they are empty."""
        pieces = []
        for column in self._mapping.columns.get(target, ()):
            try:
                pieces.append(as_text(self._cell(column)))
            except ValueNotAccepted as refusal:
                self._refuse(field or target, refusal.code, str(refusal), column)
        text = JOINTS.get(target, " ").join(filter(None, pieces))
        return text or self._mapping.constants.get(target, "")

    def _texts(self) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for target in ("title", "kind", "location", "notes", "team"):
            if text := self._text(target):
                given[target] = text
        if word := self._text("status"):
            known = {**STATUS_WORDS, **self._mapping.status_words}
            if (status := known.get(word.lower())) is None:
                accepted = ", ".join(Status.values)
                message = gettext(
                    "%(word)s is not a known status: %(accepted)s, or a word of the mapping's status_words"
                ) % {"word": quoted(word), "accepted": accepted}
                self._refuse("status", "invalid_choice", message)
            given["status"] = status
        if leads := self._text("lead_minutes"):
            numbers = [
                int(one) if one.isascii() and one.isdigit() and len(one) < 9 else one
                for one in re.split(r"[\s,;]+", leads)
            ]
            given["lead_minutes"] = numbers[0] if len(numbers) == 1 else numbers
        return given

    def _people(self) -> list[tuple[str, dict[str, str]]]:
        """Each person whom the row names, with the word that does so; one without a name where it names nobody."""
        own = {
            target.removeprefix("assignee_"): text
            for target in ASSIGNEE_COLUMNS
            if (text := self._text(target, target.replace("_", ".", 1)))
        }
        words = _each(self._text("assignee"))
        if len(words) > MAX_PEOPLE or any(len(ADDRESS.findall(word)) > 1 for word in words):
            named = quoted("; ".join(words))
            message = gettext(
                "%(named)s names several people: at most %(max_people)s are accepted, with ; between them"
            ) % {"named": named, "max_people": MAX_PEOPLE}
            self._refuse("assignee", "several", message)
            words = words[:1]
        people = [(word, _named(word) | (own if len(words) < 2 else {})) for word in words or [""]]
        return [
            (word, person if any(person.get(name) for name in KNOWN_BY) else {}) for word, person in people
        ]

    def _reference(self, word: str, *, further: bool) -> str:
        """The key of the row's work for the person whom the word names; of `further` people it is made of both."""
        if "reference" in self._mapping.columns:
            text = self._text("reference")
            if not text:
                message = gettext(
                    "this is empty: the reference of the row is needed, by which it is known again"
                )
                self._refuse("reference", "required", message)
            return f"{text}/{_digest(word.lower())[:12]}" if further else text
        parts, of_person = [], False
        for column in self._mapping.key:
            if column in self._mapping.columns.get("assignee", ()):
                parts.append(word.lower())
                of_person = True
                continue
            try:
                parts.append(" ".join(normalized(as_text(self._cell(column))).split()))
            except ValueNotAccepted as refusal:
                self._refuse("reference", refusal.code, str(refusal), column)
        if not any(parts) and not self._errors:
            message = gettext("all key columns are empty: one needs a value, by which the row is known again")
            self._refuse("reference", "required", message)
        if further and not of_person:
            parts.append(word.lower())
        return KEY_PREFIX + _digest("\x1f".join(parts))[:32]

    # --- when ---

    def _when(self) -> dict[str, str]:
        zone = self._zone_of_row()
        start, whole_day = self._start()
        if start is None:
            if not self._errors:
                self._refuse("scheduled_start", "required", gettext("this is empty: the start is needed"))
            return {}
        begins = self._instant("scheduled_start", start, zone)
        end = None if whole_day else self._end(start)
        if isinstance(end, datetime):
            end = self._instant("scheduled_end", end, zone)
        elif end is not None:
            end = begins and begins + end
        if begins is not None and end is not None and end < begins:
            self._refuse_end(begins, end, zone)
        found = {"scheduled_start": begins, "scheduled_end": end}
        return {name: instants.shown(instant) for name, instant in found.items() if instant is not None}

    def _refuse_end(self, begins: datetime, end: datetime, zone: ZoneInfo | None) -> None:
        """Says by the clock of the table what an import would refuse in UTC."""
        start, until = (f"{one.astimezone(zone or UTC):%Y-%m-%d %H:%M}" for one in (begins, end))
        self._refuse("scheduled_end", "invalid", f"the end {until} is before the start {start}")

    def _zone_of_row(self) -> ZoneInfo | None:
        name = self._text("time_zone", "scheduled_start")
        if not name:
            return self._zone
        if (zone := instants.known_zone(name)) is None:
            message = gettext("%(name)s is not a time zone: a name like Europe/Berlin is needed") % {
                "name": quoted(name)
            }
            self._refuse(
                "scheduled_start", "unknown_time_zone", message, self._mapping.columns["time_zone"][0]
            )
        return zone

    def _start(self) -> tuple[datetime | None, bool]:
        """The start, and whether the row has a day alone."""
        style = self._mapping.date_format
        all_day = self._read("all_day", "scheduled_start", read_flag)
        if "scheduled_start" in self._mapping.columns:
            found = self._of("scheduled_start")
            if found is not None and (all_day or is_date_alone(found[1], style)):
                day = self._read("scheduled_start", "scheduled_start", lambda cell: read_date(cell, style))
                return self._whole_day(day), True
            return self._read(
                "scheduled_start", "scheduled_start", lambda cell: read_moment(cell, style)
            ), False
        day = self._read("start_date", "scheduled_start", lambda cell: read_date(cell, style))
        if day is None:
            return None, False
        clock, _ = self._read("times", "scheduled_start", read_times) or (None, None)
        clock = clock or self._read("start_time", "scheduled_start", read_time)
        if self._errors:
            return None, False
        if all_day or clock is None:
            return self._whole_day(day), True
        return datetime.combine(day, clock), False

    def _whole_day(self, day: Any) -> datetime | None:
        if day is None:
            return None
        if self._mapping.all_day_start is None:
            message = gettext(
                "%(isoformat)s is a whole day: a time is needed, or all_day_start in the mapping"
            ) % {"isoformat": quoted(day.isoformat())}
            self._refuse("scheduled_start", "all_day", message)
            return None
        return datetime.combine(day, time.fromisoformat(self._mapping.all_day_start))

    def _end(self, start: datetime) -> datetime | timedelta | None:
        """The end by the clock, or how long the work takes."""
        style, field = self._mapping.date_format, "scheduled_end"
        if "scheduled_end" in self._mapping.columns:
            return self._read("scheduled_end", field, lambda cell: read_moment(cell, style))
        _, clock = self._read("times", field, read_times) or (None, None)
        clock = clock or self._read("end_time", field, read_time)
        if clock is not None:
            given = self._read("end_date", field, lambda cell: read_date(cell, style))
            end = datetime.combine(given or start.date(), clock, tzinfo=None)
            # Without a date of its own, an end that is no later than the start is on the day after.
            return end + DAY if given is None and end <= start.replace(tzinfo=None) else end
        unit, decimal = self._mapping.duration_unit, self._mapping.decimal
        return self._read("duration", field, lambda cell: read_duration(cell, unit, decimal))

    def _instant(self, field: str, local: datetime, zone: ZoneInfo | None) -> datetime | None:
        if local.tzinfo is not None:
            return local
        if zone is None:
            message = gettext(
                "%(isoformat)s has no UTC offset: the mapping needs a zone, such as Europe/Berlin"
            ) % {"isoformat": quoted(local.isoformat(" "))}
            self._refuse(field, "naive", message)
            return None
        try:
            return instants.in_zone(local, zone)
        except instants.NotAnInstant as refusal:
            self._refuse(field, refusal.code, str(refusal))
            return None


def _each(text: str) -> list[str]:
    """The people whom a text names: a semicolon or a line between them, or a comma where each has an address."""
    words = [word.strip() for word in re.split(r"[;\n]", text) if word.strip()]
    parts = [part.strip() for word in words for part in word.split(",")]
    words = parts if len(parts) > len(words) and all("@" in part for part in parts) else words
    return list({word.lower(): word for word in words}.values())


def _named(word: str) -> dict[str, str]:
    """How the word names a person: Ada <ada@example.org>, an address, or a name."""
    found = NAMED_ADDRESS.fullmatch(word)
    if found:
        return {name: text for name, text in found.groupdict().items() if text}
    return {"email" if "@" in word else "name": word} if word else {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
