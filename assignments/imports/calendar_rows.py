"""Reads rows out of iCalendar files (RFC 5545): each event of a calendar becomes a row. One event is in memory at a time.

Lines are unfolded as bytes, because a fold may part a character, and only lines that an assignment needs are decoded
and parsed: what nobody needs may be as broken as it likes.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from assignments.imports import calendar_alarms
from assignments.imports.calendar_alarms import Alarm, Alarms
from assignments.imports.calendar_events import CANCEL, NEEDED, CalendarEvent, event_row
from assignments.imports.calendar_properties import Property
from assignments.imports.calendar_zones import CalendarZones
from assignments.imports.rows import LONGEST_ROW, Notes, ParsedRow, RowError, RowFile, UnreadableFile
from assignments.imports.text_files import not_in_charset, refuse_utf16

ACCEPTED_METHODS = {"", "PUBLISH", "REQUEST", CANCEL}
"""What replaces or cancels an event (RFC 5546, section 1.4); replies and counter-proposals are not."""

AFTER_THE_END = "lines after END:VCALENDAR"
NOT_A_CALENDAR = "this is not a calendar: BEGIN:VCALENDAR is its first line"
OTHER_COMPONENTS = "other components"
NO_PROPERTIES = "lines of events without a name and a colon"
COUNTED_COMPONENTS = {"VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY"}
LONGEST_ZONE = 64 * 1024
OF_ALARMS: Mapping[Alarms, Set[str]] = {Alarms.ONE: {"TRIGGER"}, Alarms.LEADS: calendar_alarms.NEEDED}
"""The lines of an alarm that are read."""


def read_calendar(file: BinaryIO, charset: str = "utf-8", *, alarms: Alarms = Alarms.ONE) -> RowFile:
    """The events of all calendars of a file, numbered from 1. Iterating raises UnreadableFile."""
    notes = Notes()
    return RowFile(_rows(file, charset, alarms, notes), notes)


class _Line(NamedTuple):
    """One unfolded line."""

    number: int
    content: bytes
    complete: bool

    @property
    def name(self) -> str:
        """The name of the property, in capital letters."""
        return self.content[:40].replace(b":", b";").split(b";")[0].strip().upper().decode("ascii", "replace")

    @property
    def marker(self) -> str:
        """BEGIN: or END: with the name of a component, in capital letters; '' for any other line."""
        if self.content[:1] not in b"BbEe":
            return ""
        marker = self.content[:60].strip().upper().replace(b" ", b"").decode("ascii", "replace")
        return marker if marker.startswith(("BEGIN:", "END:")) else ""


def _unfolded(file: BinaryIO) -> Iterator[_Line]:
    """The lines of the file (RFC 5545, section 3.1). What is longer than a row may be is cut."""
    number, started, whole, joined = 0, 1, True, bytearray()
    inside = False
    while piece := file.readline(LONGEST_ROW):
        if not inside:
            number += 1
            content = piece.rstrip(b"\r\n")
            if piece[:1] in (b" ", b"\t"):
                content = content[1:]
            else:
                if joined:
                    yield _Line(started, bytes(joined), whole)
                started, whole, joined = number, True, bytearray()
        else:
            content = piece.rstrip(b"\r\n")
        inside = not piece.endswith(b"\n")
        if len(joined) + len(content) > LONGEST_ROW:
            whole = False
        else:
            joined += content
    if joined:
        yield _Line(started, bytes(joined), whole)


@dataclass(slots=True)
class _Collected:
    """What is needed of the event that is being read."""

    number: int
    line: int
    size: int = 0
    properties: list[tuple[_Line, int]] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)
    alarms: int = 0

    def begin(self, component: str) -> None:
        self.inner.append(component)
        self.alarms += self.inner == ["VALARM"]

    def add(self, line: _Line, of_alarms: Set[str]) -> None:
        """Keeps a line that is needed, with the number of the alarm in which it stands; 0: in none."""
        alarm = self.inner == ["VALARM"]
        if line.name in of_alarms if alarm else not self.inner and line.name in NEEDED:
            self.size += len(line.content)
            if self.size <= LONGEST_ROW:
                self.properties.append((line, self.alarms if alarm else 0))


def _rows(file: BinaryIO, charset: str, alarms: Alarms, notes: Notes) -> Iterator[ParsedRow]:
    refuse_utf16(file)
    with file:
        reader = _Reader(_zones(file), charset, alarms, notes)
        _skip_mark(file)
        for line in _unfolded(file):
            yield from reader.read(line)
        reader.end()


class _Reader:
    """Follows the components of a file: calendars, their events, and what is left out."""

    def __init__(self, zones: Sequence[CalendarZones], charset: str, alarms: Alarms, notes: Notes) -> None:
        self._zones = iter(zones)
        self._charset = charset
        self._asked = alarms
        self._of_alarms = OF_ALARMS[alarms]
        self._notes = notes
        self._left_out = notes.left_out
        self._calendar: CalendarZones | None = None
        self._calendars = 0
        self._method = ""
        self._number = 0
        self._event: _Collected | None = None
        self._skipped: list[str] = []

    def read(self, line: _Line) -> Iterator[ParsedRow]:
        """Takes the next line; yields the row of an event that it ends. Raises UnreadableFile."""
        marker = line.marker
        if self._calendar is None:
            self._outside(marker)
        elif self._event is not None:
            yield from self._in_event(self._event, line, marker)
        elif marker == "END:VCALENDAR":
            self._calendar, self._skipped = None, []
        elif self._skipped:
            self._in_skipped(marker)
        elif marker == "BEGIN:VEVENT":
            self._begin_event(line)
        elif marker.startswith("BEGIN:"):
            self._skip(marker.removeprefix("BEGIN:"))
        elif line.name == "METHOD":
            self._method = line.content[:40].partition(b":")[2].strip().upper().decode("ascii", "replace")

    def end(self) -> None:
        """Raises UnreadableFile unless the file is a calendar that has been read to its end."""
        if not self._calendars:
            raise UnreadableFile(NOT_A_CALENDAR)
        if self._calendar is not None:
            raise UnreadableFile("this calendar is cut off: END:VCALENDAR is its last line")

    def _outside(self, marker: str) -> None:
        if marker == "BEGIN:VCALENDAR":
            self._calendar, self._method = next(self._zones), ""
            self._calendars += 1
        elif self._calendars:
            self._left_out[AFTER_THE_END] += 1
        else:
            raise UnreadableFile(NOT_A_CALENDAR)

    def _begin_event(self, line: _Line) -> None:
        self._number += 1
        self._event = _Collected(self._number, line.number)

    def _in_event(self, event: _Collected, line: _Line, marker: str) -> Iterator[ParsedRow]:
        if marker in ("END:VEVENT", "BEGIN:VEVENT", "END:VCALENDAR"):
            yield from self._finished(event, complete=marker == "END:VEVENT")
            self._event = None
            if marker == "BEGIN:VEVENT":
                self._begin_event(line)
            elif marker == "END:VCALENDAR":
                self._calendar = None
        elif marker.startswith("BEGIN:"):
            event.begin(marker.removeprefix("BEGIN:"))
        elif marker:
            event.inner = event.inner[:-1]
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

    def _in_skipped(self, marker: str) -> None:
        if marker.startswith("BEGIN:"):
            self._skipped.append(marker.removeprefix("BEGIN:"))
        elif marker == f"END:{self._skipped[-1]}":
            self._skipped.pop()

    def _finished(self, event: _Collected, *, complete: bool) -> Iterator[ParsedRow]:
        if self._method not in ACCEPTED_METHODS:
            self._left_out[f"events with METHOD:{self._method[:20]}"] += 1
            return
        if not complete:
            message = f"the event of line {event.line} has no END:VEVENT"
            yield [RowError(event.number, None, "parse_error", message)]
            return
        if event.size > LONGEST_ROW or not all(line.complete for line, _ in event.properties):
            message = f"the event of line {event.line} is longer than {LONGEST_ROW:,} bytes"
            yield [RowError(event.number, None, "too_large", message)]
            return
        assert self._calendar is not None
        alarms = [Alarm() for _ in range(event.alarms)]
        properties: list[Property] = []
        for line, alarm in event.properties:
            (alarms[alarm - 1].properties if alarm else properties).append(self._property(line))
        yield event_row(
            CalendarEvent(
                number=event.number,
                properties=properties,
                alarms=alarms,
                method=self._method,
                zones=self._calendar,
                asked=self._asked,
                notes=self._notes,
            )
        )

    def _property(self, line: _Line) -> Property:
        try:
            return Property(line.name, line.content.decode(self._charset))
        except UnicodeDecodeError as error:
            raise not_in_charset(self._charset, line.number) from error


def _skip_mark(file: BinaryIO) -> None:
    """Goes to the start of the text, behind a byte order mark."""
    file.seek(0)
    file.seek(3 if file.read(3) == b"\xef\xbb\xbf" else 0)


def _zones(file: BinaryIO) -> list[CalendarZones]:
    """The zones that each calendar of the file defines, wherever in it they stand."""
    found: list[CalendarZones] = []
    definition: list[bytes] | None = None
    size = 0
    _skip_mark(file)
    for line in _unfolded(file):
        marker = line.marker
        if not marker and definition is None:
            continue
        if marker == "BEGIN:VCALENDAR":
            found.append(CalendarZones())
        elif marker == "BEGIN:VTIMEZONE":
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
