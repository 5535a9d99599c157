"""What would become of work if its plan were another: somebody else's, at another time, none, or new. It writes nothing.

It asks what carries a change out: `assignments.services` for the plan, `policy.corrections` for whoever was told of the
present one, `policy.rules` and `forecast` for whoever is reminded of the new one.
"""

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from django.db import connection
from django.db.models import Case, DateTimeField, ExpressionWrapper, F, Prefetch, Value, When
from django.db.models.expressions import Combinable

from assignments.applied_changes import apply_changes
from assignments.models import Act, ActKind, Assignee, Assignment, Status
from assignments.validation import differing, stored_form
from reminders.conf import ReminderConfig
from reminders.insight import forecast
from reminders.insight.chain_forecast import ChainedWork, chained_if, read_chained
from reminders.insight.explain.chains import chains_of
from reminders.insight.explain.inputs import can_reach, contact_of, facts_of, heard_by, situation_of
from reminders.insight.explain.rules import name_of, names_of_rules
from reminders.insight.forecast import Forecast
from reminders.insight.recipient_names import recipient_names, supervisor_name
from reminders.insight.rule_simulation import RulesTried, foresee, rules_to_try
from reminders.ledger.notified import opted_out_rules, with_start_notified
from reminders.ledger.pauses import pause_in_force
from reminders.ledger.rule_subjects import RuledWork, read_subjects, read_work_if
from reminders.models import Kind, Reminder, State
from reminders.policy import announcements, chains, corrections, recipients, timing
from reminders.policy import rules as policy_rules
from reminders.policy.announcements import Announcement, HeardMessage
from reminders.policy.corrections import Correction
from reminders.policy.recipients import ASSIGNEE
from reminders.policy.rows import Action, Situation
from reminders.policy.rules import RuleSubject
from reminders.policy.ways import first_way


