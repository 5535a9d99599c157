"""A connection for http.client on which no wait outlives a deadline, and of which no more is read than is allowed."""

import contextlib
import io
import select
import socket
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.client import HTTPException
from typing import Any

from notifications.resolver import AddressInfo

MAX_ADDRESSES = 4  # of one host name; they share the time left
MAX_RETRY_AFTER = timedelta(hours=24)
TIME_RAN_OUT = "time ran out"
MAX_HTTP_DATE = 64  # characters; those of RFC 9110 section 5.6.7 have 33 at most


class DeadlineSocket:
    """What http.client needs of a socket. `deadline` is an instant of `clock` (seconds); then waiting raises TimeoutError.
    `opened_at` is the instant at which it was connected.

    `most` bounds the octets that each response may have, headers included.
    """

    def __init__(self, *, deadline: float, clock: Callable[[], float], most: int) -> None:
        self.deadline = deadline
        self.opened_at = 0.0
        self._clock = clock
        self._most = most
        self._sock: socket.socket | None = None
        self._response: _Bounded | None = None

    def connect(self, addresses: Sequence[AddressInfo]) -> None:
        """Connects to the first of these addresses that answers. Raises OSError."""
        addresses = addresses[:MAX_ADDRESSES]
        for remaining, (family, kind, protocol, _, address) in zip(
            reversed(range(len(addresses))), addresses, strict=True
        ):
            self._sock = sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self.left() / (remaining + 1))
                sock.connect(address)
            except OSError:
                self.close()
                if not remaining:
                    raise
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.opened_at = self._clock()
                return

    def start_tls(self, tls: ssl.SSLContext, host: str) -> None:
        """Begins TLS with the host of this name."""
        assert self._sock is not None
        self._sock.settimeout(self.left())
        self._sock = tls.wrap_socket(self._sock, server_hostname=host)

    def sendall(self, octets: bytes) -> None:
        """Hands every octet to the operating system when it returns, and not the last one when it raises."""
        assert self._sock is not None
        rest = memoryview(octets)
        while rest:
            self._sock.settimeout(self.left())
            rest = rest[self._sock.send(rest) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        """The next response."""
        assert self._sock is not None
        self._response = _Bounded(self._sock, self.left, self._most)
        return _Reader(self._response)

    @property
    def is_open(self) -> bool:
        return self._sock is not None

    @property
    def has_response(self) -> bool:
        """Whether any octet of the latest response has come."""
        return self._response is not None and self._response.room < self._most

    @property
    def has_more(self) -> bool:
        """Whether more than the latest response was received, once it was read to its end."""
        return self._response is None or self._response.has_more

    def forget_response(self) -> None:
        """Before the next request."""
        self._response = None

    @property
    def is_idle(self) -> bool:
        """Whether the other side has neither closed the connection nor said what it was not asked."""
        if self._sock is None or self._sock.fileno() < 0:
            return False
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            return False
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        if self._sock is not None:
            with contextlib.suppress(OSError):
                self._sock.close()
            self._sock = None

    def left(self) -> float:
        """Seconds until the deadline. Raises TimeoutError where there are none."""
        left = self.deadline - self._clock()
        if left <= 0:
            raise TimeoutError
        return left


class _Bounded(io.RawIOBase):
    """What a socket receives: within the time left, and never more than `room` octets in all.

    `has_more`: octets beyond what was asked for have come, known once the reader is closed.
    """

    def __init__(self, sock: socket.socket, left: Callable[[], float], room: int) -> None:
        self._sock = sock
        self._left = left
        self.room = room
        self.is_over = False
        self.has_more = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.is_over:
            return None
        if not self.room:
            raise HTTPException("the response is too long")
        self._sock.settimeout(self._left())
        count = self._sock.recv_into(buffer, min(len(buffer), self.room))
        self.room -= count
        return count


class _Reader(io.BufferedReader):
    """Notes when it is closed whether something is left in its buffer; it receives nothing to find out."""

    raw: _Bounded

    def close(self) -> None:
        if not self.closed:
            self.raw.is_over = True
            self.raw.has_more = bool(self.peek(1))
        super().close()


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
    """One line about what broke, in our or the system's words: nothing of what the other side sent."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return TIME_RAN_OUT
    if isinstance(error, ssl.SSLError):
        return f"TLS: {getattr(error, 'verify_message', '') or error.reason or 'failed'}"
    if isinstance(error, OSError):
        return (error.strerror or str(error) or "the connection broke").lower()
    return str(error) if str(error) == "the response is too long" else "the response is not HTTP"


@lru_cache(maxsize=1)
def default_tls() -> ssl.SSLContext:
    """The system's trusted authorities."""
    return ssl.create_default_context()
