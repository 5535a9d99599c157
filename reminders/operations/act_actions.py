"""The acts of assignees as operators are offered them: words, preview, form and the one call."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from assignments.models import ActKind, Assignment
from reminders.operations.acting import Said, left_alone, plan_act, run_act
from reminders.operations.action_types import ActionRequest, OperatorAction, Preview, preview_of
from reminders.operations.counts import counted, outcome
from reminders.operations.forms import DeclineForm, LateForm, OnMyWayForm, ReasonForm, Text

CONSEQUENCES = {
    ActKind.CONFIRM: _(
        "The answer is CONFIRMED. After a decline, reminders that are not due yet are planned again."
    ),
    ActKind.DECLINE: _(
        "The answer is DECLINED, and nobody is reminded of this plan any more. Overdue work stays overdue."
    ),
    ActKind.ON_MY_WAY: _("It is shown beside the answer. No reminder changes."),
    ActKind.LATE: _(
        "The work becomes overdue later by as much. The plan stays, and nobody is reminded again."
    ),
    ActKind.START: _("The status is IN_PROGRESS. What was to be sent about this work is not sent any more."),
    ActKind.COMPLETE: _("The status is COMPLETED. What was to be sent about this work is not sent any more."),
}
EFFECTS = {
    ActKind.CONFIRM: _("confirmed"),
    ActKind.DECLINE: _("declined"),
    ActKind.ON_MY_WAY: _("on the way"),
    ActKind.LATE: _("begins later"),
    ActKind.START: _("started"),
    ActKind.COMPLETE: _("completed"),
}
DONE = {
    ActKind.CONFIRM: ngettext_lazy("%(number)s confirmed", "%(number)s confirmed", "number"),
    ActKind.DECLINE: ngettext_lazy("%(number)s declined", "%(number)s declined", "number"),
    ActKind.ON_MY_WAY: ngettext_lazy("%(number)s on the way", "%(number)s on the way", "number"),
    ActKind.LATE: ngettext_lazy("%(number)s begins later", "%(number)s begin later", "number"),
    ActKind.START: ngettext_lazy("%(number)s started", "%(number)s started", "number"),
    ActKind.COMPLETE: ngettext_lazy("%(number)s completed", "%(number)s completed", "number"),
}


def _preview(act: ActKind) -> Callable[[ActionRequest], Preview]:
    def preview(request: ActionRequest) -> Preview:
        plan = plan_act(act, request.ids or (), scope=request.scope)
        return preview_of(
            plan,
            summary=f"{counted(len(plan.targets), 'assignment')}. {CONSEQUENCES[act]}",
            effect=lambda _target: str(EFFECTS[act]),
        )

    return preview


def _run(act: ActKind) -> Callable[[ActionRequest, Any], str]:
    def run(request: ActionRequest, form: Any) -> str:
        plan = plan_act(act, request.ids or (), scope=request.scope)
        plan.confirm(request.plan)
        values = form.cleaned_data
        said = Said(minutes=values.get("minutes"), note=values.get("note", ""))
        done = run_act(act, plan, said, by=request.by, reason=values["reason"])
        return outcome(str(DONE[act] % {"number": len(done.ids)}), len(done.skipped))

    return run


def _action(title: Text, act: ActKind, form: type[forms.Form] = ReasonForm) -> OperatorAction:
    return OperatorAction(
        title=title, preview=_preview(act), run=_run(act), form=form, destructive=act is ActKind.DECLINE
    )


ACT_ACTIONS = {
    "confirm": _action(_("Confirm for the assignee"), ActKind.CONFIRM),
    "decline": _action(_("Decline for the assignee"), ActKind.DECLINE, DeclineForm),
    "on_my_way": _action(_("On the way"), ActKind.ON_MY_WAY, OnMyWayForm),
    "late": _action(_("Running late"), ActKind.LATE, LateForm),
    "start": _action(_("Start the work"), ActKind.START),
    "complete": _action(_("Complete the work"), ActKind.COMPLETE),
}
"""The actions by the value of their act, which is also their name in addresses."""


def possible_actions(work: Assignment, *, now: datetime) -> list[tuple[str, str]]:
    """Name and title of the acts that would change something about this assignment now."""
    return [
        (name, str(action.title))
        for name, action in ACT_ACTIONS.items()
        if left_alone(ActKind(name), work, now=now) is None
    ]
