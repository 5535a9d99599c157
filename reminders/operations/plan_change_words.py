"""What another plan means, in sentences: when work starts, who is told, who is reminded when, and what to look out for."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from assignments.direction import isolated
from assignments.models import Answer, Assignee, Assignment, Status, Team
from assignments.team_scope import TeamScope
from assignments.teams import effective_team
from reminders.conf import ReminderConfig
from reminders.insight.bookings import booking_of, bookings
from reminders.insight.changed_plans import ChangedPlan, PlanChange, RuleReminder, Told, is_reachable
from reminders.insight.explain.wording import clock_there, local_time, moment, words
from reminders.operations.plan_changes import ChangePlan
from reminders.policy.double_bookings import double_bookings
from reminders.policy.rows import Action

MOST_CLASHES = 5


def named(person: Assignee) -> str:
    """A person's name within a sentence."""
    return isolated(person.name)


def answer_of(work: Assignment) -> str:
    """What the assignee has answered."""
    note = f" ({isolated(work.answer_note)})" if work.answer_note else ""
    return f"“{Answer(work.answer).label}”{note}" if work.answer else "no answer"


def effects(move: ChangedPlan, change: PlanChange, scope: TeamScope, config: ReminderConfig) -> Iterator[str]:
    """What would happen to this work, a sentence each."""
    work, after = move.assignment, move.after
    if work.scheduled_start != after.scheduled_start:
        yield f"It starts {local_time(after.scheduled_start, _zone(after))}."
    if work.assignee is not None:
        yield _present(move, named(work.assignee))
        for one in move.ended:
            yield f"{named(work.assignee)} no longer gets the reminder of {one.name} {_when(one.forecast.at)}."
        yield from _lost(work, after)
    if after.status == Status.CANCELLED:
        yield "Nobody is reminded of it any more."
    elif change.gives or work.assignee is not None:
        yield from reminders(move, config)
    yield from move.steps
    before, then = effective_team(work), _team_after(work, change, scope)
    if before != then:
        no_longer = "" if before is None else f", no longer to {_team_name(before)}"
        yield f"The work then belongs to {_team_name(then)}{no_longer}."


def _zone(work: Assignment) -> str | None:
    return work.assignee.time_zone if work.assignee is not None else None


def _present(move: ChangedPlan, name: str) -> str:
    """What whoever has the work hears."""
    if move.told is Told.NO:
        return f"{name} has not been told of it, and hears nothing."
    told = f"{name} has been told of it" if move.told is Told.YES else f"{name} may have been told of it"
    if move.as_told:
        return f"{told} as it is then, and needs no correction."
    if move.correction is None:
        return f"{told}, and it is too late to correct that: tell them yourself."
    news = _news(move)
    if not move.reachable:
        return f"{told}, and has no usable address: tell them yourself that it is {news}."
    return f"{told}, and hears {_after(move.correction)} that it is {news}."


def _news(move: ChangedPlan) -> str:
    if move.after.status == Status.CANCELLED:
        return "cancelled"
    if move.after.assignee_id != move.assignment.assignee_id:
        return "no longer theirs"
    return "moved"


def _lost(work: Assignment, after: Assignment) -> Iterator[str]:
    """What its assignee has said, which no longer holds."""
    if work.answer and not after.answer:
        yield f"The answer {answer_of(work)} no longer holds."
    if work.status != Status.SCHEDULED:
        return
    if work.expected_start is not None and after.expected_start is None:
        yield f"That it begins at {moment(work.expected_start)} no longer holds."
    if work.on_my_way_at is not None and after.on_my_way_at is None:
        yield "That its assignee is on the way no longer holds."


def reminders(move: ChangedPlan, config: ReminderConfig) -> Iterator[str]:
    """What becomes of the reminders of the new plan."""
    to = move.after.assignee
    if to is None:
        yield "Nobody is reminded of it until somebody gets it."
        return
    name = named(to)
    sent = [one for one in move.reminders if one.forecast.verdict.action is Action.SEND]
    if move.after.status == Status.IN_PROGRESS:
        yield f"{name} gets no reminder: the work has been started."
    elif move.overdue:
        yield f"{name} gets no reminder: the work is OVERDUE."
    elif sent and not is_reachable(to, config):
        yield f"No reminder reaches {name}: there is no usable address."
    else:
        for one in move.reminders:
            yield _reminder(one, to, asked_at=move.asked_at)


