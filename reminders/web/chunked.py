"""Request bodies with `Transfer-Encoding: chunked`, which Django's WSGIRequest reads as empty.

Django reads as many bytes as CONTENT_LENGTH names, and such a request names none (django/core/handlers/wsgi.py). A server
that marks the end of the body says so by `wsgi.input_terminated`; gunicorn does. Here the body is read up to the size that
this site accepts and handed on with its length; the size itself is checked where every other body's is.
"""

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import Any

from django.conf import settings

READ_SIZE = 64 * 1024
MAX_IN_MEMORY = 1024 * 1024
"""A longer body waits in a temporary file until it is read."""

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class ChunkedBodies:
    """A WSGI application that gives the one behind it the length of every body."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not environ.get("HTTP_TRANSFER_ENCODING"):
            return self.application(environ, start_response)
        if not environ.get("wsgi.input_terminated"):
            message = (
                "Send the body with a Content-Length: this server does not mark the end of a chunked one."
            )
            return _refused(start_response, HTTPStatus.LENGTH_REQUIRED, message)
        most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        with SpooledTemporaryFile(MAX_IN_MEMORY) as body:
            try:
                length = _copied(environ["wsgi.input"], body, most + 1)
            except OSError:
                message = "The chunks of the body are not well formed, or it ended early."
                return _refused(start_response, HTTPStatus.BAD_REQUEST, message)
            body.seek(0)
            # RFC 9112, section 6.3: a length beside the encoding does not count.
            environ |= {"wsgi.input": body, "CONTENT_LENGTH": str(length)}
            return self.application(environ, start_response)


def _copied(source: Any, target: Any, most: int) -> int:
    """Copies at most that many bytes; one more than is accepted is enough for the application to refuse the body."""
    length = 0
    while length < most and (piece := source.read(min(READ_SIZE, most - length))):
        length += target.write(piece)
    return length


def _refused(start_response: StartResponse, status: HTTPStatus, message: str) -> Iterable[bytes]:
    kind = status.name.lower()
    error = {"field": None, "code": kind, "message": message}
    body = json.dumps({"type": kind, "title": status.phrase, "errors": [error]}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
