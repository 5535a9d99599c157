"""Reads assignments out of iCalendar files (RFC 5545): each event becomes a row, or complaints about a row.

What an event says that an assignment cannot hold (a whole day, a rule that repeats it, a zone that nobody knows)
is refused, never guessed. Only one event is in memory at a time.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TextIO
from urllib.parse import unquote

from icalendar import Event, vDDDTypes

from assignments import imports, instants
from assignments.bulk import BadRow, Parsed
from assignments.imports import Complaint, Unreadable
from assignments.models import Status

TEXTS = {"title": "SUMMARY", "location": "LOCATION", "notes": "DESCRIPTION", "reference": "UID"}
FIELDS = {name: field for field, name in TEXTS.items()} | {
    "DTSTART": "scheduled_start",
    "DTEND": "scheduled_end",
    "DURATION": "scheduled_end",
    "ATTENDEE": "assignee",
    "ORGANIZER": "assignee",
    "STATUS": "status",
}
REPEATING = ("RRULE", "RDATE", "EXDATE", "RECURRENCE-ID")
NO_PERSON = {"GROUP", "RESOURCE", "ROOM"}
AnyEvent = Any
"""An icalendar.Event: what its properties are is known only after a look at each."""

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def event_rows(text: TextIO) -> Iterator[Parsed]:
    """The rows of a calendar, one after the other; its events are numbered from 1. Closes the file. Raises Unreadable."""
    try:
        with text:
            yield from _rows(line.rstrip("\r\n") for line in text)
    except UnicodeDecodeError as error:
        raise Unreadable("this is not UTF-8: save the calendar in UTF-8") from error


def _rows(lines: Iterator[str]) -> Iterator[Parsed]:
    if next(lines, "").strip().upper() != "BEGIN:VCALENDAR":
        raise Unreadable("this is not a calendar: BEGIN:VCALENDAR is its first line")
    number, word, withdrawn = 0, "", False
    event: list[str] | None = None
    for line in lines:
        word = line.rstrip().upper() or word  # A line that goes on begins with a space.
        if word == "BEGIN:VEVENT" and event is None:
            number, event = number + 1, []
        if event is None:
            withdrawn = withdrawn or word == "METHOD:CANCEL"
            continue
        event.append(line)
        if word == "END:VEVENT":
            yield _row(number, "\r\n".join(event), withdrawn)
            event = None
    if event is not None or word != "END:VCALENDAR":
        raise Unreadable("this calendar is cut off: END:VCALENDAR is its last line")


def _row(number: int, text: str, withdrawn: bool) -> Parsed:
    try:
        event = Event.from_ical(text)
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        return [BadRow(number, None, "parse_error", f"this is not an event: {error}")]
    faults = [
        BadRow(number, FIELDS.get(name or "", name), "invalid", f"{name or 'a line'} cannot be read: {why}")
        for name, why in event.errors
    ]
    faults += [
        BadRow(number, name, "recurring", "an event that repeats is not taken: send each date as an event")
        for name in REPEATING
        if name in event
    ]
    faults += [
        BadRow(number, field, "repeated", f"{name} stands there twice")
        for name, field in FIELDS.items()
        if name != "ATTENDEE" and isinstance(event.get(name), list)
    ]
    return faults[: imports.FAULTS_PER_ROW] or _taken(number, event, withdrawn)


def _taken(number: int, event: AnyEvent, withdrawn: bool) -> Parsed:
    """The row of an event of which every line can be read."""
    given: dict[str, Any] = {
        field: str(event[name]) for field, name in TEXTS.items() if str(event.get(name, "")).strip()
    }
    faults = []
    if "reference" not in given:
        told = "a UID is needed: by it the next import finds this assignment again"
        faults.append(BadRow(number, "reference", "required", told))
    for field, read in (("scheduled_start", _start), ("scheduled_end", _end), ("assignee", _person)):
        try:
            value = read(event)
        except Complaint as complaint:
            faults.append(BadRow(number, field, complaint.code, str(complaint)))
        else:
            if value is not None:
                given[field] = value
    if withdrawn or str(event.get("STATUS", "")).upper() == "CANCELLED":
        given["status"] = Status.CANCELLED.value
    if (lead := _lead(event)) is not None:
        given["lead_minutes"] = lead
    return faults or imports.row(number, given)


def _param(value: Any, name: str) -> str:
    """A parameter of a property; what stands there unquoted with commas is one text all the same."""
    given = value.params.get(name, "")
    return ",".join(given) if isinstance(given, list) else str(given)


# --- instants --------------------------------------------------------------------------------------------------


def _start(event: AnyEvent) -> str | None:
    return None if "DTSTART" not in event else _instant(event, "DTSTART").isoformat()


def _end(event: AnyEvent) -> str | None:
    if "DTEND" in event:
        return _instant(event, "DTEND").isoformat()
    if "DURATION" not in event or "DTSTART" not in event:
        return None
    length = event["DURATION"].dt
    if not isinstance(length, timedelta) or not timedelta(0) <= length < DAY:
        raise Complaint(
            "invalid", "a DURATION of less than a day is needed, or a DTEND: days are of unequal length"
        )
    try:
        start = _instant(event, "DTSTART")
    except Complaint:
        return None  # The start is complained about already.
    return str((start + length).isoformat())


def _instant(event: AnyEvent, name: str) -> datetime:
    """The instant that a property means. Raises Complaint."""
    value = event[name]
    if not isinstance(value.dt, datetime):
        raise Complaint("all_day", f"{name} names a whole day: a time is needed")
    local = value.dt.replace(tzinfo=None)
    zone = _param(value, "TZID") or ("UTC" if value.dt.tzinfo else "")
    try:
        return instants.in_zone(local, zone)
    except instants.NotAnInstant as refusal:
        raise Complaint(refusal.code, f"{name}: {refusal}") from refusal


# --- people and alarms -----------------------------------------------------------------------------------------


def _person(event: AnyEvent) -> dict[str, str] | None:
    """The one who does the work: the only ATTENDEE besides the organizer, else the ORGANIZER."""
    organizer = event.get("ORGANIZER")
    invited = event.get("ATTENDEE", [])
    people = [
        one
        for one in (invited if isinstance(invited, list) else [invited])
        if _param(one, "CUTYPE").upper() not in NO_PERSON
    ]
    others = [one for one in people if organizer is None or str(one).lower() != str(organizer).lower()]
    if len(others) > 1:
        raise Complaint("several", f"{len(others)} people are invited: one is needed, who does the work")
    who = next(iter(others or people), organizer)
    if who is None:
        return None
    scheme, _, address = str(who).partition(":")
    name = _param(who, "CN").strip()
    email = unquote(address).strip() if scheme.lower() == "mailto" else ""
    if not email and not name:
        raise Complaint("invalid", "mailto: with an e-mail address is needed, or a name (CN)")
    # Many calendars write the address where the name is missing: it must not take a known name's place.
    known = {"name": "" if name.lower() == email.lower() else name, "email": email}
    return {field: value for field, value in known.items() if value}


def _lead(event: AnyEvent) -> int | None:
    """The minutes of the one alarm before the start; None where there is none, or none that is plain."""
    triggers = {
        trigger.dt
        for alarm in event.walk("VALARM")
        if isinstance(trigger := alarm.get("TRIGGER"), vDDDTypes)
        and isinstance(trigger.dt, timedelta)
        and _param(trigger, "RELATED").upper() in ("", "START")
    }
    if len(triggers) != 1:
        return None
    minutes, rest = divmod(-triggers.pop(), MINUTE)
    return minutes if minutes > 0 and not rest else None
