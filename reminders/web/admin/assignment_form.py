"""The form of an assignment: what can be written, and what is kept where it is left alone."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments import services
from assignments.applied_changes import ALLOWED_NEXT
from assignments.leads import checked_leads, joined_leads
from assignments.models import Assignment, Status
from reminders.web.admin.instants import StoredInstantField
from reminders.web.admin.labels import LABELS
from reminders.web.admin.lists import AnyModelForm
from reminders.web.templatetags import ops


class AssignmentForm(AnyModelForm):
    """The writable fields of an assignment. `seen` is the ETag of the state that the form showed."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)
    lead_minutes = forms.CharField(
        required=False,
        max_length=60,
        label=LABELS["lead_minutes"],
        help_text=_(
            "How many minutes before the start to remind, or several such as 1440, 30; empty: the "
            "installation's own lead."
        ),
    )
    end_stays = forms.BooleanField(
        required=False,
        label=_("Leave the end where it is"),
        help_text=_(
            "Otherwise the end moves with the start, so that the work takes as long as before. Another end that you"
            " write is taken as it is."
        ),
    )
    leads: int | Sequence[int] | None = None
    end_moved_along = False

    class Meta:
        model = Assignment
        fields: ClassVar[Sequence[str]] = (
            "title", "reference", "kind", "location", "notes", "assignee", "team", "status", "scheduled_start",
            "scheduled_end", "lead_minutes",
        )  # fmt: skip
        help_texts: ClassVar[dict[str, str | Promise]] = {
            "reference": _(
                "The key in the scheduling system, if the work comes from one. No two may share it."
            ),
            "assignee": _("Who is reminded. Another person gets a reminder of their own."),
            "team": _("Empty: the work belongs to the team of its assignee."),
            "status": _("Cancelling, starting or completing ends a reminder that has not been sent yet."),
            "scheduled_start": _("Moving the work plans a new reminder."),
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
            status.choices = [(value, ops.word(value)) for value in Status.values if value in allowed]
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
        """A start that is moved takes the end along, unless that is left apart or another is written."""
        values = super().clean() or {}
        start, end = values.get("scheduled_start"), values.get("scheduled_end")
        if start and end and not values.get("end_stays") and self._end_follows(start, end):
            lasts = self.stored_end - self.stored_start
            values["scheduled_end"] = end = start.astimezone(UTC) + lasts
            self.end_moved_along = True
        if start and end and end < start:
            self.add_error("scheduled_end", gettext("The end must not lie before the start."))
        return values

    def _end_follows(self, start: datetime, end: datetime) -> bool:
        """Whether the start was moved and the end was not, or only as far on the clock as the page itself moves it."""
        if not self.stored_start or not self.stored_end or start == self.stored_start:
            return False
        by_clock = _clock(self.stored_end) + (_clock(start) - _clock(self.stored_start))
        return end == self.stored_end or _clock(end) == by_clock


def _clock(instant: datetime) -> datetime:
    """What a clock in the reader's zone shows, to the second."""
    return timezone.localtime(instant).replace(tzinfo=None, microsecond=0)
