"""Refuses a request whose body has no length that Django can see.

Django reads as many bytes as CONTENT_LENGTH names, and so takes a body with `Transfer-Encoding: chunked` for an empty one
(django/core/handlers/wsgi.py). `webserver.worker` reads such a body and names its length; behind any other server a change
would be answered with 200 and nothing done.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from webserver.error_body import error_body

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

MESSAGE = "send the body with a Content-Length: this server does not read one in chunks"


class KnownBodyLength:
    """A WSGI application that answers 411 to a chunked body, in the API's shape of errors."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "HTTP_TRANSFER_ENCODING" not in environ:
            return self.application(environ, start_response)
        status = HTTPStatus.LENGTH_REQUIRED
        body = error_body("length_required", title=status.phrase, message=MESSAGE)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]
