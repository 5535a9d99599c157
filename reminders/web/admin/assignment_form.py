"""The form of an assignment: what can be written, and what is kept where it is left alone."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any, ClassVar

from django import forms

from assignments import services
from assignments.leads import checked_leads, joined_leads
from assignments.models import Assignment, Status
from assignments.services import ALLOWED_NEXT
from reminders.web.admin.instants import StoredInstantField
from reminders.web.admin.lists import AnyModelForm


class AssignmentForm(AnyModelForm):
    """The writable fields of an assignment. `seen` is the ETag of the state that the form showed."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)
    lead_minutes = forms.CharField(
        required=False,
        max_length=60,
        help_text="How many minutes before the start to remind, or several such as 1440, 30; empty: the installation's own"
        " lead.",
    )
    leads: int | Sequence[int] | None = None
    end_moved_along = False

    class Meta:
        model = Assignment
        fields: ClassVar[Sequence[str]] = (
            "title", "reference", "kind", "location", "notes", "assignee", "team", "status", "scheduled_start",
            "scheduled_end", "lead_minutes",
        )  # fmt: skip
        help_texts: ClassVar[dict[str, str]] = {
            "reference": "The key in the scheduling system, if the work comes from one. No two may share it.",
            "assignee": "Who is reminded. Another person gets a reminder of their own.",
            "team": "Empty: the work belongs to the team of its assignee.",
            "status": "Cancelling, starting or completing ends a reminder that has not been sent yet.",
            "scheduled_start": "Moving the work plans a new reminder.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "lead_minutes" in self.fields:
            leads = joined_leads(self.instance.lead_minutes, self.instance.further_lead_minutes)
            shown = leads if isinstance(leads, list) else [] if leads is None else [leads]
            self.initial["lead_minutes"] = ", ".join(map(str, shown))
        if self.instance.pk and "status" in self.fields:
            present = Status(self.instance.status)
            allowed = {present, *ALLOWED_NEXT[present]}
            status = self.fields["status"]
            assert isinstance(status, forms.ChoiceField)
            status.choices = [(word, word) for word in Status.values if word in allowed]
            self.fields["seen"].initial = services.etag(self.instance)
        # The instance takes on the values of the form while it is checked.
        self.stored_start, self.stored_end = self.instance.scheduled_start, self.instance.scheduled_end
        for name, stored in (("scheduled_start", self.stored_start), ("scheduled_end", self.stored_end)):
            if isinstance(field := self.fields.get(name), StoredInstantField):
                field.keep(stored)

    def clean_lead_minutes(self) -> int | None:
        """The shortest lead time; all of them are in `leads`."""
        given = self.cleaned_data["lead_minutes"].replace(",", " ").split()
        if not given:
            return None
        leads = checked_leads([int(one) if one.isdecimal() and len(one) < 10 else one for one in given])
        self.leads = leads if len(leads) > 1 else leads[0]
        return leads[0]

    def clean(self) -> dict[str, Any]:
        """A start that is moved past an end that is left alone takes the end along: the duration stays."""
        values = super().clean() or {}
        start, end = values.get("scheduled_start"), values.get("scheduled_end")
        if start and end and end < start:
            if end == self.stored_end and self.stored_start:
                # In UTC: with a local time Python would add hours of the clock, which a change of clocks makes others.
                values["scheduled_end"] = start.astimezone(UTC) + (end - self.stored_start)
                self.end_moved_along = True
            else:
                self.add_error("scheduled_end", "The end must not lie before the start.")
        return values
