"""What happens next about each of many assignments if nobody acts: one row of the ledger, or one that a scan will plan.

What the explanation of one assignment says at length is said here for a list, in a fixed number of queries, by the same
gates (`insight.forecast`), and by the same turns where a channel has a pace, or a person a rate. What has no row yet is due
too far ahead for either to be known.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.contact_point import ContactPoint
from assignments.models import Assignment, Status
from reminders.conf import ReminderConfig
from reminders.insight import forecast, pace_outlook, rate_outlook
from reminders.insight.awareness import addresses_of
from reminders.insight.explain import turns
from reminders.insight.explain.inputs import facts_of, news_of, situation_of
from reminders.insight.explain.ways import Ways, way_words
from reminders.insight.explain.wording import change_words, held_by_rate, words
from reminders.insight.forecast import Forecast
from reminders.insight.pace_outlook import PaceOutlook
from reminders.ledger.notified import with_start_notified
from reminders.ledger.pauses import pause_in_force
from reminders.ledger.rules import verified_only_rules
from reminders.models import NO_CHANNEL, Kind, Reason, Reminder, RuleSchedule, State
from reminders.policy import gates, recipients, timing
from reminders.policy import rows as policy_rows
from reminders.policy.awareness import Unreachable, cause_of
from reminders.policy.rates import Hold
from reminders.policy.rows import Action, Row, Situation
from reminders.policy.rules import DEFAULT, is_now
from reminders.policy.ways import channel_name, first_way

CAUSES = {
    Unreachable.UNASSIGNED: _("nobody is assigned"),
    Unreachable.NO_CONTACT_POINT: _("no address is known to which messages could go"),
    Unreachable.OPTED_OUT: _("they want no messages to any of their addresses"),
    Unreachable.ALL_FAILING: _("messages to each of their addresses come back"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What happens next, as one sentence. `at` is None where it is happening, or waits for somebody, or nothing comes."""

    at: datetime | None
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NextSteps:
    """One assignment with its next step; None where its work is under way. `cause`: why its assignee is not reached."""

    assignment: Assignment
    next: NextStep | None
    cause: Unreachable | None