class Told(Enum):
    """What a person has heard of the work as theirs."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReminder:
    """What becomes of the reminder of one rule. `name` is how people know it; empty where the built-in one is alone."""

    name: str
    forecast: Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """What an operator would change. `starts`: the new start of each, by its id; others keep theirs, and each its length.
    With `gives` the work is given to `to` (None: to nobody).
    """

    starts: Mapping[int, datetime] = field(default_factory=dict)
    gives: bool = False
    to: Assignee | None = None
    cancels: bool = False

    def values_for(self, work: Assignment) -> dict[str, object]:
        """The fields of `assignments.services.change`."""
        values: dict[str, object] = {}
        if (start := self.starts.get(work.pk)) is not None:
            values["scheduled_start"] = start
            if work.scheduled_end is not None:
                values["scheduled_end"] = start + (work.scheduled_end - work.scheduled_start)
        if self.gives:
            values["assignee_id"] = None if self.to is None else self.to.pk
        if self.cancels:
            values["status"] = Status.CANCELLED
        return values

    def is_so(self, work: Assignment) -> bool:
        """Whether it would change nothing."""
        return not differing(work, stored_form(self.values_for(work)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPlan:
    """One piece of work with another plan: as it is, and as it would be (`after`, which is not stored).

    `told`: what its present assignee has heard, `as_told` whether that would be so still, `reachable` whether messages
    would reach them. `correction`: after how long they hear that it is no longer as they were told; None where nothing is
    sent. `ended`: their reminders that are not sent any more, where somebody else gets it or nobody is to do it, and more
    than the built-in rule counts. `reminders`: what becomes of those of the new plan, in the order of their instants.
    `steps`: what supervisors and Ops hear by rules then, and no longer hear, a sentence each. `overdue`: it stays marked
    OVERDUE; `overdue_at_once`: it becomes so, by its new start or because the delay that was announced no longer counts.
    `declined`: how the new assignee has declined it before.
    """

    assignment: Assignment
    after: Assignment
    asked_at: datetime
    told: Told = Told.NO
    as_told: bool = False
    reachable: bool = False
    correction: timedelta | None = None
    ended: tuple[RuleReminder, ...] = ()
    reminders: tuple[RuleReminder, ...] = ()
    steps: tuple[str, ...] = ()
    overdue: bool = False
    overdue_at_once: bool = False
    declined: Act | None = None


def changed_plans(
    works: Sequence[Assignment], change: PlanChange, *, config: ReminderConfig
) -> list[ChangedPlan]:
    """What would become of each of these, in the order of their ids. Raises ValidationError where a value is not accepted,
    Refused where the state of one does not allow it.
    """
    ids = [work.pk for work in works]
    recipient = recipients.assignee_recipient(change.to.pk if change.to else None) if change.gives else None
    rows = Prefetch("reminders", Reminder.objects.exclude(kind=Kind.EVENT))
    asked = with_start_notified(
        Assignment.objects.filter(pk__in=ids), recipient=recipient, start=_new_start(works, change)
    )
    found = list(asked.select_related("assignee__team", "team").prefetch_related(rows).order_by("pk"))
    situation = situation_of(pause_in_force(), config)
    pairs = [(one, _after(one, change, now=situation.now, config=config)) for one in found]
    declines = _declines(ids, change.to)
    rules = _rules_of(pairs, config)
    return [
        _changed(one, after, situation=situation, config=config, declined=declines.get(one.pk), rules=rules)
        for one, after in pairs
    ]


def new_plan(work: Assignment, *, config: ReminderConfig) -> ChangedPlan:
    """What would become of work that is not stored yet, with its assignee and team."""
    situation = situation_of(pause_in_force(), config)
    work.start_notified, work.opted_out_rules = None, opted_out_rules(work.assignee_id)  # type: ignore[attr-defined]
    rules = _rules_of([(None, work)], config)
    reminders = (
        () if work.assignee is None else _reminders(None, work, rules, situation=situation, config=config)
    )
    return ChangedPlan(
        assignment=work,
        after=work,
        asked_at=situation.now,
        reminders=tuple(reminders),
        steps=tuple(_steps(0, rules, config=config)),
    )


def _new_start(works: Sequence[Assignment], change: PlanChange) -> Combinable | None:
    """The new start of each in SQL: moves of many are by few lengths."""
    by_length: dict[timedelta, list[int]] = defaultdict(list)
    for work in works:
        if (start := change.starts.get(work.pk)) is not None:
            by_length[start - work.scheduled_start].append(work.pk)
    if not by_length:
        return None
    moved = [
        When(pk__in=ids, then=ExpressionWrapper(F("scheduled_start") + Value(by), DateTimeField()))
        for by, ids in by_length.items()
    ]
    return Case(*moved, default=F("scheduled_start"), output_field=DateTimeField())


def _after(work: Assignment, change: PlanChange, *, now: datetime, config: ReminderConfig) -> Assignment:
    """The work as it would be, not stored."""
    after = copy.copy(work)
    apply_changes(after, change.values_for(work), now=now)
    if change.gives:
        after.assignee = change.to
    if after.overdue_at is not None and _overdue_at(after, config) > now:
        after.overdue_at = None  # As `ledger.replanning.replan` does.
    return after


def _overdue_at(work: Assignment, config: ReminderConfig) -> datetime:
    return timing.overdue_at(work.scheduled_start, expected_start=work.expected_start, config=config)


def _declines(ids: Sequence[int], to: Assignee | None) -> dict[int, Act]:
    """How this person has declined each, if that was their last answer. What somebody else entered for an assignee counts
    where a reminder shows that the work was this person's then.
    """
    if to is None:
        return {}
    theirs = recipients.assignee_recipient(to.pk)
    held = set(
        Reminder.objects.filter(assignment__in=ids, recipient=theirs).values_list("assignment_id", "version")
    )
    answers: dict[int, Act] = {}
    for act in Act.objects.filter(assignment__in=ids, act__in=(ActKind.CONFIRM, ActKind.DECLINE)).order_by(
        "id"
    ):
        by_assignee = act.actor.startswith(ASSIGNEE)
        if act.actor == theirs or (not by_assignee and (act.assignment_id, act.version) in held):
            answers[act.assignment_id] = act
    return {pk: act for pk, act in answers.items() if act.act == ActKind.DECLINE}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """The rules in force, and the work as they see it: now, and in other hands."""

    tried: RulesTried
    names: Mapping[str, str]
    present: Mapping[int, RuleSubject]
    given: Mapping[int, RuleSubject]
    chained: Mapping[int, ChainedWork]
    chained_then: Mapping[int, ChainedWork]
    people: Mapping[str, str]

    def named(self, key: str, subject: RuleSubject, config: ReminderConfig) -> str:
        candidates = policy_rules.matching(subject, rules=self.tried.rules, lead=config.lead)
        return name_of(key, candidates=candidates, names=self.names)


def _rules_of(pairs: Sequence[tuple[Assignment | None, Assignment]], config: ReminderConfig) -> _Rules:
    tried = rules_to_try(None)
    ids = [work.pk for work, _ in pairs if work is not None]
    after = [work for _, work in pairs]
    chained: dict[int, ChainedWork] = {}
    chained_then: dict[int, ChainedWork] = {}
    with connection.cursor() as cursor:
        given = read_work_if(cursor, after)
        if chains.for_others(tried.rules):
            chained = read_chained(cursor, ids, config)
            chained_then = chained_if(cursor, after, given, config)
        told = {
            one.recipient for work in (*chained.values(), *chained_then.values()) for one in work.supervisors
        }
        return _Rules(
            tried=tried,
            names=names_of_rules(),
            present=read_subjects(cursor, ids),
            given=_still_reminded(given),
            chained=chained,
            chained_then=chained_then,
            people={
                key: supervisor_name(name, key)
                for key, name in recipient_names(told, Assignee.objects.all()).items()
            },
        )


def _still_reminded(works: Iterable[RuledWork]) -> dict[int, RuleSubject]:
    return {
        work.id: work.subject for work in works if not work.is_overdue and work.subject.person_id is not None
    }


def _changed(
    work: Assignment,
    after: Assignment,
    *,
    situation: Situation,
    config: ReminderConfig,
    declined: Act | None,
    rules: _Rules,
) -> ChangedPlan:
    heard = heard_by(recipients.assignee_recipient(work.assignee_id), work.reminders.all())
    correction = _correction(work, after, work.assignee_id, now=situation.now, config=config)
    scheduled = after.status == Status.SCHEDULED
    dropped = after.assignee_id != work.assignee_id or after.status == Status.CANCELLED
    ended = _ended(work, rules, situation=situation, config=config) if dropped else ()
    return ChangedPlan(
        assignment=work,
        after=after,
        asked_at=situation.now,
        told=_told(heard),
        as_told=_outdated(heard, work.assignee_id, after) is None,
        reachable=is_reachable(work.assignee, config),
        correction=None if correction is None else max(timedelta(), correction.due_at - situation.now),
        ended=tuple(ended),
        reminders=tuple(_reminders(work, after, rules, situation=situation, config=config)),
        steps=tuple(_steps(work.pk, rules, config=config)),
        overdue=scheduled and after.overdue_at is not None,
        overdue_at_once=scheduled
        and work.overdue_at is None
        and _overdue_at(after, config) <= situation.now < _overdue_at(work, config),
        declined=declined,
    )


def is_reachable(person: Assignee | None, config: ReminderConfig) -> bool:
    """Whether a message to this person would find an address."""
    if person is None:
        return False
    way = first_way(person.way, config)
    return can_reach(recipients.assignee_recipient(person.pk), way, contact_of(person), config)


def _told(heard: Sequence[HeardMessage]) -> Told:
    known = announcements.known(heard)
    if not any(one.theirs for one in known):
        return Told.NO
    certain = any(one.certain for one in heard) and all(one.theirs for one in known)
    return Told.YES if certain else Told.MAYBE


def _announcement(person: str, work: Assignment) -> Announcement:
    """What a message to this person would state of the work."""
    return corrections.announcement_for(
        person,
        assigned_to=recipients.assignee_recipient(work.assignee_id),
        status=Status(work.status),
        start=work.scheduled_start,
        place=work.location,
        title=work.title,
    )


def _outdated(heard: Sequence[HeardMessage], person_id: int | None, after: Assignment) -> Announcement | None:
    present = _announcement(recipients.assignee_recipient(person_id), after)
    return announcements.outdated(announcements.known(heard), present)


def _correction(
    work: Assignment, after: Assignment, person_id: int | None, *, now: datetime, config: ReminderConfig
) -> Correction | None:
    """The correction that this person would need."""
    person = recipients.assignee_recipient(person_id)
    known = announcements.known(heard_by(person, work.reminders.all()))
    return corrections.correction(
        known, _announcement(person, after), status=Status(after.status), now=now, config=config
    )


def _ended(
    work: Assignment, rules: _Rules, *, situation: Situation, config: ReminderConfig
) -> Iterator[RuleReminder]:
    """The reminders that whoever has the work would get, and does not get any more. What is being sent arrives."""
    subject = rules.present.get(work.pk)
    if subject is None or work.assignee_id is None:
        return
    rows = [row for row in work.reminders.all() if row.kind == Kind.REMINDER and row.version == work.version]
    for one in foresee(facts_of(work), subject, rows, rules.tried, situation, config) or ():
        begun = one.row is not None and one.row.state is State.SENDING
        if one.forecast.verdict.action is Action.SEND and not begun:
            yield RuleReminder(name=rules.named(one.rule, subject, config), forecast=one.forecast)


def _reminders(
    work: Assignment | None,
    after: Assignment,
    rules: _Rules,
    *,
    situation: Situation,
    config: ReminderConfig,
) -> Iterator[RuleReminder]:
    """What becomes of the reminders of the new plan; `work` None: it is new."""
    notified = after.assignee_id is not None and bool(after.start_notified)  # type: ignore[attr-defined]  # annotated
    facts = replace(facts_of(after), start_notified=notified)
    held = None
    if work is not None and after.assignee_id is not None:
        held = _correction(work, after, after.assignee_id, now=situation.now, config=config)
    subject = rules.given.get(after.pk or 0)
    by_rules = None if subject is None else foresee(facts, subject, (), rules.tried, situation, config)
    if subject is None or by_rules is None:
        ahead = forecast.forecast_assignment(facts, situation, config=config)
        yield RuleReminder(name="", forecast=_held(held, ahead))
        return
    for one in by_rules:
        yield RuleReminder(name=rules.named(one.rule, subject, config), forecast=_held(held, one.forecast))


def _steps(pk: int, rules: _Rules, *, config: ReminderConfig) -> Iterator[str]:
    """What supervisors and Ops hear by rules of the new plan, and what they no longer hear."""
    before, after = (
        chains_of(found[pk], rules.tried.rules, rules.names, config, if_overdue=False)
        if pk in found
        else None
        for found in (rules.chained, rules.chained_then)
    )

    def name_of(recipient: str) -> str:
        return rules.people.get(recipient, "Ops")

    if before is not None:
        yield from before.dropped(after, name_of)
    if after is not None:
        for entry in after.upcoming(name_of):
            yield entry.summary


def _held(held: Correction | None, foreseen: Forecast) -> Forecast:
    """A reminder waits for a correction that is due to the same person."""
    if held is None or foreseen.at is None or foreseen.verdict.action is not Action.SEND:
        return foreseen
    return replace(foreseen, at=max(foreseen.at, held.due_at))
