"""What operators are offered about people who want no reminders."""

from typing import Any

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from reminders import conf
from reminders.operations import opt_outs
from reminders.operations.action_types import ActionRequest, OperatorAction, Preview, preview_of
from reminders.operations.counts import counted
from reminders.operations.forms import ReasonForm


def _preview(request: ActionRequest) -> Preview:
    plan = opt_outs.plan_undo(request.ids or (), scope=request.scope)
    return preview_of(
        plan,
        summary=gettext(
            "%(people)s of %(assignments)s. They get reminders again, of all their work, which they have said that"
            " they do not want: ask them first. What is not due yet is planned again."
        )
        % {
            "people": counted(len(plan.rules), "person"),
            "assignments": counted(len(plan.targets), "assignment"),
        },
        effect=lambda target: (
            gettext("reminded again by %(rules)s") % {"rules": plan.words(target.assignee_id)}
        ),
    )


def _run(request: ActionRequest, form: Any) -> str:
    plan = opt_outs.plan_undo(request.ids or (), scope=request.scope)
    plan.confirm(request.plan)
    opt_outs.run_undo(plan, by=request.by, reason=form.cleaned_data["reason"], config=conf.current())
    number = len(plan.rules)
    done = ngettext(
        "%(number)s person will be reminded again.", "%(number)s people will be reminded again.", number
    )
    return done % {"number": number}


OPT_OUT_ACTIONS = {
    "undo_opt_outs": OperatorAction(
        title=_("Remind again who has opted out"), preview=_preview, run=_run, form=ReasonForm
    )
}
"""The actions by their names in addresses."""
