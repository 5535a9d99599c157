"""Every decision about a reminder, as pure functions of (row, plan, situation, clock): no database, no clock.

The rules list what must hold before a reminder is sent, in the order in which it is tried. `judge` follows the
first that does not hold, and delivery acts on it; `gates` shows the same rules to the explainer, so that the two
cannot drift apart.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from uuid import NAMESPACE_URL, UUID, uuid5

from assignments.models import Status
from reminders.conf import TELL_WINDOW, ReminderConfig
from reminders.models import NO_CHANNEL, Kind, Reason, Reminder, State

EARLY = timedelta(milliseconds=50)
"""A row that is due later than this is not begun (RULES, 4)."""

FIRST_BACKOFF = timedelta(seconds=15)
LONGEST_BACKOFF = timedelta(minutes=10)
FIRST_HOLD = timedelta(seconds=5)
LONGEST_HOLD = timedelta(seconds=60)
LONGEST_EVENT_BACKOFF = timedelta(hours=6)
LONGEST_ENDPOINT_HOLD = timedelta(minutes=10)
MOST_DOUBTS = 5
"""An event that was cut off so often, by a worker that died, ends UNKNOWN; it does no harm to come twice."""
NAMESPACE = uuid5(NAMESPACE_URL, "urn:assignment-reminders")


class Action(Enum):
    """What is done with a row. DROP: none is made."""

    SEND = "send"
    MARK = "mark"
    WAIT = "wait"
    END = "end"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, and why. `state` is the final state where `action` is END; `until` is when to look again."""

    action: Action
    reason: Reason | None = None
    state: State | None = None
    until: datetime | None = None


