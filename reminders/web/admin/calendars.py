"""Calendars that are polled. The URL is typed in and never shown again."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.reasons import MAX_REASON_LENGTH
from assignments.models import CalendarSource
from reminders.operations import calendars
from reminders.web.admin.editable import RefusalsShown
from reminders.web.admin.lists import AnyModelForm, FastAdmin, code, fault, instant

SETTINGS = ("name", "time_zone", "all_day", "team", "kind", "every_minutes", "days_ahead", "active")


class CalendarForm(AnyModelForm):
    """A calendar. An empty address leaves the present one."""

    url = forms.CharField(
        max_length=2_000,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        label=_("Address"),
        help_text=_(
            "https:// or webcal://. It may hold a secret, so it is not shown; leave it empty to keep the "
            "present one."
        ),
    )
    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH, required=False, help_text=_("Kept in the audit trail beside your name.")
    )

    class Meta:
        model = CalendarSource
        fields = SETTINGS
        help_texts: ClassVar[dict[str, str | Promise]] = {
            "time_zone": _("Of times and whole days for which the calendar names no zone."),
            "all_day": _(
                "When the work of a whole day begins, such as 08:00; empty: whole days are refused."
            ),
            "team": _("The team of the work that it makes."),
            "kind": _("The kind of the work that it makes."),
            "every_minutes": _(
                "How often it is read: 5 to 1440 minutes. Scans hand it over, so not more often than they run."
            ),
            "days_ahead": _("How far ahead events are taken."),
            "active": _("Switched off, it is not read, and its work stays."),
        }

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if self.instance.pk is None and not values.get("url"):
            self.add_error("url", gettext("an address is needed"))
        if values.get("url") and not self.errors:
            try:
                calendars.check_url(values["url"])
            except ValidationError as refusal:
                self.add_error("url", refusal.message_dict["url"])
        return values

    def written(self) -> dict[str, Any]:
        """The fields that were filled in."""
        values = {name: self.cleaned_data[name] for name in SETTINGS if name != "team"}
        team = self.cleaned_data["team"]
        values["team_id"] = None if team is None else team.pk
        if self.cleaned_data["url"]:
            values["url"] = self.cleaned_data["url"]
        return values


@admin.register(CalendarSource)
class CalendarSourceAdmin(RefusalsShown, FastAdmin):
    """Calendars that become work."""

    form = CalendarForm
    list_display = ("name", "host", "active", code("state"), instant("succeeded_at"), "every_minutes")
    list_filter = ("active",)
    search_fields = ("name",)
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: CalendarSource | None = None) -> tuple[Any, ...]:
        return (
            ()
            if obj is None
            else (
                *(
                    "host",
                    code("state"),
                    instant("polled_at"),
                    instant("succeeded_at"),
                    instant("failing_since"),
                ),
                *("code", fault("detail")),
            )
        )

    def get_fields(self, request: HttpRequest, obj: CalendarSource | None = None) -> Any:
        named = list(SETTINGS)
        if self.has_change_permission(request, obj):  # The address itself is shown to nobody.
            named = ["name", "url", *SETTINGS[1:], "reason"]
        return [*named, *self.get_readonly_fields(request, obj)]

    def save_model(self, request: HttpRequest, obj: CalendarSource, form: Any, change: bool) -> None:
        by, reason = request.user.get_username(), form.cleaned_data["reason"]
        if change:
            calendars.change_calendar(obj.pk, form.written(), by=by, reason=reason)
        else:
            obj.pk = calendars.add_calendar(form.written(), by=by, reason=reason).pk
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: CalendarSource) -> None:
        calendars.remove_calendar(obj.pk, by=request.user.get_username())
