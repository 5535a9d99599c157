"""Reads of an event when it takes place again: RRULE, RDATE, EXDATE and RECURRENCE-ID (RFC 5545, section 3.8.5)."""

from datetime import datetime, timedelta

from assignments.imports import calendar_alarms
from assignments.imports.calendar_events import EventReader
from assignments.imports.calendar_instants import CalendarTime, time_of
from assignments.imports.calendar_properties import ParsedProperty
from assignments.imports.calendar_series import Repeating
from assignments.imports.fields import InvalidValue

MOST_DATES = 5_000
"""Of RDATE and of EXDATE."""


def repeating(reader: EventReader) -> Repeating:
    """What an event says about when it takes place, besides its length. Raises InvalidValue."""
    start = reader.start()
    if start is None:
        raise InvalidValue("required", "scheduled_start is needed: the event has no DTSTART")
    if not reader.is_exception:
        return Repeating(
            start=start,
            rules=[one.value for one in reader.all("RRULE") if one.value.strip()],
            extra=[pair for one in reader.all("RDATE") for pair in _extra(reader, one)],
            excepted=[found for one in reader.all("EXDATE") for found in _times(reader, one)],
            sequence=reader.sequence or 0,
        )
    stated = reader.one("RECURRENCE-ID")
    assert stated is not None
    return Repeating(
        start=start,
        original=reader.original(),
        and_future=stated.param("RANGE").upper() == "THISANDFUTURE",
        sequence=reader.sequence or 0,
    )


def _times(reader: EventReader, stated: ParsedProperty) -> list[CalendarTime]:
    return [_time(reader, stated, text) for text in _texts(stated)]


def _extra(reader: EventReader, stated: ParsedProperty) -> list[tuple[CalendarTime, timedelta | None]]:
    """Dates, or periods: a start and an end or a length (RFC 5545, section 3.3.9)."""
    found = []
    for text in _texts(stated):
        begin, slash, end = text.partition("/")
        start = _time(reader, stated, begin)
        found.append((start, _length(reader, stated, start, end) if slash else None))
    return found


def _length(reader: EventReader, stated: ParsedProperty, start: CalendarTime, end: str) -> timedelta | None:
    if end.strip().startswith(("P", "+P")):
        return calendar_alarms.duration(ParsedProperty(stated.name, {}, end))
    begin, finish = start.aware, _time(reader, stated, end).aware
    if not isinstance(begin, datetime) or not isinstance(finish, datetime) or finish < begin:
        return None
    return finish - begin


def _texts(stated: ParsedProperty) -> list[str]:
    texts = [text for text in stated.value.split(",") if text.strip()]
    if len(texts) > MOST_DATES:
        raise InvalidValue("too_many", f"{stated.name} has {len(texts)} dates: {MOST_DATES} are the most")
    return texts


def _time(reader: EventReader, stated: ParsedProperty, text: str) -> CalendarTime:
    return time_of(
        stated.name, text, stated.param("TZID"), zones=reader.event.zones, options=reader.event.options
    )
