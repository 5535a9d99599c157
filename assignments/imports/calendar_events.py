"""What the properties of one event say: its kind, its texts, its people and its times, each or what is wrong with it.

What an assignment cannot hold (a time that is in no zone, a whole day) is refused, never guessed.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from assignments.imports.calendar_alarms import Alarm, Alarms, leads, one_lead
from assignments.imports.calendar_instants import CalendarTime, after, read_time
from assignments.imports.calendar_options import CalendarOptions
from assignments.imports.calendar_people import People, Person, people
from assignments.imports.calendar_properties import ParsedProperty, Property
from assignments.imports.calendar_zones import CalendarZones
from assignments.imports.fields import LONGEST_TEXTS, InvalidValue, Text
from assignments.imports.rows import Notes, RowError
from assignments.wording import quoted

CANCEL = "CANCEL"
TEXTS = {"title": "SUMMARY", "location": "LOCATION", "notes": "DESCRIPTION"}
FIELDS = {name: field for field, name in TEXTS.items()} | {
    "UID": "reference",
    "DTSTART": "scheduled_start",
    "DTEND": "scheduled_end",
    "DURATION": "scheduled_end",
    "ATTENDEE": "assignee",
    "ORGANIZER": "assignee",
    "STATUS": "status",
}
"""The field of an assignment in which a property ends; all but ATTENDEE may occur once."""

REPEATING = ("RRULE", "RDATE")
NEEDED = {*FIELDS, *REPEATING, "EXDATE", "RECURRENCE-ID", "SEQUENCE"}
ALARM_LEFT = "alarms that are no lead times"
END_LEFT = "ends that are whole days of events with a time"
SHORTENED = "texts that were longer than a field"
UNTITLED = "(no title)"
"""The title of an event without SUMMARY, which RFC 5545 leaves optional."""

UID = Text(max_length=4_000, blank=False)
LARGEST_SEQUENCE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """The properties of an event that an assignment needs, its alarms, and what its calendar says.

    `notes` takes what could not be made of it.
    """

    number: int
    properties: Sequence[Property]
    alarms: Sequence[Alarm]
    method: str
    zones: CalendarZones
    options: CalendarOptions
    notes: Notes


@dataclass(frozen=True, slots=True)
class Times:
    """When an event takes place: its start, and the instant of its end, if it has one."""

    start: CalendarTime
    begin: datetime
    end: datetime | None


class EventReader:
    """Reads one event; collects what is wrong with it by row and field."""

    def __init__(self, event: CalendarEvent) -> None:
        self.event = event
        self.errors: list[RowError] = []
        self._found: dict[str, list[Property]] = {}
        for one in event.properties:
            self._found.setdefault(one.name, []).append(one)

    # --- what kind of event it is --------------------------------------------------------------------------------

    @property
    def repeats(self) -> bool:
        return any(name in self._found for name in REPEATING)

    @property
    def is_exception(self) -> bool:
        """Whether it is about one date of a series."""
        return "RECURRENCE-ID" in self._found

    @property
    def cancels(self) -> bool:
        status = self.quietly("STATUS")
        return self.event.method == CANCEL or (
            status is not None and status.value.strip().upper() == "CANCELLED"
        )

    @property
    def uid(self) -> str | None:
        """The UID; None where there is none that can be read."""
        try:
            return self.read_uid()
        except InvalidValue:
            return None

    @property
    def sequence(self) -> int | None:
        found = self.quietly("SEQUENCE")
        text = found.value.strip() if found else ""
        if not text.isascii() or not text.isdigit() or len(text) > 10:
            return None
        return int(text) if int(text) <= LARGEST_SEQUENCE else None

    # --- values --------------------------------------------------------------------------------------------------

    def values(self) -> dict[str, Any] | None:
        """The texts and lead times of each of its assignments; None where properties occur too often."""
        for name, places in self._found.items():
            if len(places) > 1 and name != "ATTENDEE" and name in FIELDS:
                self.complain(FIELDS[name], "repeated", f"{name} occurs {len(places)} times: one is accepted")
        if self.errors:
            return None
        given: dict[str, Any] = {}
        for field, name in TEXTS.items():
            value = self.collected(field, partial(self._shortened, field, name))
            if value is not None:
                given[field] = value
        given.setdefault("title", UNTITLED)
        if (lead_minutes := self._leads()) is not None:
            given["lead_minutes"] = lead_minutes
        return given

    def workers(self) -> list[Person] | None:
        """The people whose work it is; None where that cannot be said."""
        found: People | None = self.collected("assignee", self._people)
        if found is None:
            return None
        for reason, name in found.left_out:
            note = RowError(self.event.number, "assignee", "left_out", f"{name}: {reason} get no assignment")
            self.event.notes.add(reason, note)
        return found.workers

    def times(self) -> Times | None:
        """Start and end of an event that takes place once; None without a start. Raises InvalidValue for the start."""
        start = self.start()
        if start is None:
            return None
        begin = start.instant(self.event.options.all_day)
        return Times(start, begin, self.collected("scheduled_end", partial(self._end, start, begin)))

    def start(self) -> CalendarTime | None:
        found = self.one("DTSTART")
        return None if found is None else self._time(found)

    def began_before(self, year: int) -> bool:
        """Whether it has taken place once, before this year; a year before 1800 is a mistake, and no past."""
        found = None if self.repeats or self.is_exception else self.quietly("DTSTART")
        stated = found.value.strip()[:4] if found else ""
        return stated.isascii() and stated.isdigit() and 1800 <= int(stated) < year

    def original(self) -> CalendarTime:
        """The start of the date that an exception replaces. Raises InvalidValue."""
        found = self.one("RECURRENCE-ID")
        assert found is not None
        return self._time(found)

    def ends(self, start: CalendarTime) -> Callable[[datetime], datetime | None]:
        """The end of a date of a series by the instant at which it begins. Raises InvalidValue.

        Each is exactly as long as the first, or as a DURATION says (RFC 5545, section 3.8.5.3).
        """
        if start.whole_day:
            return lambda begin: None
        stated = self.one("DURATION")
        if stated is not None and self.one("DTEND") is None:
            after(start, stated, begin=start.instant_in_series(None))
            return lambda begin: after(start, stated, begin=begin)
        first = start.instant_in_series(None)
        end = self._end(start, first)
        length = None if end is None else end - first
        return lambda begin: None if length is None else begin + length

    def _end(self, start: CalendarTime, begin: datetime) -> datetime | None:
        if start.whole_day:
            return None  # A whole day says on which day somebody works, and not until when.
        if (stated_end := self.one("DTEND")) is not None:
            if (found := self._time(stated_end)).whole_day:
                message = f"DTEND {quoted(stated_end.value)} is a whole day, while the event has a time: it has no end here"
                self.event.notes.add(
                    END_LEFT, RowError(self.event.number, "scheduled_end", "left_out", message)
                )
                return None
            return found.instant(None)
        stated = self.one("DURATION")
        return None if stated is None else after(start, stated, begin=begin)

    def _time(self, found: ParsedProperty) -> CalendarTime:
        return read_time(found, zones=self.event.zones, options=self.event.options)

    def read_uid(self) -> str:
        """The UID. Raises InvalidValue."""
        text = self._text("UID")
        if text is None:
            return self._made_uid()
        uid: str = UID.read(text)
        return uid

    def _made_uid(self) -> str:
        """What stands for a UID that is missing: a hash of the start and the title, by which the event is known again.

        Raises InvalidValue where there is no start, and for a cancellation.
        """
        start, title = self.quietly("DTSTART"), self.quietly("SUMMARY")
        if start is None or self.is_exception or self.cancels:
            message = "a UID is needed: by it the next import finds this assignment"
            raise InvalidValue("required", message)
        told = f"{start.value.strip()}\n{start.param('TZID').strip()}\n{title.value.strip() if title else ''}"
        return f"no-uid-{hashlib.sha256(told.encode(errors='replace')).hexdigest()[:32]}"

    def _text(self, name: str) -> str | None:
        found = self.one(name)
        return found.value if found and found.value.strip() else None

    def _shortened(self, field: str, name: str) -> str | None:
        """A text, cut where a field takes no longer one: nobody can shorten it in a calendar that is somebody else's."""
        text, most = self._text(name), LONGEST_TEXTS[field]
        if text is None or len(text) <= most:
            return text
        message = f"{name} {quoted(text)} has {len(text)} characters: the first {most - 1} are kept"
        self.event.notes.add(SHORTENED, RowError(self.event.number, field, "shortened", message))
        return f"{text[: most - 1]}…"

    def _people(self) -> People:
        return people(self.one("ORGANIZER"), [one.parsed() for one in self._found.get("ATTENDEE", [])])

    def _leads(self) -> int | list[int] | None:
        """The lead times that its alarms make; None where they make none."""
        if self.event.options.alarms is Alarms.ONE:
            return one_lead(self.event.alarms)
        found, left = leads(self.event.alarms)
        for one in left:
            note = RowError(self.event.number, "lead_minutes", one.code, one.message)
            self.event.notes.add(ALARM_LEFT, note)
        return found if len(found) > 1 else next(iter(found), None)

    # --- properties ----------------------------------------------------------------------------------------------

    def all(self, name: str) -> list[ParsedProperty]:
        """Every property of this name. Raises InvalidValue."""
        return [one.parsed() for one in self._found.get(name, [])]

    def one(self, name: str) -> ParsedProperty | None:
        return self._found[name][0].parsed() if name in self._found else None

    def quietly(self, name: str) -> ParsedProperty | None:
        """A property that is left out where it cannot be read."""
        try:
            return self.one(name)
        except InvalidValue:
            return None

    def complain(self, field: str, code: str, message: str) -> None:
        self.errors.append(RowError(self.event.number, field, code, message))

    def collected(self, field: str, read: Callable[[], Any]) -> Any:
        """What `read` returns; None where it raises InvalidValue, which is an error of this field."""
        try:
            return read()
        except InvalidValue as refusal:
            self.complain(field, refusal.code, str(refusal))
            return None
