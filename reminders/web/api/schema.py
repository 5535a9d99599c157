"""The OpenAPI description: where it is served, and how callers say who they are."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView


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
    "text/calendar": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\nBEGIN:VEVENT\r\nUID:W-10\r\n"
    "DTSTAMP:20260601T000000Z\r\nDTSTART:20260616T110000Z\r\nSUMMARY:Clean the flue\r\nEND:VEVENT\r\n"
    "END:VCALENDAR\r\n",
}
"""Bodies of an import that are not JSON."""

AN_ERROR = {
    "type": "invalid",
    "title": "The request is not accepted as it is.",
    "errors": [
        {
            "field": "scheduled_start",
            "code": "naive",
            "message": "an offset is needed, such as 2026-11-23T09:00:00+01:00 or ...Z: nobody knows which zone is meant",
        }
    ],
}


def with_examples(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """Writes the examples into the description, once it is made (a hook of drf-spectacular)."""
    first: dict[str, dict[str, Any]] = {}
    for example in examples():
        first.setdefault(example["operation"], example)
    calls = [call for path in result["paths"].values() for call in path.values() if "operationId" in call]
    for call in calls:
        example = first.get(call["operationId"], {})
        for media, content in call.get("requestBody", {}).get("content", {}).items():
            content["example"] = FILES.get(media, example.get("request", {}))
        answered = call["responses"].get(str(example.get("status")), {})
        for content in answered.get("content", {}).values():
            content["example"] = example["response"]
    result["components"]["schemas"]["Error"]["example"] = AN_ERROR
    return result


class SchemaView(SpectacularAPIView):
    """The description as OpenAPI."""

    http_method_names = ["get", "head"]


class DocsView(SpectacularSwaggerView):
    """The description to read and to try, served from here without any other host."""

    http_method_names = ["get", "head"]
