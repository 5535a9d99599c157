"""The board over HTTP."""

from datetime import timedelta

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reminders import conf
from reminders.insight import statistics
from reminders.insight.awareness import teams_asked
from reminders.insight.board import board, entries
from reminders.insight.reach_forecast import reach_forecast
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.serializers import board as shapes
from reminders.web.team_limits import TeamAccess


class BoardView(Endpoint):
    """Coming work by who knows of it."""

    team_limit = TeamAccess.NARROWS

    @extend_schema(
        operation_id="board",
        parameters=[shapes.BoardQuery],
        responses=responses({200: shapes.BoardEntrySerializer(many=True)}),
    )
    def get(self, request: Request) -> Response:
        """Lists coming work, how far its assignee knows of it, and what happens next.

        The first to start comes first. Work that starts within `hours`, that was to start or has been started since,
        and that is overdue, for a day. No more than the first 2,000 assignments are looked at.
        """
        asked, config = self.address(shapes.BoardQuery), conf.current()
        teams = teams_asked(self.team_scope, asked.get("team"))
        with statistics.bounded():
            known = board(ahead=timedelta(hours=asked["hours"]), teams=teams, config=config)
            ids = known.may_not_know if asked["show"] == shapes.UNAWARE else list(known.found)
            listed = entries(ids[: asked["limit"]], known.found, config=config)
        return Response(shapes.shown(listed))


class ForecastView(Endpoint):
    """Whom no message will reach."""

    team_limit = TeamAccess.NARROWS

    @extend_schema(
        operation_id="forecast",
        parameters=[shapes.ForecastQuery],
        responses=responses({200: shapes.ForecastSerializer}),
    )
    def get(self, request: Request) -> Response:
        """Lists the work of a day whose assignee no message will reach.

        Of tomorrow by default, and only where the assignee does not know of it yet. With the cause: nobody is
        assigned, no address, opted out of all of them or of every rule, or every address fails.
        """
        asked = self.address(shapes.ForecastQuery)
        team = asked.get("team")
        with statistics.bounded():
            found = reach_forecast(
                days_ahead=asked["days_ahead"],
                team=team if self.team_scope.holds(team) else None,
                teams=teams_asked(self.team_scope, team),
                config=conf.current(),
            )
        return Response(shapes.ForecastSerializer(found).data)
