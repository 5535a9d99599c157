"""The rows of events: one for each date and each of the people, or what is wrong with an event.

A cancellation needs the UID only, and the date that it is about.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from assignments.imports import calendar_occurrences as occurrences
from assignments.imports import calendar_series
from assignments.imports.bounded_calls import CallBudget
from assignments.imports.calendar_events import CalendarEvent, EventReader
from assignments.imports.calendar_instants import CalendarTime
from assignments.imports.calendar_people import Person, person_key
from assignments.imports.calendar_references import event_key, person_hash, person_of, reference
from assignments.imports.calendar_series import EventOccurrence, Repeating
from assignments.imports.fields import InvalidValue
from assignments.imports.rows import (
    ERRORS_PER_ROW,
    EventDate,
    EventDates,
    ImportRow,
    ParsedRow,
    RowError,
    read_row,
)
from assignments.instants import FIRST_YEAR

MOST_ROWS = 5_000
"""Assignments of one event."""

PAST = "events in the past"
FORMER = "former revisions of repeating events"
NO_DATES = "repeating events without a date in the time ahead"


def rows_of_event(event: CalendarEvent) -> list[ParsedRow]:
    """The rows of an event that takes place once, or of one date of a series whose event is not in the file."""
    reader = EventReader(event)
    if reader.cancels:
        return [_cancellation(reader)]
    if reader.began_before(FIRST_YEAR):
        event.notes.left_out[PAST] += 1
        return []
    content = _content(reader)
    times = reader.collected("scheduled_start", reader.times)
    original = reader.collected("RECURRENCE-ID", reader.original) if reader.is_exception else None
    if times is None and not any(error.field == "scheduled_start" for error in reader.errors):
        reader.complain("scheduled_start", "required", "scheduled_start is needed: the event has no DTSTART")
    if reader.errors or content is None or times is None:
        return [_refused(reader)]
    if event.options.only_ahead and times.begin <= event.options.now:
        event.notes.left_out[PAST] += 1
        return []
    key = None if original is None else calendar_series.in_utc(original.aware)
    made = _rows_of_date(reader, content, times.begin, times.end, original=key)
    return made if reader.is_exception else _with_dates(made, content.uid, event)


def rows_of_series(events: Sequence[CalendarEvent], budget: CallBudget) -> list[ParsedRow]:
    """The rows of the events of a file that have one UID: one that repeats, and exceptions."""
    readers = [EventReader(event) for event in events]
    exceptions = [one for one in readers if one.is_exception]
    revisions = sorted((one for one in readers if not one.is_exception), key=lambda one: one.sequence or 0)
    for former in revisions[:-1]:
        former.event.notes.left_out[FORMER] += 1
    if revisions and revisions[-1].repeats and not revisions[-1].cancels:
        return _Series(revisions[-1], exceptions, budget).rows()
    return [row for one in [*revisions[-1:], *exceptions] for row in rows_of_event(one.event)]


@dataclass(frozen=True, slots=True)
class _Content:
    """What every assignment of an event has, and whose work it is."""

    uid: str
    values: dict[str, Any]
    workers: Sequence[Person]


class _Series:
    """An event that repeats, with its exceptions."""

    def __init__(self, event: EventReader, exceptions: Sequence[EventReader], budget: CallBudget) -> None:
        self._event = event
        self._options = event.event.options
        self._exceptions = list(exceptions)
        self._budget = budget
        self._contents: dict[int, _Content] = {}
        self._readers = [event]
        self._times: list[Repeating] = []
        self._cancelled: list[tuple[EventReader, CalendarTime]] = []
        self._refused: list[list[RowError]] = []
        self._ends: str | None = None

    def rows(self) -> list[ParsedRow]:
        whole = self._event
        content = _content(whole)
        stated = whole.collected("scheduled_start", partial(self._stated, whole))
        if whole.errors or content is None or stated is None:
            return [_refused(whole)]
        self._contents[0] = content
        if not self._read_exceptions(stated):
            return [_refused(whole), *self._refused]
        since, until = self._options.now, self._options.until
        try:
            found = calendar_series.occurrences(self._times, since=since, until=until, budget=self._budget)
        except InvalidValue as refusal:
            whole.complain("RRULE", refusal.code, str(refusal))
            return [_refused(whole)]
        made: list[ParsedRow] = [*self._refused]
        for date_found in found:
            if len(made) > MOST_ROWS:
                message = f"this event makes more than {MOST_ROWS:,} assignments, by its dates and attendees"
                whole.complain("RRULE", "too_many", message)
                return [_refused(whole)]
            made += self._date(self._readers[date_found.number], self._times[date_found.number], date_found)
        for reader, gone in self._cancelled:
            if since < gone.instant_in_series(self._options.all_day) < until:
                made.append(_cancelled_date(reader, content.uid, calendar_series.in_utc(gone.aware)))
        sequences = [one.sequence for one in [whole, *self._exceptions] if one.sequence is not None]
        return _with_dates(made, content.uid, whole.event, sequence=max(sequences, default=None))

    def _read_exceptions(self, stated: Repeating) -> bool:
        """Reads when exceptions take place. A date whose exception cannot be read, or is cancelled, is none of the series.

        False where it is not known which dates these are: then no date of the series can be trusted.
        """
        excepted = list(stated.excepted)
        for one in self._exceptions:
            original = one.collected("RECURRENCE-ID", partial(_original, one, stated.start))
            if original is None:
                self._event.complain(
                    "RECURRENCE-ID", "invalid", "an exception of this event names no date of it"
                )
                self._refused.append(_refused(one))
                return False
            if one.cancels:
                self._cancelled.append((one, original))
                excepted.append(original)
                if occurrences.is_for_the_future(one):
                    self._ends = min(self._ends or _key(original.aware), _key(original.aware))
                continue
            own = one.collected("scheduled_start", partial(self._stated, one))
            if own is not None and not one.errors:
                self._readers.append(one)
                self._times.append(replace(own, original=original))
                continue
            self._refused.append(_refused(one))
            if occurrences.is_for_the_future(one):
                self._event.complain(
                    "RECURRENCE-ID", "invalid", "an exception for all later dates cannot be read"
                )
                return False
            excepted.append(original)
        self._times.insert(0, replace(stated, excepted=excepted))
        return True

    def _stated(self, reader: EventReader) -> Repeating:
        found = occurrences.repeating(reader)
        found.start.begins(self._options.all_day)
        return found

    def _date(self, reader: EventReader, stated: Repeating, found: EventOccurrence) -> list[ParsedRow]:
        start = replace(stated.start, local=_wall(found.start), zone=_zone(found.start, stated.start))
        begin = start.instant_in_series(self._options.all_day)
        if not self._options.now < begin < self._options.until:
            return []
        original = calendar_series.in_utc(found.original)
        if self._ends is not None and _key(original) >= self._ends:
            return []
        if found.number not in self._contents:
            content = _content(reader)
            if content is None or reader.errors:
                return [_refused(reader)]
            self._contents[found.number] = content
        try:
            end = begin + found.length if found.length else reader.ends(stated.start)(begin)
        except InvalidValue as refusal:
            reader.complain("scheduled_end", refusal.code, str(refusal))
            return [_refused(reader)]
        return _rows_of_date(reader, self._contents[found.number], begin, end, original=original)


def _content(reader: EventReader) -> _Content | None:
    uid = reader.collected("reference", reader.read_uid)
    values, workers = reader.values(), reader.workers()
    if uid is None or values is None or workers is None:
        return None
    return _Content(uid, values, workers)


def _rows_of_date(
    reader: EventReader,
    content: _Content,
    begin: datetime,
    end: datetime | None,
    *,
    original: datetime | date | None,
) -> list[ParsedRow]:
    """The rows of one date: one for each of the people whose work it is."""
    event = reader.event
    given = {**event.options.defaults, **content.values, "scheduled_start": begin.isoformat()}
    if end is not None:
        given["scheduled_end"] = end.isoformat()
    made = []
    nobody: Sequence[Person | None] = (None,)
    for person in content.workers or nobody:
        several = person_hash(person_key(person)) if person and len(content.workers) > 1 else ""
        given["reference"] = reference(content.uid, original=original, person=several)
        made.append(
            read_row(
                event.number,
                given if person is None else {**given, "assignee": person},
                sequence=reader.sequence,
                event=event_key(content.uid),
            )
        )
    return made


def _with_dates(
    made: Sequence[ParsedRow], uid: str, event: CalendarEvent, *, sequence: int | None = None
) -> list[ParsedRow]:
    """The rows of a whole event, of which the first names all; a row without values where there are none."""
    good = [one for one in made if isinstance(one, ImportRow)]
    key = event_key(uid)
    if len(good) < len(made):
        event.notes.refused_events.add(key)
    dates = EventDates(
        event=key,
        dates=[_event_date(one) for one in good if not one.cancellation],
        since=event.options.now,
        until=event.options.until,
        sequence=sequence if sequence is not None else next((one.sequence for one in good), None),
    )
    if len(good) < len(made):
        return list(made)  # What could not be read is not known to be gone.
    if not good:
        event.notes.left_out[NO_DATES] += 1
        return [ImportRow(number=event.number, values={}, event=key, dates=dates)]
    return [replace(good[0], dates=dates), *good[1:]]


def _event_date(row: ImportRow) -> EventDate:
    assert row.event is not None
    assert row.reference is not None
    return EventDate(row.reference, row.values["scheduled_start"], person_of(row.assignee))


def _cancellation(reader: EventReader) -> ParsedRow:
    """A row of which only the reference counts; whatever else is wrong with the event does not matter."""
    uid = reader.collected("reference", reader.read_uid)
    original = reader.collected("RECURRENCE-ID", reader.original) if reader.is_exception else None
    if uid is None or reader.errors:
        return _refused(reader)
    return _cancelled_date(reader, uid, calendar_series.in_utc(original.aware) if original else None)


def _cancelled_date(reader: EventReader, uid: str, original: datetime | date | None) -> ImportRow:
    return ImportRow(
        number=reader.event.number,
        values={"reference": reference(uid, original=original)},
        sequence=reader.sequence,
        cancellation=True,
        event=event_key(uid),
    )


def _refused(reader: EventReader) -> list[RowError]:
    uid = reader.uid
    reader.event.notes.refused_events.add("" if uid is None else event_key(uid))
    return reader.errors[:ERRORS_PER_ROW]


def _original(exception: EventReader, start: CalendarTime) -> CalendarTime:
    """The original start of an exception: a date where the event is of whole days, else a time as it begins.

    Raises InvalidValue.
    """
    original = occurrences.original(exception, start)
    if original.whole_day == start.whole_day:
        return original
    if start.whole_day:
        return occurrences.as_date(original)
    return replace(start, local=datetime.combine(original.local, start.begins(None).time()))


def _key(original: datetime | date) -> str:
    """By which the original starts of one event are in order."""
    return str(calendar_series.in_utc(original))


def _wall(found: datetime | date) -> datetime | date:
    return found.replace(tzinfo=None) if isinstance(found, datetime) else found


def _zone(found: datetime | date, stated: CalendarTime) -> Any:
    return (found.tzinfo or UTC) if isinstance(found, datetime) else stated.zone
