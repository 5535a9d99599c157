"""Calendars that are polled, over HTTP. For operators only: a URL may hold a secret."""

from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from assignments.models import CalendarSource, Team
from reminders.operations import calendars
from reminders.operations.calendars import UnknownCalendar
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.fields import StrictSerializer
from reminders.web.api.serializers import calendars as shapes
from reminders.web.api.serializers import queries
from reminders.web.api.serializers.operations import OptionalReasonInputSerializer
from reminders.web.team_limits import TeamAccess


class CalendarEndpoint(Endpoint):
    """For operators only, and not for those who are limited to teams: a calendar makes work of anybody."""

    scope = scope_to_read = "ops"
    team_limit = TeamAccess.REFUSES

    def values(self, serializer: type[StrictSerializer]) -> tuple[dict[str, Any], str]:
        """The fields that were sent, and the reason."""
        values = self.body(serializer)
        reason = values.pop("reason", "")
        if "team" in values:
            values["team_id"] = team = values.pop("team")
            if team is not None and not Team.objects.filter(pk=team).exists():
                message = f"{team}: the id of a team is needed"
                raise ValidationError({"team": ValidationError(message, code="unknown_team")})
        return values, reason


class CalendarSourceListView(CalendarEndpoint):
    """The calendars."""

    @extend_schema(
        operation_id="calendars_list", responses=responses({200: shapes.CalendarSourceListSerializer})
    )
    def get(self, request: Request) -> Response:
        """Lists all calendars by their names, and how each is doing."""
        self.address(queries.NoQuery)
        found = {"results": CalendarSource.objects.all()}
        return Response(shapes.CalendarSourceListSerializer(found).data)

    @extend_schema(
        operation_id="calendars_create",
        request=shapes.CalendarSourceInputSerializer,
        responses=responses({201: shapes.CalendarSourceSerializer}, 413, 415),
    )
    def post(self, request: Request) -> Response:
        """Adds a calendar by its URL. It is read after the next scan, and then every `every_minutes`."""
        values, reason = self.values(shapes.CalendarSourceInputSerializer)
        made = calendars.add_calendar(values, by=self.by(), reason=reason)
        return Response(shapes.CalendarSourceSerializer(made).data, status=201)


class CalendarSourceView(CalendarEndpoint):
    """One calendar."""

    @extend_schema(
        operation_id="calendars_read", responses=responses({200: shapes.CalendarSourceSerializer}, 404)
    )
    def get(self, request: Request, pk: int) -> Response:
        """Reads a calendar's settings and how it is doing."""
        found = CalendarSource.objects.filter(pk=pk).first()
        if found is None:
            raise UnknownCalendar(f"there is no calendar {pk}")
        return Response(shapes.CalendarSourceSerializer(found).data)

    @extend_schema(
        operation_id="calendars_change",
        request=shapes.CalendarSourcePatchSerializer,
        responses=responses({200: shapes.CalendarSourceSerializer}, 404, 413, 415),
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Changes the fields of a calendar that are sent.

        With `active` false it is not read any more, and its work stays.
        """
        values, reason = self.values(shapes.CalendarSourcePatchSerializer)
        changed = calendars.change_calendar(pk, values, by=self.by(), reason=reason)
        return Response(shapes.CalendarSourceSerializer(changed).data)

    @extend_schema(operation_id="calendars_remove", responses=responses({204: None}, 404))
    def delete(self, request: Request, pk: int) -> Response:
        """Forgets the calendar and its URL. The work that it made stays."""
        calendars.remove_calendar(pk, by=self.by())
        return Response(status=204)


class PollView(CalendarEndpoint):
    """A poll."""

    @extend_schema(
        operation_id="calendars_poll",
        request=OptionalReasonInputSerializer,
        responses=responses({202: shapes.CalendarSourceSerializer}, 404, 413, 415),
    )
    def post(self, request: Request, pk: int) -> Response:
        """Has the calendar read whole after the next scan, whether it has changed or not."""
        reason = self.body(OptionalReasonInputSerializer).get("reason", "")
        found = calendars.poll_soon(pk, by=self.by(), reason=reason)
        return Response(shapes.CalendarSourceSerializer(found).data, status=202)


class AcceptView(CalendarEndpoint):
    """An operator's answer to a calendar that asks."""

    @extend_schema(
        operation_id="calendars_accept",
        request=OptionalReasonInputSerializer,
        responses=responses({200: shapes.CalendarAcceptSerializer}, 404, 413, 415),
    )
    def post(self, request: Request, pk: int) -> Response:
        """Cancels the work whose events are gone, where the calendar asks. How much it is says `vanished`."""
        reason = self.body(OptionalReasonInputSerializer).get("reason", "")
        cancelled = calendars.accept(pk, by=self.by(), reason=reason)
        return Response(shapes.CalendarAcceptSerializer({"cancelled": cancelled}).data)
