"""What will become of a reminder if nobody changes anything any more: pure functions, like those of `policy`.

The gates of planning are in SQL too, for many assignments at once (`ledger.planning`); a property test holds
the two together. Those of delivery are `policy.gates` themselves.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from assignments.models import Status
from reminders.conf import ReminderConfig
from reminders.models import Kind, Reason, State
from reminders.policy import gate_facts, gates, timing, ways
from reminders.policy.gates import Gate
from reminders.policy.rows import Action, Plan, Row, Situation, Verdict
from reminders.policy.rules import DEFAULT, Occurrence, base_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentFacts:
    """An assignment as planning sees it. `start_notified`: the last message begun for the assignee stated this start.
    `way`: how messages reach them first (`Assignee.way`). `opted_out`: the rules (`rules.base_of`) of which they want none,
    and which are not mandatory."""

    assignment_id: int
    version: int
    status: Status
    scheduled_start: datetime
    lead_minutes: int | None
    recipient: str
    known_at: datetime
    expected_start: datetime | None = None
    overdue: bool = False
    declined: bool = False
    confirmed: bool = False
    start_notified: bool = False
    way: str = ""
    opted_out: frozenset[str] = frozenset()
    supervisors: frozenset[str] = frozenset()

    @property
    def plan(self) -> Plan:
        return Plan(
            version=self.version,
            status=self.status,
            scheduled_start=self.scheduled_start,
            recipient=self.recipient,
            overdue=self.overdue,
            declined=self.declined,
            confirmed=self.confirmed,
            supervisors=self.supervisors,
        )

    def plan_for(self, rule: str) -> Plan:
        """The plan as a reminder of this rule sees it."""
        return replace(self.plan, opted_out=base_of(rule) in self.opted_out) if self.opted_out else self.plan


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where a reminder is going: the verdict that it comes to, and when. `at` is None where a person must act first."""

    verdict: Verdict
    at: datetime | None


@dataclass(frozen=True, slots=True)
class PlanningGate:
    """One thing that must hold before a reminder is planned. What is `observed` is put into words where it is asked for."""

    name: str
    passed: bool
    observed: Callable[[], str]
    consequence: Verdict


def planning_gates(
    work: AssignmentFacts,
    situation: Situation,
    *,
    config: ReminderConfig,
    occurrence: Occurrence | None = None,
) -> Iterator[Gate]:
    """Everything that must hold before a scan plans a reminder, in order. DROP means that no row is made at all.

    `occurrence` is the instant of a rule, where not the built-in one alone counts.
    """
    for gate in _planning_gates(work, situation, config=config, occurrence=occurrence):
        yield Gate(gettext(gate.name), gate.passed, gate.observed(), gate.consequence)


def _planning_gates(
    work: AssignmentFacts, situation: Situation, *, config: ReminderConfig, occurrence: Occurrence | None
) -> Iterator[PlanningGate]:
    now, start = situation.now, work.scheduled_start
    yield PlanningGate(
        _("switched on"),
        situation.enabled,
        lambda: f"REMINDER_WORKER_ENABLED={'true' if situation.enabled else 'false'}",
        Verdict(Action.WAIT, Reason.DISABLED),
    )
    ended = Reason.CANCELLED if work.status is Status.CANCELLED else Reason.STARTED
    yield PlanningGate(
        _("still to be done"),
        work.status is Status.SCHEDULED,
        lambda: work.status.value,
        Verdict(Action.DROP, ended),
    )
    yield PlanningGate(
        _("not marked OVERDUE"),
        not work.overdue,
        lambda: gettext("marked OVERDUE") if work.overdue else gettext("not marked"),
        Verdict(Action.DROP, Reason.TOO_LATE),
    )
    yield _within_look_ahead(work, now=now, config=config, occurrence=occurrence)
    yield PlanningGate(
        _("known before its start"),
        start > work.known_at,
        lambda: (
            gettext("known since %(format_instant)s")
            % {"format_instant": gate_facts.format_instant(work.known_at)}
        ),
        Verdict(Action.END, Reason.PAST, state=State.SKIPPED),
    )
    of_use_until = timing.overdue_at(start, expected_start=work.expected_start, config=config)
    yield PlanningGate(
        _("not too late"),
        now <= of_use_until,
        lambda: (
            gettext("of use until %(format_instant)s")
            % {"format_instant": gate_facts.format_instant(of_use_until)}
        ),
        Verdict(Action.END, Reason.TOO_LATE, state=State.SKIPPED),
    )
    if occurrence is not None:
        yield _asked_for(occurrence)
        yield _not_declined(work)
        yield _not_opted_out(work, occurrence)
        return
    yield PlanningGate(
        _("not notified already"),
        not work.start_notified,
        lambda: (
            gettext("notified of this start already")
            if work.start_notified
            else gettext("not notified of this start yet")
        ),
        Verdict(Action.END, Reason.ALREADY_TOLD, state=State.SKIPPED),
    )
    yield _not_declined(work)
    yield _not_opted_out(work)


