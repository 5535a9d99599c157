"""The addresses of people over HTTP."""

import math
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from assignments import contact_points
from assignments.contact_point import ContactPoint
from assignments.models import Assignee
from reminders import conf
from reminders.operations import verifications
from reminders.operations.verifications import NotVerifiable, TooOften
from reminders.web.api.endpoint import responses
from reminders.web.api.idempotency import IDEMPOTENCY_KEY, idempotent
from reminders.web.api.serializers import contact_points as shapes
from reminders.web.api.serializers import queries
from reminders.web.api.teams import PersonEndpoint


class ContactPointEndpoint(PersonEndpoint):
    """Addresses are read and changed by whoever may read and change their person."""

    def points(self, pk: int) -> list[ContactPoint]:
        """The addresses of the person; 404 where the caller does not see them."""
        if not self.visible().filter(pk=pk).exists():
            raise Http404
        return contact_points.points_of(pk)

    def point(self, pk: int, n: int) -> ContactPoint:
        """One of them; 404 where the person has none of this id."""
        found = next((one for one in self.points(pk) if one.pk == n), None)
        if found is None:
            raise Http404
        return found

    def shown_point(self, pk: int, n: int) -> Any:
        """One of them as the caller may see it."""
        return shapes.ContactPointSerializer(self.point(pk, n), context=self.seen_by()).data


class ContactPointListView(ContactPointEndpoint):
    """The addresses of a person."""

    @extend_schema(
        operation_id="contact_points_list", responses=responses({200: shapes.ContactPointListSerializer}, 404)
    )
    def get(self, request: Request, pk: int) -> Response:
        """Lists the addresses of a person in the order in which they are tried."""
        self.address(queries.NoQuery)
        return Response(
            shapes.ContactPointListSerializer({"results": self.points(pk)}, context=self.seen_by()).data
        )

    @extend_schema(
        operation_id="contact_points_create",
        request=shapes.ContactPointInputSerializer,
        responses=responses({201: shapes.ContactPointSerializer}, 404, 409, 413, 415, 422),
        parameters=[IDEMPOTENCY_KEY],
    )
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Gives a person one more address. What failed for want of one and is still of use is tried again."""
        self.points(pk)
        values = self.body(shapes.ContactPointInputSerializer)
        try:
            added = contact_points.add_point(pk, scope=self.team_scope, **values)
        except Assignee.DoesNotExist:
            raise Http404 from None
        return Response(self.shown_point(pk, added.pk), status=201)

    def may_see_again(self, body: Any) -> bool:
        return any(one.pk == body["id"] for one in self.points(self.kwargs["pk"]))


class ContactPointView(ContactPointEndpoint):
    """One address of a person."""

    @extend_schema(
        operation_id="contact_points_read", responses=responses({200: shapes.ContactPointSerializer}, 404)
    )
    def get(self, request: Request, pk: int, n: int) -> Response:
        """Reads an address and what is known of it."""
        return Response(self.shown_point(pk, n))

    @extend_schema(
        operation_id="contact_points_change",
        request=shapes.ContactPointPatchSerializer(partial=True),
        responses=responses({200: shapes.ContactPointSerializer}, 404, 409, 413, 415),
    )
    def patch(self, request: Request, pk: int, n: int) -> Response:
        """Changes the fields of an address that are sent.

        Another one is neither verified nor opted out, and does not fail yet.
        """
        self.point(pk, n)
        values = self.body(shapes.ContactPointPatchSerializer, partial=True)
        try:
            contact_points.change_point(n, values, scope=self.team_scope)
        except ContactPoint.DoesNotExist:
            raise Http404 from None
        return Response(self.shown_point(pk, n))

    @extend_schema(operation_id="contact_points_remove", responses=responses({204: None}, 404, 409))
    def delete(self, request: Request, pk: int, n: int) -> Response:
        """Takes an address from its person. What would have gone there goes to the next one."""
        self.point(pk, n)
        try:
            contact_points.remove_point(n, scope=self.team_scope)
        except ContactPoint.DoesNotExist:
            raise Http404 from None
        return Response(status=204)


class VerifyView(ContactPointEndpoint):
    """The verification of one address."""

    @extend_schema(
        operation_id="contact_points_verify",
        request=shapes.VerificationInputSerializer,
        responses=responses(
            {202: shapes.VerificationSerializer, 200: shapes.VerificationSerializer}, 404, 409, 413, 415
        ),
    )
    def post(self, request: Request, pk: int, n: int) -> Response:
        """Sends a link or a code to an address, and verifies the address by that code.

        By SMS it is a code: sent here as `code` it verifies the address (200). Without `code` a message goes out
        (202). Three messages an hour go to one contact point, and five to one address.
        """
        self.point(pk, n)
        code = self.body(shapes.VerificationInputSerializer).get("code")
        if code is not None:
            verifications.enter_code(pk, n, code, scope=self.team_scope)
            used = verifications.last_of(n)
            return Response(shapes.VerificationSerializer(used).data)
        try:
            sent = verifications.send(pk, n, by=self.by(), config=conf.current(), scope=self.team_scope)
        except TooOften as refusal:
            raise Throttled(wait=math.ceil(refusal.wait)) from refusal
        if not verifications.was_sent(sent):
            raise NotVerifiable(f"the message was not accepted: {sent.code} {sent.detail}".strip())
        return Response(shapes.VerificationSerializer(sent).data, status=202)
