"""Where a row goes after an attempt: retries, back-off, and the circuit breaker of a route."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from reminders.conf import ReminderConfig
from reminders.models import Reason, State
from reminders.policy.record import record
from reminders.policy.rows import Row

FIRST_BACKOFF = timedelta(seconds=15)
FIRST_BREAKER_DELAY = timedelta(seconds=5)
LAST_TRY = timedelta(seconds=30)
"""With less time left than this, a message that was refused for now is not tried again."""
AMBIGUOUS_WAIT = 6
"""A send whose end is unknowable is repeated after this many send timeouts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient sends of one class are.

    `longest_backoff` bounds the wait between two attempts at one row, `longest_breaker_delay` how long a route that does
    not work is left alone. `limited`: REMINDER_MAX_ATTEMPTS bounds the attempts; otherwise only the row's `not_after`
    does. `max_ambiguous` is how many sends whose end is unknowable are followed by another.
    `unknowable_trips_breaker`: an unknowable end says that the next message on the route would fare no better.
    """

    longest_backoff: timedelta
    longest_breaker_delay: timedelta
    limited: bool
    max_ambiguous: int
    unknowable_trips_breaker: bool


TO_PEOPLE = RetryPolicy(
    longest_backoff=timedelta(minutes=10),
    longest_breaker_delay=timedelta(seconds=60),
    limited=True,
    max_ambiguous=1,
    unknowable_trips_breaker=False,
)
# A subscriber knows by the id what it has received already, so that an event may come twice. An endpoint that lets
# time run out would cost each of its events, and a worker, as much again; nobody's reminder waits for it.
TO_WEBHOOKS = RetryPolicy(
    longest_backoff=timedelta(hours=6),
    longest_breaker_delay=timedelta(minutes=10),
    limited=False,
    max_ambiguous=4,
    unknowable_trips_breaker=True,
)


def retry_policy(row: Row) -> RetryPolicy:
    return TO_WEBHOOKS if row.is_webhook else TO_PEOPLE


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


ABOUT_THE_CHANNEL = (Result.CHANNEL_DOWN, Result.CHANNEL_REFUSED, Result.THROTTLED)


@record
class Transition:
    """Where a row goes after an attempt. `retry_at` is set where it goes back to PLANNED."""

    state: State
    reason: Reason | None = None
    retry_at: datetime | None = None
    counted: bool = False
    ambiguous: bool = False


SENT = Transition(State.SENT)


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
            return SENT
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
            # What was too slow to answer would be again at once. Its repeat is given more time, and a quieter moment.
            wait = in_time(row, AMBIGUOUS_WAIT * config.send_timeout, now=now) or timedelta()
            return Transition(State.PLANNED, retry_at=now + wait, ambiguous=True)
        case Result.REFUSED_FOR_NOW | Result.UNKNOWABLE:
            policy = retry_policy(row)
            failures = row.failures + 1
            asked = max(backoff(failures, policy, jitter=jitter), retry_after or timedelta())
            after = in_time(row, asked, now=now)
            if after is not None and not (policy.limited and failures >= config.max_attempts):
                return Transition(State.PLANNED, retry_at=now + after, counted=True)
            if row.ambiguous:
                return Transition(State.UNKNOWN, Reason.AMBIGUOUS, counted=True)
            return Transition(State.FAILED, Reason.EXHAUSTED, counted=True)


def in_time(row: Row, wait: timedelta, *, now: datetime) -> timedelta | None:
    """The wait, or half of the time in which the row is still useful where that is less; None where that is too little.

    An event is worth as much to a program later on: its end is not worth a hurry.
    """
    if row.not_after is None or now + wait < row.not_after:
        return wait
    left = row.not_after - now
    return left / 2 if left > LAST_TRY and not row.is_webhook else None


def trips_breaker(row: Row, result: Result) -> bool:
    """Whether this end says that the next message on the same route would fare no better."""
    return result in ABOUT_THE_CHANNEL or (
        result is Result.UNKNOWABLE and retry_policy(row).unknowable_trips_breaker
    )


def wait_for_breaker(row: Row, result: Result, transition: Transition, until: datetime) -> Transition:
    """Where a row goes whose route is left alone until then. What could only come too late ends at once."""
    if result is Result.HANDED_BACK:
        return replace(transition, retry_at=until)
    if row.not_after is not None and until >= row.not_after:
        if row.ambiguous:
            return Transition(State.UNKNOWN, Reason.AMBIGUOUS, counted=transition.counted)
        return Transition(State.FAILED, Reason.EXHAUSTED, counted=transition.counted)
    return replace(transition, retry_at=max(until, transition.retry_at or until))


def backoff(failures: int, policy: RetryPolicy = TO_PEOPLE, *, jitter: float) -> timedelta:
    """The wait after so many failures: 15 s, doubled each time up to the policy's longest, a fifth more or less."""
    return _doubled(FIRST_BACKOFF, failures, most=policy.longest_backoff) * (1 + jitter / 5)


def breaker_delay(
    failures: int, policy: RetryPolicy = TO_PEOPLE, *, retry_after: timedelta | None = None
) -> timedelta:
    """How long a route is left alone after so many failures in a row: 5 s, doubled each time up to the policy's longest.

    `retry_after` is how long the other side asks to be left alone; it may be longer.
    """
    delay = _doubled(FIRST_BREAKER_DELAY, failures, most=policy.longest_breaker_delay)
    return max(delay, retry_after or timedelta())


def _doubled(first: timedelta, times: int, *, most: timedelta) -> timedelta:
    return min(first * (1 << min(times - 1, 16)), most)