def _within_look_ahead(
    work: AssignmentFacts, *, now: datetime, config: ReminderConfig, occurrence: Occurrence | None
) -> PlanningGate:
    if occurrence is not None:
        until = now + config.lookahead
        seen = _("due at %(format_instant)s, planned is until %(format_instant2)s")
        at, opens_at = occurrence.due_at, occurrence.due_at - config.lookahead
    else:
        at = work.scheduled_start
        until = timing.planning_horizon(now=now, lead_minutes=work.lead_minutes, config=config)
        seen = _("starts at %(format_instant)s, planned are starts until %(format_instant2)s")
        opens_at = at - (until - now)
    return PlanningGate(
        _("within the look-ahead"),
        at <= until,
        lambda: (
            gettext(seen)
            % {
                "format_instant": gate_facts.format_instant(at),
                "format_instant2": gate_facts.format_instant(until),
            }
        ),
        Verdict(Action.WAIT, Reason.TOO_EARLY, until=opens_at),
    )


def _asked_for(occurrence: Occurrence) -> PlanningGate:
    """Whether the rules in force ask for the reminder: not for short notice, distance, quiet hours, or a second time."""
    reason = occurrence.skipped
    return PlanningGate(
        _("asked for by the rules"),
        reason is None,
        lambda: gettext("asked for") if reason is None else reason.value,
        Verdict(Action.END, reason or Reason.REPLANNED, state=State.SKIPPED),
    )


def _not_opted_out(work: AssignmentFacts, occurrence: Occurrence | None = None) -> PlanningGate:
    """Whether the assignee takes reminders of the built-in rule, and there is an address to which they take messages; who
    has none at all is no case of this. Opt-outs of other rules are in their occurrences.
    """
    nowhere = work.way == ways.NO_WAY
    opted_out = nowhere or (occurrence is None and DEFAULT in work.opted_out)
    return PlanningGate(
        _("not opted out"),
        not opted_out,
        lambda: (
            gettext("opted out of every address")
            if nowhere
            else gettext("opted out of this rule")
            if opted_out
            else gettext("not opted out")
        ),
        Verdict(Action.END, Reason.OPTED_OUT, state=State.SKIPPED),
    )


def _not_declined(work: AssignmentFacts) -> PlanningGate:
    return PlanningGate(
        _("not declined"),
        not work.declined,
        lambda: gettext("declined by the assignee") if work.declined else gettext("not declined"),
        Verdict(Action.END, Reason.DECLINED, state=State.SKIPPED),
    )


def planned_row(
    work: AssignmentFacts,
    *,
    now: datetime,
    config: ReminderConfig,
    occurrence: Occurrence | None = None,
) -> Row:
    """The row that a scan would make now."""
    due = (
        timing.due_at(work.scheduled_start, lead_minutes=work.lead_minutes, config=config)
        if occurrence is None
        else occurrence.due_at
    )
    return Row(
        id=0,
        assignment_id=work.assignment_id,
        version=work.version,
        kind=Kind.REMINDER,
        rule=DEFAULT if occurrence is None else occurrence.rule,
        recipient=work.recipient,
        channel=ways.first_way(work.way, config),
        planned_start=work.scheduled_start,
        planned_at=now,
        due_at=due,
        not_after=timing.overdue_at(work.scheduled_start, expected_start=work.expected_start, config=config),
        next_attempt_at=due,
        state=State.PLANNED,
        ticket=0,
        attempts=0,
        failures=0,
        ambiguous=0,
    )


def forecast_assignment(
    work: AssignmentFacts,
    situation: Situation,
    *,
    config: ReminderConfig,
    occurrence: Occurrence | None = None,
) -> Forecast:
    """What becomes of work whose plan has no row yet (of this rule): planned by a scan, then as `forecast_row` says."""
    while True:
        conditions = _planning_gates(work, situation, config=config, occurrence=occurrence)
        shut = next((gate for gate in conditions if not gate.passed), None)
        if shut is None:
            row = planned_row(work, now=situation.now, config=config, occurrence=occurrence)
            return forecast_row(row, work.plan_for(row.rule), situation)
        verdict = shut.consequence
        if verdict.action is not Action.WAIT:
            return Forecast(verdict, situation.now)
        if verdict.until is None:
            return Forecast(verdict, None)
        situation = _later(situation, verdict.until)


def forecast_row(row: Row, plan: Plan, situation: Situation) -> Forecast:
    """Follows an open row through every wait to its end: SEND, MARK or END, and when.

    Dispatch hands over only what is due, on a channel that is open, while nothing is paused. So a row that is
    too late is ended when it would have been sent, and one whose plan no longer holds at once.
    """
    while True:
        verdict = gates.judge(row, plan, situation)
        if verdict.action is Action.END and verdict.reason is not Reason.TOO_LATE:
            return Forecast(verdict, situation.now)
        wait = gates.first_wait(row, plan, situation)
        if wait is None:
            return Forecast(verdict, situation.now)
        until = wait_ends_at(wait, situation)
        if until is None:
            return Forecast(wait, None)
        situation = _later(situation, until)


def wait_ends_at(wait: Verdict, situation: Situation) -> datetime | None:
    """When this wait is over by itself; None where a person must act."""
    match wait.reason:
        case Reason.DISABLED:
            return None
        case Reason.PAUSED:
            return situation.paused_until
        case _:
            return wait.until


def _later(situation: Situation, now: datetime) -> Situation:
    """The same situation at a later instant: a pause that has an end is over by then."""
    paused = situation.paused and (situation.paused_until is None or situation.paused_until > now)
    return replace(situation, now=now, paused=paused)
