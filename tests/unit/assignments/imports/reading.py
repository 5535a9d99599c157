"""Reads calendars that tests write line by line."""

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from assignments.imports.calendar_options import CalendarOptions
from assignments.imports.calendar_rows import read_calendar
from assignments.imports.rows import ImportRow, RowFile

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NAMED = ["UID:W-1", "SUMMARY:Check the boiler"]


def calendar(*events: Sequence[str], head: Sequence[str] = ()) -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", *head]
    for event in events:
        lines += ["BEGIN:VEVENT", *event, "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def read(text: str | bytes, **options: Any) -> tuple[list[Any], RowFile]:
    """What the events become: reference and start of a row, or field and code of an error; and the file."""
    body = text if isinstance(text, bytes) else text.encode()
    found = read_calendar(BytesIO(body), options=CalendarOptions(**{"now": NOW, **options}))
    return [shown(one) for one in found], found


def rows(text: str | bytes, **options: Any) -> list[ImportRow]:
    """The rows of a calendar in which nothing is wrong."""
    body = text if isinstance(text, bytes) else text.encode()
    made = list(read_calendar(BytesIO(body), options=CalendarOptions(**{"now": NOW, **options})))
    assert [one for one in made if not isinstance(one, ImportRow)] == []
    return [one for one in made if isinstance(one, ImportRow) and one.values]


def shown(one: Any) -> tuple[str | None, str]:
    if isinstance(one, ImportRow):
        start = one.values.get("scheduled_start")
        return one.reference, f"{start:%m-%d %H:%M}" if start else ""
    return one[0].field, one[0].code


def starts(text: str | bytes, **options: Any) -> list[str]:
    return [f"{one.values['scheduled_start']:%m-%d %H:%M}" for one in rows(text, **options)]
