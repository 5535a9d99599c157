"""What a polled calendar says: its rows, and which work is in it."""

import io
from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from assignments.imports.calendar_options import CalendarOptions
from assignments.imports.calendar_rows import read_calendar
from assignments.imports.rows import ImportRow, ParsedRow, RowError, UnreadableFile
from assignments.imports.text_files import python_charset
from assignments.models import CalendarSource
from assignments.references import normalized
from notifications.fetch import FetchFailed

MOST_ROWS = 20_000
"""Assignments of one calendar within its horizon."""

MOST_ERRORS = 100


@dataclass(slots=True)
class Reading:
    """The rows of a calendar, what is wrong with the first of the others, and how many these are.

    `references` are those of all work in it, `unread` the keys of events that could not be read, None where it is not
    known which these are.
    """

    rows: list[ImportRow] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    refused: int = 0
    references: set[str] = field(default_factory=set)
    unread: Set[str] | None = frozenset()


def options_of(source: CalendarSource, *, now: datetime) -> CalendarOptions:
    """How events of this calendar become rows."""
    defaults: dict[str, Any] = {"kind": source.kind} if source.kind else {}
    if source.team is not None:
        defaults["team"] = source.team.name
    return CalendarOptions(
        zone=source.time_zone,
        all_day=source.all_day,
        days_ahead=source.days_ahead,
        only_ahead=True,
        defaults=defaults,
        now=now,
    )


def read(body: bytes, charset: str | None, options: CalendarOptions) -> Reading:
    """Reads an answer. Raises FetchFailed where it is no calendar, or too much of one."""
    found = Reading()
    try:
        file = read_calendar(io.BytesIO(body), python_charset(charset), options=options)
        for one in file:
            _add(found, one)
            if len(found.rows) > MOST_ROWS:
                raise FetchFailed("too_large", f"more than {MOST_ROWS:,} assignments are in this calendar")
    except UnreadableFile as refusal:
        raise FetchFailed("unreadable", str(refusal)) from None
    found.unread = None if "" in file.notes.refused_events else file.notes.refused_events
    return found


def _add(found: Reading, one: ParsedRow) -> None:
    if not isinstance(one, ImportRow):
        found.refused += 1
        if found.refused <= MOST_ERRORS:
            found.errors += one
        return
    found.rows.append(one)
    if one.reference is not None:
        found.references.add(normalized(one.reference))
