"""Reads of an event when it takes place again: RRULE, RDATE, EXDATE and RECURRENCE-ID (RFC 5545, section 3.8.5)."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

from assignments.imports import calendar_alarms
from assignments.imports.calendar_events import EventReader
from assignments.imports.calendar_instants import CalendarTime, time_of
from assignments.imports.calendar_properties import ParsedProperty
from assignments.imports.calendar_series import Repeating
from assignments.imports.fields import InvalidValue

SEPARATOR = re.compile("[,;]")
"""A comma; older programs write semicolons, as vCalendar 1.0 has them."""

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
            extra=[pair for one in reader.all("RDATE") for pair in _extra(reader, one, start)],
            excepted=[found for one in reader.all("EXDATE") for found in _times(reader, one, start)],
            sequence=reader.sequence or 0,
        )
    return Repeating(
        start=start,
        original=original(reader, start),
        and_future=is_for_the_future(reader),
        sequence=reader.sequence or 0,
    )


def original(reader: EventReader, like: CalendarTime) -> CalendarTime:
    """The start that an exception replaces, as a whole day or a time as `like` is one, and without a zone in its zone.

    Raises InvalidValue.
    """
    stated = reader.one("RECURRENCE-ID")
    if stated is None:
        raise InvalidValue("required", "RECURRENCE-ID is needed")
    return _time(reader, stated, stated.value, like)


def is_for_the_future(reader: EventReader) -> bool:
    """Whether an exception is for all later dates too."""
    stated = reader.quietly("RECURRENCE-ID")
    return stated is not None and stated.param("RANGE").upper() == "THISANDFUTURE"


def _times(reader: EventReader, stated: ParsedProperty, like: CalendarTime) -> list[CalendarTime]:
    return [
        as_date(found) if like.whole_day else found
        for found in (_time(reader, stated, text, like) for text in _texts(stated))
    ]


def as_date(found: CalendarTime) -> CalendarTime:
    """The day of a time."""
    return replace(found, local=found.local.date()) if isinstance(found.local, datetime) else found


def _extra(
    reader: EventReader, stated: ParsedProperty, like: CalendarTime
) -> list[tuple[CalendarTime, timedelta | None]]:
    """Dates, or periods: a start and an end or a length (RFC 5545, section 3.3.9)."""
    found = []
    for text in _texts(stated):
        begin, slash, end = text.partition("/")
        start = _time(reader, stated, begin, like)
        found.append((start, _length(reader, stated, start, end) if slash else None))
    return found


def _length(reader: EventReader, stated: ParsedProperty, start: CalendarTime, end: str) -> timedelta | None:
    if end.strip().startswith(("P", "+P")):
        return calendar_alarms.duration(ParsedProperty(stated.name, {}, end))
    begin, finish = start.aware, _time(reader, stated, end, start).aware
    if not isinstance(begin, datetime) or not isinstance(finish, datetime) or finish < begin:
        return None
    return finish - begin


def _texts(stated: ParsedProperty) -> list[str]:
    texts = [text for text in SEPARATOR.split(stated.value) if text.strip()]
    if len(texts) > MOST_DATES:
        raise InvalidValue("too_many", f"{stated.name} has {len(texts)} dates: {MOST_DATES} are the most")
    return texts


def _time(reader: EventReader, stated: ParsedProperty, text: str, like: CalendarTime) -> CalendarTime:
    """A time of this property; one without a zone is in that of `like`, as programs mean it that leave it out."""
    event = reader.event
    zone = stated.param("TZID").strip()
    options = event.options if zone else replace(event.options, zone=like.zone_name)
    found = time_of(stated.name, text, zone, zones=event.zones, options=options)
    inherits = not zone and found.zone_name == like.zone_name
    return replace(found, zone=like.zone) if inherits else found
