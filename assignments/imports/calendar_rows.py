"""Reads rows out of iCalendar files (RFC 5545). One event is in memory at a time, and those that repeat.

Only lines that an assignment needs are decoded and parsed: what nobody needs may be as broken as it likes.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import BinaryIO

from assignments.imports import calendar_alarms, calendar_series
from assignments.imports.calendar_alarms import Alarm, Alarms
from assignments.imports.calendar_event_rows import rows_of_event, rows_of_series
from assignments.imports.calendar_events import CANCEL, NEEDED, CalendarEvent, EventReader
from assignments.imports.calendar_lines import Line, skip_mark, unfolded
from assignments.imports.calendar_options import CalendarOptions
from assignments.imports.calendar_properties import Property
from assignments.imports.calendar_zones import CalendarZones, new_budget
from assignments.imports.rows import LONGEST_ROW, Notes, ParsedRow, RowError, RowFile, UnreadableFile
from assignments.imports.text_files import not_in_charset, refuse_utf16

ACCEPTED_METHODS = {"", "PUBLISH", "REQUEST", CANCEL}
"""What replaces or cancels an event (RFC 5546, section 1.4); replies and counter-proposals are not."""

AFTER_THE_END = "lines after END:VCALENDAR"
NOT_A_CALENDAR = "this is not a calendar: BEGIN:VCALENDAR is its first line"
OTHER_COMPONENTS = "other components"
NO_PROPERTIES = "lines of events without a name and a colon"
COUNTED_COMPONENTS = {"VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY"}
WITHOUT_EVENTS = {*COUNTED_COMPONENTS, "VTIMEZONE"}
"""Components in which no event can be: one that begins there shows that their end is missing."""

WITHOUT_CALENDAR = {"BEGIN:VEVENT", "BEGIN:VTIMEZONE"}
"""First lines of a file that has events and no calendar around them."""

LONGEST_ZONE = 64 * 1024
MOST_KEPT = 16 * 1024 * 1024
"""Bytes of events that repeat, and of their exceptions, that are in memory until the end of their calendar."""
OF_ALARMS: Mapping[Alarms, Set[str]] = {Alarms.ONE: {"TRIGGER"}, Alarms.LEADS: calendar_alarms.NEEDED}
"""The lines of an alarm that are read."""


def read_calendar(
    file: BinaryIO, charset: str = "utf-8", *, options: CalendarOptions | None = None
) -> RowFile:
    """The rows of all calendars of a file, numbered by their events from 1. Iterating raises UnreadableFile."""
    notes = Notes()
    return RowFile(_rows(file, charset, options or CalendarOptions(), notes), notes)


@dataclass(slots=True)
class _Collected:
    """What is needed of the event that is being read."""

    number: int
    line: int
    size: int = 0
    properties: list[tuple[Line, int]] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)
    alarms: int = 0

    def begin(self, component: str) -> None:
        self.inner.append(component)
        self.alarms += self.inner == ["VALARM"]

    def add(self, line: Line, of_alarms: Set[str]) -> None:
        """Keeps a line that is needed, with the number of the alarm in which it stands; 0: in none."""
        alarm = self.inner == ["VALARM"]
        if line.name in of_alarms if alarm else not self.inner and line.name in NEEDED:
            self.size += len(line.content)
            if self.size <= LONGEST_ROW:
                self.properties.append((line, self.alarms if alarm else 0))


def _rows(file: BinaryIO, charset: str, options: CalendarOptions, notes: Notes) -> Iterator[ParsedRow]:
    refuse_utf16(file)
    with file:
        reader = _Reader(_zones(file), charset, options, notes)
        skip_mark(file)
        for line in unfolded(file):
            yield from reader.read(line)
        yield from reader.end()


class _Reader:
    """Follows the components of a file: calendars, their events, and what is left out."""

    def __init__(
        self, zones: Sequence[CalendarZones], charset: str, options: CalendarOptions, notes: Notes
    ) -> None:
        self._zones = iter(zones)
        self._charset = charset
        self._options = options
        self._of_alarms = OF_ALARMS[options.alarms]
        self._budget = calendar_series.new_budget()
        self._series: dict[str | None, list[CalendarEvent]] = {}
        self._kept = 0
        self._notes = notes
        self._left_out = notes.left_out
        self._calendar: CalendarZones | None = None
        self._calendars = 0
        self._is_bare = False
        self._method = ""
        self._number = 0
        self._event: _Collected | None = None
        self._skipped: list[str] = []

    def read(self, line: Line) -> Iterator[ParsedRow]:
        """Takes the next line; yields the row of an event that it ends. Raises UnreadableFile."""
        marker = line.marker
        if self._calendar is None:
            self._outside(marker)
            if not self._is_bare:
                return
        if self._event is not None:
            yield from self._in_event(self._event, line, marker)
        elif marker == "END:VCALENDAR":
            yield from self._end_calendar()
        elif self._skipped:
            yield from self._in_skipped(line, marker)
        elif marker == "BEGIN:VEVENT":
            self._begin_event(line)
        elif marker.startswith("BEGIN:"):
            self._skip(marker.removeprefix("BEGIN:"))
        elif line.name == "METHOD":
            self._method = line.content[:40].partition(b":")[2].strip().upper().decode("ascii", "replace")

    def end(self) -> Iterator[ParsedRow]:
        """Yields what had to wait. Raises UnreadableFile unless the file is a calendar that has been read to its end."""
        if self._is_bare and self._event is None:
            yield from self._end_calendar()
        if not self._calendars:
            raise UnreadableFile(NOT_A_CALENDAR)
        if self._calendar is not None:
            raise UnreadableFile("this calendar is cut off: END:VCALENDAR is its last line")

    def _outside(self, marker: str) -> None:
        if marker == "BEGIN:VCALENDAR" or (marker in WITHOUT_CALENDAR and not self._calendars):
            self._is_bare = marker in WITHOUT_CALENDAR
            self._calendar, self._method = next(self._zones), ""
            self._calendars += 1
        elif self._calendars:
            self._left_out[AFTER_THE_END] += 1
        else:
            raise UnreadableFile(NOT_A_CALENDAR)

    def _begin_event(self, line: Line) -> None:
        self._number += 1
        self._event = _Collected(self._number, line.number)

    def _in_event(self, event: _Collected, line: Line, marker: str) -> Iterator[ParsedRow]:
        if marker in ("END:VEVENT", "BEGIN:VEVENT", "END:VCALENDAR"):
            yield from self._finished(event, complete=marker == "END:VEVENT")
            self._event = None
            if marker == "BEGIN:VEVENT":
                self._begin_event(line)
            elif marker == "END:VCALENDAR":
                yield from self._end_calendar()
        elif marker.startswith("BEGIN:"):
            event.begin(marker.removeprefix("BEGIN:"))
        elif marker:
            del event.inner[-1:]
        elif b":" not in line.content:
            self._left_out[NO_PROPERTIES] += 1
        else:
            event.add(line, self._of_alarms)

    def _skip(self, component: str) -> None:
        self._skipped = [component]
        if component in COUNTED_COMPONENTS:
            self._left_out[component] += 1
        elif component != "VTIMEZONE":
            self._left_out[OTHER_COMPONENTS] += 1

    def _in_skipped(self, line: Line, marker: str) -> Iterator[ParsedRow]:
        if marker == "BEGIN:VEVENT" and WITHOUT_EVENTS.intersection(self._skipped):
            self._skipped = []
            self._begin_event(line)
        elif marker == "END:VCALENDAR":
            yield from self._end_calendar()
        elif marker.startswith("BEGIN:"):
            self._skipped.append(marker.removeprefix("BEGIN:"))
        elif marker == f"END:{self._skipped[-1]}":
            self._skipped.pop()

    def _finished(self, event: _Collected, *, complete: bool) -> Iterator[ParsedRow]:
        if self._method not in ACCEPTED_METHODS:
            self._left_out[f"events with METHOD:{self._method[:20]}"] += 1
            return
        if not complete:
            self._notes.refused_events.add("")
            message = f"the event of line {event.line} has no END:VEVENT"
            yield [RowError(event.number, None, "parse_error", message)]
            return
        if event.size > LONGEST_ROW or not all(line.complete for line, _ in event.properties):
            self._notes.refused_events.add("")
            message = f"the event of line {event.line} is longer than {LONGEST_ROW:,} bytes"
            yield [RowError(event.number, None, "too_large", message)]
            return
        assert self._calendar is not None
        alarms = [Alarm() for _ in range(event.alarms)]
        properties: list[Property] = []
        for line, alarm in event.properties:
            (alarms[alarm - 1].properties if alarm else properties).append(self._property(line))
        found = CalendarEvent(
            number=event.number,
            properties=properties,
            alarms=alarms,
            method=self._method,
            zones=self._calendar,
            options=self._options,
            notes=self._notes,
        )
        reader = EventReader(found)
        if not reader.repeats and not reader.is_exception:
            yield from rows_of_event(found)
            return
        self._kept += event.size
        if self._kept > MOST_KEPT:
            message = f"more than {MOST_KEPT:,} bytes of events that repeat: send them in several files"
            raise UnreadableFile(message)
        self._series.setdefault(reader.uid, []).append(found)

    def _end_calendar(self) -> Iterator[ParsedRow]:
        """Yields the rows of the events that had to wait for exceptions to them."""
        for events in self._series.values():
            yield from rows_of_series(events, self._budget)
        self._series.clear()
        self._calendar, self._skipped, self._kept, self._is_bare = None, [], 0, False

    def _property(self, line: Line) -> Property:
        try:
            return Property(line.name, line.content.decode(self._charset))
        except UnicodeDecodeError as error:
            raise not_in_charset(self._charset, line.number) from error


def _zones(file: BinaryIO) -> list[CalendarZones]:
    """The zones that each calendar of the file defines, wherever in it they stand."""
    found: list[CalendarZones] = []
    budget = new_budget()
    definition: list[bytes] | None = None
    size = 0
    skip_mark(file)
    for line in unfolded(file):
        marker = line.marker
        if not marker and definition is None:
            if found and line.name == "X-WR-TIMEZONE":
                found[-1].default = line.content.partition(b":")[2].strip().decode(errors="replace")
            continue
        if marker == "BEGIN:VCALENDAR" or (marker in WITHOUT_CALENDAR and not found):
            found.append(CalendarZones(budget))
        if marker == "BEGIN:VTIMEZONE":
            definition, size = [], 0
        if definition is None or not found:
            continue
        size += len(line.content)
        if size <= LONGEST_ZONE:
            definition.append(line.content)
        if marker == "END:VTIMEZONE":
            if size <= LONGEST_ZONE:
                text = b"\r\n".join(definition).decode(errors="replace")
                found[-1].define(text)
            definition = None
    return found
