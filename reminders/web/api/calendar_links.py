"""The calendar addresses of people and teams over HTTP. They are credentials, so reading one needs the scope ops too."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from assignments.models import Assignee, Team
from reminders.content import calendar_links as links
from reminders.operations import calendar_links
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.fields import InstantField, StrictChoiceField
from reminders.web.api.serializers.operations import ReasonInputSerializer
from reminders.web.team_limits import TeamAccess

CHANGES = {"renew": calendar_links.renew, "revoke": calendar_links.revoke}


class CalendarLinkInputSerializer(ReasonInputSerializer):
    change = StrictChoiceField(
        choices=list(CHANGES),
        help_text="renew: another address in place of this one; revoke: none from now on.",
    )


class CalendarLinkSerializer(serializers.Serializer[Any]):
    url = serializers.CharField(help_text="What a calendar program subscribes to; empty: it was revoked.")
    revoked_at = InstantField(allow_null=True)


class CalendarLinkEndpoint(Endpoint):
    """Operators read and change them."""

    scope = scope_to_read = "ops"
    team_limit = TeamAccess.NARROWS

    def owner(self, pk: int) -> Assignee | Team:
        raise NotImplementedError

    def shown(self, owner: Assignee | Team) -> Response:
        path = links.path_of(owner)
        url = links.url_of(owner) or (self.request.build_absolute_uri(path) if path else "")
        shown = {"url": url, "revoked_at": owner.calendar_revoked_at}
        return Response(CalendarLinkSerializer(shown).data)

    def changed(self, owner: Assignee | Team) -> Response:
        asked = self.body(CalendarLinkInputSerializer)
        CHANGES[asked["change"]](owner, by=self.by(), reason=asked["reason"])
        return self.shown(owner)


class PersonCalendarLinkView(CalendarLinkEndpoint):
    """That of a person."""

    def owner(self, pk: int) -> Assignee:
        found = Assignee.objects.visible_to(self.team_scope).present().filter(pk=pk).first()
        if found is None:
            raise Http404
        return found

    @extend_schema(
        operation_id="people_calendar_link", responses=responses({200: CalendarLinkSerializer}, 404)
    )
    def get(self, request: Request, pk: int) -> Response:
        """Reads the calendar address of a person."""
        return self.shown(self.owner(pk))

    @extend_schema(
        operation_id="people_calendar_link_change",
        request=CalendarLinkInputSerializer,
        responses=responses({200: CalendarLinkSerializer}, 404, 413, 415),
    )
    def post(self, request: Request, pk: int) -> Response:
        """Renews or revokes the calendar address of a person. The former one answers 404 from then on."""
        return self.changed(self.owner(pk))


class TeamCalendarLinkView(CalendarLinkEndpoint):
    """That of a team."""

    def owner(self, pk: int) -> Team:
        found = Team.objects.visible_to(self.team_scope).filter(pk=pk).first()
        if found is None:
            raise Http404
        return found

    @extend_schema(
        operation_id="teams_calendar_link", responses=responses({200: CalendarLinkSerializer}, 404)
    )
    def get(self, request: Request, pk: int) -> Response:
        """Reads the calendar address of a team."""
        return self.shown(self.owner(pk))

    @extend_schema(
        operation_id="teams_calendar_link_change",
        request=CalendarLinkInputSerializer,
        responses=responses({200: CalendarLinkSerializer}, 404, 413, 415),
    )
    def post(self, request: Request, pk: int) -> Response:
        """Renews or revokes the calendar address of a team. The former one answers 404 from then on."""
        return self.changed(self.owner(pk))
