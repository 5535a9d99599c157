"""What would become of work if somebody else were given it now: who hears what, and when. It writes nothing.

It asks what carries a reassignment out: `policy.corrections` for whoever has the work, `policy.rules` and `forecast` for
whoever gets it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from django.db import connection
from django.db.models import Prefetch, Q

from assignments.models import Act, ActKind, Assignee, Assignment, Status
from assignments.team_scope import TeamScope
from reminders.conf import ReminderConfig
from reminders.insight import forecast
from reminders.insight.chain_forecast import ChainedWork, chained_if_given_to, read_chained
from reminders.insight.explain.chains import chains_of
from reminders.insight.explain.inputs import can_reach, contact_of, facts_of, heard_by, situation_of
from reminders.insight.explain.rules import name_of, names_of_rules
from reminders.insight.forecast import Forecast
from reminders.insight.recipient_names import recipient_names, supervisor_name
from reminders.insight.rule_simulation import RulesTried, foresee, rules_to_try
from reminders.ledger.notified import with_start_notified
from reminders.ledger.pauses import pause_in_force
from reminders.ledger.rule_subjects import RuledWork, read_subjects, read_work_given_to
from reminders.models import Kind, Reminder, State
from reminders.policy import announcements, chains, corrections, recipients, timing
from reminders.policy import rules as policy_rules
from reminders.policy.announcements import Message
from reminders.policy.corrections import Correction
from reminders.policy.double_bookings import Booking
from reminders.policy.recipients import ASSIGNEE
from reminders.policy.rows import Action, Situation
from reminders.policy.rules import Subject
from reminders.policy.ways import first_way

MOST_BOOKINGS = 2_000


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
class Reassignment:
    """One piece of work in other hands.

    `told`: what its present assignee has heard, `reachable` whether a message would reach them. `correction`: after how
    long they hear that it is no longer theirs; None where nothing is sent. `ended`: their reminders that are not sent
    any more, where more than the built-in rule counts. `reminders`: what becomes of the new assignee's, in the order of
    their instants. `steps`: what supervisors and Ops hear by rules then, and no longer hear, a sentence each. `overdue`: it
    stays marked OVERDUE; `overdue_at_once`: it becomes so, because the delay that was announced no longer counts.
    `declined`: how the new assignee has declined it before.
    """

    assignment: Assignment
    asked_at: datetime
    told: Told
    reachable: bool
    correction: timedelta | None
    ended: tuple[RuleReminder, ...]
    reminders: tuple[RuleReminder, ...]
    steps: tuple[str, ...]
    overdue: bool
    overdue_at_once: bool
    declined: Act | None


def reassignments(ids: Sequence[int], to: Assignee | None, *, config: ReminderConfig) -> list[Reassignment]:
    """What would become of each of these, in the order of their ids. `to` None: nobody gets it."""
    recipient = recipients.assignee_recipient(to.pk if to else None)
    rows = Prefetch("reminders", Reminder.objects.exclude(kind=Kind.EVENT))
    work = with_start_notified(Assignment.objects.filter(pk__in=ids), recipient=recipient)
    found = list(work.select_related("assignee__team", "team").prefetch_related(rows).order_by("pk"))
    situation = situation_of(pause_in_force(), config)
    declines = _declines(ids, to)
    rules = _rules_of(found, to, config)
    return [
        _reassigned(one, to, situation=situation, config=config, declined=declines.get(one.pk), rules=rules)
        for one in found
    ]


def bookings(person: Assignee, work: Sequence[Assignment], *, scope: TeamScope) -> list[Booking]:
    """What else the caller sees this person have SCHEDULED between the first start and the last end of this work;
    the first MOST_BOOKINGS of it.
    """
    given = [booking_of(one) for one in work]
    first, last = min(one.start for one in given), max(one.until for one in given)
    theirs = Assignment.objects.visible_to(scope).filter(assignee=person, status=Status.SCHEDULED)
    others = theirs.exclude(pk__in=[one.id for one in given])
    near = others.filter(scheduled_start__lte=last).filter(
        Q(scheduled_start__gte=first) | Q(scheduled_end__gt=first)
    )
    return [booking_of(one) for one in near.order_by("scheduled_start", "id")[:MOST_BOOKINGS]]


def booking_of(work: Assignment) -> Booking:
    return Booking(id=work.pk, title=work.title, start=work.scheduled_start, end=work.scheduled_end)


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
    present: Mapping[int, Subject]
    given: Mapping[int, Subject]
    chained: Mapping[int, ChainedWork]
    chained_then: Mapping[int, ChainedWork]
    people: Mapping[str, str]

    def named(self, key: str, subject: Subject, config: ReminderConfig) -> str:
        candidates = policy_rules.matching(subject, rules=self.tried.rules, lead=config.lead)
        return name_of(key, candidates=candidates, names=self.names)


def _rules_of(works: Sequence[Assignment], to: Assignee | None, config: ReminderConfig) -> _Rules:
    tried = rules_to_try(None)
    ids = [work.pk for work in works]
    to_id = to.pk if to else None
    chained: dict[int, ChainedWork] = {}
    chained_then: dict[int, ChainedWork] = {}
    with connection.cursor() as cursor:
        given = read_work_given_to(cursor, ids, to_id)
        if chains.for_others(tried.rules):
            chained = read_chained(cursor, ids, config)
            chained_then = chained_if_given_to(cursor, given, to_id, config)
        told = {
            one.recipient for work in (*chained.values(), *chained_then.values()) for one in work.supervisors
        }
        return _Rules(
            tried=tried,
            names=names_of_rules(),
            present=read_subjects(cursor, ids),
            given={} if to is None else _still_reminded(given),
            chained=chained,
            chained_then=chained_then,
            people={
                key: supervisor_name(name, key)
                for key, name in recipient_names(told, Assignee.objects.all()).items()
            },
        )


def _still_reminded(works: Iterable[RuledWork]) -> dict[int, Subject]:
    return {work.id: work.subject for work in works if not work.is_overdue}


def _reassigned(
    work: Assignment,
    to: Assignee | None,
    *,
    situation: Situation,
    config: ReminderConfig,
    declined: Act | None,
    rules: _Rules,
) -> Reassignment:
    overdue_at = timing.overdue_at(work.scheduled_start, expected_start=None, config=config)
    marked = work.overdue_at is not None
    scheduled = work.status == Status.SCHEDULED
    heard = heard_by(recipients.assignee_recipient(work.assignee_id), work.reminders.all())
    correction = _correction(work, work.assignee_id, to, now=situation.now, config=config)
    return Reassignment(
        assignment=work,
        asked_at=situation.now,
        told=_told(heard),
        reachable=work.assignee is not None
        and can_reach(
            recipients.assignee_recipient(work.assignee_id),
            first_way(work.assignee.way, config),
            contact_of(work.assignee),
            config,
        ),
        correction=None if correction is None else max(timedelta(), correction.due_at - situation.now),
        ended=tuple(_ended(work, rules, situation=situation, config=config)),
        reminders=tuple(
            _reminders(
                work,
                to,
                rules,
                overdue=marked and overdue_at <= situation.now,
                situation=situation,
                config=config,
            )
        ),
        steps=tuple(_steps(work, rules, config=config)),
        overdue=marked and scheduled and overdue_at <= situation.now,
        overdue_at_once=scheduled
        and not marked
        and work.expected_start is not None
        and overdue_at
        <= situation.now
        < timing.overdue_at(work.scheduled_start, expected_start=work.expected_start, config=config),
        declined=declined,
    )


def _told(heard: Sequence[Message]) -> Told:
    known = announcements.known(heard)
    if not any(one.theirs for one in known):
        return Told.NO
    certain = any(one.certain for one in heard) and all(one.theirs for one in known)
    return Told.YES if certain else Told.MAYBE


def _correction(
    work: Assignment, person_id: int | None, to: Assignee | None, *, now: datetime, config: ReminderConfig
) -> Correction | None:
    """The correction that this person would need."""
    person = recipients.assignee_recipient(person_id)
    status = Status(work.status)
    present = corrections.announcement_for(
        person,
        assigned_to=recipients.assignee_recipient(to.pk if to else None),
        status=status,
        start=work.scheduled_start,
        place=work.location,
        title=work.title,
    )
    known = announcements.known(heard_by(person, work.reminders.all()))
    return corrections.correction(known, present, status=status, now=now, config=config)


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
    work: Assignment,
    to: Assignee | None,
    rules: _Rules,
    *,
    overdue: bool,
    situation: Situation,
    config: ReminderConfig,
) -> Iterator[RuleReminder]:
    """What becomes of the reminders of the new assignee."""
    facts = replace(
        facts_of(work),
        version=work.version + 1,
        recipient=recipients.assignee_recipient(to.pk if to else None),
        declined=False,
        confirmed=False,
        expected_start=None,
        overdue=overdue,
        start_notified=to is not None and bool(work.start_notified),  # type: ignore[attr-defined]  # annotated
    )
    held = None if to is None else _correction(work, to.pk, to, now=situation.now, config=config)
    subject = rules.given.get(work.pk)
    by_rules = None if subject is None else foresee(facts, subject, (), rules.tried, situation, config)
    if subject is None or by_rules is None:
        ahead = forecast.forecast_assignment(facts, situation, config=config)
        yield RuleReminder(name="", forecast=_after(held, ahead))
        return
    for one in by_rules:
        yield RuleReminder(name=rules.named(one.rule, subject, config), forecast=_after(held, one.forecast))


def _steps(work: Assignment, rules: _Rules, *, config: ReminderConfig) -> Iterator[str]:
    """What supervisors and Ops hear by rules of work that somebody else has then, and what they no longer hear."""
    before, after = (
        chains_of(found[work.pk], rules.tried.rules, rules.names, config, if_overdue=False)
        if work.pk in found
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


def _after(held: Correction | None, foreseen: Forecast) -> Forecast:
    """A reminder waits for a correction that is due to the same person."""
    if held is None or foreseen.at is None or foreseen.verdict.action is not Action.SEND:
        return foreseen
    return replace(foreseen, at=max(foreseen.at, held.due_at))
