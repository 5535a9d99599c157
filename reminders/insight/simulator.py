"""What would be sent, when, to whom and over which channel: under today's rules, or under others. It writes nothing.

Each assignment is asked the question that the explainer asks too (`foresight`), as if nobody changed anything from
now on and nothing were paused or held. Assignments are read as a stream, and what is kept of them is bounded.
Only reminders and the corrections that are planned already are foreseen: whether work becomes overdue, or is changed
again, is up to people.
"""

import heapq
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from django.core.exceptions import ValidationError
from django.db.models import F, Prefetch, QuerySet

from assignments.act_rules import MOST_LATE
from assignments.clock import database_now
from assignments.direction import isolated
from assignments.models import Answer, Assignee, Assignment, Status
from assignments.team_scope import EVERYTHING, TeamScope
from notifications.addresses import masked
from notifications.channels import registry
from reminders.conf import MAX_LEAD, ReminderConfig
from reminders.insight import forecast, pace_outlook, rule_simulation
from reminders.insight.explain.inputs import contact_of, facts_of, news_of
from reminders.insight.forecast import Forecast
from reminders.insight.rule_simulation import RulesTried
from reminders.ledger.fragments import overdue_base
from reminders.ledger.notified import with_start_notified
from reminders.models import Kind, Reason, Reminder
from reminders.policy import recipients, timing
from reminders.policy import rows as policy_rows
from reminders.policy.departures import Waiting
from reminders.policy.rows import Action, Plan, Row, Situation
from reminders.policy.rules import Rule, Subject

LONGEST = timedelta(days=366)
MOST_LISTED = 1_000
MOST_SPANS = 300
SPANS = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 60, 360, 1440))
"""How finely the sends are counted: by the first of these with which there are not too many to show."""

