"""What becomes of each message, under these settings and rules: what the ledger has planned, and what it has not yet.

Each assignment is asked the question that the explainer asks too (`insight.forecast`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import F, Prefetch, QuerySet

from assignments.act_rules import MOST_LATE
from assignments.models import Answer, Assignee, Assignment, Status
from assignments.team_scope import TeamScope
from reminders.conf import MAX_LEAD, ReminderConfig
from reminders.insight import forecast, rule_simulation
from reminders.insight.explain.inputs import facts_of, news_of
from reminders.insight.forecast import Forecast
from reminders.insight.rule_simulation import RulesTried
from reminders.ledger.fragments import overdue_base
from reminders.ledger.notified import with_start_notified
from reminders.models import Kind, Reminder
from reminders.policy import recipients, timing
from reminders.policy import rows as policy_rows
from reminders.policy.rows import Plan, Row, Situation
from reminders.policy.rules import DEFAULT, RuleSubject
from reminders.policy.ways import first_way

CHUNK = 1_000
QUICK = 500
LONGEST_RULE = MAX_LEAD + timedelta(days=2)
"""No rule reminds longer before the start: 30 days, at a local time that may be another day in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedMessage:
    """One message, and what becomes of it (`foreseen`; None where that is settled already). `person` is None where nobody
    is assigned, and where it is for Ops: `recipient` names whom a notice is for. `row_id` is its row, if there is one.
    """

    assignment: Assignment
    person: Assignee | None
    channel: str
    foreseen: Forecast | None
    row: Row | None = None
    row_id: int | None = None
    kind: Kind = Kind.REMINDER
    recipient: str = ""
    rule: str = DEFAULT
    useful_until: datetime | None = None

    def not_after(self, config: ReminderConfig) -> datetime | None:
        """Until when the message is of use under these rules."""
        if self.useful_until is not None:
            return self.useful_until
        if self.kind is Kind.CORRECTION and self.row is not None:
            return self.row.not_after
        work = self.assignment
        return timing.overdue_at(work.scheduled_start, expected_start=work.expected_start, config=config)


def prospects(
    since: datetime,
    until: datetime,
    situation: Situation,
    config: ReminderConfig,
    scope: TeamScope,
    tried: RulesTried,
) -> Iterator[SimulatedMessage]:
    for works in _pages(_candidates(since, until, config, scope, tried)):
        subjects = rule_simulation.subjects_of(works, tried)
        for assignment in works:
            for foreseen, channel, row, rule in _all_foreseen(assignment, subjects, situation, config, tried):
                yield SimulatedMessage(
                    assignment=assignment,
                    person=assignment.assignee,
                    channel=channel,
                    foreseen=foreseen,
                    row=row,
                    row_id=row.id if row else None,
                    rule=rule,
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
    subjects: Mapping[int, RuleSubject],
    situation: Situation,
    config: ReminderConfig,
    tried: RulesTried,
) -> Iterable[tuple[Forecast | None, str, Row | None, str]]:
    """What becomes of each reminder of this work; with its channel, its open row, and its rule."""
    subject = subjects.get(assignment.pk)
    rows: list[Reminder] = assignment.current_rows  # type: ignore[attr-defined]  # prefetched
    if subject is not None:
        work = facts_of(assignment)
        by_rules = rule_simulation.foresee(work, subject, rows, tried, situation, config)
        if by_rules is not None:
            return ((one.forecast, one.channel, one.row, one.rule) for one in by_rules)
    return [(*_foresee(assignment, situation, config), DEFAULT)]


def _correction(row: Reminder, situation: Situation, config: ReminderConfig) -> SimulatedMessage:
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
    return SimulatedMessage(
        assignment=assignment,
        person=person,
        channel=row.channel,
        foreseen=forecast.forecast_row(believed, plan, situation),
        row=believed,
        row_id=believed.id,
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
    own = LONGEST_RULE if tried.rules else MAX_LEAD
    last = until + _longest_lead(config, tried)
    yield from work.filter(lead_minutes=None, scheduled_start__lt=last).iterator(CHUNK)
    yield from work.filter(lead_minutes__isnull=False, scheduled_start__lt=until + own).iterator(CHUNK)


def _longest_lead(config: ReminderConfig, tried: RulesTried) -> timedelta:
    return max(config.lead, LONGEST_RULE) if tried.rules else config.lead


def is_quick(since: datetime, until: datetime, config: ReminderConfig, scope: TeamScope) -> bool:
    """Whether so little open work starts around the range that somebody who waits for a page does not notice it."""
    last = until + _longest_lead(config, rule_simulation.rules_to_try(None))
    work = Assignment.objects.visible_to(scope).filter(
        status=Status.SCHEDULED, overdue_at=None, scheduled_start__gte=since, scheduled_start__lt=last
    )
    return work.order_by()[: QUICK + 1].count() <= QUICK


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
        return forecast.forecast_assignment(work, situation, config=config), first_way(work.way, config), None
    if row.closed_at is not None:
        return None, row.channel, None
    believed = policy_rows.from_model(row)
    if not row.attempts:
        fresh = forecast.planned_row(work, now=situation.now, config=config)
        believed = replace(
            believed, due_at=fresh.due_at, not_after=fresh.not_after, next_attempt_at=fresh.next_attempt_at
        )
    return forecast.forecast_row(believed, work.plan_for(believed.rule), situation), row.channel, believed
