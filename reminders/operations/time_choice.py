"""When work is to start: a local time as operators give it, of the office's clocks or of the assignee's."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments import instants
from assignments.instants import FIRST_YEAR, LAST_YEAR, NotAnInstant, known_zone
from assignments.models import Assignment
from assignments.team_scope import TeamScope
from reminders.insight.explain.wording import local_time, place
from reminders.operations.assignee_choice import chosen_for
from reminders.operations.forms import QuestionForm
from reminders.operations.plan_changes import Offset
from reminders.policy.wall_clock import first_instant

OFFICE, ASSIGNEE = "office", "assignee"
LOCAL = "%Y-%m-%dT%H:%M"
MOST_DAYS, MOST_MINUTES = 366, 10_080


class StartWidget(forms.DateTimeInput):
    """The browser's own field for a local time."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format=LOCAL)


def office_words() -> str:
    """The office's clocks, in a list of choices."""
    return gettext("the office's time (%(get_default_timezone_name)s)") % {
        "get_default_timezone_name": timezone.get_default_timezone_name()
    }


def assignee_words(zone: str = "") -> str:
    """The assignee's clocks, in a list of choices; `zone` where it is known."""
    return (
        gettext("the assignee's time (%(place)s)") % {"place": place(zone)}
        if zone
        else gettext("the assignee's time")
    )


def instant_of(given: str, *, zone: str | None) -> datetime:
    """The instant (UTC) of a local time in this zone (None: the office's), or of an RFC 3339 instant.

    A local time that clocks skip is the end of the gap, one that occurs twice the first of both. Raises ValidationError.
    """
    text = given.strip()
    try:
        return instants.read(text)
    except NotAnInstant:
        pass
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise ValidationError(gettext("A date and a time are needed."), code="invalid") from None
    if local.tzinfo is not None or not FIRST_YEAR <= local.year < LAST_YEAR:
        raise ValidationError(
            gettext("A year from %(first_year)s to %(value)s is needed.")
            % {"first_year": FIRST_YEAR, "value": LAST_YEAR - 1},
            code="invalid",
        )
    chosen = timezone.get_default_timezone() if zone is None else known_zone(zone)
    return first_instant(local, zone=chosen or timezone.get_default_timezone())


class MoveForm(QuestionForm):
    """To when this work is moved: one piece of work to a time, several by an offset. `to`: who gets it too, where that is
    given.
    """

    again = _("Choose another time")
    shortcuts = (
        (_("1 hour earlier"), "minutes=-60"),
        (_("15 minutes later"), "minutes=15"),
        (_("1 hour later"), "minutes=60"),
        (_("2 hours later"), "minutes=120"),
        (_("1 day later"), "days=1"),
    )
    start = forms.CharField(label=_("New start"), max_length=40, widget=StartWidget, required=False)
    zone = forms.ChoiceField(label=_("The time is"), required=False, widget=forms.RadioSelect)
    days = forms.IntegerField(min_value=-MOST_DAYS, max_value=MOST_DAYS, required=False, label=_("Days"))
    minutes = forms.IntegerField(
        min_value=-MOST_MINUTES, max_value=MOST_MINUTES, required=False, label=_("Minutes")
    )
    to = forms.CharField(max_length=200, required=False, widget=forms.HiddenInput)

    def __init__(self, given: Mapping[str, str], work: Sequence[Assignment], scope: TeamScope) -> None:
        is_asked = any(given.get(name) for name in ("start", "days", "minutes", "to"))
        super().__init__(given if is_asked else None)
        self._work, self._scope = work, scope
        self._zone: str | None = None
        self._show_fields()

    def _show_fields(self) -> None:
        if len(self._work) != 1 or self._is_offset():
            self.fields["days"].help_text = gettext(
                "At the same time of day of each assignee. Negative: earlier."
            )
            self.fields["minutes"].help_text = gettext("Added to the days. Negative: earlier.")
            del self.fields["start"], self.fields["zone"]
        else:
            del self.fields["days"], self.fields["minutes"]
            self._offer_zones(self._work[0])
        if not self.is_bound or not self.data.get("to"):
            del self.fields["to"]
            if "start" in self.fields:
                self.fields["start"].required = True

    def _is_offset(self) -> bool:
        """Whether one piece of work is moved by so much, as several are."""
        return self.is_bound and not self.data.get("start") and any(map(self.data.get, ("days", "minutes")))

    def _offer_zones(self, work: Assignment) -> None:
        office = timezone.get_default_timezone()
        self._zone = own = work.assignee.time_zone if work.assignee is not None else None
        start = self.fields["start"]
        start.initial = work.scheduled_start.astimezone(office).replace(tzinfo=None)
        start.help_text = gettext("Planned now: %(scheduled_start)s. It keeps its length.") % {
            "scheduled_start": local_time(work.scheduled_start, own)
        }
        zone = self.fields["zone"]
        zone.initial = OFFICE
        if own is None or own == timezone.get_default_timezone_name():
            start.help_text += gettext(" The time is %(office_words)s.") % {"office_words": office_words()}
            zone.choices = [(OFFICE, office_words())]  # type: ignore[attr-defined]
            zone.widget = forms.HiddenInput()
        else:
            zone.choices = [(OFFICE, office_words()), (ASSIGNEE, assignee_words(own))]  # type: ignore[attr-defined]
            start.widget.attrs |= {
                f"data-{name}-{part}": value
                for name, own_zone in (
                    (OFFICE, timezone.get_default_timezone_name()),
                    (ASSIGNEE, own),
                )
                for part, value in (("zone", own_zone), ("place", place(own_zone)))
            }

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("to"):
            try:
                values["to"] = chosen_for(values["to"], self._work, self._scope)
            except ValidationError as refusal:
                self.add_error(None, refusal)
        if self.errors:
            return values
        if values.get("start"):
            zone = self._zone if values.get("zone") == ASSIGNEE else None
            try:
                values["start"] = instant_of(values["start"], zone=zone)
            except ValidationError as refusal:
                self.add_error("start", refusal)
        values["offset"] = Offset(days=values.get("days") or 0, minutes=values.get("minutes") or 0)
        if not (values.get("start") or values["offset"] or values.get("to")):
            self.add_error(None, gettext("Say to when, or by how much."))
        return values

    def answers(self) -> dict[str, str]:
        values = self.cleaned_data
        given = {name: str(values[name]) for name in ("days", "minutes") if values.get(name)}
        if values.get("start"):
            given["start"] = instants.shown(values["start"])
        if values.get("to"):
            given["to"] = values["to"].given
        return given
