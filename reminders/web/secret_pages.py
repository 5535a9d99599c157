"""Pages whose address is the only credential: kept out of logs, referrers and caches; every link that does not work gets
the same response.
"""

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any

from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import get_template, select_template

from reminders.content import compose

logger = logging.getLogger(__name__)

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


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
            answer = show("unavailable", status=503)
            answer["Retry-After"] = "30"
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        return answer

    return shown


def not_found() -> HttpResponse:
    """The same for every link that does not work, so that it reveals neither what it was for nor the reason."""
    return show("not_found", status=404)


def show(
    name: str,
    context: Mapping[str, Any] | None = None,
    *,
    request: HttpRequest | None = None,
    language: str = compose.FALLBACK_LANGUAGE,
    status: int,
) -> HttpResponse:
    """The page of this name in the reader's language, or in that it falls back to."""
    template = get_template(_file(name, text_language(name, language)))
    return HttpResponse(template.render(dict(context or {}), request), status=status)


@lru_cache(maxsize=256)
def text_language(name: str, language: str) -> str:
    """The language in which a reader of this one gets this page; its dates follow it."""
    files = {_file(name, tongue): tongue for tongue in compose.language_fallbacks(language)}
    return files[str(select_template(list(files)).template.name)]


def _file(name: str, language: str) -> str:
    return f"reminders/assignee_page/{language}/{name}.html"
