"""Another plan as operators are offered it (somebody else, another time, none): questions, previews, and the one call."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext, ngettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from assignments.instants import read
from assignments.models import Assignment
from reminders import conf
from reminders.insight.explain.wording import local_time
from reminders.operations.action_types import (
    SHOWN,
    ActionRequest,
    OperatorAction,
    Preview,
    nothing_to_do,
    preview_of,
)
from reminders.operations.assignee_choice import AssigneeForm, choose
from reminders.operations.counts import counted, outcome
from reminders.operations.forms import QuestionForm, ReasonForm
from reminders.operations.plan_change_words import answer_of, effects, named, warnings
from reminders.operations.plan_changes import (
    Change,
    ChangePlan,
    Offset,
    can,
    changeable,
    plan_cancel,
    plan_move,
    plan_reassign,
    run_change,
)
from reminders.operations.plans import WORDS, target_of
from reminders.operations.time_choice import MoveForm


def _asks_whom(request: ActionRequest) -> QuestionForm:
    work, _ = changeable(Change.REASSIGN, request.ids or (), scope=request.scope)
    return AssigneeForm(request.answers.get("to", ""), work, request.scope)


def _asks_when(request: ActionRequest) -> QuestionForm:
    work, _ = changeable(Change.MOVE, request.ids or (), scope=request.scope)
    return MoveForm(request.answers, work, request.scope)


def _reassign_plan(request: ActionRequest) -> ChangePlan:
    chosen = choose(request.answers["to"], request.scope)
    return plan_reassign(request.ids or (), chosen.person, config=conf.current(), scope=request.scope)


def _move_plan(request: ActionRequest) -> ChangePlan:
    answers = request.answers
    chosen = choose(answers["to"], request.scope) if "to" in answers else None
    return plan_move(
        request.ids or (),
        read(answers["start"]) if "start" in answers else _offset(request),
        gives=chosen is not None,
        to=None if chosen is None else chosen.person,
        config=conf.current(),
        scope=request.scope,
    )


def _cancel_plan(request: ActionRequest) -> ChangePlan:
    return plan_cancel(request.ids or (), config=conf.current(), scope=request.scope)


def _offset(request: ActionRequest) -> Offset | None:
    days, minutes = (int(request.answers.get(name, "0")) for name in ("days", "minutes"))
    return Offset(days=days, minutes=minutes) if days or minutes else None


OFFSETS = {
    ("days", True): ngettext_lazy("%(number)s day later", "%(number)s days later", "number"),
    ("days", False): ngettext_lazy("%(number)s day earlier", "%(number)s days earlier", "number"),
    ("hours", True): ngettext_lazy("%(number)s hour later", "%(number)s hours later", "number"),
    ("hours", False): ngettext_lazy("%(number)s hour earlier", "%(number)s hours earlier", "number"),
    ("minutes", True): ngettext_lazy("%(number)s minute later", "%(number)s minutes later", "number"),
    ("minutes", False): ngettext_lazy("%(number)s minute earlier", "%(number)s minutes earlier", "number"),
}


# --- previews --------------------------------------------------------------------------------------------------


def _preview_reassign(request: ActionRequest) -> Preview:
    if not request.answers:
        return _selected(request, Change.REASSIGN, gettext("Choose who gets it"))
    plan = _reassign_plan(request)
    summary = gettext("%(count)s to %(person)s. Nothing else of the plan changes.") % {
        "count": counted(len(plan.targets), "assignment"),
        "person": _to(plan),
    }
    preview = _preview(plan, request, summary)
    return replace(preview, button=_button(plan))


def _preview_move(request: ActionRequest) -> Preview:
    if not request.answers:
        return _selected(request, Change.MOVE, gettext("Choose the new time"))
    plan = _move_plan(request)
    given = gettext(", given to %(person)s") % {"person": _to(plan)} if plan.change.gives else ""
    moved = f"{counted(len(plan.targets), 'assignment')}{_to_when(plan, request)}{given}"
    summary = gettext("%(moved)s. Each keeps its length.") % {"moved": moved}
    preview = _preview(plan, request, summary)
    return replace(
        preview, button=gettext("Give it to somebody else") if not plan.change.starts else gettext("Move")
    )


def _preview_cancel(request: ActionRequest) -> Preview:
    plan = _cancel_plan(request)
    summary = gettext(
        "%(count)s. The work will not be done. Its history stays, and it can be put back with status SCHEDULED."
    ) % {"count": counted(len(plan.targets), "assignment")}
    return replace(_preview(plan, request, summary), button=gettext("Cancel the work"))


def _preview(plan: ChangePlan, request: ActionRequest, summary: str) -> Preview:
    config, moves = conf.current(), {move.assignment.pk: move for move in plan.moves}
    return preview_of(
        plan,
        summary=summary,
        warnings=list(warnings(plan, config, request.scope)),
        effect=lambda target: "\n".join(effects(moves[target.id], plan.change, request.scope, config)),
    )


def _selected(request: ActionRequest, kind: Change, choose_what: str) -> Preview:
    """What is meant, before the question is answered."""
    work, skipped = changeable(kind, request.ids or (), scope=request.scope)
    summary = gettext("%(count)s. %(choose)s: then you see what would happen, before anything does.") % {
        "count": counted(len(work), "assignment"),
        "choose": choose_what,
    }
    return Preview(
        summary=summary if work or not skipped else nothing_to_do(skipped),
        rows=[(target_of(one), answer_of(one)) for one in work[:SHOWN]],
        more=max(0, len(work) - SHOWN),
        left_alone=[(one.id, str(WORDS[one.why])) for one in skipped[:SHOWN]],
        possible=bool(work),
    )


def _to(plan: ChangePlan) -> str:
    return gettext("nobody, for now") if plan.to is None else f"{named(plan.to)} (#{plan.to.pk})"


def _to_when(plan: ChangePlan, request: ActionRequest) -> str:
    if "start" in request.answers:
        zones = {move.after.assignee.time_zone if move.after.assignee else None for move in plan.moves}
        zone = next(iter(zones)) if len(zones) == 1 else None
        return gettext(" to %(start)s") % {"start": local_time(read(request.answers["start"]), zone)}
    offset = _offset(request)
    if offset is None:
        return ""
    parts = [
        str(OFFSETS[unit, number > 0] % {"number": abs(number)})
        for number, unit in ((offset.days, "days"), _hours_or_minutes(offset.minutes))
        if number
    ]
    return f" {gettext(' and ').join(parts)}"


def _hours_or_minutes(minutes: int) -> tuple[int, str]:
    return (minutes // 60, "hours") if minutes % 60 == 0 else (minutes, "minutes")


# --- the one call ----------------------------------------------------------------------------------------------


def _run(
    plan_of: Callable[[ActionRequest], ChangePlan], done_words: Callable[[ChangePlan, int], str]
) -> Callable[[ActionRequest, Any], str]:
    def run(request: ActionRequest, form: Any) -> str:
        plan = plan_of(request)
        plan.confirm(request.plan)
        done = run_change(plan, by=request.by, reason=form.cleaned_data["reason"])
        return outcome(done_words(plan, len(done.ids)), len(done.skipped))

    return run


def _button(plan: ChangePlan) -> str:
    if plan.to is None:
        return gettext("Take it away")
    return gettext("Give it to %(person)s") % {"person": named(plan.to)}


def _reassigned(plan: ChangePlan, number: int) -> str:
    if plan.to is None:
        taken = ngettext(
            "%(number)s taken away from their assignees", "%(number)s taken away from their assignees", number
        )
        return taken % {"number": number}
    given = ngettext("%(number)s given to %(person)s", "%(number)s given to %(person)s", number)
    return given % {"number": number, "person": named(plan.to)}


def _moved(plan: ChangePlan, number: int) -> str:
    if not plan.change.gives:
        return ngettext("%(number)s moved", "%(number)s moved", number) % {"number": number}
    if not plan.change.starts:
        return _reassigned(plan, number)
    if plan.to is None:
        both = ngettext(
            "%(number)s moved and taken away from their assignees",
            "%(number)s moved and taken away from their assignees",
            number,
        )
        return both % {"number": number}
    both = ngettext(
        "%(number)s moved and given to %(person)s", "%(number)s moved and given to %(person)s", number
    )
    return both % {"number": number, "person": named(plan.to)}


def _cancelled(_plan: ChangePlan, number: int) -> str:
    return ngettext("%(number)s cancelled", "%(number)s cancelled", number) % {"number": number}


PLAN_CHANGE_ACTIONS = {
    Change.MOVE.value: OperatorAction(
        title=_("Move"),
        preview=_preview_move,
        run=_run(_move_plan, _moved),
        form=ReasonForm,
        question=_asks_when,
        asks=("start", "zone", "days", "minutes", "to"),
    ),
    Change.REASSIGN.value: OperatorAction(
        title=_("Give it to somebody else"),
        preview=_preview_reassign,
        run=_run(_reassign_plan, _reassigned),
        form=ReasonForm,
        question=_asks_whom,
        asks=("to",),
    ),
    Change.CANCEL.value: OperatorAction(
        title=_("Cancel the work"),
        preview=_preview_cancel,
        run=_run(_cancel_plan, _cancelled),
        form=ReasonForm,
        destructive=True,
    ),
}
"""The actions by their names in addresses."""


def possible_changes(work: Assignment) -> list[tuple[str, str]]:
    """Name and title of what can be done to the plan of this assignment."""
    return [
        (name, str(action.title)) for name, action in PLAN_CHANGE_ACTIONS.items() if can(Change(name), work)
    ]
