"""The simulator: what would be sent, when and to whom, under the present settings or others."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from assignments.clock import database_now
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.insight.simulator.prospects import is_quick
from reminders.insight.simulator.simulator import simulate
from reminders.web.ops import chart
from reminders.web.ops.page import page, show
from reminders.web.team_limits import TeamAccess, scope_of

BUDGET = timedelta(seconds=5)
LISTED = 100
LEAD = "REMINDER_LEAD_MINUTES"
DAY = timedelta(days=1)
LONGEST_OVERRIDES = 1_000
LOCAL = "%Y-%m-%dT%H:%M"


def _instant(label: Any) -> forms.DateTimeField:
    picker = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL)
    return forms.DateTimeField(label=label, required=False, widget=picker)


class SimulationForm(forms.Form):
    """The range and the settings. An empty field keeps the present value."""

    since = _instant(pgettext_lazy("time", "From"))
    until = _instant(pgettext_lazy("time", "To"))
    lead = forms.CharField(label=LEAD, required=False, max_length=20)
    if_not_started = forms.BooleanField(
        label=_("If nobody starts any work"),
        required=False,
        help_text=_("Also what supervisors and Ops would be notified of."),
    )
    rules = forms.CharField(
        label=_("Other settings"),
        required=False,
        max_length=LONGEST_OVERRIDES,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "REMINDER_OVERDUE_MINUTES=45"}),
        help_text=_("One NAME=VALUE a line. Empty: today's settings."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["autocomplete"] = "off"
        today = round(conf.current().lead.total_seconds() / 60)
        self.fields["lead"].widget.attrs |= {"placeholder": str(today), "inputmode": "numeric"}

    def changes(self) -> dict[str, str]:
        """The settings that differ from today's, by the names of their variables."""
        changes = {}
        for line in filter(None, map(str.strip, self.cleaned_data["rules"].splitlines())):
            name, equals, value = line.partition("=")
            if not equals:
                raise ValidationError(
                    {"rules": gettext("NAME=VALUE is needed, such as REMINDER_OVERDUE_MINUTES=45")}
                )
            changes[name.strip()] = value.strip()
        if self.cleaned_data["lead"]:
            changes[LEAD] = self.cleaned_data["lead"]
        return changes

    def config(self) -> ReminderConfig:
        """Today's settings with these changes. Raises ValidationError."""
        changes = self.changes()
        try:
            return conf.with_values(changes) if changes else conf.current()
        except ImproperlyConfigured as refusal:
            problems: dict[str, list[str]] = {}
            for line in str(refusal).splitlines():
                of_lead = self.cleaned_data["lead"] and line.startswith(LEAD)
                problems.setdefault("lead" if of_lead else "rules", []).append(line)
            raise ValidationError(problems) from refusal

    def span(self) -> tuple[datetime, datetime]:
        """The range; by default a day from now."""
        since = self.cleaned_data["since"] or database_now()
        return since, self.cleaned_data["until"] or since + DAY


@page(limit=TeamAccess.NARROWS)
def simulator(request: HttpRequest) -> HttpResponse:
    """Simulates a range; sends and writes nothing. Where there is much work, the page has the form alone, and asks for the
    result of a day from now."""
    form = SimulationForm(request.GET)
    context: dict[str, object] = {"form": form}
    if form.is_valid():
        try:
            config = form.config()
            since, until = form.span()
            if not request.GET and not is_quick(since, until, config, scope_of(request.user)):
                return show(request, "simulator", context | {"later": True})
            found = simulate(
                since=since,
                until=until,
                config=config,
                limit=LISTED,
                budget=BUDGET,
                scope=scope_of(request.user),
                if_not_started=form.cleaned_data["if_not_started"],
            )
        except ValidationError as refusal:
            for name, problems in refusal.message_dict.items():
                form.add_error(name if name in form.fields else None, problems)
        else:
            context |= {
                "found": found,
                "changes": form.changes(),
                "on": config.enabled,
                "chart": chart.spread(found.spans, since=found.since, until=found.until, span=found.span),
            }
    return show(request, "simulator", context)