def outlooks(ids: Sequence[int], *, config: ReminderConfig) -> list[NextSteps]:
    """The outlooks of these assignments, in their order. The number of queries does not depend on how many there are."""
    work = with_start_notified(Assignment.objects.filter(pk__in=ids)).select_related(
        "assignee", "team", "assignee__team"
    )
    found = {one.pk: one for one in work}
    pause = pause_in_force()
    situation = situation_of(pause, config)
    paces = pace_outlook.outlook(
        now=situation.now, config=config, opens_at=pause.until if pause is not None else None
    )
    rows: dict[int, list[Reminder]] = {}
    for row in Reminder.objects.to_people().filter(assignment__in=found).order_by("due_at", "id"):
        rows.setdefault(row.assignment_id, []).append(row)
    people = {one.assignee_id for one in found.values()}
    told = {recipients.assignee_recipient(pk) for pk in people}
    rate_holds = rate_outlook.holds_of_rows(told, now=situation.now, config=config)
    points: dict[int, list[ContactPoint]] = {}
    for point in ContactPoint.objects.filter(person__in=people - {None}).order_by("person", "order", "id"):
        points.setdefault(point.person_id, []).append(point)
    verified_only = verified_only_rules()
    schedules = dict(RuleSchedule.objects.filter(assignment__in=found).values_list("assignment", "next_at"))
    return [
        _Asked(
            assignment=found[pk],
            rows=rows.get(pk, []),
            points=points.get(found[pk].assignee_id or 0, []),
            verified_only=verified_only,
            by_rules=pk in schedules,
            next_of_rules=schedules.get(pk),
            situation=situation,
            paces=paces,
            rate_holds=rate_holds,
            config=config,
        ).outlook()
        for pk in ids
        if pk in found
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One assignment with all that its next step depends on."""

    assignment: Assignment
    rows: Sequence[Reminder]
    points: Sequence[ContactPoint]
    verified_only: Set[str]
    by_rules: bool
    next_of_rules: datetime | None
    situation: Situation
    paces: PaceOutlook
    rate_holds: Mapping[int, Hold]
    config: ReminderConfig

    def outlook(self) -> NextSteps:
        return NextSteps(assignment=self.assignment, next=self._next(), cause=self._cause())

    def _cause(self) -> Unreachable | None:
        if self.assignment.assignee_id is None:
            return Unreachable.UNASSIGNED
        return cause_of(addresses_of(self.points, self.config))

    def _next(self) -> NextStep | None:
        if self.assignment.status != Status.SCHEDULED:
            return None
        to_assignee = [step for step in self._to_assignee() if step is not None]
        coming = [step for step in to_assignee if step.at is not None]
        notices = list(self._to_supervisors())
        if coming or notices:
            return min([*coming, *notices], key=lambda step: step.at or self.situation.now)
        if to_assignee:
            return to_assignee[0]
        return self._nothing()

    @property
    def _recipient(self) -> str:
        return recipients.assignee_recipient(self.assignment.assignee_id)

    def _to_assignee(self) -> Iterable[NextStep | None]:
        """Messages to whoever is assigned: open rows, then the reminder that has no row yet."""
        if not self._recipient or self.assignment.overdue_at is not None:
            return
        work = facts_of(self.assignment)
        for row in self.rows:
            if row.closed_at is None and row.recipient == self._recipient and row.channel != NO_CHANNEL:
                yield self._of_row(row, work)
        if self.by_rules:
            if self.next_of_rules is not None:
                yield self._planned(max(self.next_of_rules, self.situation.now))
        elif not any(
            row.kind == Kind.REMINDER and row.version == self.assignment.version and not is_now(row.rule)
            for row in self.rows
        ):
            foreseen = forecast.forecast_assignment(work, self.situation, config=self.config)
            if foreseen.verdict.action is Action.SEND and foreseen.at is not None:
                yield self._planned(foreseen.at)
            else:
                yield self._held(gettext("A reminder"), foreseen)

    def _of_row(self, row: Reminder, work: forecast.AssignmentFacts) -> NextStep | None:
        kind = gettext("A correction") if row.kind == Kind.CORRECTION else gettext("A reminder")
        believed = policy_rows.from_model(row)
        over = {"kind": kind, "way": way_words(row.channel)}
        if believed.state is State.SENDING:
            return NextStep(at=None, summary=gettext("%(kind)s is being sent by %(way)s") % over)
        plan, news = work.plan_for(row.rule), None
        if believed.is_correction or self.by_rules:
            news = news_of(row, self.rows, self.assignment, self.config, self.situation)
            plan = replace(plan, news=news)
        hold = self.rate_holds.get(row.pk)
        situation = replace(self.situation, rates={row.recipient: hold}) if hold else self.situation
        foreseen = forecast.forecast_row(believed, plan, situation)
        if foreseen.verdict.action is not Action.SEND or foreseen.at is None:
            return self._held(kind, foreseen)
        at, why = self._in_turn(believed, foreseen.at, hold)
        if at is None:
            return NextStep(at=None, summary=gettext("Nothing more is sent to them: %(why)s") % {"why": why})
        if not why and gates.judge(believed, plan, situation).reason is Reason.CHANNEL_HELD:
            why = words(Reason.CHANNEL_HELD)
        said = change_words(news) if believed.is_correction else ""
        then = self._ways.then(row, at, self.situation)
        return NextStep(
            at=at,
            summary=(gettext("%(kind)s goes by %(way)s") % over)
            + (f" ({why})" if why else "")
            + (f": {said}" if said else "")
            + then,
        )

    def _in_turn(self, row: Row, at: datetime, hold: Hold | None) -> tuple[datetime | None, str]:
        """When it leaves at the pace of its channel and the rate of its person (None: not in time), and why so late."""
        turn = self.paces.turns(channel_name(row.channel)).get(row.id) if row.state is State.PLANNED else None
        if turn is not None and turn.is_late(at):
            return turn.at, turns.why_later(turn) if turn.at else turns.pace_words(turn)
        now = self.situation.now
        if hold is not None and at > now:
            return at, held_by_rate(hold, since=max(now, row.due_at), until=at, now=now)
        return at, ""

    def _planned(self, at: datetime) -> NextStep:
        way = first_way(self.assignment.assignee.way if self.assignment.assignee else "", self.config)
        then = self._ways.then_of_planned(self._recipient, way, DEFAULT, self.situation)
        return NextStep(
            at=at,
            summary=(
                gettext("%(kind)s goes by %(way)s") % {"kind": gettext("A reminder"), "way": way_words(way)}
            )
            + then,
        )

    @property
    def _ways(self) -> Ways:
        return Ways(
            self.rows, self._recipient, self.config, points=self.points, verified_only=self.verified_only
        )

    def _held(self, kind: str, foreseen: Forecast) -> NextStep:
        why = words(foreseen.verdict.reason)
        if foreseen.at is None:
            return NextStep(at=None, summary=gettext("%(kind)s waits: %(why)s") % {"kind": kind, "why": why})
        return NextStep(at=None, summary=gettext("Nothing more is sent to them: %(why)s") % {"why": why})

    def _to_supervisors(self) -> Iterable[NextStep]:
        """Notices that wait, by the instant at which dispatch looks at each."""
        for row in self.rows:
            if row.closed_at is None and recipients.is_supervisor(row.recipient):
                yield NextStep(
                    at=max(row.next_attempt_at, self.situation.now),
                    summary=gettext("A notice goes to Ops")
                    if recipients.is_ops(row.recipient)
                    else gettext("A notice goes to the supervisors"),
                )

    def _nothing(self) -> NextStep:
        cause = self._cause()
        if cause is Unreachable.UNASSIGNED:
            return NextStep(at=None, summary=gettext("Nothing is sent: nobody is assigned"))
        own = [
            row
            for row in self.rows
            if row.recipient == self._recipient and row.version == self.assignment.version
        ]
        last = max(own, key=lambda row: (row.closed_at or row.due_at, row.pk), default=None)
        overdue_at = timing.overdue_at(
            self.assignment.scheduled_start, expected_start=self.assignment.expected_start, config=self.config
        )
        if last is not None and last.state in (State.FAILED, State.SKIPPED) and last.reason not in _TOLD:
            return NextStep(
                at=None,
                summary=gettext("Nothing more is sent to them: %(why)s")
                % {"why": words(Reason(last.reason))},
            )
        if overdue_at > self.situation.now and self.config.enabled:
            return NextStep(
                at=overdue_at, summary=gettext("If nobody has started the work by then, it is marked overdue")
            )
        return NextStep(at=None, summary=gettext("Nothing more is sent to them"))


_TOLD = (Reason.ALREADY_TOLD, Reason.IMPORTED)
"""Reasons by which a reminder ends since its reader knows already."""
