"""By what the lists of assignments and people are filtered."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from assignments.clock import database_now
from assignments.models import Assignment, Team
from reminders import conf
from reminders.insight import selections
from reminders.web.admin import column_names
from reminders.web.filters import SHOW, START, shown_assignments
from reminders.web.search import whole_number
from reminders.web.team_limits import scope_of


class TeamFilter(admin.SimpleListFilter):
    """The teams that the reader sees."""

    title, parameter_name = column_names.TEAM, "team"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        teams = Team.objects.visible_to(scope_of(request.user))
        return [(str(pk), name) for pk, name in teams.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        pk = whole_number(self.value() or "")
        return queryset if pk is None else self.narrowed(queryset, pk)

    def narrowed(self, rows: QuerySet[Any], pk: int) -> QuerySet[Any]:
        return rows.filter(team=pk)


class WorkTeamFilter(TeamFilter):
    """Assignments of a team, also those that belong to it by their assignee."""

    def narrowed(self, rows: QuerySet[Any], pk: int) -> QuerySet[Any]:
        return rows & Assignment.objects.of_teams([pk])


class ShowFilter(admin.SimpleListFilter):
    """The figures of the overview, as the Ops list offers them."""

    title = _("figure of the overview")
    parameter_name = "show"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, str(label)) for name, label in SHOW.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Assignment]) -> QuerySet[Assignment]:
        if (name := self.value()) not in SHOW:
            return queryset
        return queryset & shown_assignments(str(name), now=database_now(), config=conf.current())


class StartFilter(admin.SimpleListFilter):
    """When the work starts, relative to now, as the Ops list offers it."""

    title = column_names.START
    parameter_name = "start"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, str(label)) for name, label in START.items() if name != "any"]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Assignment]) -> QuerySet[Assignment]:
        if (name := self.value()) not in START:
            return queryset
        return selections.starting(queryset, str(name), now=database_now(), config=conf.current())