CHUNK = 1_000
LONGEST_RULE = MAX_LEAD + timedelta(days=2)
"""No rule reminds longer before the start: 30 days, at a local time that may be another day in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Send:
    """One reminder or correction that would be sent. `contact` is masked; it is empty where there is no address, and it
    would fail.

    `due` is when it would leave if its channel took any number of messages. `too_late`: at the channel's pace its turn does
    not come by `at`, after which it is of no use, and it would be skipped.
    """

    at: datetime
    assignment_id: int
    reference: str
    title: str
    start: datetime
    to: str
    channel: str
    contact: str
    due: datetime
    kind: Kind = Kind.REMINDER
    too_late: bool = False

    @property
    def wait(self) -> timedelta:
        """How much later it leaves for the channel's pace; zero where that is not noticeable."""
        wait = self.at - self.due
        return wait if wait >= pace_outlook.NOTICEABLE and not self.too_late else timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What would happen from `since` until before `until`.

    `spans` counts the sends by their instants, in spans of `span`; those without any are left out. `sends` are the
    first of them. `unreachable` would fail for want of an address, `skipped` counts by reason what would be
    skipped. `paces` are the channels that accept only so many messages a minute, with that number; the sends are in turn
    there. `complete` is False where time was over, or a channel had more waiting than are looked at, before every
    assignment was asked.
    """

    since: datetime
    until: datetime
    total: int
    people: int
    unreachable: int
    skipped: Mapping[str, int]
    by_channel: Mapping[str, int]
    span: timedelta
    spans: Mapping[datetime, int]
    sends: tuple[Send, ...]
    paces: Mapping[str, float]
    complete: bool

    @property
    def busiest(self) -> tuple[datetime, int] | None:
        """The span with the most sends, and how many; the first of them where several have as many."""
        return max(self.spans.items(), key=lambda one: (one[1], -one[0].timestamp()), default=None)


def simulate(
    *,
    since: datetime,
    until: datetime,
    config: ReminderConfig,
    limit: int = 50,
    budget: timedelta | None = None,
    scope: TeamScope = EVERYTHING,
    rules: Sequence[Rule] | None = None,
) -> Simulation:
    """Foresees the range under these settings, for the work in the scope; under these reminder rules, or those in force.

    `since` in the past counts as now, for what was sent stands in the ledger.

    Keeps the first `limit` sends. Raises ValidationError where the range or the limit is of no use.
    """
    now = database_now()
    _check(since, until, limit, now)
    if config.channel not in registry.names():
        raise ValidationError({"channel": f"one of {', '.join(registry.names())} is needed"})
    since = max(since, now)
    over = None if budget is None else time.monotonic() + budget.total_seconds()
    tried = rule_simulation.rules_to_try(rules)
    situation = Situation(now=now, enabled=config.enabled, held={}, unless_confirmed=tried.unless_confirmed)
    span = next((span for span in SPANS if (until - since) <= MOST_SPANS * span), SPANS[-1])
    tally = _Tally(since=since, until=until, span=span, limit=limit)
    queues = {
        channel: _PacedQueue(known, until=until)
        for channel, known in pace_outlook.channel_paces(now=now, config=config).items()
    }
    complete = True
    for prospect in _prospects(since, until, situation, config, scope, tried):
        if over is not None and time.monotonic() >= over:
            complete = False
            break
        foreseen, channel, row = prospect.foreseen, prospect.channel, prospect.row
        if row is not None and channel in queues:
            queues[channel].leave_out(row.id)
        if foreseen is None or foreseen.at is None or foreseen.at >= until:
            continue
        if foreseen.verdict.action is Action.END:
            tally.skip(foreseen.verdict.reason or Reason.REPLANNED, foreseen.at)
        elif foreseen.verdict.action is Action.SEND:
            send = _send(prospect, foreseen.at)
            person = prospect.person.pk if prospect.person else None
            if channel not in queues or not send.contact:
                tally.add(send, person)
            else:
                message = Waiting(
                    id=row.id if row else 0,
                    at=row.next_attempt_at if row else send.at,
                    not_after=prospect.not_after(config),
                )
                queues[channel].add(send, person, message)
                if queues[channel].is_full:
                    complete = False
                    break
    for queue in queues.values():
        for send, person in queue.sends():
            tally.add(send, person)
    return Simulation(
        since=since,
        until=until,
        total=tally.by_channel.total(),
        people=len(tally.people),
        unreachable=tally.unreachable,
        skipped=dict(tally.skipped),
        by_channel=dict(tally.by_channel),
        span=span,
        spans=dict(sorted(tally.spans.items())),
        sends=tuple(sorted(one.send for one in tally.first)),
        paces={channel: queue.known.pace.per_minute for channel, queue in queues.items()},
        complete=complete,
    )


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What is counted, and the first sends."""

    since: datetime
    until: datetime
    span: timedelta
    limit: int
    spans: Counter[datetime] = field(default_factory=Counter)
    by_channel: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    people: set[int | None] = field(default_factory=set)
    unreachable: int = 0
    first: list["_Latest"] = field(default_factory=list)

    def skip(self, reason: Reason, at: datetime) -> None:
        if self.since <= at < self.until:
            self.skipped[reason.value] += 1

    def add(self, send: Send, person: int | None) -> None:
        if not self.since <= send.at < self.until:
            return
        if not send.contact:
            self.unreachable += 1
        elif send.too_late:
            self.skip(Reason.TOO_LATE, send.at)
        else:
            self.people.add(person)
            self.by_channel[send.channel] += 1
            self.spans[_start_of(self.span, send.at)] += 1
        heapq.heappush(self.first, _Latest(send))
        if len(self.first) > self.limit:
            heapq.heappop(self.first)


