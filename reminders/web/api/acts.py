"""What people do about their work, over HTTP: each call is one act (`assignments.acts`)."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from assignments import acts
from reminders.web.api.assignments import LIFE, LIFE_HEADERS, AssignmentEndpoint, shown
from reminders.web.api.endpoint import Endpoint
from reminders.web.api.idempotency import idempotent
from reminders.web.api.serializers import acts as shapes


class ActView(AssignmentEndpoint):
    """One act. The same act again answers 200 and changes nothing."""

    def _said(self, shape: type[shapes.ActInputSerializer]) -> dict[str, Any]:
        """What the call says, who says it, the state that they have seen, and whose work they see at all."""
        caller = {"actor": self.actor(), "if_match": self.seen(), "scope": self.team_scope}
        return {**self.body(shape), **caller}


class ConfirmView(ActView):
    """The assignee will be there."""

    @extend_schema(
        operation_id="assignments_confirm",
        request=shapes.ActInputSerializer,
        responses=LIFE,
        parameters=LIFE_HEADERS,
    )
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Says that the assignee will be there. After a decline, reminders that are not due yet are planned again."""
        acts.confirm(pk, **self._said(shapes.ActInputSerializer))
        return shown(pk)


class DeclineView(ActView):
    """The assignee can't make it."""

    @extend_schema(
        operation_id="assignments_decline",
        request=shapes.DeclineInputSerializer,
        responses=LIFE,
        parameters=LIFE_HEADERS,
    )
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Says that the assignee can't make it: they are not reminded of this plan any more."""
        acts.decline(pk, **self._said(shapes.DeclineInputSerializer))
        return shown(pk)


class OnMyWayView(ActView):
    """The assignee is on the way."""

    @extend_schema(
        operation_id="assignments_on_my_way",
        request=shapes.OnMyWayInputSerializer,
        responses=LIFE,
        parameters=LIFE_HEADERS,
    )
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Says that the assignee is on the way. It changes no reminder."""
        acts.on_my_way(pk, **self._said(shapes.OnMyWayInputSerializer))
        return shown(pk)


class LateView(ActView):
    """The assignee will begin later."""

    @extend_schema(
        operation_id="assignments_late",
        request=shapes.LateInputSerializer,
        responses=LIFE,
        parameters=LIFE_HEADERS,
    )
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Says that the assignee will begin so many minutes after `scheduled_start`; the overdue instant moves along.

        Possible twice for a plan, and until the work is marked OVERDUE. It draws no version: nobody is reminded again.
        """
        acts.run_late(pk, **self._said(shapes.LateInputSerializer))
        return shown(pk)


class StartView(ActView):
    """Somebody has begun the work."""

    @extend_schema(
        operation_id="assignments_start",
        request=shapes.ActInputSerializer,
        responses=LIFE,
        parameters=LIFE_HEADERS,
    )
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Says that the work has begun; a reminder that was not sent yet is not sent any more."""
        acts.start(pk, **self._said(shapes.ActInputSerializer))
        return shown(pk)


class CompleteView(ActView):
    """The work is done."""

    @extend_schema(
        operation_id="assignments_complete",
        request=shapes.ActInputSerializer,
        responses=LIFE,
        parameters=LIFE_HEADERS,
    )
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Says that the work is done."""
        acts.complete(pk, **self._said(shapes.ActInputSerializer))
        return shown(pk)


VIEWS: dict[str, type[Endpoint]] = {
    "confirm": ConfirmView,
    "decline": DeclineView,
    "on-my-way": OnMyWayView,
    "late": LateView,
    "start": StartView,
    "complete": CompleteView,
}
"""The acts by the last part of their address."""
