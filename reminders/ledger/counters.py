"""Business counters and histograms that live in the database: right on every replica, across every restart.

They are added to in the transaction that makes them true, and summed when somebody scrapes.
Each process adds to a slot of its own, so that no row is hot. A fault of
counting alone stops nothing: the transaction starts again without it (see `write`).
"""

import logging
import os
import socket
import time
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from functools import cache
from zlib import crc32

import psycopg
from django.db import Error as DatabaseError
from django.db.backends.utils import CursorWrapper

from accounts.signals import SIGN_IN_FAILURES as SIGN_IN_REASONS
from assignments.models import ActKind, Status, Way
from assignments.transactions import RetryTransaction, is_transient
from reminders.ledger.sql import Cursor, texts
from reminders.models import DeliveryKind, Reason, State
from reminders.policy.escalation import EscalationTrigger, trigger_of

logger = logging.getLogger(__name__)

SLOTS = 32
LEFT_ALONE_SECONDS = 10.0
"""How long nothing is counted after the counters could not be written."""

_left_alone_until = float("-inf")
SENT = "reminder_sent_total"
FAILED = "reminder_failed_total"
SKIPPED = "reminder_skipped_total"
ATTEMPTS = "reminder_attempts_total"
OVERDUE_MARKED = "reminder_overdue_marked_total"
AMBIGUOUS = "reminder_ambiguous_total"
EVENTS = "reminder_events_total"
SIGN_IN_FAILURES = "reminder_sign_in_failures_total"
DIGESTS = "reminder_digests_total"
DIGEST_ROWS = "reminder_digest_rows_total"
DELIVERY_EVENTS = "reminder_delivery_events_total"
ACTS = "reminder_acts_total"
CORRECTIONS = "reminder_corrections_total"
ESCALATIONS = "reminder_escalations_total"
CALENDAR_POLLS = "reminder_calendar_polls_total"
SMS_SEGMENTS = "reminder_sms_segments_total"
SMS_CAPPED = "reminder_sms_capped_total"
SMS_CALLBACKS = "reminder_sms_callbacks_total"
TEMPLATE_FALLBACKS = "reminder_template_fallbacks_total"
NOW = "reminder_now_total"
SEND_DELAY = "reminder_send_delay_seconds"
SCAN_DURATION = "reminder_scan_duration_seconds"

