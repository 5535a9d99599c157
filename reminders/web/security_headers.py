"""The Content-Security-Policy of every page that has none of its own, such as the admin and Django's error pages."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
"""Scripts, styles and pictures from this site's files alone; nothing inline."""

API_DOCS_POLICY = POLICY + "; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
"""Swagger UI sets styles inline and has pictures in data URLs; its scripts are files."""


class ContentSecurityPolicyMiddleware:
    """Adds POLICY where the view has set no policy."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response
