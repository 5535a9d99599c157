"""One request over one connection, to permitted addresses only, within a deadline, knowing how far it got."""

import contextlib
import io
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

from notifications.channels.webhook.endpoint import Endpoint
from notifications.message import Message
from notifications.public_addresses import is_public
from notifications.resolver import AddressInfo

MAX_RESPONSE = 65_536  # octets of a response that are read, headers included
MAX_ADDRESSES = 4  # of one host name; they share the time left
MAX_RETRY_AFTER = timedelta(hours=24)
MAX_HTTP_DATE = 64  # characters; those of RFC 9110 section 5.6.7 have 33 at most

Resolve = Callable[..., Sequence[AddressInfo]]


class Phase(Enum):
    """How far a send has got. The value is the `code` of a Delivery that no response ended."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    REQUEST = "request"
    RESPONSE = "answer"


class NotPermitted(Exception):
    """The host has an address to which nothing is sent. The text says so."""


class Request:
    """One request over one connection. `phase` is how far it has got when something raises."""

    def __init__(
        self, endpoint: Endpoint, deadline: float, clock: Callable[[], float], *, most: int = MAX_RESPONSE
    ) -> None:
        self.phase = Phase.RESOLVE
        self._endpoint = endpoint
        self._deadline = deadline
        self._clock = clock
        self._most = most
        self._sock: socket.socket | None = None

    def open(
        self,
        resolve: Resolve,
        *,
        private: bool,
        permitted: Callable[[str], bool] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Connects to the endpoint. Every address that it has must be permitted: a public one, or `private` any.

        The connection goes to the very address that was checked. Raises NotPermitted, OSError or ValueError.
        """
        permitted = permitted or (_anywhere if private else is_public)
        addresses = self._resolve(resolve)
        if not all(permitted(str(info[4][0])) for info in addresses):
            raise NotPermitted("the host has an address that is not public")
        self._connect(addresses)
        if self._endpoint.tls:
            self._start_tls(tls or _default_tls())

    def _resolve(self, resolve: Resolve) -> Sequence[AddressInfo]:
        found = resolve(self._endpoint.host, self._endpoint.port, timeout=self._left())
        if not found:
            raise OSError("the host has no address")
        return found

    def _connect(self, addresses: Sequence[AddressInfo]) -> None:
        self.phase = Phase.CONNECT
        addresses = addresses[:MAX_ADDRESSES]
        for remaining, (family, kind, protocol, _, address) in zip(
            reversed(range(len(addresses))), addresses, strict=True
        ):
            self._sock = sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._left() / (remaining + 1))
                sock.connect(address)
            except OSError:
                self.close()
                if not remaining:
                    raise
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return

    def _start_tls(self, tls: ssl.SSLContext) -> None:
        self.phase = Phase.TLS
        assert self._sock is not None
        self._sock.settimeout(self._left())
        self._sock = tls.wrap_socket(self._sock, server_hostname=self._endpoint.host)

    def write(self, message: Message) -> None:
        """POSTs the message."""
        self._send("POST", message.text.encode(), {"Content-Type": "application/json", **message.headers})

    def get(self, headers: Mapping[str, str]) -> None:
        """GETs the endpoint's document."""
        self._send("GET", None, headers)

    def _send(self, method: str, body: bytes | None, headers: Mapping[str, str]) -> None:
        self.phase = Phase.REQUEST
        connection = HTTPConnection(self._endpoint.host)
        connection.sock = self  # it only ever calls sendall()
        connection.auto_open = 0
        own = {
            "Host": self._endpoint.host_header,
            "User-Agent": "assignment-reminders",
            "Connection": "close",
            "Accept-Encoding": "identity",
        }
        connection.request(method, self._endpoint.path, body, {**own, **headers})

    def read_response(self, timeout: timedelta, *, method: str = "POST") -> HTTPResponse:
        """Status line and headers, within `timeout` if that is longer than what is left. The body is left unread."""
        self.phase = Phase.RESPONSE
        self._deadline = max(self._deadline, self._clock() + timeout.total_seconds())
        response = HTTPResponse(self, method=method)  # type: ignore[arg-type]  # it only ever calls makefile()
        response.begin()
        return response

    # What http.client needs of a socket; each wait is bounded by what is left of the deadline.

    def sendall(self, octets: bytes) -> None:
        assert self._sock is not None
        rest = memoryview(octets)
        while rest:
            self._sock.settimeout(self._left())
            rest = rest[self._sock.send(rest) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        assert self._sock is not None
        return io.BufferedReader(_Bounded(self._sock, self._left, self._most))

    def close(self) -> None:
        if self._sock is not None:
            with contextlib.suppress(OSError):
                self._sock.close()
            self._sock = None

    def _left(self) -> float:
        left = self._deadline - self._clock()
        if left <= 0:
            raise TimeoutError
        return left


class _Bounded(io.RawIOBase):
    """What a socket receives: within the time left, and never more than `most` octets in all."""

    def __init__(self, sock: socket.socket, left: Callable[[], float], most: int) -> None:
        self._sock = sock
        self._left = left
        self._room = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._room:
            raise HTTPException("the response is too long")
        self._sock.settimeout(self._left())
        count = self._sock.recv_into(buffer, min(len(buffer), self._room))
        self._room -= count
        return count


def retry_after(header: str | None) -> timedelta | None:
    """Seconds, or an HTTP date (RFC 9110 section 10.2.3); at most a day; None if it is neither."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), MAX_RETRY_AFTER)
    if len(text) > MAX_HTTP_DATE:
        return None
    try:
        instant = parsedate_to_datetime(text)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        return max(timedelta(), min(instant - datetime.now(UTC), MAX_RETRY_AFTER))
    except (ValueError, OverflowError):
        return None


def described_error(error: Exception) -> str:
    """One line about what broke, in our or the system's words: nothing of what the endpoint sent."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return "time ran out"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {getattr(error, 'verify_message', '') or error.reason or 'failed'}"
    if isinstance(error, OSError):
        return (error.strerror or str(error) or "the connection broke").lower()
    return str(error) if str(error) == "the response is too long" else "the response is not HTTP"


def _anywhere(address: str) -> bool:
    return True


@lru_cache(maxsize=1)
def _default_tls() -> ssl.SSLContext:
    """The system's trusted authorities."""
    return ssl.create_default_context()
