"""The acts of assignees as operators are offered them: words, preview, form and the one call."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms

from assignments.models import ActKind, Assignment
from reminders.operations.acting import Said, left_alone, plan_act, run_act
from reminders.operations.actions import ActionRequest, OperatorAction, Preview, counted, outcome, preview_of
from reminders.operations.forms import DeclineForm, LateForm, OnMyWayForm, ReasonForm

CONSEQUENCES = {
    ActKind.CONFIRM: "The answer is CONFIRMED. After a decline, reminders that are not due yet are planned again.",
    ActKind.DECLINE: "The answer is DECLINED, and nobody is reminded of this plan any more. Overdue work stays overdue.",
    ActKind.ON_MY_WAY: "It is shown beside the answer. No reminder changes.",
    ActKind.LATE: "The work becomes overdue later by as much. The plan stays, and nobody is reminded again.",
    ActKind.START: "The status is IN_PROGRESS. What was to be sent about this work is not sent any more.",
    ActKind.COMPLETE: "The status is COMPLETED. What was to be sent about this work is not sent any more.",
}
EFFECTS = {
    ActKind.CONFIRM: "confirmed",
    ActKind.DECLINE: "declined",
    ActKind.ON_MY_WAY: "on the way",
    ActKind.LATE: "begins later",
    ActKind.START: "started",
    ActKind.COMPLETE: "completed",
}


def _preview(act: ActKind) -> Callable[[ActionRequest], Preview]:
    def preview(request: ActionRequest) -> Preview:
        plan = plan_act(act, request.ids or (), scope=request.scope)
        return preview_of(
            plan,
            summary=f"{counted(len(plan.targets), 'assignment')}. {CONSEQUENCES[act]}",
            effect=lambda _target: EFFECTS[act],
        )

    return preview


def _run(act: ActKind) -> Callable[[ActionRequest, Any], str]:
    def run(request: ActionRequest, form: Any) -> str:
        plan = plan_act(act, request.ids or (), scope=request.scope)
        plan.confirm(request.plan)
        values = form.cleaned_data
        said = Said(minutes=values.get("minutes"), note=values.get("note", ""))
        done = run_act(act, plan, said, by=request.by, reason=values["reason"])
        return outcome(f"{len(done.ids)} {EFFECTS[act]}", len(done.skipped))

    return run


def _action(title: str, act: ActKind, form: type[forms.Form] = ReasonForm) -> OperatorAction:
    return OperatorAction(
        title=title, preview=_preview(act), run=_run(act), form=form, destructive=act is ActKind.DECLINE
    )


ACT_ACTIONS = {
    "confirm": _action("Confirm for the assignee", ActKind.CONFIRM),
    "decline": _action("Decline for the assignee", ActKind.DECLINE, DeclineForm),
    "on_my_way": _action("On the way", ActKind.ON_MY_WAY, OnMyWayForm),
    "late": _action("Running late", ActKind.LATE, LateForm),
    "start": _action("Start the work", ActKind.START),
    "complete": _action("Complete the work", ActKind.COMPLETE),
}
"""The actions by the value of their act, which is also their name in addresses."""


def possible_actions(work: Assignment, *, now: datetime) -> list[tuple[str, str]]:
    """Name and title of the acts that would change something about this assignment now."""
    return [
        (name, action.title)
        for name, action in ACT_ACTIONS.items()
        if left_alone(ActKind(name), work, now=now) is None
    ]
