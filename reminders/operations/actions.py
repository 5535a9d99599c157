"""What operators are offered: each action with its title, its preview, its form and the one call that runs it.

The admin and the pages below /ops/ offer the same actions; the other modules of `operations` carry them out.
"""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from reminders import conf
from reminders.operations import closing, resets
from reminders.operations import system_actions as system
from reminders.operations.action_types import ActionRequest, OperatorAction, Preview, preview_of
from reminders.operations.counts import counted, outcome
from reminders.operations.forms import PauseForm, ReasonForm, ResumeForm
from reminders.operations.plans import Effect

EFFECT_WORDING = {
    Effect.AGAIN: _("already notified: gets a second reminder"),
    Effect.FIRST: _("reminded for the first time"),
    Effect.NOTHING: _("nobody is written to"),
}


def _preview_reset(request: ActionRequest) -> Preview:
    plan = resets.plan_reset(request.selection, config=conf.current())
    again = plan.people_again
    found = counted(len(plan.targets), "assignment")
    if request.ids is None and not plan.targets and not plan.skipped:
        return Preview(
            summary=gettext(
                "Nothing is to be done: no assignment is out of sync. Where the roll-up says SENT, the ledger knows "
                "of a sent reminder."
            ),
            possible=False,
        )
    if request.ids is None:
        found = gettext(
            "%(count)s out of sync: the roll-up says SENT, and the ledger knows of no sent reminder"
        ) % {"count": found}
    return preview_of(
        plan,
        summary=(
            gettext(
                "%(found)s. The reminder status goes back to NONE, and the reminder is planned anew for whom it "
                "is still of use: it leaves when the plan says, at once where that has passed. To remind "
                "somebody at once and change nothing, use Remind now instead."
            )
            % {"found": found}
        ),
        warnings=[
            gettext("Already notified: %(count)s. They get a second message.")
            % {"count": counted(again, "person")}
        ]
        if again
        else [],
        effect=lambda target: str(EFFECT_WORDING[target.effect]),
    )


def _run_reset(action: str) -> Callable[[ActionRequest, Any], str]:
    def run(request: ActionRequest, form: Any) -> str:
        plan = resets.plan_reset(request.selection, config=conf.current())
        plan.confirm(request.plan)
        done = resets.run_reset(plan, by=request.by, reason=form.cleaned_data["reason"], action=action)
        return outcome(
            ngettext("%(number)s reset", "%(number)s reset", len(done.ids)) % {"number": len(done.ids)},
            len(done.skipped),
        )

    return run


def _preview_close(request: ActionRequest) -> Preview:
    plan = closing.plan_close(request.ids or (), scope=request.scope)
    return preview_of(
        plan,
        summary=(
            gettext(
                "%(count)s. Work that nobody has started is cancelled, so that it no longer counts as overdue. "
                "Its history stays, and it can be put back with status SCHEDULED."
            )
            % {"count": counted(len(plan.targets), "assignment")}
        ),
    )


def _run_close(request: ActionRequest, form: Any) -> str:
    plan = closing.plan_close(request.ids or (), scope=request.scope)
    plan.confirm(request.plan)
    done = closing.run_close(plan, by=request.by, reason=form.cleaned_data["reason"])
    return outcome(
        ngettext("%(number)s closed", "%(number)s closed", len(done.ids)) % {"number": len(done.ids)},
        len(done.skipped),
    )


ACTIONS = {
    "reset": OperatorAction(
        title=_("Reset reminder status"), preview=_preview_reset, run=_run_reset("reset"), form=ReasonForm
    ),
    "resend": OperatorAction(
        title=_("Send the reminder again"), preview=_preview_reset, run=_run_reset("resend"), form=ReasonForm
    ),
    "close": OperatorAction(
        title=_("Close as not done"),
        preview=_preview_close,
        run=_run_close,
        form=ReasonForm,
        destructive=True,
    ),
    "rescan": OperatorAction(
        title=_("Rescan now"), preview=system.preview_rescan, run=system.run_rescan, form=ReasonForm
    ),
    "pause": OperatorAction(
        title=_("Pause all sending"),
        preview=system.preview_pause,
        run=system.run_pause,
        form=PauseForm,
        destructive=True,
    ),
    "resume": OperatorAction(
        title=_("Resume sending"), preview=system.preview_resume, run=system.run_resume, form=ResumeForm
    ),
    "purge": OperatorAction(
        title=_("Empty the queue"),
        preview=system.preview_purge,
        run=system.run_purge,
        form=ReasonForm,
        destructive=True,
    ),
}