SEND = Verdict(Action.SEND)
MARK = Verdict(Action.MARK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the ledger believes about one nudge. Instants are aware UTC."""

    id: int
    assignment_id: int
    version: int
    kind: Kind
    rule: str
    recipient: str
    channel: str
    planned_start: datetime
    planned_at: datetime
    due_at: datetime
    not_after: datetime | None
    next_attempt_at: datetime
    state: State
    ticket: int
    attempts: int
    failures: int
    ambiguous: int
    scan_id: int | None = None

    @property
    def marks(self) -> bool:
        """Whether this is the marker of its version: it writes to nobody (RULES, 5)."""
        return self.channel == NO_CHANNEL

    @property
    def tells_a_program(self) -> bool:
        """Whether this is an event for a subscription: a webhook (RULES, 12)."""
        return self.kind is Kind.EVENT

    @property
    def road(self) -> str:
        """What is held when it does not work: the channel for people, the endpoint of one subscription for events."""
        return self.recipient if self.tells_a_program else self.channel


def believed(reminder: Reminder) -> Row:
    """What policy needs of a row of the ledger."""
    values = {name: getattr(reminder, name) for name in Row.__dataclass_fields__}
    return Row(**{**values, "kind": Kind(reminder.kind), "state": State(reminder.state)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The assignment as it stands now."""

    version: int
    status: Status
    scheduled_start: datetime
    recipient: str
    overdue: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What holds for every row at this moment: the switch, the pause, the roads that are held."""

    now: datetime
    enabled: bool = True
    paused: bool = False
    paused_until: datetime | None = None
    held: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Gate:
    """One thing that must hold: its name, whether it does, what was seen, and what follows if it does not."""

    name: str
    passed: bool
    seen: str
    otherwise: Verdict


@dataclass(frozen=True, slots=True)
class Rule:
    """A gate in general: how to see whether it holds, what to say of it, and what follows if it does not."""

    name: str
    holds: Callable[[Row, Plan, Situation], bool]
    seen: Callable[[Row, Plan, Situation], str]
    otherwise: Callable[[Row, Plan, Situation], Verdict]


def judge(row: Row, plan: Plan, situation: Situation) -> Verdict:
    """What becomes of the row right now."""
    for rule in _rules(row):
        if not rule.holds(row, plan, situation):
            return rule.otherwise(row, plan, situation)
    return MARK if row.marks else SEND


def gates(row: Row, plan: Plan, situation: Situation) -> Iterator[Gate]:
    """Everything that must hold before a row is sent or marks its assignment, in the order it is tried."""
    for rule in _rules(row):
        yield Gate(
            rule.name,
            rule.holds(row, plan, situation),
            rule.seen(row, plan, situation),
            rule.otherwise(row, plan, situation),
        )


def written(instant: datetime) -> str:
    """'2026-11-24 09:30:00 UTC': what was seen, for people."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _rules(row: Row) -> tuple[Rule, ...]:
    if row.tells_a_program:
        return FOR_AN_EVENT
    return FOR_A_MARKER if row.marks else FOR_A_MESSAGE


def _wait(reason: Reason) -> Callable[[Row, Plan, Situation], Verdict]:
    return lambda row, plan, situation: Verdict(Action.WAIT, reason, until=row.next_attempt_at)


def _hold_over(row: Row, situation: Situation) -> bool:
    held = situation.held.get(row.road)
    return held is None or held <= situation.now


def _seen_of_road(row: Row, situation: Situation) -> str:
    held = situation.held.get(row.road)
    return f"{row.road} held until {written(held)}" if held else f"{row.road} is open"


# A worker tries these for each row: what is seen, and what follows, is put into words only where it is asked for.
SWITCHED_ON = Rule(
    "switched on",
    lambda row, plan, situation: situation.enabled,
    lambda row, plan, situation: f"REMINDER_WORKER_ENABLED={'true' if situation.enabled else 'false'}",
    _wait(Reason.DISABLED),
)
PLAN_HOLDS = Rule(
    "plan still holds",
    lambda row, plan, situation: why_void(row, plan) is None,
    lambda row, plan, situation: f"version {row.version} of {plan.version}, {plan.status.value}",
    lambda row, plan, situation: end(row, why_void(row, plan) or Reason.REPLANNED),
)
NOT_TOO_LATE = Rule(
    "not too late",
    lambda row, plan, situation: row.not_after is None or situation.now <= row.not_after,
    lambda row, plan, situation: f"not after {written(row.not_after) if row.not_after else 'any instant'}",
    lambda row, plan, situation: end(row, Reason.TOO_LATE),
)
DUE = Rule(
    "due",
    lambda row, plan, situation: row.next_attempt_at <= situation.now + EARLY,
    lambda row, plan, situation: f"next attempt at {written(row.next_attempt_at)}",
    _wait(Reason.TOO_EARLY),
)
NOT_PAUSED = Rule(
    "not paused",
    lambda row, plan, situation: not situation.paused,
    lambda row, plan, situation: "paused" if situation.paused else "running",
    _wait(Reason.PAUSED),
)
CHANNEL_USABLE = Rule(
    "channel usable",
    lambda row, plan, situation: _hold_over(row, situation),
    lambda row, plan, situation: _seen_of_road(row, situation),
    lambda row, plan, situation: Verdict(
        Action.WAIT, Reason.CHANNEL_HELD, until=situation.held.get(row.road)
    ),
)
FOR_A_MARKER = (SWITCHED_ON, PLAN_HOLDS, NOT_TOO_LATE, DUE)
FOR_A_MESSAGE = (*FOR_A_MARKER, NOT_PAUSED, CHANNEL_USABLE)
FOR_AN_EVENT = (SWITCHED_ON, NOT_TOO_LATE, DUE, NOT_PAUSED, CHANNEL_USABLE)
"""What has happened stays true whatever becomes of the plan (RULES, 12)."""


def why_void(row: Row, plan: Plan) -> Reason | None:
    """Why the plan of this row no longer holds; None while it does, and for an event always.

    The ledger's set-based voiding says the same in SQL; a property test holds the two together.
    """
    if row.tells_a_program:
        return None
    if plan.status == Status.CANCELLED:
        return Reason.CANCELLED
    if plan.status != Status.SCHEDULED:
        return Reason.STARTED
    if row.planned_start != plan.scheduled_start:
        return Reason.MOVED
    if row.version == plan.version:
        return None
    if row.kind == Kind.REMINDER and row.recipient != plan.recipient:
        return Reason.REASSIGNED
    return Reason.REPLANNED


def end(row: Row, reason: Reason) -> Verdict:
    """Ends a row that will not be sent. What may have arrived already is never called SKIPPED (RULES, 11)."""
    if row.ambiguous:
        return Verdict(Action.END, Reason.AMBIGUOUS, state=State.UNKNOWN)
    return Verdict(Action.END, reason, state=State.SKIPPED)


class Result(Enum):
    """How a send that was begun has ended; the words of `Attempt.outcome`."""

    ACCEPTED = "accepted"
    REFUSED_FOR_NOW = "refused_for_now"
    REJECTED = "rejected"
    CHANNEL_DOWN = "channel_down"
    UNKNOWABLE = "unknowable"
    HANDED_BACK = "handed_back"
    NO_CONTACT = "no_contact"
    TEMPLATE = "template"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Next:
    """Where a row goes after an attempt. `retry_at` is set where it goes back to PLANNED."""

    state: State
    reason: Reason | None = None
    retry_at: datetime | None = None
    counted: bool = False
    ambiguous: bool = False


def after(
    row: Row,
    result: Result,
    *,
    now: datetime,
    config: ReminderConfig,
    jitter: float,
    retry_after: timedelta | None = None,
) -> Next:
    """Where the row goes after this result. `row` is as it was begun: its own attempt is not counted yet.

    `jitter` lies in [-1, 1] and moves a backoff by up to a fifth. `retry_after` is how long the other side asks to
    be left alone.
    """
    match result:
        case Result.ACCEPTED:
            return Next(State.SENT)
        case Result.REJECTED:
            return Next(State.FAILED, Reason.REJECTED, counted=True)
        case Result.NO_CONTACT if row.tells_a_program:
            return Next(State.SKIPPED, Reason.UNSUBSCRIBED)
        case Result.NO_CONTACT:
            return Next(State.FAILED, Reason.NO_CONTACT, counted=True)
        case Result.TEMPLATE:
            return Next(State.FAILED, Reason.TEMPLATE, counted=True)
        case Result.INTERNAL:
            return Next(State.FAILED, Reason.INTERNAL, counted=True)
        case Result.HANDED_BACK | Result.CHANNEL_DOWN:
            return Next(State.PLANNED, retry_at=now)
        case Result.UNKNOWABLE if not row.tells_a_program:
            if row.ambiguous:
                return Next(State.UNKNOWN, Reason.AMBIGUOUS, ambiguous=True)
            return Next(State.PLANNED, retry_at=now, ambiguous=True)
        case Result.REFUSED_FOR_NOW | Result.UNKNOWABLE:
            # A program knows by the id what it has had: an event may come twice, and is tried until it is too late.
            failures = row.failures + 1
            most = LONGEST_EVENT_BACKOFF if row.tells_a_program else LONGEST_BACKOFF
            wait = max(backoff(failures, jitter=jitter, most=most), retry_after or timedelta())
            too_late = row.not_after is not None and now + wait >= row.not_after
            if not too_late and (row.tells_a_program or failures < config.max_attempts):
                return Next(State.PLANNED, retry_at=now + wait, counted=True)
            if row.ambiguous:
                return Next(State.UNKNOWN, Reason.AMBIGUOUS, counted=True)
            return Next(State.FAILED, Reason.EXHAUSTED, counted=True)


def shuts_road(row: Row, result: Result) -> bool:
    """Whether this end says that the next message on the same road would fare no better.

    An endpoint that lets time run out would cost each of its events, and a worker, as much again.
    """
    return result is Result.CHANNEL_DOWN or (row.tells_a_program and result is Result.UNKNOWABLE)


def after_hold(row: Row, result: Result, next: Next, until: datetime) -> Next:
    """Where a row goes that waits for its road until then. What could only come too late ends at once."""
    if result is Result.HANDED_BACK:
        return replace(next, retry_at=until)
    if row.not_after is not None and until >= row.not_after:
        if row.ambiguous:
            return Next(State.UNKNOWN, Reason.AMBIGUOUS, counted=next.counted)
        return Next(State.FAILED, Reason.EXHAUSTED, counted=next.counted)
    return replace(next, retry_at=max(until, next.retry_at or until))


def backoff(failures: int, *, jitter: float, most: timedelta = LONGEST_BACKOFF) -> timedelta:
    """15 s, 30 s, 60 s ... at most 10 min, a fifth more or less; for events at most 6 h."""
    return _doubled(FIRST_BACKOFF, failures, most=most) * (1 + jitter / 5)


def hold(failures: int, *, endpoint: bool = False, retry_after: timedelta | None = None) -> timedelta:
    """How long a road is left alone after so many failures in a row: 5 s doubling to 60 s (RULES, 10).

    An endpoint for up to 10 minutes, and for as long as it asks: nobody's reminder waits for it.
    """
    most = LONGEST_ENDPOINT_HOLD if endpoint else LONGEST_HOLD
    return max(_doubled(FIRST_HOLD, failures, most=most), retry_after or timedelta())


def _doubled(first: timedelta, times: int, *, most: timedelta) -> timedelta:
    return min(first * (1 << min(times - 1, 16)), most)


class Use(Enum):
    """What good a waiting message still is; the words of a resume's preview."""

    USEFUL = "useful"
    LATE = "late"
    TOO_LATE = "too_late"


def use(row: Row, *, now: datetime) -> Use:
    """What sending this row now would still be worth."""
    if row.not_after is not None and row.not_after < now:
        return Use.TOO_LATE
    return Use.LATE if row.kind is Kind.REMINDER and row.planned_start < now else Use.USEFUL


def due_at(start: datetime, *, lead_minutes: int | None, config: ReminderConfig) -> datetime:
    """When the reminder of work that starts at `start` is due (DESIGN, 4)."""
    return start - (config.lead if lead_minutes is None else timedelta(minutes=lead_minutes))


def overdue_at(start: datetime, *, config: ReminderConfig) -> datetime:
    """When work that nobody has started counts as overdue; a reminder is of no use after it either."""
    return start + config.overdue


def tell_until(start: datetime, *, config: ReminderConfig) -> datetime:
    """Until when supervisors may still be told that work is overdue."""
    return overdue_at(start, config=config) + TELL_WINDOW


def horizon(*, now: datetime, lead_minutes: int | None, config: ReminderConfig) -> datetime:
    """Work that starts up to this instant is planned (RULES, 16): a long lead is never found late."""
    lead = config.lead if lead_minutes is None else timedelta(minutes=lead_minutes)
    return now + max(config.lookahead, lead + config.poll)


def recipient_of(assignee_id: int | None) -> str:
    """How the ledger names the person who is reminded; '' for nobody."""
    return "" if assignee_id is None else f"assignee:{assignee_id}"


def assignee_of(recipient: str) -> int | None:
    """The person whom `recipient_of` has named; None for any other recipient."""
    kind, _, name = recipient.partition(":")
    return int(name) if kind == "assignee" else None


def message_uuid(row: Row) -> UUID:
    """The same for every attempt at one row, different for any other row (RULES, 31; RFC 9562, 5.5)."""
    key = (row.assignment_id, row.version, row.kind.value, row.rule, row.recipient, row.channel)
    return uuid5(NAMESPACE, ":".join(str(part) for part in key))


def chunk_size(rows: int, *, config: ReminderConfig) -> int:
    """How many hints travel in one message: one while few are due, up to the batch size when many are."""
    return max(1, min(config.batch_size, rows // (4 * config.concurrency)))
