"""Assignments over HTTP: list, read, make, change, and the calls of their life."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError as ModelError
from django.db.models import Prefetch, QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ValidationError

from assignments import people, services
from assignments.history import Actor
from assignments.imports import writer
from assignments.imports.rows import row_of
from assignments.models import Assignment, Status
from assignments.references import spellings
from assignments.services import NewAssignment
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.teams import TeamNames
from assignments.transactions import atomically
from assignments.validation import nested
from assignments.wording import quoted
from reminders import conf
from reminders.insight.awareness import with_awareness
from reminders.ledger import archive
from reminders.models import Attempt, Reminder
from reminders.web.api.endpoint import Endpoint, if_match, responses
from reminders.web.api.filter_backend import StrictFilterBackend
from reminders.web.api.idempotency import IDEMPOTENCY_KEY, idempotent
from reminders.web.api.pagination import AssignmentPagination
from reminders.web.api.serializers import assignments, explanations, queries
from reminders.web.filters import AssignmentFilterSet
from reminders.web.team_limits import TeamAccess

ETAG_HEADER = OpenApiParameter(
    "ETag",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    response=[200, 201, 412],
    description="Names this state; send it as If-Match.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The ETag that was read: any other state answers 412.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="`*`: only create; an assignment that exists already answers 412.",
)


def _all(scope: TeamScope) -> QuerySet[Assignment]:
    return Assignment.objects.visible_to(scope).select_related("assignee")


def _etag(assignment: Assignment) -> str:
    """Names the state that is shown: that of the assignment, which the services compare, and that of its assignee."""
    person = assignment.assignee
    shown = person and assignments.AssigneeSerializer(person).data
    digest = hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
    return f"{services.etag(assignment)}-{digest[:16]}"


def _quoted(assignment: Assignment) -> str:
    return f'"{_etag(assignment)}"'


def _bodies(found: Sequence[Assignment]) -> Any:
    """What is answered of these assignments; one query says how far their assignees know of them."""
    return assignments.AssignmentSerializer(with_awareness(found, config=conf.current()), many=True).data


def _body(assignment: Assignment) -> Any:
    return _bodies([assignment])[0]


def _answer(assignment: Assignment, status: int = 200) -> Response:
    return Response(_body(assignment), status=status, headers={"ETag": _quoted(assignment)})


def shown(pk: int, status: int = 200) -> Response:
    return _answer(_all(EVERYTHING).get(pk=pk), status)


def _columns(values: dict[str, Any], scope: TeamScope) -> dict[str, Any]:
    """The values by the names of the columns; the team is found, and the person is found or made."""
    columns = TeamNames(scope).resolved({name: value for name, value in values.items() if name != "assignee"})
    if "assignee" in values:
        given = values["assignee"]
        columns["assignee_id"] = None if given is None else _person(given, scope, columns.get("team_id"))
    return columns


def _person(given: dict[str, Any], scope: TeamScope, team_id: int | None) -> int:
    try:
        return people.identify(given, scope=scope, team_id=team_id).pk
    except ModelError as refusal:
        raise nested(refusal, "assignee") from refusal


class AssignmentListView(Endpoint, GenericAPIView[Assignment]):
    """All assignments."""

    team_limit = TeamAccess.NARROWS
    queryset = _all(EVERYTHING)
    filter_backends = [StrictFilterBackend]
    filterset_class = AssignmentFilterSet
    query_class = queries.PageQuery
    pagination_class = AssignmentPagination

    @extend_schema(
        operation_id="assignments_list",
        filters=True,
        parameters=[queries.PageQuery],
        responses=responses({200: assignments.AssignmentPageSerializer}),
    )
    def get(self, request: Request) -> Response:
        """Lists assignments, a page at a time."""
        rows = self.paginate_queryset(self.filter_queryset(_all(self.team_scope)))
        return self.get_paginated_response(_bodies(rows or []))

    @extend_schema(
        operation_id="assignments_create",
        request=assignments.AssignmentInputSerializer,
        responses=responses({201: assignments.AssignmentSerializer}, 409, 413, 415, 422),
        parameters=[ETAG_HEADER, IDEMPOTENCY_KEY],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Makes an assignment and plans its reminder."""
        values = self.body(assignments.AssignmentInputSerializer)
        if values.pop("status", Status.SCHEDULED) != Status.SCHEDULED:
            raise ValidationError(
                {"status": ["new work is SCHEDULED: start, complete or cancel it afterwards"]}
            )
        return shown(_create(values, self.team_scope, Actor.api(self.by())), status=201)

    def may_see_again(self, body: Any) -> bool:
        return _all(self.team_scope).filter(pk=body["id"]).exists()


