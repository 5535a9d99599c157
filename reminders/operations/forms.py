"""The forms of what operators do: why, for how long, and what becomes of the backlog."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from accounts.reasons import MAX_REASON_LENGTH
from assignments.act_rules import LEAST_LATE, LONGEST_WAY, MOST_LATE
from assignments.models import LONGEST_ANSWER_NOTE
from reminders.ledger.pauses import pause_in_force
from reminders.operations.pauses import BacklogPart


class ReasonForm(forms.Form):
    """Why it is done."""

    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off", "class": "reason"}),
        help_text="Kept in the audit trail beside your name.",
    )


class QuestionForm(forms.Form):
    """What an action asks before there is anything to confirm. `again`: the words on the button that asks once more."""

    again = "Choose again"
    shortcuts: Sequence[tuple[str, str]] = ()
    """Common answers, by the words on their links: what they add to the address."""

    def answers(self) -> dict[str, str]:
        """The valid answers, as the confirmation carries them: by name, each in a form that names it and no other."""
        raise NotImplementedError


class RemindForm(ReasonForm):
    """Why, and while sending is paused whether the reminder may wait for its end."""

    field_order = ("wait_while_paused", "reason")
    wait_while_paused = forms.BooleanField(label="Send it once sending goes on")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if pause_in_force() is None:
            del self.fields["wait_while_paused"]


class PauseForm(ReasonForm):
    """Why, and for how long."""

    field_order = ("length", "until", "reason")
    LENGTHS = (
        ("15", "15 minutes"),
        ("60", "1 hour"),
        ("240", "4 hours"),
        ("", "until somebody resumes"),
        ("at", "until the instant below"),
    )
    length = forms.ChoiceField(
        choices=LENGTHS,
        required=False,
        initial="60",
        label="For how long",
        widget=forms.RadioSelect,
        help_text="Sending goes on by itself at its end.",
    )
    until = forms.DateTimeField(
        required=False,
        label="Until",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = timezone.get_current_timezone_name()
        self.fields["until"].help_text = f"Only with “until the instant below”. In {zone}."

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("length") == "at" and not values.get("until") and "until" not in self.errors:
            self.add_error("until", "Say until when.")
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
            choices=(("send", "send"), ("skip", "skip: never sent")),
            initial=initial,
            widget=forms.RadioSelect,
        )
        for label, initial in (
            ("Reminders that are still useful", "send"),
            ("Late reminders: the work has begun by the clock", "skip"),
            ("Notices of overdue work", "send"),
            ("Corrections to who was told otherwise", "send"),
            ("Notices of what assignees did", "send"),
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
        label="What they said",
        help_text="Shown beside the answer; may be empty.",
    )


class OnMyWayForm(ReasonForm):
    """Why, and how long they still need."""

    field_order = ("minutes", "reason")
    minutes = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_WAY,
        label="Minutes they still need",
        help_text="May be empty.",
    )


class LateForm(ReasonForm):
    """Why, and how late they will be."""

    field_order = ("minutes", "reason")
    minutes = forms.IntegerField(
        min_value=LEAST_LATE,
        max_value=MOST_LATE,
        label="Minutes after the planned start",
        help_text=f"From {LEAST_LATE} to {MOST_LATE}, counted from the planned start.",
    )
