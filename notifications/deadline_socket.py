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
MAX_HTTP_DATE = 64  # characters; those of RFC 9110 section 5.6.7 have 33 at most


class DeadlineSocket:
    """What http.client needs of a socket. `deadline` is an instant of `clock` (seconds); then waiting raises TimeoutError.

    `most` bounds the octets that each response may have, headers included.
    """

    def __init__(self, *, deadline: float, clock: Callable[[], float], most: int) -> None:
        self.deadline = deadline
        self._clock = clock
        self._most = most
        self._sock: socket.socket | None = None

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
        return io.BufferedReader(_Bounded(self._sock, self.left, self._most))

    @property
    def is_idle(self) -> bool:
        """Whether the other side has neither closed the connection nor said what it was not asked."""
        if self._sock is None or self._sock.fileno() < 0:
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
    """One line about what broke, in our or the system's words: nothing of what the other side sent."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return "time ran out"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {getattr(error, 'verify_message', '') or error.reason or 'failed'}"
    if isinstance(error, OSError):
        return (error.strerror or str(error) or "the connection broke").lower()
    return str(error) if str(error) == "the response is too long" else "the response is not HTTP"


@lru_cache(maxsize=1)
def default_tls() -> ssl.SSLContext:
    """The system's trusted authorities."""
    return ssl.create_default_context()
