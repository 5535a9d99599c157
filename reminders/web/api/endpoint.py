"""The base of every view of the API: JSON in, JSON out, one shape of errors, ETags."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest
from drf_spectacular.utils import OpenApiResponse
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from assignments.team_scope import TeamScope
from reminders.web.api.errors import TITLES
from reminders.web.api.parsers import BoundedJson, media_type
from reminders.web.api.serializers.errors import ErrorSerializer, StaleErrorSerializer
from reminders.web.api.serializers.queries import QuerySerializer
from reminders.web.team_limits import TeamAccess, scope_of

ETAG = re.compile(r'(W/)?"([^"]*)"')


class JsonNegotiation(BaseContentNegotiation):
    """Responds with JSON whatever the Accept header names."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        content_type = media_type(request)
        chosen: BaseParser | None = next((p for p in parsers if p.media_type == content_type), None)
        return chosen

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class Endpoint(APIView):
    """A view of the API. `scope` is what a token needs for unsafe methods, `scope_to_read` for the others.

    For callers who are limited to teams it does not exist, unless it narrows everything to `team_scope` and says so by
    `team_limit`.
    """

    scope = "write"
    scope_to_read = "read"
    team_limit = TeamAccess.REFUSES
    parser_classes = [BoundedJson]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = JsonNegotiation
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Who calls and what they may, as always; then whether this address is there for them."""
        super().initial(request, *args, **kwargs)
        if self.team_limit is TeamAccess.REFUSES and self.team_scope.limited:
            raise Http404

    @property
    def team_scope(self) -> TeamScope:
        """What the caller sees."""
        return scope_of(self.request.user)

    def may_see_again(self, body: Any) -> bool:
        """Whether the caller still sees what an answer that was kept is about."""
        return True

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Nobody keeps what is personal: no cache on the way, no browser."""
        answer: Any = super().finalize_response(request, response, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "private, no-store")
        return answer

    def by(self) -> str:
        """Who is calling, for the audit trail."""
        return str(self.request.user.get_username())

    def body(self, shape: type[BaseSerializer[Any]], **kwargs: Any) -> Any:
        """The body's values, checked. Raises ValidationError."""
        given = shape(data=self.request.data, **kwargs)
        given.is_valid(raise_exception=True)
        return given.validated_data

    def address(self, shape: type[QuerySerializer]) -> Any:
        """The values of the query string, checked. Raises ValidationError."""
        given = shape(data=shape.values_of(self.request.query_params))
        given.is_valid(raise_exception=True)
        return given.validated_data


def if_match(request: HttpRequest, present: str | None) -> str | None:
    """The one ETag of the caller's If-Match, without quotes; None where there is no condition.

    Of several it is the one in force, if it is among them. A weak one never matches (RFC 9110, 13.1.1).
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    seen = [tag for weak, tag in ETAG.findall(header) if not weak]
    return present if present in seen else (seen[0] if seen else "none")


REFUSALS: Mapping[int, str] = {
    **{status: title for status, (_, title) in TITLES.items()},
    412: "The state has changed since it was read. `current` is the one in force, its `ETag` is in the header.",
    429: "More calls than `API_RATE` in a minute. This one had no effect: wait as many seconds as `Retry-After` says.",
    503: "The database cannot do this at present. Nothing was changed: try again after `Retry-After` seconds.",
}


def responses(shapes: Mapping[int, Any], *refused: int) -> dict[int, Any]:
    """The responses of a call for the schema: its own, and what it may be refused with."""
    always = (400, 401, 403, 429, 503)
    return {
        **shapes,
        **{
            status: OpenApiResponse(
                StaleErrorSerializer if status == HTTPStatus.PRECONDITION_FAILED else ErrorSerializer,
                REFUSALS[status],
            )
            for status in sorted({*always, *refused})
        },
    }