class _PacedQueue:
    """The sends over a channel that has a pace, and what else the ledger has waiting for it."""

    def __init__(self, known: pace_outlook.ChannelPace, *, until: datetime) -> None:
        # As everywhere here, nothing is held: the breaker that a complaint opens is over in a moment.
        self.known = replace(known, opens_at=known.pace.refilled_at)
        self._rows = {row.id: row for row in pace_outlook.waiting(known.channel, until=until)}
        self._sends: list[tuple[Send, int | None, Waiting]] = []

    @property
    def is_full(self) -> bool:
        return len(self._sends) >= pace_outlook.MOST_WAITING

    def leave_out(self, row_id: int) -> None:
        """What the ledger has waiting is asked like all other work, under these rules."""
        self._rows.pop(row_id, None)

    def add(self, send: Send, person: int | None, message: Waiting) -> None:
        self._sends.append((send, person, message))

    def sends(self) -> Iterator[tuple[Send, int | None]]:
        """Each send at its turn."""
        simulated = {id(message): (send, person) for send, person, message in self._sends}
        queue = [*self._rows.values(), *(message for _, _, message in self._sends)]
        for departure in pace_outlook.leaving(queue, self.known):
            if id(departure.message) not in simulated:
                continue
            send, person = simulated[id(departure.message)]
            if departure.at is not None:
                yield replace(send, at=departure.at), person
            elif departure.message.not_after is not None:
                yield replace(send, at=departure.message.not_after, too_late=True), person


def _check(since: datetime, until: datetime, limit: int, now: datetime) -> None:
    if until <= since:
        raise ValidationError({"until": "an instant after the beginning of the range is needed"})
    if until <= now:
        raise ValidationError(
            {"until": "the range lies in the past: what was sent then stands in the ledger"}
        )
    if until - max(since, now) > LONGEST:
        raise ValidationError({"until": f"a range of no more than {LONGEST.days} days is accepted"})
    if not 0 <= limit <= MOST_LISTED:
        raise ValidationError({"limit": f"a whole number from 0 to {MOST_LISTED} is needed"})


class _Latest:
    """Orders sends the other way round, so that the heap's first is the latest of those that are kept."""

    def __init__(self, send: Send) -> None:
        self.send = send

    def __lt__(self, other: "_Latest") -> bool:
        return other.send < self.send


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prospect:
    """What becomes of one message; None where that is settled already. Its person is nobody where nobody is assigned."""

    assignment: Assignment
    person: Assignee | None
    channel: str
    foreseen: Forecast | None
    row: Row | None = None
    kind: Kind = Kind.REMINDER

    def not_after(self, config: ReminderConfig) -> datetime | None:
        """Until when the message is of use under these rules."""
        if self.kind is Kind.CORRECTION and self.row is not None:
            return self.row.not_after
        work = self.assignment
        return timing.overdue_at(work.scheduled_start, expected_start=work.expected_start, config=config)


def _prospects(
    since: datetime,
    until: datetime,
    situation: Situation,
    config: ReminderConfig,
    scope: TeamScope,
    tried: RulesTried,
) -> Iterator[_Prospect]:
    for works in _pages(_candidates(since, until, config, scope, tried)):
        subjects = rule_simulation.subjects_of(works, tried)
        for assignment in works:
            for foreseen, channel, row in _all_foreseen(assignment, subjects, situation, config, tried):
                yield _Prospect(
                    assignment=assignment,
                    person=assignment.assignee,
                    channel=channel,
                    foreseen=foreseen,
                    row=row,
                )
    corrections = Reminder.objects.visible_to(scope).filter(
        kind=Kind.CORRECTION, closed_at=None, next_attempt_at__lt=until
    )
    everything = corrections.select_related("assignment__assignee").prefetch_related("assignment__reminders")
    for correction in everything.order_by("next_attempt_at", "id").iterator(CHUNK):
        yield _correction(correction, situation, config)


def _pages(works: Iterator[Assignment]) -> Iterator[list[Assignment]]:
    while page := list(islice(works, CHUNK)):
        yield page


def _all_foreseen(
    assignment: Assignment,
    subjects: Mapping[int, Subject],
    situation: Situation,
    config: ReminderConfig,
    tried: RulesTried,
) -> Iterable[tuple[Forecast | None, str, Row | None]]:
    """What becomes of each reminder of this work."""
    subject = subjects.get(assignment.pk)
    rows: list[Reminder] = assignment.current_rows  # type: ignore[attr-defined]  # prefetched
    if subject is not None:
        work = facts_of(assignment)
        by_rules = rule_simulation.foresee(work, subject, rows, tried, situation, config)
        if by_rules is not None:
            return ((one.forecast, one.channel, one.row) for one in by_rules)
    return [_foresee(assignment, situation, config)]


