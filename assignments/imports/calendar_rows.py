"""Reads rows out of iCalendar files (RFC 5545): each event of a calendar becomes a row. One event is in memory at a time.

Lines are unfolded as bytes, because a fold may part a character, and only lines that an assignment needs are decoded
and parsed: what nobody needs may be as broken as it likes.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from assignments.imports.calendar_events import CANCEL, NEEDED, CalendarEvent, Property, event_row
from assignments.imports.calendar_zones import CalendarZones
from assignments.imports.rows import LONGEST_ROW, ParsedRow, RowError, RowFile, UnreadableFile
from assignments.imports.text_files import not_in_charset, refuse_utf16

ACCEPTED_METHODS = {"", "PUBLISH", "REQUEST", CANCEL}
"""What replaces or cancels an event (RFC 5546, section 1.4); a reply or a counter-proposal is not the organizer's word."""

AFTER_THE_END = "lines after END:VCALENDAR"
NO_PROPERTIES = "lines of events without a name and a colon"
COUNTED_COMPONENTS = {"VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY"}
LONGEST_ZONE = 64 * 1024


def read_calendar(file: BinaryIO, charset: str = "utf-8") -> RowFile:
    """The events of all calendars of a file, numbered from 1. Iterating raises UnreadableFile."""
    left_out: Counter[str] = Counter()
    return RowFile(_rows(file, charset, left_out), left_out)


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
    def word(self) -> str:
        """The line in capital letters if it begins or ends a component, else ''."""
        if self.content[:1] not in b"BbEe":
            return ""
        word = self.content[:60].strip().upper().replace(b" ", b"").decode("ascii", "replace")
        return word if word.startswith(("BEGIN:", "END:")) else ""


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
    properties: list[tuple[_Line, bool]] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)

    def add(self, line: _Line) -> None:
        """Keeps a line that is needed; `True` stands for one of an alarm."""
        alarm = self.inner == ["VALARM"]
        if line.name == "TRIGGER" if alarm else not self.inner and line.name in NEEDED:
            self.size += len(line.content)
            if self.size <= LONGEST_ROW:
                self.properties.append((line, alarm))


def _rows(file: BinaryIO, charset: str, left_out: Counter[str]) -> Iterator[ParsedRow]:
    refuse_utf16(file)
    with file:
        zones = _zones(file)
        file.seek(3 if file.read(3) == b"\xef\xbb\xbf" else 0)
        calendar, number, method = -1, 0, ""
        skipped: list[str] = []
        event: _Collected | None = None
        inside = ended = False
        for line in _unfolded(file):
            word = line.word
            if not inside:
                if word == "BEGIN:VCALENDAR":
                    inside, method, calendar = True, "", calendar + 1
                elif calendar < 0:
                    raise UnreadableFile("this is not a calendar: BEGIN:VCALENDAR is its first line")
                else:
                    left_out[AFTER_THE_END] += 1
            elif event is not None:
                if word in ("END:VEVENT", "BEGIN:VEVENT", "END:VCALENDAR"):
                    ended = word == "END:VEVENT"
                    yield from _finished(event, ended, method, zones[calendar], charset, left_out)
                    event = None
                    if word == "BEGIN:VEVENT":
                        number += 1
                        event = _Collected(number, line.number)
                    inside = word != "END:VCALENDAR"
                elif word.startswith("BEGIN:"):
                    event.inner.append(word.removeprefix("BEGIN:"))
                elif word.startswith("END:"):
                    event.inner = event.inner[:-1]
                elif b":" not in line.content:
                    left_out[NO_PROPERTIES] += 1
                else:
                    event.add(line)
            elif skipped:
                if word.startswith("BEGIN:"):
                    skipped.append(word.removeprefix("BEGIN:"))
                elif word == f"END:{skipped[-1]}":
                    skipped.pop()
                elif word == "END:VCALENDAR":
                    skipped, inside = [], False
            elif word == "END:VCALENDAR":
                inside = False
            elif word == "BEGIN:VEVENT":
                number += 1
                event = _Collected(number, line.number)
            elif word.startswith("BEGIN:"):
                name = word.removeprefix("BEGIN:")
                skipped = [name]
                if name in COUNTED_COMPONENTS:
                    left_out[name] += 1
                elif name != "VTIMEZONE":
                    left_out["other components"] += 1
            elif line.name == "METHOD":
                method = line.content[:40].partition(b":")[2].strip().upper().decode("ascii", "replace")
        if calendar < 0:
            raise UnreadableFile("this is not a calendar: BEGIN:VCALENDAR is its first line")
        if inside:
            raise UnreadableFile("this calendar is cut off: END:VCALENDAR is its last line")


def _finished(
    event: _Collected, ended: bool, method: str, zones: CalendarZones, charset: str, left_out: Counter[str]
) -> Iterator[ParsedRow]:
    if method not in ACCEPTED_METHODS:
        left_out[f"events with METHOD:{method[:20]}"] += 1
        return
    if not ended:
        yield [
            RowError(event.number, None, "parse_error", f"the event of line {event.line} has no END:VEVENT")
        ]
        return
    if event.size > LONGEST_ROW or not all(line.complete for line, _ in event.properties):
        message = f"the event of line {event.line} is longer than {LONGEST_ROW:,} bytes"
        yield [RowError(event.number, None, "too_large", message)]
        return
    properties: list[Property] = []
    triggers: list[Property] = []
    for line, alarm in event.properties:
        try:
            text = line.content.decode(charset)
        except UnicodeDecodeError as error:
            raise not_in_charset(charset, line.number) from error
        (triggers if alarm else properties).append(Property(line.name, text))
    yield event_row(CalendarEvent(event.number, properties, triggers, method, zones))


def _zones(file: BinaryIO) -> list[CalendarZones]:
    """The zones that each calendar of the file defines, wherever in it they stand. Leaves the file at its start."""
    found: list[CalendarZones] = []
    definition: list[bytes] | None = None
    size = 0
    file.seek(3 if file.read(3) == b"\xef\xbb\xbf" else 0)
    for line in _unfolded(file):
        word = line.word
        if not word and definition is None:
            continue
        if word == "BEGIN:VCALENDAR":
            found.append(CalendarZones())
        elif word == "BEGIN:VTIMEZONE":
            definition, size = [], 0
        if definition is None or not found:
            continue
        size += len(line.content)
        if size <= LONGEST_ZONE:
            definition.append(line.content)
        if word == "END:VTIMEZONE":
            if size <= LONGEST_ZONE:
                text = b"\r\n".join(definition).decode(errors="replace")
                found[-1].define(text)
            definition = None
    file.seek(0)
    return found
