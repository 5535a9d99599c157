"""New work as operators enter it: the form, what would become of it, and how it is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments import services
from assignments.clock import database_now
from assignments.history import Actor
from assignments.leads import checked_leads
from assignments.locks import lock_keys
from assignments.models import Assignment, Team
from assignments.references import spellings
from assignments.services import NewAssignment
from assignments.team_scope import TeamScope
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.insight.changed_plans import new_plan
from reminders.insight.explain.wording import local_time
from reminders.ledger.audit import record
from reminders.models import StoredResponse
from reminders.operations.assignee_choice import NOBODY, Chosen, choose, offer_people
from reminders.operations.plan_change_words import clashes, reminders
from reminders.operations.time_choice import (
    ASSIGNEE,
    OFFICE,
    StartWidget,
    assignee_words,
    instant_of,
    office_words,
)

MOST_MINUTES = 10_080
FIELDS_OF_SERVICE = {
    "assignee_id": "to",
    "team_id": "team",
    "scheduled_start": "start",
    "scheduled_end": "length",
}


class NewWorkForm(forms.Form):
    """The values of new work. `new` is what the service takes; `work` the same as an assignment that is not stored."""

    title = forms.CharField(label=_("Title"), max_length=200)
    to = forms.CharField(label=_("Who does it"), max_length=200, required=False)
    start = forms.CharField(label=_("Start"), max_length=40, widget=StartWidget)
    zone = forms.ChoiceField(label=_("The time is"), required=False, widget=forms.RadioSelect, initial=OFFICE)
    length = forms.IntegerField(
        label=_("Length in minutes"),
        min_value=1,
        max_value=MOST_MINUTES,
        required=False,
    )
    location = forms.CharField(label=_("Place"), max_length=300, required=False)
    kind = forms.CharField(label=_("Kind"), max_length=60, required=False)
    team: Any = forms.ModelChoiceField(
        Team.objects.none(),
        label=_("Team"),
        required=False,
        help_text=_("Empty: the work belongs to the team of its assignee."),
    )
    reference = forms.CharField(
        label=_("Reference"),
        max_length=200,
        required=False,
        help_text=_("The key in the scheduling system, if it comes from one."),
    )
    notes = forms.CharField(
        label=_("Notes"), max_length=10_000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    lead_minutes = forms.CharField(
        label=_("Minutes before the start to remind"),
        max_length=60,
        required=False,
        help_text=_("Or several such as 1440, 30. Empty: what the rules say."),
    )
    new: NewAssignment
    work: Assignment

    def __init__(self, given: Any, *, scope: TeamScope, initial: Any = None) -> None:
        super().__init__(given, initial=initial)
        self._scope = scope
        self.fields["team"].queryset = Team.objects.visible_to(scope)  # type: ignore[attr-defined]
        offer_people(self.fields["to"], (), scope)
        widget = self.fields["to"].widget
        if isinstance(widget, forms.Select):
            widget.choices = [(NOBODY, gettext("Nobody, for now")), *list(widget.choices)[1:]]
        zone = self.fields["zone"]
        zone.choices = [(OFFICE, office_words()), (ASSIGNEE, assignee_words())]  # type: ignore[attr-defined]

    def clean_to(self) -> Chosen:
        return choose(self.cleaned_data["to"] or NOBODY, self._scope)

    def clean_lead_minutes(self) -> int | Sequence[int] | None:
        given = self.cleaned_data["lead_minutes"].replace(",", " ").split()
        if not given:
            return None
        leads = checked_leads([int(one) if one.isdecimal() and len(one) < 10 else one for one in given])
        return leads if len(leads) > 1 else leads[0]

    def clean_reference(self) -> str | None:
        reference: str = self.cleaned_data["reference"]
        if reference and Assignment.objects.filter(reference__in=spellings(reference)).exists():
            raise ValidationError(gettext("Another assignment has this reference."), code="unique")
        return reference or None

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if self.errors:
            return values
        person = values["to"].person
        if values["zone"] == ASSIGNEE and person is None:
            self.add_error("zone", gettext("Nobody is to do it yet: choose the office's time."))
            return values
        try:
            zone = person.time_zone if values["zone"] == ASSIGNEE else None
            start = instant_of(values["start"], zone=zone)
        except ValidationError as refusal:
            self.add_error("start", refusal)
            return values
        self.new = NewAssignment(
            title=values["title"],
            scheduled_start=start,
            scheduled_end=start + timedelta(minutes=values["length"]) if values["length"] else None,
            assignee_id=person.pk if person else None,
            team_id=_id_of(values["team"]),
            reference=values["reference"],
            kind=values["kind"],
            location=values["location"],
            notes=values["notes"],
            lead_minutes=values["lead_minutes"],
        )
        try:
            self.work = services.unsaved(self.new, now=database_now())
            self.work.assignee, self.work.team = person, values["team"]
            services.keep_within(self._scope, self.work)
        except ValidationError as refusal:
            self.refused(refusal)
        return values

    def refused(self, refusal: ValidationError) -> None:
        """Says what the service has refused, at its field where there is one."""
        for name, errors in refusal.message_dict.items():
            field = FIELDS_OF_SERVICE.get(name, name)
            self.add_error(field if field in self.fields else None, errors)


def _id_of(row: Model | None) -> int | None:
    return None if row is None else row.pk


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorkPreview:
    """What would become of the work, in sentences."""

    start: str
    effects: tuple[str, ...]
    warnings: tuple[str, ...]


def preview(form: NewWorkForm, *, config: ReminderConfig, scope: TeamScope) -> NewWorkPreview:
    """What making this work would do now; the form is valid."""
    work = form.work
    foreseen = new_plan(work, config=config)
    person = work.assignee
    past = [gettext("It starts in the past.")] if work.scheduled_start <= foreseen.asked_at else []
    return NewWorkPreview(
        start=local_time(work.scheduled_start, person.time_zone if person else None),
        effects=(*reminders(foreseen, config), *foreseen.steps),
        warnings=(*past, *clashes([work], scope)),
    )


@dataclass(frozen=True, slots=True)
class Made:
    """The assignment of a confirmation; `is_new`: it was made by this one."""

    id: int
    is_new: bool


@atomically
def make(form: NewWorkForm, *, by: str, scope: TeamScope, key: str) -> Made | None:
    """Makes the work of this form once, however often and from how many windows it is confirmed: `key` names the preview.
    None where the form is not valid. Raises ValidationError, by the fields of the service.
    """
    caller = f"page {by}"
    lock_keys([f"{caller} {key}"])
    kept = StoredResponse.objects.filter(caller=caller, key=key).values_list("body", flat=True).first()
    if kept is not None:
        return Made(id=int(kept["id"]), is_new=False)
    if not form.is_valid():  # Asked after the lock: the reference may be that of the first confirmation.
        return None
    work = services.create(form.new, scope=scope, actor=Actor.ops(by))
    made = {"title": work.title, "start": work.scheduled_start.isoformat(), "assignee": work.assignee_id}
    record("create", by=by, reason="", selection={"ids": [work.pk]}, after={str(work.pk): made})
    StoredResponse.objects.create(caller=caller, key=key, request_hash="", status=201, body={"id": work.pk})
    return Made(id=work.pk, is_new=True)
