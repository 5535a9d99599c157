"""The dates of a repeating event within a horizon, by recurring_ical_events, in bounded time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import recurring_ical_events
from icalendar import Calendar, Event, vDDDLists, vDDDTypes, vRecur

from assignments.imports.bounded_calls import CallBudget, TooManyCalls
from assignments.imports.calendar_instants import CalendarTime
from assignments.imports.calendar_rules import brought_forward, has_dates, rule_parts, written
from assignments.imports.fields import InvalidValue

MAX_OCCURRENCES = 1_000
"""Dates of one event within the horizon."""

MARGIN = timedelta(days=2)
"""Whole days begin on a local clock; this is more than any clock is off."""

CALLS_OF_A_SERIES, SECONDS_OF_A_FILE = 1_000_000, 30.0
"""What following one series may cost (about a second), and all those of a file together."""


def new_budget() -> CallBudget:
    """What the series of one file may cost."""
    return CallBudget(calls=CALLS_OF_A_SERIES, seconds=SECONDS_OF_A_FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeating:
    """What an event, or the exception of one date, says about when it takes place.

    `original` is the start that an exception replaces, and with `and_future` those of all later dates too. `extra` and
    `excepted` are dates that a rule does not have, and that it is not to have; an extra one may have a length.
    """

    start: CalendarTime
    rules: Sequence[str] = ()
    extra: Sequence[tuple[CalendarTime, timedelta | None]] = ()
    excepted: Sequence[CalendarTime] = ()
    original: CalendarTime | None = None
    and_future: bool = False
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class EventOccurrence:
    """One date: which of the given events counts for it, its original start, its start, and its length if it has an
    own one."""

    number: int
    original: datetime | date
    start: datetime | date
    length: timedelta | None


def occurrences(
    events: Sequence[Repeating], *, since: datetime, until: datetime, budget: CallBudget
) -> list[EventOccurrence]:
    """The dates of one series from `since` to `until`, and some beside them. Raises InvalidValue.

    `events` are the event and its exceptions.
    """
    try:
        with budget.one():
            calendar = Calendar()
            for number, event in enumerate(events):
                calendar.add_component(_component(event, number, since))
            found = recurring_ical_events.of(calendar).between(since - MARGIN, until + MARGIN)
    except TooManyCalls:
        raise _too_many(events, until - since) from None
    except InvalidValue:
        raise
    except Exception as error:
        message = f"the dates of this event cannot be computed: {type(error).__name__}"
        raise InvalidValue("invalid", message) from error
    if len(found) > MAX_OCCURRENCES:
        raise _too_many(events, until - since)
    return sorted((_occurrence(one, events) for one in found), key=lambda one: str(one.original))


def _component(event: Repeating, number: int, since: datetime) -> Event:
    component = Event()
    component["UID"] = "series"
    component["X-NUMBER"] = str(number)
    component["SEQUENCE"] = event.sequence
    start = event.start.aware
    rules = [parts for text in event.rules if has_dates(parts := rule_parts(text), event.start.aware)]
    if len(rules) == 1 and event.original is None:
        start = brought_forward(start, rules[0], near=since)
    component["DTSTART"] = vDDDTypes(start)
    if rules:
        texts = [written(parts, start=event.start) for parts in rules]
        try:
            component["RRULE"] = [vRecur.from_ical(text) for text in texts]
        except ValueError as error:
            raise InvalidValue(
                "invalid", f"RRULE {event.rules[0]!r:.200} is not a rule of RFC 5545"
            ) from error
    if event.extra:
        component["RDATE"] = vDDDLists(
            [(time.aware, length) if length else time.aware for time, length in event.extra]
        )
    if event.excepted:
        component["EXDATE"] = vDDDLists([time.aware for time in event.excepted])
    if event.original is not None:
        component["RECURRENCE-ID"] = vDDDTypes(event.original.aware)
        if event.and_future:
            component["RECURRENCE-ID"].params["RANGE"] = "THISANDFUTURE"
    return component


def _occurrence(found: Any, events: Sequence[Repeating]) -> EventOccurrence:
    number = int(found["X-NUMBER"])
    event, start, end = events[number], found.start, found.end
    original = start
    if event.original is not None:
        own, replaced = event.start.aware, event.original.aware
        original = replaced if start == own else _shifted(start, own, replaced)
    length = end - start if isinstance(start, datetime) and end > start else None
    return EventOccurrence(number, original, start, length)


def _shifted(start: Any, own: Any, replaced: Any) -> Any:
    """The original start of a date that follows an exception with RANGE=THISANDFUTURE: moved by as much as that one."""
    if isinstance(start, datetime) and isinstance(own, datetime) and isinstance(replaced, datetime):
        return start - (own - replaced.astimezone(own.tzinfo))
    return start - (_day(own) - _day(replaced)) if not isinstance(start, datetime) else start


def _day(value: datetime | date) -> date:
    return value.date() if isinstance(value, datetime) else value


def _too_many(events: Sequence[Repeating], ahead: timedelta) -> InvalidValue:
    rule = next((text for event in events for text in event.rules), "")
    message = (
        f"RRULE {rule[:100]!r} makes more dates within {ahead.days} days than {MAX_OCCURRENCES:,}, or takes too long to "
        "follow: a rule with fewer dates is needed, or a shorter time ahead"
    )
    return InvalidValue("too_many", message)


def in_utc(value: datetime | date) -> datetime | date:
    """An instant in UTC; a whole day as its date."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value
