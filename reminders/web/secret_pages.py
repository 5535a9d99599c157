"""Pages whose address is the only credential: kept out of logs, referrers and caches; every link that does not work gets
the same response.
"""

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import get_template
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

from reminders.content.languages import known_language, text_language

logger = logging.getLogger(__name__)

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}

MOST_OF_HEADER = 500


def secret_address(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Sets the headers of a secret address on every response, also while the database cannot be reached;
    those that the view has set stay.
    """

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            answer = view(request, *args, **kwargs)
        except (OperationalError, InterfaceError, InternalError) as error:  # the last: it is read-only
            logger.warning("Page without database", extra={"reason": type(error).__name__})
            answer = show("unavailable", request=request, status=503)
            answer["Retry-After"] = "30"
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        return answer

    return shown


def not_found(request: HttpRequest) -> HttpResponse:
    """The same for every link that does not work, so that it reveals neither what it was for nor the reason."""
    return show("not_found", request=request, status=404)


def show(
    name: str,
    context: Mapping[str, Any] | None = None,
    *,
    request: HttpRequest,
    language: str | None = None,
    status: int,
) -> HttpResponse:
    """The page of this name, in this language of texts; where nobody knows who reads it, in one its browser asks for."""
    template = get_template(f"reminders/assignee_page/{name}.html")
    tongue = language or _asked_for(request)
    with translation.override(tongue):
        page = HttpResponse(template.render(dict(context or {}), request), status=status)
    page["Content-Language"] = tongue
    return page


def _asked_for(request: HttpRequest) -> str:
    """The language of texts that the browser prefers; DEFAULT_LANGUAGE where it asks for none of them."""
    wanted = parse_accept_lang_header(request.headers.get("Accept-Language", "")[:MOST_OF_HEADER])
    return known_language([tag for tag, _ in wanted]) or text_language("")
