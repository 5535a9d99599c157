"""What operators are offered about calendars that have lost much of their work."""

from typing import Any

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from reminders.operations import calendars
from reminders.operations.actions import ActionRequest, OperatorAction, Preview, preview_of
from reminders.operations.counts import counted
from reminders.operations.forms import ReasonForm
from reminders.operations.plans import ActionPlan, Selection, target_of


def _plan() -> ActionPlan:
    work = [one for asked in calendars.asked() for one in asked.work]
    return ActionPlan(Selection(ids=tuple(one.pk for one in work)), tuple(target_of(one) for one in work))


def _preview(_request: ActionRequest) -> Preview:
    asked = calendars.asked()
    if not asked:
        return Preview(summary=gettext("No calendar asks whether work is to be cancelled."), possible=False)
    told = "; ".join(f"{one.source.name}: {counted(len(one.work), 'assignment')}" for one in asked)
    return preview_of(
        _plan(),
        summary=(
            gettext(
                "More events than usual are gone from these calendars (%(told)s). If that is meant, their work "
                "is cancelled. If a calendar is broken, leave it: as soon as its events are back, it does not "
                "ask any more."
            )
            % {"told": told}
        ),
    )


def _run(request: ActionRequest, form: Any) -> str:
    _plan().confirm(request.plan)
    cancelled = calendars.accept(by=request.by, reason=form.cleaned_data["reason"])
    done = ngettext("%(number)s assignment cancelled.", "%(number)s assignments cancelled.", cancelled)
    return done % {"number": cancelled}


CALENDAR_ACTIONS = {
    "accept_calendars": OperatorAction(
        title=_("Cancel what is gone from calendars"),
        preview=_preview,
        run=_run,
        form=ReasonForm,
        destructive=True,
    )
}
"""The actions by their names in addresses."""
