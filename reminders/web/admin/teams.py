"""Teams and their supervisors: changed through the services."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments import teams
from assignments.models import Assignee, Team
from assignments.teams import TeamInUse
from reminders.web.admin.lists import FastAdmin, NarrowedAdmin
from reminders.web.team_limits import scope_of


@admin.register(Team)
class TeamAdmin(NarrowedAdmin, FastAdmin):
    """People who work under the same supervisors. Whoever is limited to teams makes and removes none."""

    list_display = ("name", "time_zone", "quiet_from", "quiet_until")
    search_fields = ("name",)
    fields = (
        *("name", "time_zone", "quiet_from", "quiet_until", "organisation", "phone", "reply_to"),
        "supervisors",
        "calendar_address",
    )
    readonly_fields = ("calendar_address",)
    autocomplete_fields = ("supervisors",)
    actions = None

    @admin.display(description=_("Calendar address"))
    def calendar_address(self, team: Team) -> str:
        """Where operators read, renew and revoke it; a team that is only being entered has none."""
        if not team.pk:
            return "-"
        address = reverse("ops:team-calendar", args=[team.pk])
        return format_html('<a href="{}">{}</a>', address, gettext("Show, renew or revoke"))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["help_text"] = {
            "time_zone": gettext(
                "Where the team works, such as Europe/Berlin. Quiet hours go by the clock of each person."
            ),
            "quiet_from": gettext("When quiet hours begin; both empty: there are none."),
            "organisation": gettext("Ends mails about this team's work; empty: ORGANISATION_NAME."),
            "phone": gettext("Whom assignees may call about it; empty: ORGANISATION_PHONE."),
            "reply_to": gettext("Where answers to mails about it go; empty: EMAIL_REPLY_TO."),
            "supervisors": gettext(
                "Who is notified when the team's work is overdue; nobody with an address: REMINDER_OPS_EMAILS."
            ),
        }.get(db_field.name, db_field.help_text)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Supervisors in sight, and those who supervise a team in sight already."""
        scope = scope_of(request.user)
        if scope.teams is not None:
            seen = Assignee.objects.visible_to(scope)
            kwargs["queryset"] = seen | Assignee.objects.filter(supervised_teams__in=scope.teams)
            kwargs["queryset"] = kwargs["queryset"].distinct()
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not scope_of(request.user).limited

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not scope_of(request.user).limited

    def save_model(self, request: HttpRequest, obj: Team, form: Any, change: bool) -> None:
        values = {**form.cleaned_data, "supervisors": [one.pk for one in form.cleaned_data["supervisors"]]}
        scope = scope_of(request.user)
        if change:
            teams.change_team(obj.pk, {name: values[name] for name in form.changed_data}, scope=scope)
        else:
            obj.pk = teams.add_team(scope=scope, **values).pk
        obj.refresh_from_db()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The service has written the supervisors."""

    def delete_model(self, request: HttpRequest, obj: Team) -> None:
        try:
            teams.remove_team(obj.pk)
        except TeamInUse as refusal:
            self.message_user(
                request, gettext("Nothing was removed: %(refusal)s") % {"refusal": refusal}, messages.ERROR
            )
