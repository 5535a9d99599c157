"""Giving work to somebody else as operators are offered it: the question who, the words of its preview, and the one call."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django import forms

from assignments.direction import isolated
from assignments.models import Answer, Assignee, Assignment, Status, Team
from assignments.team_scope import TeamScope
from assignments.teams import effective_team
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.insight.explain.inputs import can_reach, contact_of
from reminders.insight.explain.wording import moment, words
from reminders.insight.reassignment import Reassignment, RuleReminder, Told, booking_of, bookings
from reminders.operations.actions import SHOWN, ActionRequest, OperatorAction, Preview, counted, preview_of
from reminders.operations.assignee_choice import AssigneeForm, choose
from reminders.operations.forms import ReasonForm
from reminders.operations.plans import WORDS, target_of
from reminders.operations.reassigning import ReassignPlan, open_work, plan_reassign, run_reassign
from reminders.policy import recipients
from reminders.policy.double_bookings import double_bookings
from reminders.policy.rows import Action
from reminders.policy.ways import first_way

NAME = "reassign"
MOST_CLASHES = 5


def _question(request: ActionRequest) -> forms.Form:
    work, _ = open_work(request.ids or (), scope=request.scope)
    return AssigneeForm(request.to, work, request.scope)


def _plan(request: ActionRequest) -> ReassignPlan:
    chosen = choose(request.to, request.scope)
    return plan_reassign(request.ids or (), chosen.person, config=conf.current(), scope=request.scope)


def _preview(request: ActionRequest) -> Preview:
    if not request.to:
        return _selected(request)
    plan, config = _plan(request), conf.current()
    moves = {move.assignment.pk: move for move in plan.moves}
    to = "nobody, for now" if plan.to is None else f"{_named(plan.to)} (#{plan.to.pk})"
    reachable = plan.to is not None and _is_reachable(plan.to, config)
    preview = preview_of(
        plan,
        summary=f"{counted(len(plan.targets), 'assignment')} to {to}. Nothing else of the plan changes.",
        warnings=list(_warnings(plan, config, request.scope)),
        effect=lambda target: "\n".join(
            _effects(moves[target.id], plan.to, request.scope, reachable=reachable)
        ),
    )
    return replace(preview, button="Take it away" if plan.to is None else f"Give it to {_named(plan.to)}")


def _selected(request: ActionRequest) -> Preview:
    """What is meant, before anybody is chosen."""
    work, skipped = open_work(request.ids or (), scope=request.scope)
    return Preview(
        summary=(
            f"{counted(len(work), 'assignment')}. Choose who gets it: then you see what would happen, before anything does."
        ),
        rows=[(target_of(one), _answer(one)) for one in work[:SHOWN]],
        more=max(0, len(work) - SHOWN),
        left_alone=[(one.id, WORDS[one.why]) for one in skipped[:SHOWN]],
        possible=bool(work),
    )


def _run(request: ActionRequest, form: Any) -> str:
    plan = _plan(request)
    plan.confirm(request.plan)
    done = run_reassign(plan, by=request.by, reason=form.cleaned_data["reason"])
    to = "taken away from their assignees" if plan.to is None else f"given to {_named(plan.to)}"
    return f"{len(done.ids)} {to}, {len(done.skipped)} left alone."


# --- what becomes of one ---------------------------------------------------------------------------------------


def _effects(move: Reassignment, to: Assignee | None, scope: TeamScope, *, reachable: bool) -> Iterator[str]:
    """What would happen, a sentence each."""
    work = move.assignment
    if work.assignee is not None:
        yield _former(move, _named(work.assignee))
        for one in move.ended:
            yield f"{_named(work.assignee)} no longer gets the reminder of {one.name} {_when(one.forecast.at)}."
        yield from _lost(work)
    yield from _reminders(move, to, reachable=reachable)
    yield from move.steps
    before, after = effective_team(work), _team_after(work, to, scope)
    if before != after:
        no_longer = "" if before is None else f", no longer to {_team_name(before)}"
        yield f"The work then belongs to {_team_name(after)}{no_longer}."


def _former(move: Reassignment, name: str) -> str:
    if move.told is Told.NO:
        return f"{name} has not been told of it, and hears nothing."
    told = f"{name} has been told of it" if move.told is Told.YES else f"{name} may have been told of it"
    if move.correction is None:
        return f"{told}, and it is too late to correct that: tell them yourself."
    if not move.reachable:
        return f"{told}, and has no usable address: tell them yourself that it is no longer theirs."
    return f"{told}, and hears {_after(move.correction)} that it is no longer theirs."


def _answer(work: Assignment) -> str:
    note = f" ({isolated(work.answer_note)})" if work.answer_note else ""
    return f"“{Answer(work.answer).label}”{note}" if work.answer else "no answer"


def _lost(work: Assignment) -> Iterator[str]:
    """What its assignee has said, which no longer holds."""
    if work.answer:
        yield f"The answer {_answer(work)} no longer holds."
    if work.status == Status.SCHEDULED and work.expected_start is not None:
        yield f"That it begins at {moment(work.expected_start)} no longer holds."
    if work.status == Status.SCHEDULED and work.on_my_way_at is not None:
        yield "That its assignee is on the way no longer holds."


def _reminders(move: Reassignment, to: Assignee | None, *, reachable: bool) -> Iterator[str]:
    if to is None:
        yield "Nobody is reminded of it until somebody gets it."
        return
    name = _named(to)
    sent = [one for one in move.reminders if one.forecast.verdict.action is Action.SEND]
    if move.assignment.status == Status.IN_PROGRESS:
        yield f"{name} gets no reminder: the work has been started."
    elif move.overdue:
        yield f"{name} gets no reminder: the work is OVERDUE."
    elif sent and not reachable:
        yield f"No reminder reaches {name}: there is no usable address."
    else:
        for one in move.reminders:
            yield _reminder(one, name, asked_at=move.asked_at)


def _reminder(one: RuleReminder, name: str, *, asked_at: datetime) -> str:
    verdict, at = one.forecast.verdict, one.forecast.at
    reminder = f"The reminder of {one.name} to {name}" if one.name else f"The reminder to {name}"
    if verdict.action is not Action.SEND:
        verb = "waits" if at is None and verdict.action is Action.WAIT else "is not sent"
        return f"{reminder} {verb}: {words(verdict.reason)}."
    if at is not None and at <= asked_at:
        return f"{reminder} leaves at once."
    return f"{reminder} leaves {_when(at)}."


def _when(at: datetime | None) -> str:
    return "once sending goes on" if at is None else f"at {moment(at)}"


def _team_after(work: Assignment, to: Assignee | None, scope: TeamScope) -> Team | None:
    """To which team the work belongs then (`assignments.teams.effective_team`, `services.keep_within`)."""
    if work.team is not None:
        return work.team
    if to is not None:
        return to.team
    return None if scope.only_team is None else effective_team(work)


def _team_name(team: Team | None) -> str:
    return "no team" if team is None else f"team {isolated(team.name)}"


def _after(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    if seconds <= 0:
        return "at once"
    return f"after {seconds} s" if seconds < 120 else f"after {seconds // 60} min"


def _named(person: Assignee) -> str:
    return isolated(person.name)


# --- warnings --------------------------------------------------------------------------------------------------


def _warnings(plan: ReassignPlan, config: ReminderConfig, scope: TeamScope) -> Iterator[str]:
    if not plan.moves:
        return
    started = [move for move in plan.moves if move.assignment.status == Status.IN_PROGRESS]
    overdue = [move for move in plan.moves if move.overdue]
    overdue_at_once = [move for move in plan.moves if move.overdue_at_once]
    if started:
        yield f"Already started, and stays so: {_some(started)}."
    if overdue:
        yield f"OVERDUE, and stays so until it is started or closed: {_some(overdue)}."
    if overdue_at_once:
        yield f"Becomes OVERDUE at once, since the delay that was announced no longer counts: {_some(overdue_at_once)}."
    if plan.to is not None:
        yield from _about(plan.to, plan, config, scope)


def _about(to: Assignee, plan: ReassignPlan, config: ReminderConfig, scope: TeamScope) -> Iterator[str]:
    name = _named(to)
    if not _is_reachable(to, config):
        yield f"{name} has no usable address: no reminder reaches them."
    for move in islice((move for move in plan.moves if move.declined), MOST_CLASHES):
        assert move.declined is not None
        note = f" ({isolated(move.declined.note)})" if move.declined.note else ""
        yield f"{name} has declined {_one(move.assignment)} before, at {moment(move.declined.at)}{note}."
    given = [move.assignment for move in plan.moves if move.assignment.status == Status.SCHEDULED]
    if not given:
        return
    pairs = double_bookings(map(booking_of, given), bookings(to, given, scope=scope))
    found = list(islice(pairs, MOST_CLASHES + 1))
    for one, other in found[:MOST_CLASHES]:
        yield (
            f"{name} would have “{isolated(other.title)}” (#{other.id}, {moment(other.start)}) at the same time as "
            f"“{isolated(one.title)}” (#{one.id})."
        )
    if len(found) > MOST_CLASHES:
        yield f"{name} would have still more at the same time."


def _is_reachable(to: Assignee, config: ReminderConfig) -> bool:
    way = first_way(to.way, config)
    return can_reach(recipients.assignee_recipient(to.pk), way, contact_of(to), config)


def _some(moves: Sequence[Reassignment]) -> str:
    more = f" and {len(moves) - MOST_CLASHES} more" if len(moves) > MOST_CLASHES else ""
    return ", ".join(_one(move.assignment) for move in moves[:MOST_CLASHES]) + more


def _one(work: Assignment) -> str:
    return f"“{isolated(work.title)}” (#{work.pk})"


REASSIGN_ACTIONS = {
    NAME: OperatorAction(
        title="Give it to somebody else", preview=_preview, run=_run, form=ReasonForm, question=_question
    )
}
"""The action by its name in addresses."""
