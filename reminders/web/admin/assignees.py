"""People who are given work."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from assignments import people
from assignments.models import Assignee
from reminders.web.admin.assignment_filters import TeamFilter
from reminders.web.admin.editable import EditableAdmin
from reminders.web.team_limits import scope_of


@admin.register(Assignee)
class AssigneeAdmin(EditableAdmin):
    """People who are given work."""

    list_display = ("name", "reference", "team", "email", "phone", "time_zone", "language")
    list_filter = (TeamFilter,)
    list_select_related = ("team",)
    search_fields = ("name", "email", "reference")
    fields = (
        *("name", "reference", "team", "email", "phone", "time_zone", "language"),
        *("quiet_from", "quiet_until"),
    )
    ordering = ("name", "id")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["help_text"] = {
            "reference": "The person's key in the scheduling system, if it has one.",
            "email": "Where reminders go. Correcting it sends what failed for want of it and is still of use.",
            "time_zone": "The zone in which this person reads times, such as Europe/Berlin.",
            "language": "The language of messages, such as en.",
            "team": "Whose supervisors are notified when this person's work is overdue.",
            "quiet_from": "When quiet hours begin on this person's clock; empty: those of the team.",
        }.get(db_field.name, db_field.help_text)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Assignee, form: Any, change: bool) -> None:
        columns, scope = {"team": "team_id"}, scope_of(request.user)
        if change:
            names = [columns.get(name, name) for name in form.changed_data]
            people.change_assignee(obj.pk, {name: getattr(obj, name) for name in names}, scope=scope)
        else:
            values = {columns.get(name, name): value for name, value in form.cleaned_data.items()}
            if "team" in form.cleaned_data:
                values["team_id"] = obj.team_id or scope.only_team
            obj.pk = people.add_assignee(scope=scope, **values).pk
        obj.refresh_from_db()
