"""What people do about their work, over HTTP: each call is one act (`assignments.acts`)."""

from collections.abc import Callable
from typing import ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from assignments import acts
from assignments.models import Assignment
from reminders.web.api.assignments import LIFE, LIFE_HEADERS, AssignmentEndpoint, shown
from reminders.web.api.idempotency import idempotent
from reminders.web.api.serializers import acts as shapes


class ActEndpoint(AssignmentEndpoint):
    """One act: `act` carries it out, and takes what `shape` reads. The docstring of the class describes the call.

    The same act again answers 200 and changes nothing.
    """

    act: ClassVar[Callable[..., Assignment]]
    shape: ClassVar[type[shapes.ActInputSerializer]] = shapes.ActInputSerializer

    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        values = self.body(self.shape)
        type(self).act(pk, **values, actor=self.actor(), if_match=self.seen(), scope=self.team_scope)
        return shown(pk)


def _described(operation_id: str) -> Callable[[type[ActEndpoint]], type[ActEndpoint]]:
    """Says in the API's description what the call takes and answers."""

    def describe(view: type[ActEndpoint]) -> type[ActEndpoint]:
        call = extend_schema(
            operation_id=operation_id, request=view.shape, responses=LIFE, parameters=LIFE_HEADERS
        )
        described: type[ActEndpoint] = extend_schema_view(post=call)(view)
        return described

    return describe


@_described("assignments_confirm")
class ConfirmView(ActEndpoint):
    """Says that the assignee will be there. After a decline, reminders that are not due yet are planned again."""

    act = staticmethod(acts.confirm)


@_described("assignments_decline")
class DeclineView(ActEndpoint):
    """Says that the assignee can't make it: they are not reminded of this plan any more."""

    act = staticmethod(acts.decline)
    shape = shapes.DeclineInputSerializer


@_described("assignments_on_my_way")
class OnMyWayView(ActEndpoint):
    """Says that the assignee is on the way. It changes no reminder."""

    act = staticmethod(acts.on_my_way)
    shape = shapes.OnMyWayInputSerializer


@_described("assignments_late")
class LateView(ActEndpoint):
    """Says that the assignee will begin some minutes late; the overdue instant moves along.

    `minutes` count from `scheduled_start`. Possible twice for a plan, and until the work is marked OVERDUE. It draws
    no version: nobody is reminded again.
    """

    act = staticmethod(acts.run_late)
    shape = shapes.LateInputSerializer


@_described("assignments_start")
class StartView(ActEndpoint):
    """Says that the work has begun; a reminder that was not sent yet is not sent any more."""

    act = staticmethod(acts.start)


@_described("assignments_complete")
class CompleteView(ActEndpoint):
    """Says that the work is done."""

    act = staticmethod(acts.complete)


VIEWS: dict[str, type[ActEndpoint]] = {
    "confirm": ConfirmView,
    "decline": DeclineView,
    "on-my-way": OnMyWayView,
    "late": LateView,
    "start": StartView,
    "complete": CompleteView,
}
"""The acts by the last part of their address."""
