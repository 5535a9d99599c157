"""The explanation of an assignment's reminder over HTTP."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reminders import conf
from reminders.insight.explain.explain import explain
from reminders.web.api.assignments import AssignmentEndpoint
from reminders.web.api.endpoint import responses
from reminders.web.api.serializers import explanations


class ExplanationView(AssignmentEndpoint):
    """The explanation of one assignment."""

    @extend_schema(
        operation_id="assignments_explain",
        responses=responses({200: explanations.ExplanationSerializer}, 404),
    )
    def get(self, request: Request, pk: int) -> Response:
        """Explains whether a reminder will be sent, when and to whom; and if not, why not."""
        answer = explain(self._found(), config=conf.current(), scope=self.team_scope)
        return Response(explanations.ExplanationSerializer(answer).data)
