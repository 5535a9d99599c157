"""Reminding the assignee of one assignment at once, over HTTP."""

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reminders import conf
from reminders.operations.reminding import remind
from reminders.web.api.assignments import AssignmentEndpoint
from reminders.web.api.endpoint import responses
from reminders.web.api.idempotency import IDEMPOTENCY_KEY, idempotent
from reminders.web.api.serializers import operations


class RemindView(AssignmentEndpoint):
    """Reminds the assignee at once."""

    @extend_schema(
        operation_id="assignments_remind",
        request=operations.RemindInputSerializer,
        responses=responses(
            {
                200: OpenApiResponse(
                    operations.RemindedSerializer, "Asked for within the last minute already."
                ),
                202: OpenApiResponse(operations.RemindedSerializer, "The reminder is on its way."),
            },
            *(404, 409, 413, 415, 422),
        ),
        parameters=[IDEMPOTENCY_KEY],
    )
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Sends the assignee a reminder at once, whatever the plan says. The plan and what it sends stay as they are.

        Only of SCHEDULED work, to an assignee who can be reached, has not declined it and has not opted out. Calls within a
        minute send one reminder.
        """
        asked = self.body(operations.RemindInputSerializer)
        row, repeated = remind(
            pk,
            by=self.by(),
            reason=asked["reason"],
            config=conf.current(),
            wait_while_paused=asked["wait_while_paused"],
            scope=self.team_scope,
        )
        body = operations.RemindedSerializer({"reminder": row, "repeated": repeated}).data
        return Response(body, status=200 if repeated else 202)