FAILURE_REASONS = (
    "enqueue",
    "broker",
    Reason.TEMPLATE.value,
    Reason.NO_CONTACT.value,
    Reason.REJECTED.value,
    Reason.EXHAUSTED.value,
    Reason.AMBIGUOUS.value,
    Reason.INTERNAL.value,
)
SKIP_REASONS = (
    Reason.MOVED,
    Reason.CANCELLED,
    Reason.REASSIGNED,
    Reason.STARTED,
    Reason.REPLANNED,
    Reason.TOO_LATE,
    Reason.PAST,
    Reason.ALREADY_TOLD,
    Reason.IMPORTED,
    Reason.OPERATOR,
    Reason.DECLINED,
    Reason.CONFIRMED,
    Reason.AS_TOLD,
    Reason.MERGED,
    Reason.OPTED_OUT,
    Reason.FALLBACK,
    Reason.REACHED,
)
SENT_STATUSES = (Status.SCHEDULED,)
EVENT_STATES = (State.SENT, State.FAILED, State.SKIPPED, State.UNKNOWN)
CORRECTION_OUTCOMES = ("sent", Reason.AS_TOLD.value, Reason.MERGED.value, "skipped", "failed", "unknown")
SMS_CALLBACK_KINDS = ("status", "reply")
SMS_CALLBACK_OUTCOMES = ("taken", "repeated", "unknown", "invalid", "forged")
CALENDAR_OUTCOMES = ("taken", "unchanged", "failed", "asks")
BUCKETS = {
    SEND_DELAY: (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0),
    SCAN_DURATION: (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
}
"""Upper bounds of the histograms' buckets, in seconds; one for everything above follows."""

Counts = Tally[tuple[str, str]]
"""How much to add to (name, labels)."""


def labels(**pairs: str) -> str:
    """Labels as they are stored: name=value, sorted, separated by commas."""
    return ",".join(f"{name}={value}" for name, value in sorted(pairs.items()))


def correction(state: State, reason: str) -> tuple[str, str]:
    """The counter of a correction that has ended so; `skipped` stands for every other reason of SKIPPED."""
    outcome = state.value.lower()
    if state is State.SKIPPED and reason in CORRECTION_OUTCOMES:
        outcome = reason
    return CORRECTIONS, labels(outcome=outcome)


def escalation(rule: str) -> tuple[str, str]:
    """The counter of notices to supervisors about what somebody did, by the rule of the row."""
    return ESCALATIONS, labels(trigger=trigger_of(rule).value)


def template_fallback(channel: str) -> tuple[str, str]:
    """The counter of messages over this channel that had the built-in text because a template could not be used."""
    return TEMPLATE_FALLBACKS, labels(channel=channel)


def observe(counts: Counts, name: str, seconds: Iterable[float]) -> None:
    """Adds observations to a histogram: one bucket each (not cumulative), and the sum."""
    values = list(seconds)
    bounds = BUCKETS[name]
    for place, number in Tally(bisect_left(bounds, value) for value in values).items():
        bound = str(bounds[place]) if place < len(bounds) else "+Inf"
        counts[f"{name}_bucket", f"le={bound}"] += number
    counts[f"{name}_sum", ""] += sum(values)  # type: ignore[assignment]


def write(cursor: Cursor, counts: Counts) -> None:
    """Adds the counts, in the caller's transaction.

    Where only the counters are at fault (no such table, no right to write, a broken index) the figures are lost,
    not the send: one line says so, and RetryTransaction makes the caller's `atomically` run without them. What ails
    the server as a whole is raised as it is.
    """
    global _left_alone_until
    if time.monotonic() < _left_alone_until:
        return
    try:
        _write(cursor, counts)
    except (DatabaseError, psycopg.Error) as error:
        if is_transient(error):
            raise
        _left_alone_until = time.monotonic() + LEFT_ALONE_SECONDS
        logger.exception("Metrics incomplete", extra={"part": "counters"})
        raise RetryTransaction("the counters cannot be written") from error


def _write(cursor: Cursor, counts: Counts) -> None:
    rows = [(name, label, str(float(value))) for (name, label), value in sorted(counts.items()) if value]
    if not rows:
        return
    names, label_texts, values = zip(*rows, strict=True)
    cursor.execute(
        """
        INSERT INTO reminders_counter AS c (name, labels, slot, value)
        SELECT name, labels, %s, value FROM unnest(%s::text[], %s::text[], %s::float8[]) AS x(name, labels, value)
        ON CONFLICT (name, labels, slot) DO UPDATE SET value = c.value + excluded.value
        """,
        [_slot(os.getpid()), texts(names), texts(label_texts), f"{{{','.join(values)}}}"],
    )


@cache
def _slot(pid: int) -> int:
    """The slot of a process. Hosts and containers share process ids, so the host counts too."""
    return crc32(f"{socket.gethostname()}:{pid}".encode()) % SLOTS


def totals(cursor: CursorWrapper) -> dict[tuple[str, str], float]:
    """The sum over all slots, by (name, labels)."""
    cursor.execute("SELECT name, labels, sum(value) FROM reminders_counter GROUP BY name, labels")
    return {(name, label): float(value) for name, label, value in cursor.fetchall()}


def expected(channels: Iterable[str], outcomes: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Every labelled series that must exist from the first scrape on, at 0."""
    yield from ((SENT, labels(status=status.value)) for status in SENT_STATUSES)
    yield from ((FAILED, labels(reason=reason)) for reason in FAILURE_REASONS)
    yield from ((SKIPPED, labels(reason=reason.value)) for reason in SKIP_REASONS)
    yield (OVERDUE_MARKED, "")
    yield (NOW, "")
    yield (DIGESTS, "")
    yield (DIGEST_ROWS, "")
    yield from ((ACTS, labels(act=act.value, via=way.value)) for act in ActKind for way in Way)
    yield from ((EVENTS, labels(state=state.value)) for state in EVENT_STATES)
    yield from ((SIGN_IN_FAILURES, labels(reason=reason)) for reason in SIGN_IN_REASONS)
    yield from ((CORRECTIONS, labels(outcome=outcome)) for outcome in CORRECTION_OUTCOMES)
    yield from ((ESCALATIONS, labels(trigger=trigger.value)) for trigger in EscalationTrigger)
    yield from ((CALENDAR_POLLS, labels(outcome=outcome)) for outcome in CALENDAR_OUTCOMES)
    yield (SMS_SEGMENTS, "")
    yield (SMS_CAPPED, "")
    yield from (
        (SMS_CALLBACKS, labels(callback=callback, outcome=outcome))
        for callback in SMS_CALLBACK_KINDS
        for outcome in SMS_CALLBACK_OUTCOMES
    )
    known_outcomes = list(outcomes)
    for channel in channels:
        yield (AMBIGUOUS, labels(channel=channel))
        yield template_fallback(channel)
        yield from ((DELIVERY_EVENTS, labels(channel=channel, kind=kind.value)) for kind in DeliveryKind)
        yield from ((ATTEMPTS, labels(channel=channel, outcome=outcome)) for outcome in known_outcomes)
