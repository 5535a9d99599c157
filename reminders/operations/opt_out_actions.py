"""What operators are offered about people who want no reminders."""

from typing import Any

from reminders import conf
from reminders.operations import opt_outs
from reminders.operations.actions import ActionRequest, OperatorAction, Preview, counted, preview_of
from reminders.operations.forms import ReasonForm


def _preview(request: ActionRequest) -> Preview:
    plan = opt_outs.plan_undo(request.ids or (), scope=request.scope)
    return preview_of(
        plan,
        summary=(
            f"{counted(len(plan.rules), 'person', 'people')} of {counted(len(plan.targets), 'assignment')}. They get"
            " reminders again, of all their work, which they have said that they do not want: ask them first. What is"
            " not due yet is planned again."
        ),
        effect=lambda target: f"reminded again by {plan.words(target.assignee_id)}",
    )


def _run(request: ActionRequest, form: Any) -> str:
    plan = opt_outs.plan_undo(request.ids or (), scope=request.scope)
    plan.confirm(request.plan)
    opt_outs.run_undo(plan, by=request.by, reason=form.cleaned_data["reason"], config=conf.current())
    return f"{counted(len(plan.rules), 'person', 'people')} will be reminded again."


OPT_OUT_ACTIONS = {
    "undo_opt_outs": OperatorAction(
        title="Remind again who has opted out", preview=_preview, run=_run, form=ReasonForm
    )
}
"""The actions by their names in addresses."""
