"""What operators are offered about calendars: to have one read now, and to answer those that have lost much work."""

from typing import Any

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from assignments.direction import isolated
from assignments.models import CalendarSource
from reminders.operations import calendars
from reminders.operations.action_types import ActionRequest, OperatorAction, Preview, preview_of
from reminders.operations.counts import counted
from reminders.operations.forms import ReasonForm
from reminders.operations.plans import ActionPlan, Selection, target_of

LONGEST_ID = 19
"""Digits of a number that the database takes no more."""


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


def _preview_read(request: ActionRequest) -> Preview:
    found = _chosen(request)
    if found is None:
        return Preview(summary=gettext("Nothing is to be done: there is no such calendar."), possible=False)
    name = isolated(found.name)
    if not found.active:
        return Preview(
            summary=gettext("Nothing is to be done: the calendar %(name)s is switched off.") % {"name": name},
            possible=False,
        )
    return Preview(
        summary=gettext(
            "The calendar %(name)s is read whole after the next scan, whether it has changed or not. Until then its "
            "work stays as it is."
        )
        % {"name": name}
    )


def _run_read(request: ActionRequest, form: Any) -> str:
    found = _chosen(request)
    if found is None:
        raise calendars.UnknownCalendar(gettext("there is no such calendar"))
    calendars.poll_soon(found.pk, by=request.by, reason=form.cleaned_data["reason"])
    return gettext("The calendar %(name)s is read after the next scan.") % {"name": isolated(found.name)}


def _chosen(request: ActionRequest) -> CalendarSource | None:
    pk = request.answers.get("calendar", "")
    if not (pk.isascii() and pk.isdigit() and len(pk) < LONGEST_ID):
        return None
    return CalendarSource.objects.filter(pk=int(pk)).first()


CALENDAR_ACTIONS = {
    "read_calendar": OperatorAction(
        title=_("Read the calendar now"),
        preview=_preview_read,
        run=_run_read,
        form=ReasonForm,
        asks=("calendar",),
    ),
    "accept_calendars": OperatorAction(
        title=_("Cancel what is gone from calendars"),
        preview=_preview,
        run=_run,
        form=ReasonForm,
        destructive=True,
    ),
}
"""The actions by their names in addresses."""
