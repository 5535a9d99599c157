"""One poll of a calendar: claim, fetch, take what it says, record. The network is outside of any transaction."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.http import parse_header_parameters

from assignments import services
from assignments.clock import database_now
from assignments.history import Actor
from assignments.imports.portions import import_portion
from assignments.imports.results import ImportResult, together
from assignments.imports.rows import MAX_ROWS, ImportRow, RowError
from assignments.models import Assignment, CalendarSource, Status
from assignments.references import normalized
from assignments.transactions import atomically
from notifications.fetch import Document, Fetcher, FetchFailed
from notifications.redaction import redacted
from reminders.feeds import polls
from reminders.feeds.polls import CalendarPollResult
from reminders.feeds.reading import Reading, options_of, read
from reminders.feeds.shrinkage import asks

logger = logging.getLogger(__name__)

TIMEOUT = timedelta(seconds=30)
MOST_OCTETS = 20 * 1024 * 1024
READ_WHOLE_AFTER = timedelta(hours=20)
"""So old an answer is asked for again even if it has not changed: the horizon has moved on."""

SHOWN_ERRORS = 20


def fetcher() -> Fetcher:
    """What calendars are fetched with."""
    return Fetcher(timeout=TIMEOUT, most=MOST_OCTETS, private=settings.CALENDAR_ALLOW_PRIVATE)


def poll(pk: int, *, fetch: Fetcher | None = None) -> CalendarPollResult | None:
    """Polls a calendar that is due; None where it is not, or somebody else does. Never raises for what it answers."""
    source = polls.claim(pk)
    if source is None:
        return None
    try:
        result = _polled(source, fetch or fetcher())
    except FetchFailed as failure:
        values = {"code": failure.code[:40], "detail": redacted(str(failure))}
        result = CalendarPollResult(outcome="failed", values=values, wait=failure.retry_after)
    except _LeaseLost:
        return None
    except Exception as error:
        values = {"code": "internal", "detail": type(error).__name__}
        polls.finish(source, CalendarPollResult(outcome="failed", values=values))
        raise
    polls.finish(source, result)
    logger.info(
        "Calendar polled",
        extra={
            "source_id": source.pk,
            "outcome": result.outcome,
            "reason": result.values.get("code", ""),
            "counts": result.values.get("counts", {}),
        },
    )
    return result


class _LeaseLost(Exception):
    """Another process polls this calendar by now, or it was switched off."""


def _polled(source: CalendarSource, fetch: Fetcher) -> CalendarPollResult:
    now = database_now()
    conditional = source.full_read_at is not None and now - source.full_read_at < READ_WHOLE_AFTER
    document = fetch.fetch(
        source.url,
        etag=source.etag if conditional else "",
        last_modified=source.last_modified if conditional else "",
    )
    if document is None:
        return CalendarPollResult(outcome="asks" if source.asks_since else "unchanged")
    _, parameters = parse_header_parameters(document.media_type)
    reading = read(document.body, parameters.get("charset"), options_of(source, now=now))
    done, refused = _import(source, reading)
    return _vanish(source, reading, done, refused, document, now=now)


def _import(source: CalendarSource, reading: Reading) -> tuple[ImportResult, list[RowError]]:
    """Takes the rows that are good, in portions that are committed one by one."""
    total, refused = ImportResult(), list[RowError]()
    for begin in range(0, len(reading.rows), MAX_ROWS):
        done, errors = _portion(source, reading.rows[begin : begin + MAX_ROWS])
        total = together(total, done)
        refused += errors
    return total, refused


@atomically
def _portion(source: CalendarSource, rows: Sequence[ImportRow]) -> tuple[ImportResult, list[RowError]]:
    if not polls.still_held(source):
        raise _LeaseLost
    return import_portion(rows, skip_bad=True, feed=source.pk, actor=Actor.calendar(source.name))


@atomically
def _vanish(
    source: CalendarSource,
    reading: Reading,
    done: ImportResult,
    refused: Sequence[RowError],
    document: Document,
    *,
    now: datetime,
) -> CalendarPollResult:
    """Cancels open work of this calendar whose events are gone, or asks for it. What could not be read is not gone."""
    if not polls.still_held(source):
        raise _LeaseLost
    ahead = Assignment.objects.filter(
        calendar_source=source,
        status=Status.SCHEDULED,
        scheduled_start__gt=now,
        scheduled_start__lt=now + timedelta(days=source.days_ahead),
    )
    open_work = list(ahead.order_by("pk").values_list("pk", "reference", "calendar_event"))
    unread = reading.unread
    gone = [
        pk
        for pk, reference, event in open_work
        if unread is not None and event not in unread and normalized(str(reference)) not in reading.references
    ]
    ask = bool(gone) and asks(open_work=len(open_work), vanished=len(gone))
    cancelled = 0 if ask else cancel_gone(source, gone, now=now)
    return CalendarPollResult(
        outcome="asks" if ask else "taken",
        values={
            "etag": document.etag,
            "last_modified": document.last_modified,
            "full_read_at": now,
            "vanished": gone if ask else [],
            "asks_since": (source.asks_since or now) if ask else None,
            "counts": {
                "created": done.created,
                "updated": done.updated,
                "unchanged": done.unchanged,
                "cancelled": cancelled,
                "refused": reading.refused + len({error.row for error in refused}),
            },
            "refused": [
                _shown(error)
                for error in sorted([*reading.errors, *refused], key=lambda one: one.row)[:SHOWN_ERRORS]
            ],
        },
    )


def cancel_gone(source: CalendarSource, ids: Sequence[int], *, now: datetime) -> int:
    """Cancels what is still open of this calendar's work with these ids; returns how much that was."""
    cancelled = services.cancel_many(
        ids,
        only=Assignment.objects.filter(calendar_source=source),
        now=now,
        actor=Actor.calendar(source.name),
    )
    return len(cancelled)


def _shown(error: RowError) -> dict[str, object]:
    return {"row": error.row, "field": error.field, "code": error.code, "message": redacted(error.message)}
