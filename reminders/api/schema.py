"""The OpenAPI description: where it is served, and how callers say who they are."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView


class BearerToken(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """`Authorization: Bearer ...`."""

    target_class = "config.access.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "From the admin or `manage.py create_api_token`.",
        }


class Schema(SpectacularAPIView):
    """The description as OpenAPI."""

    http_method_names = ["get", "head"]


class Docs(SpectacularSwaggerView):
    """The description to read and to try, served from here without any other host."""

    http_method_names = ["get", "head"]