def _reminder(one: RuleReminder, to: Assignee, *, asked_at: datetime) -> str:
    verdict, at = one.forecast.verdict, one.forecast.at
    name = named(to)
    reminder = f"The reminder of {one.name} to {name}" if one.name else f"The reminder to {name}"
    if verdict.action is not Action.SEND:
        verb = "waits" if at is None and verdict.action is Action.WAIT else "is not sent"
        return f"{reminder} {verb}: {words(verdict.reason)}."
    if at is not None and at <= asked_at:
        return f"{reminder} leaves at once."
    return f"{reminder} leaves {_when(at)}{clock_there(at, to.time_zone) if at else ''}."


def _when(at: datetime | None) -> str:
    return "once sending goes on" if at is None else f"at {moment(at)}"


def _team_after(work: Assignment, change: PlanChange, scope: TeamScope) -> Team | None:
    """To which team the work belongs then (`assignments.teams.effective_team`, `services.keep_within`)."""
    if work.team is not None or not change.gives:
        return effective_team(work)
    if change.to is not None:
        return change.to.team
    return None if scope.only_team is None else effective_team(work)


def _team_name(team: Team | None) -> str:
    return "no team" if team is None else f"team {isolated(team.name)}"


def _after(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    if seconds <= 0:
        return "at once"
    return f"after {seconds} s" if seconds < 120 else f"after {seconds // 60} min"


# --- warnings --------------------------------------------------------------------------------------------------


def warnings(plan: ChangePlan, config: ReminderConfig, scope: TeamScope) -> Iterator[str]:
    """What to look out for before it is confirmed."""
    started = [move for move in plan.moves if move.after.status == Status.IN_PROGRESS]
    overdue = [move for move in plan.moves if move.overdue]
    overdue_at_once = [move for move in plan.moves if move.overdue_at_once]
    if started:
        yield f"Already started, and stays so: {_some(started)}."
    if overdue:
        yield f"OVERDUE, and stays so until it is started or closed: {_some(overdue)}."
    if overdue_at_once:
        why = (
            "by its new start"
            if plan.change.starts
            else "since the delay that was announced no longer counts"
        )
        yield f"Becomes OVERDUE at once, {why}: {_some(overdue_at_once)}."
    if plan.change.gives and plan.to is not None:
        yield from _about(plan.to, plan, config)
    if plan.change.gives or plan.change.starts:
        yield from clashes([move.after for move in plan.moves], scope)


def _about(to: Assignee, plan: ChangePlan, config: ReminderConfig) -> Iterator[str]:
    name = named(to)
    if plan.moves and not is_reachable(to, config):
        yield f"{name} has no usable address: no reminder reaches them."
    for move in islice((move for move in plan.moves if move.declined), MOST_CLASHES):
        assert move.declined is not None
        note = f" ({isolated(move.declined.note)})" if move.declined.note else ""
        yield f"{name} has declined {_one(move.assignment)} before, at {moment(move.declined.at)}{note}."


def clashes(work: Sequence[Assignment], scope: TeamScope) -> Iterator[str]:
    """Who would have this work, which need not be stored, and something else at the same time."""
    given = [one for one in work if one.assignee is not None and one.status == Status.SCHEDULED]
    if not given:
        return
    people = {one.assignee.pk: one.assignee for one in given if one.assignee is not None}
    busy = bookings(people, given, scope=scope)
    pairs = (
        (person, one, other)
        for pk, person in people.items()
        for one, other in double_bookings(
            [booking_of(work) for work in given if work.assignee_id == pk], busy.get(pk, ())
        )
    )
    found = list(islice(pairs, MOST_CLASHES + 1))
    for person, one, other in found[:MOST_CLASHES]:
        number = f" (#{one.id})" if one.id else ""
        yield (
            f"{named(person)} would have “{isolated(other.title)}” (#{other.id}, {moment(other.start)}) at the same time as "
            f"“{isolated(one.title)}”{number}."
        )
    if len(found) > MOST_CLASHES:
        who = f"{named(found[-1][0])} would have" if len(people) == 1 else "There would be"
        yield f"{who} still more at the same time."


def _some(moves: Sequence[ChangedPlan]) -> str:
    more = f" and {len(moves) - MOST_CLASHES} more" if len(moves) > MOST_CLASHES else ""
    return ", ".join(_one(move.assignment) for move in moves[:MOST_CLASHES]) + more


def _one(work: Assignment) -> str:
    return f"“{isolated(work.title)}” (#{work.pk})"
