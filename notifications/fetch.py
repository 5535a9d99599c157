"""GETs a document from the public internet, within one deadline and a size.

As with webhooks (`channels.webhook.channel`): of each host, also of one that a redirect names, every address must be
public, and the connection goes to the very address that was checked, so that a second result of the name server changes
nothing. No proxy of the environment is used. What is said of a failure holds nothing of the URL or of the answer.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPException, HTTPResponse
from urllib.parse import urljoin

from notifications import resolver
from notifications.channels.webhook import endpoint
from notifications.channels.webhook.request import NotPermitted, Request, Resolve
from notifications.deadline_socket import described_error, retry_after

MOST_REDIRECTS = 5
REDIRECTS = {301, 302, 303, 307, 308}
HEADERS_ROOM = 65_536


class FetchFailed(Exception):
    """There is no document. `code` is the status that was answered, or how far the request got."""

    def __init__(self, code: str, detail: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What was answered, and by what the next request asks whether it has changed."""

    body: bytes
    media_type: str = ""
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """GETs documents of at most `most` octets. `private`: private addresses and http:// are accepted too."""

    timeout: timedelta
    most: int
    private: bool = False
    resolve: Resolve = resolver.resolve
    permitted: Callable[[str], bool] | None = None
    tls: ssl.SSLContext | None = None
    clock: Callable[[], float] = time.monotonic

    def fetch(self, url: str, *, etag: str = "", last_modified: str = "") -> Document | None:
        """The document; None where it has not changed since. Raises FetchFailed."""
        deadline = self.clock() + self.timeout.total_seconds()
        asked = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in asked.items() if value}
        for _ in range(MOST_REDIRECTS + 1):
            found = self._one(url, headers, deadline)
            if not isinstance(found, _Redirect):
                return found
            url = urljoin(url, found.location)
        raise FetchFailed("redirect", f"more than {MOST_REDIRECTS} redirects, one after the other")

    def _one(self, url: str, headers: Mapping[str, str], deadline: float) -> "Document | _Redirect | None":
        try:
            target = endpoint.parse(url, plain=self.private)
        except ValueError as error:
            raise FetchFailed("address", str(error)) from None
        request = Request(target, deadline, self.clock, most=self.most + HEADERS_ROOM)
        try:
            request.open(self.resolve, private=self.private, permitted=self.permitted, tls=self.tls)
            request.get(headers)
            return self._read(request.read_response(timedelta(), method="GET"))
        except NotPermitted as refusal:
            raise FetchFailed("address", str(refusal)) from None
        except (OSError, HTTPException, ValueError) as error:
            raise FetchFailed(request.phase.value, described_error(error)) from None
        finally:
            request.close()

    def _read(self, response: HTTPResponse) -> "Document | _Redirect | None":
        status = response.status
        if status == 304:
            return None
        location = response.getheader("Location")
        if status in REDIRECTS and location:
            return _Redirect(location[: endpoint.MAX_URL + 1])
        if status != 200:
            wait = retry_after(response.getheader("Retry-After"))
            raise FetchFailed(str(status), "the server answered no document", retry_after=wait)
        if response.getheader("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            raise FetchFailed("encoding", "the answer is compressed, which was not asked for")
        body = response.read(self.most + 1)
        if len(body) > self.most:
            raise FetchFailed("too_large", f"the answer is longer than {self.most:,} bytes")
        if response.length:  # What is missing of the length that was announced.
            raise FetchFailed("answer", "the answer ended before it was whole")
        return Document(
            body=body,
            media_type=(response.getheader("Content-Type") or "")[:200],
            etag=(response.getheader("ETag") or "")[:500],
            last_modified=(response.getheader("Last-Modified") or "")[:100],
        )


@dataclass(frozen=True, slots=True)
class _Redirect:
    location: str
