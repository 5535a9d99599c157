"""The OpenAPI description: where it is served, and how callers say who they are."""

import json
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from assignments.imports.formats import XLSX
from reminders.web.api.error_examples import RETRYABLE, error_example
from reminders.web.api.errors import KeyReused
from reminders.web.api.introduction import DESCRIPTION, TAGS
from reminders.web.security_headers import API_DOCS_POLICY
from reminders.web.team_limits import TeamAccess


class BearerToken(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """`Authorization: Bearer ...`."""

    target_class = "accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "From the admin or `manage.py create_api_token`.",
        }


@cache
def examples() -> list[dict[str, Any]]:
    """One example for each call, in an order in which all of them can be sent (`examples.json`)."""
    found: list[dict[str, Any]] = json.loads((Path(__file__).parent / "examples.json").read_text())
    return found


FILES = {
    "text/csv": "reference,title,scheduled_start,assignee_name,assignee_email\n"
    "W-8,Read the meter,2026-06-16T09:00:00Z,Ada Example,ada@example.org\n",
    XLSX: "UEsDBBQAAAAIAA...",
    "text/calendar": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\nBEGIN:VEVENT\r\nUID:W-10\r\n"
    "DTSTAMP:20260601T000000Z\r\nDTSTART:20260616T110000Z\r\nSUMMARY:Clean the flue\r\nEND:VEVENT\r\n"
    "END:VCALENDAR\r\n",
}
"""Bodies of an import that are not JSON; a spreadsheet is binary."""

STALE = HTTPStatus.PRECONDITION_FAILED
RETRY_AFTER = {"description": "Seconds until another try is worth while.", "schema": {"type": "integer"}}


def with_examples(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """Writes introduction and examples into the description, once it is made (a hook of drf-spectacular)."""
    result["info"]["description"], result["tags"] = DESCRIPTION, TAGS
    first: dict[str, dict[str, Any]] = {}
    files: dict[str, dict[str, Any]] = {}
    for example in examples():
        (files if isinstance(example.get("response"), str) else first).setdefault(
            example["operation"], example
        )
    calls = [call for path in result["paths"].values() for call in path.values() if "operationId" in call]
    read = first["assignments_read"]["response"]
    for call in calls:
        example = first.get(call["operationId"], {})
        for media, content in call.get("requestBody", {}).get("content", {}).items():
            content["example"] = FILES.get(media, example.get("request", {}))
        for status, response in call["responses"].items():
            if status >= "400":
                _describe_error(response, call, int(status), read)
        answered = call["responses"].get(str(example.get("status")), {})
        for media, content in answered.get("content", {}).items():
            content["example"] = (files if media == "text/csv" else first)[call["operationId"]]["response"]
    return result


def _describe_error(response: dict[str, Any], call: dict[str, Any], status: int, present: Any) -> None:
    """`present` is an assignment: what 412 shows beside the error."""
    body = error_example(
        call["operationId"], status, idempotent=str(KeyReused.status_code) in call["responses"]
    )
    for content in response.get("content", {}).values():
        content["example"] = {**body, "current": present} if status == STALE else body
    if status in RETRYABLE:
        response.setdefault("headers", {})["Retry-After"] = RETRY_AFTER


SCHEMA_KEPT_SECONDS = 300


class CachedGenerator(SchemaGenerator):
    """Makes the description once in each process: nothing in it depends on who asks."""

    kept: dict[str, Any] | None = None

    def get_schema(self, request: Any = None, public: bool = False) -> Any:
        if CachedGenerator.kept is None:
            CachedGenerator.kept = super().get_schema(request=request, public=True)  # type: ignore[no-untyped-call]
        return CachedGenerator.kept


def _rendered_once(renderer: type[BaseRenderer]) -> type[BaseRenderer]:
    """The same renderer, which keeps the description as text: YAML takes 40 ms to write."""

    class Once(renderer):  # type: ignore[misc, valid-type]
        kept: bytes | None = None

        def render(self, data: Any, media_type: Any = None, renderer_context: Any = None) -> bytes:
            if (renderer_context or {})["response"].status_code != HTTPStatus.OK:
                return bytes(super().render(data, media_type, renderer_context))
            if Once.kept is None:
                Once.kept = bytes(super().render(data, media_type, renderer_context))
            return Once.kept

    return Once


class SchemaView(SpectacularAPIView):
    """The description as OpenAPI. It changes with a release only, so others may keep it for a while."""

    team_limit = TeamAccess.PUBLIC
    generator_class = CachedGenerator
    http_method_names = ["get", "head"]
    renderer_classes = [_rendered_once(renderer) for renderer in SpectacularAPIView.renderer_classes]

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if answer.status_code == HTTPStatus.OK:
            answer.headers["Cache-Control"] = f"public, max-age={SCHEMA_KEPT_SECONDS}"
        return answer


class DocsView(SpectacularSwaggerSplitView):
    """The description to read and to try, served from here without any other host."""

    team_limit = TeamAccess.PUBLIC
    title = "API of the assignment reminders"
    template_name = "ops/api_docs.html"
    http_method_names = ["get", "head"]

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers["Content-Security-Policy"] = API_DOCS_POLICY
        return answer
