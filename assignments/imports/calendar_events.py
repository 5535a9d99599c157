"""What an event of a calendar becomes: the row of an assignment, or errors.

What an assignment cannot hold (a whole day, a rule that repeats the event, a zone that is not known) is refused, never
guessed. A cancellation needs the UID only.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import unquote

from icalendar import vDatetime

from assignments import instants
from assignments.imports import calendar_alarms
from assignments.imports.calendar_alarms import Alarm, Alarms, leads, one_lead
from assignments.imports.calendar_properties import ParsedProperty, Property
from assignments.imports.calendar_zones import CalendarZones, missing_zone
from assignments.imports.fields import ASSIGNMENT, InvalidValue
from assignments.imports.rows import ERRORS_PER_ROW, Notes, ParsedRow, Row, RowError, read_row
from assignments.instants import NotAnInstant
from assignments.wording import quoted

CANCEL = "CANCEL"
TEXTS = {"title": "SUMMARY", "location": "LOCATION", "notes": "DESCRIPTION", "reference": "UID"}
FIELDS = {name: field for field, name in TEXTS.items()} | {
    "DTSTART": "scheduled_start",
    "DTEND": "scheduled_end",
    "DURATION": "scheduled_end",
    "ATTENDEE": "assignee",
    "ORGANIZER": "assignee",
    "STATUS": "status",
}
"""The field of an assignment in which a property ends; all but ATTENDEE may occur once."""

REPEATING = ("RRULE", "RDATE", "EXDATE", "RECURRENCE-ID")
NEEDED = {*FIELDS, *REPEATING, "SEQUENCE"}
NO_PERSON = {"GROUP", "RESOURCE", "ROOM"}
DATE, DATE_TIME = re.compile(r"\d{8}", re.ASCII), re.compile(r"(\d{8}T\d{6})(Z?)", re.ASCII)
DAY = timedelta(days=1)
ALARM_LEFT = "alarms that are no lead times"
LARGEST_SEQUENCE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """The properties of an event that an assignment needs, its alarms, and what its calendar says.

    `asked` is what the import makes of alarms. `notes` takes what it could not make of them.
    """

    number: int
    properties: Sequence[Property]
    alarms: Sequence[Alarm]
    method: str
    zones: CalendarZones
    asked: Alarms
    notes: Notes


def event_row(event: CalendarEvent) -> ParsedRow:
    """The row of an event, or what is wrong with it."""
    return _Reader(event).row()


class _Reader:
    """Reads one event; collects what is wrong with it by row and field."""

    def __init__(self, event: CalendarEvent) -> None:
        self._event = event
        self._errors: list[RowError] = []
        self._found: dict[str, list[Property]] = {}
        for one in event.properties:
            self._found.setdefault(one.name, []).append(one)

    def row(self) -> ParsedRow:
        """The row, or the errors."""
        status = self._quietly("STATUS")
        if self._event.method == CANCEL or (status and status.value.strip().upper() == "CANCELLED"):
            return self._cancellation()
        self._refuse(REPEATING)
        for name, places in self._found.items():
            if len(places) > 1 and name != "ATTENDEE" and name in FIELDS:
                self._complain(
                    FIELDS[name], "repeated", f"{name} occurs {len(places)} times: one is accepted"
                )
        if self._errors:
            return self._errors[:ERRORS_PER_ROW]
        given = self._texts()
        for field, read in (
            ("scheduled_start", self._start),
            ("scheduled_end", self._end),
            ("assignee", self._person),
        ):
            self._collect(given, field, read)
        if (lead_minutes := self._leads()) is not None:
            given["lead_minutes"] = lead_minutes
        return self._errors or read_row(self._event.number, given, sequence=self._sequence())

    def _cancellation(self) -> ParsedRow:
        """A row of which only the reference counts; whatever else is wrong with the event does not matter."""
        self._refuse(["RECURRENCE-ID"])
        given: dict[str, Any] = {}
        self._collect(given, "reference", self._reference)
        if self._errors:
            return self._errors
        return Row(number=self._event.number, values=given, sequence=self._sequence(), cancellation=True)

    def _complain(self, field: str, code: str, message: str) -> None:
        self._errors.append(RowError(self._event.number, field, code, message))

    def _collect(self, given: dict[str, Any], field: str, read: Callable[[], Any]) -> None:
        try:
            value = read()
        except InvalidValue as refusal:
            self._complain(field, refusal.code, str(refusal))
        else:
            if value is not None:
                given[field] = value

    def _refuse(self, names: Sequence[str]) -> None:
        for name in names:
            if name in self._found:
                line = quoted(self._found[name][0].line)
                message = f"{line}: an event that repeats is not accepted, send each date as an event"
                self._complain(name, "recurring", message)

    def _one(self, name: str) -> ParsedProperty | None:
        return self._found[name][0].parsed() if name in self._found else None

    def _quietly(self, name: str) -> ParsedProperty | None:
        """A property that is left out where it cannot be read."""
        try:
            return self._one(name)
        except InvalidValue:
            return None

    # --- texts -------------------------------------------------------------------------------------------------

    def _texts(self) -> dict[str, Any]:
        given: dict[str, Any] = {}
        self._collect(given, "reference", self._reference)
        for field, name in TEXTS.items():
            if field != "reference":
                self._collect(given, field, partial(self._text, name))
        return given

    def _text(self, name: str) -> str | None:
        found = self._one(name)
        return found.value if found and found.value.strip() else None

    def _reference(self) -> Any:
        text = self._text("UID")
        if text is None:
            message = "a UID is needed: by it the next import finds this assignment"
            raise InvalidValue("required", message)
        return ASSIGNMENT["reference"].read(text)

    def _sequence(self) -> int | None:
        found = self._quietly("SEQUENCE")
        text = found.value.strip() if found else ""
        if not text.isascii() or not text.isdigit() or len(text) > 10:
            return None
        return int(text) if int(text) <= LARGEST_SEQUENCE else None

    # --- instants ----------------------------------------------------------------------------------------------

    def _start(self) -> str | None:
        found = self._one("DTSTART")
        return None if found is None else self._instant(found).isoformat()

    def _end(self) -> str | None:
        if (end := self._one("DTEND")) is not None:
            return self._instant(end).isoformat()
        stated, begin = self._one("DURATION"), self._one("DTSTART")
        if stated is None or begin is None:
            return None
        length = calendar_alarms.duration(stated)
        if length is None or not timedelta(0) <= length < DAY:
            message = (
                f"{quoted(stated.value)} is not a DURATION of less than a day, such as PT1H30M: "
                "days are of unequal length"
            )
            raise InvalidValue("invalid", message)
        try:
            start = self._instant(begin)
        except InvalidValue:
            return None  # The error is the start's.
        return (start + length).isoformat()

    def _instant(self, found: ParsedProperty) -> datetime:
        value, zone = found.value.strip(), found.param("TZID").strip()
        if DATE.fullmatch(value):
            message = f"{found.name} {quoted(value)} is a whole day: a time is needed, such as {value}T090000"
            raise InvalidValue("all_day", message)
        parts = DATE_TIME.fullmatch(value)
        try:
            local: datetime = vDatetime.from_ical(parts[1] if parts else value)  # type: ignore[no-untyped-call]
        except ValueError as error:
            message = f"{found.name} {quoted(value)} is not a time: a form like 20260615T130000Z is needed"
            raise InvalidValue("invalid", message) from error
        try:
            if parts and parts[2]:
                # A time in UTC is in UTC whatever TZID stands beside it (RFC 5545, section 3.2.19).
                return instants.in_zone(local, UTC)
            if not zone:
                raise InvalidValue("naive", f"{found.name} {missing_zone(value)}")
            return self._event.zones.instant(local, zone)
        except NotAnInstant as refusal:
            raise InvalidValue(refusal.code, f"{found.name} {refusal}") from refusal

    # --- people and alarms -------------------------------------------------------------------------------------

    def _person(self) -> dict[str, str] | None:
        """The one who does the work: the only ATTENDEE besides the organizer, else the ORGANIZER."""
        organizer = self._one("ORGANIZER")
        invited = [one.parsed() for one in self._found.get("ATTENDEE", [])]
        people = [one for one in invited if one.param("CUTYPE").upper() not in NO_PERSON]
        others = [one for one in people if organizer is None or one.value.lower() != organizer.value.lower()]
        if len(others) > 1:
            names = ", ".join(quoted(one.param("CN") or one.value) for one in others[:3])
            message = f"{len(others)} people are invited ({names}): one is needed, who does the work"
            raise InvalidValue("several", message)
        who = next(iter(others or people), organizer)
        if who is None:
            return None
        name, email = who.param("CN").strip(), _address(who)
        if not email and not name:
            message = (
                f"{quoted(who.value)} names nobody: mailto: with an e-mail address is needed, or a name (CN)"
            )
            raise InvalidValue("invalid", message)
        return {field: value for field, value in (("name", name), ("email", email)) if value}

    def _leads(self) -> int | list[int] | None:
        """The lead times that its alarms make; None where they make none."""
        if self._event.asked is Alarms.ONE:
            return one_lead(self._event.alarms)
        found, left = leads(self._event.alarms)
        for one in left:
            note = RowError(self._event.number, "lead_minutes", one.code, one.message)
            self._event.notes.add(ALARM_LEFT, note)
        return found if len(found) > 1 else next(iter(found), None)


def _address(who: ParsedProperty) -> str:
    """The e-mail address of an attendee: of mailto:, of the parameter EMAIL (RFC 7986), or without a scheme."""
    scheme, colon, rest = who.value.strip().partition(":")
    if scheme.lower() == "mailto":
        return unquote(rest).strip()
    if email := who.param("EMAIL").strip():
        return email.removeprefix("mailto:")
    return scheme if not colon and "@" in scheme else ""
