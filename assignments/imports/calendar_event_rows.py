"""The rows of events: one for each date and each of the people, or what is wrong with an event.

A cancellation needs the UID only, and the date that it is about.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from assignments.imports import calendar_series
from assignments.imports.bounded_calls import CallBudget
from assignments.imports.calendar_events import CalendarEvent, EventReader
from assignments.imports.calendar_instants import CalendarTime
from assignments.imports.calendar_occurrences import repeating
from assignments.imports.calendar_people import Person, person_key
from assignments.imports.calendar_references import event_key, person_hash, person_of, reference
from assignments.imports.calendar_series import Occurrence, Repeating
from assignments.imports.fields import InvalidValue
from assignments.imports.rows import ERRORS_PER_ROW, EventDate, EventDates, ParsedRow, Row, RowError, read_row

MOST_ROWS = 5_000
"""Assignments of one event."""

PAST = "events in the past"
NO_DATES = "repeating events without a date in the time ahead"


def rows_of_event(event: CalendarEvent) -> list[ParsedRow]:
    """The rows of an event that takes place once, or of one date of a series whose event is not in the file."""
    reader = EventReader(event)
    if reader.cancels:
        return [_cancellation(reader)]
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
    whole = [one for one in readers if not one.is_exception]
    if len(whole) != 1 or not whole[0].repeats or whole[0].cancels:
        return [row for event in events for row in rows_of_event(event)]
    return _Series(whole[0], [one for one in readers if one.is_exception], budget).rows()


class _Content:
    """What every assignment of an event has, and whose work it is."""

    __slots__ = ("uid", "values", "workers")

    def __init__(self, uid: str, values: dict[str, Any], workers: Sequence[Person]) -> None:
        self.uid, self.values, self.workers = uid, values, workers


class _Series:
    """An event that repeats, with its exceptions."""

    def __init__(self, event: EventReader, exceptions: Sequence[EventReader], budget: CallBudget) -> None:
        self._event = event
        self._options = event.event.options
        self._exceptions = list(exceptions)
        self._budget = budget
        self._contents: dict[int, _Content] = {}

    def rows(self) -> list[ParsedRow]:
        whole = self._event
        content = _content(whole)
        stated = whole.collected("scheduled_start", lambda: self._stated(whole))
        if whole.errors or content is None or stated is None:
            return [_refused(whole)]
        readers, times, refused = [whole], [stated], []
        for one in self._exceptions:
            own = one.collected("scheduled_start", lambda one=one: self._stated(one))  # type: ignore[misc]
            if own is None or one.errors:
                refused.append(_refused(one))
            else:
                readers.append(one)
                times.append(own)
        times = [times[0], *(_as_of(times[0].start, one) for one in times[1:])]
        since, until = self._options.now, self._options.until
        try:
            found = calendar_series.occurrences(times, since=since, until=until, budget=self._budget)
        except InvalidValue as refusal:
            whole.complain("RRULE", refusal.code, str(refusal))
            return [_refused(whole)]
        self._contents[0] = content
        made: list[ParsedRow] = [*refused]
        for date_found in found:
            if len(made) > MOST_ROWS:
                message = f"this event makes more than {MOST_ROWS:,} assignments, by its dates and attendees"
                whole.complain("RRULE", "too_many", message)
                return [_refused(whole)]
            made += self._date(readers[date_found.number], times[date_found.number], date_found)
        sequences = [one.sequence for one in readers if one.sequence is not None]
        return _with_dates(made, content.uid, whole.event, sequence=max(sequences, default=None))

    def _stated(self, reader: EventReader) -> Repeating:
        found = repeating(reader)
        found.start.begins(self._options.all_day)
        return found

    def _date(self, reader: EventReader, stated: Repeating, found: Occurrence) -> list[ParsedRow]:
        start = replace(stated.start, local=_wall(found.start), zone=_zone(found.start, stated.start))
        begin = start.instant_in_series(self._options.all_day)
        if not self._options.now < begin < self._options.until:
            return []
        original = calendar_series.in_utc(found.original)
        if reader.cancels:
            return [_cancelled_date(reader, self._contents[0].uid, original)]
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
    good = [one for one in made if isinstance(one, Row)]
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
        return [Row(number=event.number, values={}, event=key, dates=dates)]
    return [replace(good[0], dates=dates), *good[1:]]


def _event_date(row: Row) -> EventDate:
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


def _cancelled_date(reader: EventReader, uid: str, original: datetime | date | None) -> Row:
    return Row(
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


def _as_of(start: CalendarTime, exception: Repeating) -> Repeating:
    """An exception whose original start is a date, or is none, as the event itself begins."""
    original = exception.original
    if original is None or original.whole_day == start.whole_day:
        return exception
    day = original.local.date() if isinstance(original.local, datetime) else original.local
    local = day if start.whole_day else datetime.combine(day, start.begins(None).time())
    return replace(exception, original=replace(start, local=local))


def _wall(found: datetime | date) -> datetime | date:
    return found.replace(tzinfo=None) if isinstance(found, datetime) else found


def _zone(found: datetime | date, stated: CalendarTime) -> Any:
    return (found.tzinfo or UTC) if isinstance(found, datetime) else stated.zone
