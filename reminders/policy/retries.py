"""Where a row goes after an attempt: retries, back-off, and the circuit breaker of a route."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from reminders.conf import ReminderConfig
from reminders.models import Reason, State
from reminders.policy.rows import Row

FIRST_BACKOFF = timedelta(seconds=15)


LONGEST_BACKOFF = timedelta(minutes=10)


FIRST_BREAKER_DELAY = timedelta(seconds=5)


LONGEST_BREAKER_DELAY = timedelta(seconds=60)


LONGEST_EVENT_BACKOFF = timedelta(hours=6)


LONGEST_ENDPOINT_DELAY = timedelta(minutes=10)


MAX_AMBIGUOUS_EVENT_ATTEMPTS = 5
"""An event that was cut off so often, by a worker that died, ends UNKNOWN; it does no harm to come twice."""


class Result(Enum):
    """How a send that was begun has ended; the words of `Attempt.outcome`."""

    ACCEPTED = "accepted"
    REFUSED_FOR_NOW = "refused_for_now"
    REJECTED = "rejected"
    THROTTLED = "throttled"
    CHANNEL_REFUSED = "channel_refused"
    CHANNEL_DOWN = "channel_down"
    UNKNOWABLE = "unknowable"
    HANDED_BACK = "handed_back"
    NO_CONTACT = "no_contact"
    TEMPLATE = "template"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Transition:
    """Where a row goes after an attempt. `retry_at` is set where it goes back to PLANNED."""

    state: State
    reason: Reason | None = None
    retry_at: datetime | None = None
    counted: bool = False
    ambiguous: bool = False


def transition_after(
    row: Row,
    result: Result,
    *,
    now: datetime,
    config: ReminderConfig,
    jitter: float,
    retry_after: timedelta | None = None,
) -> Transition:
    """Where the row goes after this result. `row` is as it was begun: its own attempt is not counted yet.

    `jitter` lies in [-1, 1] and moves a backoff by up to a fifth. `retry_after` is how long the other side asks to
    be left alone.
    """
    match result:
        case Result.ACCEPTED:
            return Transition(State.SENT)
        case Result.REJECTED:
            return Transition(State.FAILED, Reason.REJECTED, counted=True)
        case Result.NO_CONTACT if row.is_webhook:
            return Transition(State.SKIPPED, Reason.UNSUBSCRIBED)
        case Result.NO_CONTACT:
            return Transition(State.FAILED, Reason.NO_CONTACT, counted=True)
        case Result.TEMPLATE:
            return Transition(State.FAILED, Reason.TEMPLATE, counted=True)
        case Result.INTERNAL:
            return Transition(State.FAILED, Reason.INTERNAL, counted=True)
        case Result.HANDED_BACK | Result.CHANNEL_DOWN | Result.CHANNEL_REFUSED | Result.THROTTLED:
            return Transition(State.PLANNED, retry_at=now)
        case Result.UNKNOWABLE if not row.is_webhook:
            if row.ambiguous:
                return Transition(State.UNKNOWN, Reason.AMBIGUOUS, ambiguous=True)
            return Transition(State.PLANNED, retry_at=now, ambiguous=True)
        case Result.REFUSED_FOR_NOW | Result.UNKNOWABLE:
            # A program knows by the id what it has had: an event may come twice, and is tried until it is too late.
            failures = row.failures + 1
            most = LONGEST_EVENT_BACKOFF if row.is_webhook else LONGEST_BACKOFF
            wait = max(backoff(failures, jitter=jitter, most=most), retry_after or timedelta())
            too_late = row.not_after is not None and now + wait >= row.not_after
            if not too_late and (row.is_webhook or failures < config.max_attempts):
                return Transition(State.PLANNED, retry_at=now + wait, counted=True)
            if row.ambiguous:
                return Transition(State.UNKNOWN, Reason.AMBIGUOUS, counted=True)
            return Transition(State.FAILED, Reason.EXHAUSTED, counted=True)


def trips_breaker(row: Row, result: Result) -> bool:
    """Whether this end says that the next message on the same road would fare no better.

    An endpoint that lets time run out would cost each of its events, and a worker, as much again.
    """
    about_the_channel = (Result.CHANNEL_DOWN, Result.CHANNEL_REFUSED, Result.THROTTLED)
    return result in about_the_channel or (row.is_webhook and result is Result.UNKNOWABLE)


def wait_for_breaker(row: Row, result: Result, transition: Transition, until: datetime) -> Transition:
    """Where a row goes that waits for its road until then. What could only come too late ends at once."""
    if result is Result.HANDED_BACK:
        return replace(transition, retry_at=until)
    if row.not_after is not None and until >= row.not_after:
        if row.ambiguous:
            return Transition(State.UNKNOWN, Reason.AMBIGUOUS, counted=transition.counted)
        return Transition(State.FAILED, Reason.EXHAUSTED, counted=transition.counted)
    return replace(transition, retry_at=max(until, transition.retry_at or until))


def backoff(failures: int, *, jitter: float, most: timedelta = LONGEST_BACKOFF) -> timedelta:
    """15 s, 30 s, 60 s ... at most 10 min, a fifth more or less; for events at most 6 h."""
    return _doubled(FIRST_BACKOFF, failures, most=most) * (1 + jitter / 5)


def breaker_delay(
    failures: int, *, endpoint: bool = False, retry_after: timedelta | None = None
) -> timedelta:
    """How long a road is left alone after so many failures in a row: 5 s doubling to 60 s (RULES, 10).

    An endpoint for up to 10 minutes, and for as long as it asks: nobody's reminder waits for it.
    """
    most = LONGEST_ENDPOINT_DELAY if endpoint else LONGEST_BREAKER_DELAY
    return max(_doubled(FIRST_BREAKER_DELAY, failures, most=most), retry_after or timedelta())


def _doubled(first: timedelta, times: int, *, most: timedelta) -> timedelta:
    return min(first * (1 << min(times - 1, 16)), most)
