"""When a person wants no messages: what operators set, with its line in the audit trail."""

from dataclasses import dataclass
from datetime import time
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.reasons import checked_reason
from assignments import people
from assignments.models import Assignee
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from reminders.ledger.audit import record
from reminders.operations.action_types import ActionRequest, OperatorAction, Preview
from reminders.operations.contact_points import person_of
from reminders.operations.forms import ReasonForm
from reminders.operations.point_actions import PointRequest

NAME = "quiet-hours"


class ClockWidget(forms.TimeInput):
    """The browser's own field for a time of day."""

    input_type = "time"

    def __init__(self) -> None:
        super().__init__(format="%H:%M")


class QuietHoursForm(ReasonForm):
    """From when until when, in the person's own zone, and why."""

    field_order = ("quiet_from", "quiet_until", "reason")
    quiet_from = forms.TimeField(required=False, label=_("From"), widget=ClockWidget)
    quiet_until = forms.TimeField(
        required=False,
        label=_("Until"),
        widget=ClockWidget,
        help_text=_("In the person's own zone. Both empty: those of their team, if it has any."),
    )


@atomically
def change_quiet_hours(
    person_id: int,
    quiet_from: time | None,
    quiet_until: time | None,
    *,
    by: str,
    reason: str,
    scope: TeamScope = EVERYTHING,
) -> None:
    """Sets the person's own quiet hours; None for both: they have none of their own. What nobody has begun is timed anew.

    Raises UnknownPerson or ValidationError, by field.
    """
    reason = checked_reason(reason)
    before = person_of(person_id, scope=scope)
    changed = people.change_assignee(
        person_id, {"quiet_from": quiet_from, "quiet_until": quiet_until}, scope=scope
    )
    record(
        "change_quiet_hours",
        by=by,
        reason=reason,
        selection={"person": person_id},
        before=_described(before),
        after=_described(changed),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursInForce:
    """When messages wait, in the person's zone: "22:00" and "06:30"; `of_team`: the person has none of their own."""

    begin: str
    end: str
    of_team: bool


def hours_in_force(person: Assignee) -> HoursInForce | None:
    """The person's own quiet hours, else those of their team; None where there are none."""
    for own in (person, person.team):
        if own is not None and own.quiet_from is not None and own.quiet_until is not None:
            begin, end = f"{own.quiet_from:%H:%M}", f"{own.quiet_until:%H:%M}"
            return HoursInForce(begin=begin, end=end, of_team=own is not person)
    return None


def _described(person: Assignee) -> dict[str, str]:
    return {
        name: f"{at:%H:%M}" if (at := getattr(person, name)) is not None else ""
        for name in ("quiet_from", "quiet_until")
    }


def _preview(request: ActionRequest) -> Preview:
    assert isinstance(request, PointRequest)
    person = request.person
    hours = hours_in_force(person)
    return Preview(
        summary=(
            gettext(
                "Reminders that are due long before the work leave before these hours, and notices to supervisors "
                "after them."
                " A reminder shortly before the work comes all the same, unless its rule says otherwise."
            )
        ),
        facts=[
            (
                gettext("now"),
                gettext("%(begin)s to %(end)s") % {"begin": hours.begin, "end": hours.end}
                if hours
                else gettext("none"),
            ),
            (gettext("zone"), person.time_zone),
        ],
    )


def _run(request: ActionRequest, form: Any) -> str:
    assert isinstance(request, PointRequest)
    values = form.cleaned_data
    change_quiet_hours(
        request.person.pk,
        values["quiet_from"],
        values["quiet_until"],
        by=request.by,
        reason=values["reason"],
        scope=request.scope,
    )
    return gettext("The quiet hours were changed.")


PERSON_ACTIONS = {
    NAME: OperatorAction(title=_("Quiet hours"), preview=_preview, run=_run, form=QuietHoursForm),
}
"""What operators do about a person as a whole, by its name in addresses."""