@atomically
def _create(values: dict[str, Any], scope: TeamScope, actor: Actor) -> int:
    return services.create(NewAssignment(**_columns(values, scope)), scope=scope, actor=actor).pk


@atomically
def _change(pk: int, values: dict[str, Any], seen: str | None, scope: TeamScope, actor: Actor) -> None:
    services.change(pk, _columns(values, scope), if_match=seen, scope=scope, actor=actor)


class AssignmentEndpoint(Endpoint):
    """What the addresses of one assignment share. For a limited caller there are those of its teams alone."""

    team_limit = TeamAccess.NARROWS

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.team_scope.limited and not self._visible().exists() and self._is_taken():
            raise Http404

    def _visible(self) -> QuerySet[Assignment]:
        return _all(self.team_scope).filter(**self.lookup())

    def _is_taken(self) -> bool:
        return True

    def lookup(self) -> dict[str, Any]:
        """The assignment that the address names, as a filter."""
        return dict(self.kwargs)

    def current(self) -> tuple[Any, str]:
        """The state in force and its ETag, for whoever has seen another one; None and '' where there is none."""
        assignment = self._visible().first()
        if assignment is None:
            return None, ""
        return _body(assignment), _quoted(assignment)

    def actor(self) -> Actor:
        """Who is calling, for the history of acts."""
        return Actor.api(self.by())

    def _found(self) -> Assignment:
        found = self._visible().first()
        if found is None:
            raise Http404
        return found

    def seen(self) -> str | None:
        """The state of the assignment that the caller has seen, if a condition was made; compared again under its lock."""
        if "If-Match" not in self.request.headers:
            return None
        found = self._visible().first()
        present = _etag(found) if found else None
        seen = if_match(self.request, present)
        return services.etag(found) if found and seen == present else seen


