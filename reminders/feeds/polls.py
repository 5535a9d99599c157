"""Guarded writes of a calendar's polls: one process at a time reads it, and only that one says what came of it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F, Q, QuerySet

from assignments.clock import database_now
from assignments.models import CalendarSource
from assignments.transactions import atomically
from reminders.ledger import counters

LEASE = timedelta(minutes=15)
"""A process that has not ended a poll for so long is gone."""

SLACK = timedelta(minutes=1)
"""Polls are handed over by scans, which come at intervals of their own: so much earlier is in time."""

MOST_AT_ONCE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarPollResult:
    """What a poll came to: one of `counters.CALENDAR_OUTCOMES`, and the columns that it sets besides."""

    outcome: str
    values: dict[str, Any] = field(default_factory=dict)
    wait: timedelta | None = None


def _to_poll(now: datetime) -> QuerySet[CalendarSource]:
    """Calendars that are to be polled now and that nobody polls."""
    free = Q(leased_until__isnull=True) | Q(leased_until__lte=now)
    return CalendarSource.objects.filter(free, active=True, next_poll_at__lte=now)


def due(*, limit: int = MOST_AT_ONCE) -> list[int]:
    """Ids of calendars that are to be polled now and that nobody polls."""
    found = _to_poll(database_now()).order_by("next_poll_at", "pk")
    return list(found.values_list("pk", flat=True)[:limit])


@atomically
def claim(pk: int) -> CalendarSource | None:
    """The calendar, leased to the caller; None where it is not due, or somebody else polls it."""
    now = database_now()
    won = _to_poll(now).filter(pk=pk).update(leased_until=now + LEASE)
    return CalendarSource.objects.select_related("team").get(pk=pk) if won else None


def still_held(source: CalendarSource) -> bool:
    """Whether the lease is still the caller's; locks the row, so that nobody takes it before the transaction ends."""
    return (
        CalendarSource.objects.select_for_update(no_key=True)
        .filter(pk=source.pk, active=True, leased_until=source.leased_until)
        .exists()
    )


@atomically
def finish(source: CalendarSource, result: CalendarPollResult) -> bool:
    """Records what a poll came to, and when the next one is due. False where the lease is somebody else's by now."""
    now = database_now()
    every = timedelta(minutes=source.every_minutes)
    wait = max(every, result.wait or timedelta()) - min(SLACK, every / 5)
    values: dict[str, Any] = {
        "polled_at": now,
        "next_poll_at": now + wait,
        "leased_until": None,
        **result.values,
    }
    if result.outcome == "failed":
        values |= {"failures": F("failures") + 1, "failing_since": source.failing_since or now}
    else:
        values |= {"failures": 0, "failing_since": None, "code": "", "detail": "", "succeeded_at": now}
    held = CalendarSource.objects.filter(pk=source.pk, leased_until=source.leased_until)
    if not held.update(**values):
        return False
    counts = counters.Counts({(counters.CALENDAR_POLLS, counters.labels(outcome=result.outcome)): 1})
    with connection.cursor() as cursor:
        counters.write(cursor, counts)
    return True
