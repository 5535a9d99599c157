"""Teams and people over HTTP."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import may_write
from assignments import people, teams
from assignments.models import Assignee, Team
from reminders.models import OptOut
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.idempotency import IDEMPOTENCY_KEY, idempotent
from reminders.web.api.pagination import PeoplePagination
from reminders.web.api.serializers import queries
from reminders.web.api.serializers import teams as shapes
from reminders.web.team_limits import TeamAccess


class TeamEndpoint(Endpoint):
    """Teams are read by whoever may read, and changed by operators."""

    scope = "ops"
    team_limit = TeamAccess.NARROWS

    def visible(self) -> QuerySet[Team]:
        """The teams that the caller sees."""
        return Team.objects.visible_to(self.team_scope).prefetch_related("supervisors")

    def shown(self, pk: int, status: int = 200) -> Response:
        """The team as it is now; 404 where the caller sees none with this id."""
        found = self.visible().filter(pk=pk).first()
        if found is None:
            raise Http404
        return Response(shapes.TeamSerializer(found).data, status=status)

    def refuse_limited(self) -> None:
        """Teams as such are made and removed by callers who see everything."""
        if self.team_scope.limited:
            raise PermissionDenied("a caller who is limited to teams makes and removes none")


class TeamListView(TeamEndpoint):
    """All teams."""

    @extend_schema(operation_id="teams_list", responses=responses({200: shapes.TeamListSerializer}))
    def get(self, request: Request) -> Response:
        """Lists the teams by their names."""
        self.address(queries.NoQuery)
        return Response({"results": shapes.TeamSerializer(self.visible(), many=True).data})

    @extend_schema(
        operation_id="teams_create",
        request=shapes.TeamInputSerializer,
        responses=responses({201: shapes.TeamSerializer}, 409, 413, 415, 422),
        parameters=[IDEMPOTENCY_KEY],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Creates a team."""
        self.refuse_limited()
        return self.shown(teams.add_team(**self.body(shapes.TeamInputSerializer)).pk, status=201)

    def may_see_again(self, body: Any) -> bool:
        return self.visible().filter(pk=body["id"]).exists()


class TeamView(TeamEndpoint):
    """One team."""

    @extend_schema(operation_id="teams_read", responses=responses({200: shapes.TeamSerializer}, 404))
    def get(self, request: Request, pk: int) -> Response:
        """Reads a team."""
        return self.shown(pk)

    @extend_schema(
        operation_id="teams_change",
        request=shapes.TeamInputSerializer(partial=True),
        responses=responses({200: shapes.TeamSerializer}, 404, 409, 413, 415),
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Changes the fields of a team that are sent. Notices that were not sent yet go to the new supervisors."""
        values = self.body(shapes.TeamInputSerializer, partial=True)
        teams.change_team(pk, values, scope=self.team_scope)
        return self.shown(pk)

    @extend_schema(operation_id="teams_remove", responses=responses({204: None}, 404, 409))
    def delete(self, request: Request, pk: int) -> Response:
        """Removes a team that has neither people nor assignments."""
        self.shown(pk)
        self.refuse_limited()
        teams.remove_team(pk)
        return Response(status=204)


class PersonEndpoint(Endpoint):
    """People are read by whoever may read."""

    team_limit = TeamAccess.NARROWS

    def visible(self) -> QuerySet[Assignee]:
        """The people whom the caller sees, erased ones included."""
        in_force = Prefetch("opt_outs", OptOut.objects.filter(undone_at=None), to_attr="opt_outs_in_force")
        return (
            Assignee.objects.visible_to(self.team_scope)
            .filter(merged_into=None)
            .prefetch_related(in_force, "contact_points")
        )

    def shown(self, pk: int, status: int = 200) -> Response:
        """The person as they are now; 404 where the caller sees none with this id."""
        found = self.visible().filter(pk=pk).first()
        if found is None:
            raise Http404
        return Response(shapes.PersonSerializer(found, context=self.seen_by()).data, status=status)

    def seen_by(self) -> dict[str, Any]:
        """What decides how much of an address the caller sees."""
        return {"may_write": may_write(self.request)}


class PersonListView(PersonEndpoint):
    """All people."""

    @extend_schema(
        operation_id="people_list",
        parameters=[queries.PeopleQuery],
        responses=responses({200: shapes.PersonPageSerializer}),
    )
    def get(self, request: Request) -> Response:
        """Lists people in the order of their ids, a page at a time."""
        asked = self.address(queries.PeopleQuery)
        rows = self.visible().filter(erased_at=None)
        if (team := asked.get("team")) is not None:
            rows = rows.filter(team=team)
        if (reference := asked.get("reference")) is not None:
            rows = rows.filter(reference=reference)
        pages = PeoplePagination()
        found = pages.paginate_queryset(rows, request, self)
        return pages.get_paginated_response(
            shapes.PersonSerializer(found, many=True, context=self.seen_by()).data
        )

    @extend_schema(
        operation_id="people_create",
        request=shapes.PersonInputSerializer,
        responses=responses({201: shapes.PersonSerializer}, 409, 413, 415, 422),
        parameters=[IDEMPOTENCY_KEY],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Creates a person. A caller who is limited to one team makes them in that team."""
        values = self.body(shapes.PersonInputSerializer)
        return self.shown(people.add_assignee(scope=self.team_scope, **values).pk, status=201)

    def may_see_again(self, body: Any) -> bool:
        return self.visible().filter(pk=body["id"]).exists()


class PersonView(PersonEndpoint):
    """One person."""

    @extend_schema(operation_id="people_read", responses=responses({200: shapes.PersonSerializer}, 404))
    def get(self, request: Request, pk: int) -> Response:
        """Reads a person."""
        return self.shown(pk)

    @extend_schema(
        operation_id="people_change",
        request=shapes.PersonInputSerializer(partial=True),
        responses=responses({200: shapes.PersonSerializer}, 404, 409, 413, 415),
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Changes the fields of a person that are sent. A corrected address sends what failed for it and is still of use."""
        values = self.body(shapes.PersonInputSerializer, partial=True)
        try:
            people.change_assignee(pk, values, scope=self.team_scope)
        except Assignee.DoesNotExist:
            raise Http404 from None
        return self.shown(pk)