class AssignmentView(AssignmentEndpoint):
    """One assignment by its id."""

    @extend_schema(
        operation_id="assignments_read",
        responses=responses({200: assignments.AssignmentSerializer}, 404),
        parameters=[ETAG_HEADER],
    )
    def get(self, request: Request, pk: int) -> Response:
        """Reads an assignment; its ETag names the state that was read."""
        return _answer(self._found())

    @extend_schema(
        operation_id="assignments_change",
        request=assignments.AssignmentInputSerializer(partial=True),
        responses=responses({200: assignments.AssignmentSerializer}, 404, 409, 412, 413, 415),
        parameters=[ETAG_HEADER, IF_MATCH],
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Changes the fields of an assignment that are sent. A change of start, assignee, lead or status plans anew."""
        values = self.body(assignments.AssignmentInputSerializer, partial=True)
        _change(pk, values, self.seen(), self.team_scope, self.actor())
        return shown(pk)

    @extend_schema(
        operation_id="assignments_cancel_by_delete",
        request=None,
        responses=responses({200: assignments.AssignmentSerializer}, 404, 409, 412),
        parameters=[ETAG_HEADER, IF_MATCH],
    )
    def delete(self, request: Request, pk: int) -> Response:
        """Cancels an assignment, as its call "cancel" does. It is kept, with its history."""
        _change(pk, {"status": Status.CANCELLED}, self.seen(), self.team_scope, self.actor())
        return shown(pk)


class AssignmentByReferenceView(AssignmentEndpoint):
    """One assignment by the key of the scheduling system."""

    def lookup(self) -> dict[str, Any]:
        if "\x00" in self.kwargs["reference"]:
            raise Http404  # PostgreSQL's text has no NUL.
        return {"reference__in": spellings(self.kwargs["reference"])}

    def _is_taken(self) -> bool:
        """A reference that nobody has yet may be put."""
        return self.request.method != "PUT" or _all(EVERYTHING).filter(**self.lookup()).exists()

    @extend_schema(
        operation_id="assignments_read_by_reference",
        responses=responses({200: assignments.AssignmentSerializer}, 404),
        parameters=[ETAG_HEADER],
    )
    def get(self, request: Request, reference: str) -> Response:
        """Reads the assignment of this reference; its ETag names the state that was read."""
        return _answer(self._found())

    @extend_schema(
        operation_id="assignments_put",
        request=assignments.AssignmentPutInputSerializer,
        responses=responses(
            # 404: a reference with a line break has no address.
            {200: assignments.AssignmentSerializer, 201: assignments.AssignmentSerializer},
            *(404, 409, 412, 413, 415),
        ),
        parameters=[ETAG_HEADER, IF_MATCH, IF_NONE_MATCH],
    )
    def put(self, request: Request, reference: str) -> Response:
        """Creates the assignment of this reference, or gives it these values.

        The same call twice changes nothing. What is left out takes its default; status and team stay. A cancelled
        assignment is put back only by an explicit `status: SCHEDULED`; without one another value is refused, and the
        same values change nothing.
        """
        shape = assignments.ReferenceSerializer(data={"reference": reference})
        shape.is_valid(raise_exception=True)
        values = self.body(assignments.AssignmentPutInputSerializer)
        if reference.endswith("/") and not self._visible().exists():
            message = f"{quoted(reference)} ends with a slash: an address without it names another assignment"
            raise ValidationError({"reference": [message]}, "slash")
        assignment, created = writer.put(
            row_of(1, {**values, "reference": reference}),
            if_match="*" if request.headers.get("If-Match", "").strip() == "*" else self.seen(),
            if_none_match=request.headers.get("If-None-Match", "").strip() == "*",
            scope=self.team_scope,
            actor=self.actor(),
        )
        return shown(assignment.pk, status=201 if created else 200)


LIFE = responses({200: assignments.AssignmentSerializer}, 404, 409, 412, 413, 415, 422)
LIFE_HEADERS = [ETAG_HEADER, IF_MATCH, IDEMPOTENCY_KEY]


class CancelView(AssignmentEndpoint):
    """The work will not be done."""

    @extend_schema(operation_id="assignments_cancel", request=None, responses=LIFE, parameters=LIFE_HEADERS)
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Cancels an assignment. It is kept, with its history; cancelling twice is no error."""
        self.body(assignments.EmptySerializer)
        _change(pk, {"status": Status.CANCELLED}, self.seen(), self.team_scope, self.actor())
        return shown(pk)


class RescheduleView(AssignmentEndpoint):
    """Moves an assignment."""

    @extend_schema(
        operation_id="assignments_reschedule",
        request=assignments.RescheduleInputSerializer,
        responses=LIFE,
        parameters=LIFE_HEADERS,
    )
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Moves an assignment and plans its reminder anew. Without an end its length stays as it was."""
        values = self.body(assignments.RescheduleInputSerializer)
        services.reschedule(
            pk,
            start=values["scheduled_start"],
            end=values.get("scheduled_end"),
            if_match=self.seen(),
            scope=self.team_scope,
            actor=self.actor(),
        )
        return shown(pk)


class ReminderListView(AssignmentEndpoint):
    """The ledger of one assignment."""

    @extend_schema(
        operation_id="assignments_reminders",
        responses=responses({200: explanations.ReminderListSerializer}, 404),
    )
    def get(self, request: Request, pk: int) -> Response:
        """Lists what was planned for an assignment and every attempt, the newest first."""
        self.address(queries.NoQuery)
        tries = Prefetch("attempt_rows", Attempt.objects.order_by("number"))
        found = self._found()
        rows = (
            Reminder.objects.filter(assignment=found)
            .order_by("-id")
            .prefetch_related(tries, "delivery_events")
        )
        return Response(
            explanations.ReminderListSerializer({"results": [*rows, *archive.archived_rows(found.pk)]}).data
        )
