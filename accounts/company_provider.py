"""The company's OpenID provider for django-allauth. Loaded when somebody signs in by it: its libraries take 10 MiB."""

import hashlib
from collections.abc import Mapping
from typing import Any

import requests
from allauth.socialaccount.providers import registry
from allauth.socialaccount.providers.openid_connect import views
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.http import HttpRequest
from django.http.response import HttpResponseBase

LONGEST = 150
"""Of a subject, which has 255 characters at most, as it is stored."""


class CompanyProvider(OpenIDConnectProvider):  # type: ignore[misc]
    """Its people are known by issuer and subject (OpenID Connect Core 1.0, 2): another issuer has other people."""

    def extract_uid(self, data: Mapping[str, Any]) -> str:
        issuer = hashlib.sha256(self.app.settings["server_url"].encode()).hexdigest()[:16]
        subject = super().extract_uid(data)
        if len(subject) > LONGEST:
            subject = hashlib.sha256(subject.encode()).hexdigest()
        return f"{issuer}:{subject}"


registry.register(CompanyProvider)


def begin(request: HttpRequest, provider_id: str) -> HttpResponseBase | None:
    """Leads to the provider; None: it does not answer."""
    try:
        response: HttpResponseBase = views.login(request, provider_id=provider_id)
    except requests.RequestException:
        return None
    return response


def complete(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Where the provider sends people back."""
    response: HttpResponseBase = views.callback(request, provider_id=provider_id)
    return response