def _correction(row: Reminder, situation: Situation, config: ReminderConfig) -> _Prospect:
    """What becomes of a correction that is planned; its person may be somebody who had the work."""
    assignment = row.assignment
    plan = Plan(
        version=assignment.version,
        status=Status(assignment.status),
        scheduled_start=assignment.scheduled_start,
        recipient=recipients.assignee_recipient(assignment.assignee_id),
        declined=assignment.answer == Answer.DECLINED,
        news=news_of(row, list(assignment.reminders.all()), assignment, config, situation),
    )
    person_id = recipients.assignee_id_of(row.recipient)
    person = assignment.assignee
    if person_id is not None and person_id != assignment.assignee_id:
        person = Assignee.objects.filter(pk=person_id).first()
    believed = policy_rows.from_model(row)
    return _Prospect(
        assignment=assignment,
        person=person,
        channel=row.channel,
        foreseen=forecast.forecast_row(believed, plan, situation),
        row=believed,
        kind=Kind.CORRECTION,
    )


def _candidates(
    since: datetime, until: datetime, config: ReminderConfig, scope: TeamScope, tried: RulesTried
) -> Iterator[Assignment]:
    """Work whose reminder may go out in the range. No reminder is sent later than its work's overdue instant."""
    current = Reminder.objects.filter(kind=Kind.REMINDER, version=F("assignment__version"))
    work: QuerySet[Assignment] = with_start_notified(
        Assignment.objects.visible_to(scope)
        .alias(overdue_base=overdue_base())
        .filter(
            status=Status.SCHEDULED,
            overdue_at=None,
            # implied by the next; lets the index serve
            scheduled_start__gte=since - config.overdue - timedelta(minutes=MOST_LATE),
            overdue_base__gte=since - config.overdue,
        )
        .select_related("assignee")
        .prefetch_related(Prefetch("reminders", current, to_attr="current_rows"))
        .order_by("scheduled_start", "id")
    )
    longest = max(config.lead, LONGEST_RULE) if tried.rules else config.lead
    own = LONGEST_RULE if tried.rules else MAX_LEAD
    yield from work.filter(lead_minutes=None, scheduled_start__lt=until + longest).iterator(CHUNK)
    yield from work.filter(lead_minutes__isnull=False, scheduled_start__lt=until + own).iterator(CHUNK)


def _foresee(
    assignment: Assignment, situation: Situation, config: ReminderConfig
) -> tuple[Forecast | None, str, Row | None]:
    """What becomes of it under these rules (None where that is settled already), the channel, and its open row, if any.

    A scan moves the instants of a row that nobody has begun, so such a row is as good as none.
    """
    work = facts_of(assignment)
    rows: list[Reminder] = assignment.current_rows  # type: ignore[attr-defined]  # prefetched
    row = next((row for row in rows if row.rule == "default"), None)
    if row is None:
        return forecast.forecast_assignment(work, situation, config=config), config.channel, None
    if row.closed_at is not None:
        return None, row.channel, None
    believed = policy_rows.from_model(row)
    if not row.attempts:
        fresh = forecast.planned_row(work, now=situation.now, config=config)
        believed = replace(
            believed, due_at=fresh.due_at, not_after=fresh.not_after, next_attempt_at=fresh.next_attempt_at
        )
    return forecast.forecast_row(believed, work.plan, situation), row.channel, believed


def _send(prospect: _Prospect, at: datetime) -> Send:
    assignment, person = prospect.assignment, prospect.person
    address = registry.get(prospect.channel).address(contact_of(person)) if person else None
    return Send(
        at=at,
        assignment_id=assignment.pk,
        reference=assignment.reference or "",
        title=assignment.title,
        start=assignment.scheduled_start,
        to=f"{isolated(person.name)} (assignee {person.pk})" if person else "nobody",
        channel=prospect.channel,
        contact=masked(address) if address else "",
        due=at,
        kind=prospect.kind,
    )


def _start_of(span: timedelta, instant: datetime) -> datetime:
    return datetime.fromtimestamp(instant.timestamp() // span.total_seconds() * span.total_seconds(), UTC)
