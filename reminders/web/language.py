"""The language in which somebody reads the Ops pages and the admin.

Everything else stays as it is: answers of the API, logs, metrics, records and commands are in English.
"""

from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation

from accounts import preferences

NAMES = {"en": "English", "de": "Deutsch", "es": "Español", "fr": "Français"}
"""The languages that there are, each by the name that its readers know."""
PLACES = ("/ops/", "/admin/", "/account/")


def language_of(request: HttpRequest) -> str:
    """What the reader has chosen, else what the browser asks for, else the language of the installation."""
    try:
        chosen = preferences.language_of(request.user) if request.user.is_authenticated else ""
    except (OperationalError, InterfaceError, InternalError):  # The page that says so is asked for next.
        chosen = ""
    return chosen if chosen in NAMES else asked_for(request)


def asked_for(request: HttpRequest) -> str:
    """The first language of the browser that there is; "de-AT" is "de"."""
    found = translation.get_language_from_request(request)[:2]
    return found if found in NAMES else settings.LANGUAGE_CODE


class LanguageMiddleware:
    """Lets pages for staff be in the language of their reader."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(PLACES):
            return self.get_response(request)
        language = language_of(request)
        with translation.override(language):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response
