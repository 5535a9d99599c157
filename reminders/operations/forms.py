"""The forms of what operators do: why, for how long, and what becomes of the backlog."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.reasons import MAX_REASON_LENGTH
from assignments.act_rules import LEAST_LATE, LONGEST_WAY, MOST_LATE
from assignments.models import LONGEST_ANSWER_NOTE
from reminders.ledger.pauses import pause_in_force
from reminders.operations.pauses import BacklogPart

Text = str | Promise
"""A text that is there, or one that is translated where it is shown."""


class ReasonForm(forms.Form):
    """Why it is done."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=MAX_REASON_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "reason"}),
        help_text=_("Kept in the audit trail beside your name."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        first = next(
            one for name, one in self.fields.items() if name == "reason" or self._is_empty(name, one)
        )
        first.widget.attrs["autofocus"] = True

    def _is_empty(self, name: str, field: forms.Field) -> bool:
        """Whether it is written into, must be, and nothing is in it yet."""
        written = isinstance(field.widget, forms.TextInput) and field.required
        return written and self.get_initial_for_field(field, name) in (None, "")


class QuestionForm(forms.Form):
    """What an action asks before there is anything to confirm. `again`: the words on the button that asks once more."""

    again: Text = _("Choose again")
    shortcuts: Sequence[tuple[Text, str]] = ()
    """Common answers, by the words on their links: what they add to the address."""

    def answers(self) -> dict[str, str]:
        """The valid answers, as the confirmation carries them: by name, each in a form that names it and no other."""
        raise NotImplementedError


class RemindForm(ReasonForm):
    """Why, and while sending is paused whether the reminder may wait for its end."""

    field_order = ("wait_while_paused", "reason")
    wait_while_paused = forms.BooleanField(label=_("Send it once sending goes on"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if pause_in_force() is None:
            del self.fields["wait_while_paused"]


class PauseForm(ReasonForm):
    """Why, and for how long."""

    field_order = ("length", "until", "reason")
    LENGTHS = (
        ("15", _("15 minutes")),
        ("60", _("1 hour")),
        ("240", _("4 hours")),
        ("", _("until somebody resumes")),
        ("at", _("until the instant below")),
    )
    length = forms.ChoiceField(
        choices=LENGTHS,
        required=False,
        initial="60",
        label=_("For how long"),
        widget=forms.RadioSelect,
        help_text=_("Sending goes on by itself at its end."),
    )
    until = forms.DateTimeField(
        required=False,
        label=_("Until"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = timezone.get_current_timezone_name()
        self.fields["until"].help_text = gettext("Only with “until the instant below”. In %(zone)s.") % {
            "zone": zone
        }

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("length") == "at" and not values.get("until") and "until" not in self.errors:
            self.add_error("until", gettext("Say until when."))
        return values

    def end(self) -> datetime | None:
        """When the pause ends by itself."""
        length = self.cleaned_data["length"]
        if length == "at":
            until: datetime = self.cleaned_data["until"]
            return until
        return timezone.now() + timedelta(minutes=int(length)) if length else None


class ResumeForm(ReasonForm):
    """What becomes of each part of the backlog. What is stale floods out only where somebody asks for it."""

    field_order = ("useful", "late", "notices", "corrections", "escalations", "reason")
    useful, late, notices, corrections, escalations = (
        forms.ChoiceField(
            label=label,
            required=False,
            choices=(("send", _("send")), ("skip", _("skip: never sent"))),
            initial=initial,
            widget=forms.RadioSelect,
        )
        for label, initial in (
            (_("Reminders that are still useful"), "send"),
            (_("Late reminders: the work has begun by the clock"), "skip"),
            (_("Notices of overdue work"), "send"),
            (_("Corrections to who was told otherwise"), "send"),
            (_("Notices of what assignees did"), "send"),
        )
    )

    def skipped(self) -> list[BacklogPart]:
        """The parts that are not to be sent."""
        parts = {
            "useful": BacklogPart.USEFUL,
            "late": BacklogPart.LATE,
            "notices": BacklogPart.NOTICES,
            "corrections": BacklogPart.CORRECTIONS,
            "escalations": BacklogPart.ESCALATIONS,
        }
        return [part for name, part in parts.items() if self.cleaned_data[name] == "skip"]


class DeclineForm(ReasonForm):
    """Why, and what the person has said."""

    field_order = ("note", "reason")
    note = forms.CharField(
        required=False,
        max_length=LONGEST_ANSWER_NOTE,
        label=_("What they said"),
        help_text=_("Shown beside the answer; may be empty."),
    )


class OnMyWayForm(ReasonForm):
    """Why, and how long they still need."""

    field_order = ("minutes", "reason")
    minutes = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_WAY,
        label=_("Minutes they still need"),
        help_text=_("May be empty."),
    )


class LateForm(ReasonForm):
    """Why, and how late they will be."""

    field_order = ("minutes", "reason")
    minutes = forms.IntegerField(
        min_value=LEAST_LATE,
        max_value=MOST_LATE,
        label=_("Minutes after the planned start"),
        help_text=format_lazy(
            _("From {least} to {most}, counted from the planned start."), least=LEAST_LATE, most=MOST_LATE
        ),
    )
