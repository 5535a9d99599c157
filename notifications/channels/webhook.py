"""Posts a message to a program's URL, only ever outside, within one deadline, knowing how far the send got.

The name is looked up once. Every address that it has must lie outside (see `notifications.outside`), and the
connection goes to the very address that was checked, so that a second answer of the name server changes nothing.
No redirect is followed, no proxy of the environment used, and no more read than status and headers need.
"""

import contextlib
import io
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from notifications import lookup
from notifications.channels import Channel
from notifications.message import Contact, Delivery, Message, Outcome
from notifications.outside import is_outside

LONGEST_URL = 2_000
MOST_READ = 65_536  # octets of an answer, headers included
MOST_ADDRESSES = 4  # of one host name; the time left is shared out among them
LONGEST_RETRY_AFTER = timedelta(hours=24)

GONE = "410"
"""The code of a Delivery whose endpoint wants no more messages, ever."""

# Answers about the endpoint as a whole: the next message would fare the same (RFC 9110 section 15, RFC 6585).
BUSY = frozenset({429, 502, 503, 504})


class Phase(Enum):
    """How far a send has got. The value is the `code` of a Delivery that no answer ended."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    REQUEST = "request"
    ANSWER = "answer"


# As with mail: in mid-request it may be the message's own doing, and after its last byte nobody can know.
BROKEN = {Phase.REQUEST: Outcome.REFUSED_FOR_NOW, Phase.ANSWER: Outcome.UNKNOWABLE}

Lookup = Callable[..., Sequence[lookup.Info]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def named(self) -> str:
        """The Host header (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def target(url: str, *, plain: bool = False) -> Target:
    """Reads a URL. Raises ValueError, which says what is accepted; `plain` accepts http:// too."""
    schemes = ("https", "http") if plain else ("https",)
    accepted = " or ".join(f"{scheme}://host/path" for scheme in schemes)
    if len(url) > LONGEST_URL:
        raise ValueError(f"no more than {LONGEST_URL} characters are accepted")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("only printable ASCII without blanks is accepted; write the rest percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"an address like {accepted} is needed") from error
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise ValueError(f"an address like {accepted} is needed")
    if "@" in parts.netloc:
        raise ValueError("user and password are not accepted in the address: the signature says who sends")
    if "#" in url:
        raise ValueError("a fragment (#...) is never sent: leave it out")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(tls, parts.hostname, port or (443 if tls else 80), path)


class WebhookChannel(Channel):
    """One POST for each message. `Message.text` is the body, `Message.headers` are sent as they are."""

    name = "webhook"

    def __init__(
        self,
        *,
        resolve: Lookup = lookup.resolved,
        permitted: Callable[[str], bool] | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolve = resolve
        self._permitted = permitted
        self._tls = tls
        self._clock = clock

    def address(self, contact: Contact) -> str | None:
        try:
            target(contact.url, plain=settings.WEBHOOK_ALLOW_PRIVATE)
        except ValueError:
            return None
        return contact.url

    def send(self, message: Message, *, timeout: timedelta) -> Delivery:
        try:
            goal = target(message.address, plain=settings.WEBHOOK_ALLOW_PRIVATE)
        except ValueError as error:
            return Delivery(Outcome.REJECTED, "address", str(error))
        permitted = self._permitted or (_anywhere if settings.WEBHOOK_ALLOW_PRIVATE else is_outside)
        post = _Post(goal, self._clock() + timeout.total_seconds(), self._clock)
        try:
            addresses = post.look_up(self._resolve)
            if not all(permitted(str(info[4][0])) for info in addresses):
                return Delivery(
                    Outcome.REFUSED_FOR_NOW, "address", "the host has an address that is not public"
                )
            post.connect(addresses)
            if goal.tls:
                post.encrypt(self._tls or _usual_tls())
            post.write(message)
            return post.answer()
        except (OSError, HTTPException, ValueError) as error:
            return Delivery(BROKEN.get(post.phase, Outcome.CHANNEL_DOWN), post.phase.value, _readable(error))
        finally:
            post.close()


class _Post:
    """One request over one connection. `phase` says how far it has got when something raises."""

    def __init__(self, goal: Target, deadline: float, clock: Callable[[], float]) -> None:
        self.phase = Phase.RESOLVE
        self._goal = goal
        self._deadline = deadline
        self._clock = clock
        self._sock: socket.socket | None = None

    def look_up(self, resolve: Lookup) -> Sequence[lookup.Info]:
        found = resolve(self._goal.host, self._goal.port, timeout=self._left())
        if not found:
            raise OSError("the host has no address")
        return found

    def connect(self, addresses: Sequence[lookup.Info]) -> None:
        self.phase = Phase.CONNECT
        addresses = addresses[:MOST_ADDRESSES]
        for others, (family, kind, protocol, _, address) in zip(
            reversed(range(len(addresses))), addresses, strict=True
        ):
            self._sock = sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._left() / (others + 1))
                sock.connect(address)
            except OSError:
                self.close()
                if not others:
                    raise
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return

    def encrypt(self, tls: ssl.SSLContext) -> None:
        self.phase = Phase.TLS
        assert self._sock is not None
        self._sock.settimeout(self._left())
        self._sock = tls.wrap_socket(self._sock, server_hostname=self._goal.host)

    def write(self, message: Message) -> None:
        self.phase = Phase.REQUEST
        connection = HTTPConnection(self._goal.host)
        connection.sock = self  # it only ever calls sendall()
        connection.auto_open = 0
        headers = {
            "Host": self._goal.named,
            "User-Agent": "assignment-reminders",
            "Connection": "close",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            **message.headers,
        }
        connection.request("POST", self._goal.path, message.text.encode(), headers)

    def answer(self) -> Delivery:
        """The verdict stands in status line and headers: the body is left unread."""
        self.phase = Phase.ANSWER
        response = HTTPResponse(self, method="POST")  # type: ignore[arg-type]  # it only ever calls makefile()
        response.begin()
        return _verdict(response)

    # What http.client asks of a socket, each wait bounded by what is left of the deadline.

    def sendall(self, octets: bytes) -> None:
        assert self._sock is not None
        rest = memoryview(octets)
        while rest:
            self._sock.settimeout(self._left())
            rest = rest[self._sock.send(rest) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        assert self._sock is not None
        return io.BufferedReader(_Bounded(self._sock, self._left))

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
    """What a socket receives: within the time left, and never more than MOST_READ octets in all."""

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left
        self._room = MOST_READ

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._room:
            raise HTTPException("the answer is too long")
        self._sock.settimeout(self._left())
        count = self._sock.recv_into(buffer, min(len(buffer), self._room))
        self._room -= count
        return count


def _verdict(response: HTTPResponse) -> Delivery:
    status, detail = response.status, response.reason
    if 200 <= status < 300:
        return Delivery(Outcome.ACCEPTED, str(status))
    if str(status) == GONE:
        return Delivery(Outcome.REJECTED, GONE, detail)
    if 300 <= status < 400:
        detail = "a redirect, which is not followed: subscribe the address that it leads to"
    outcome = Outcome.CHANNEL_DOWN if status in BUSY else Outcome.REFUSED_FOR_NOW
    delivery = Delivery(outcome, str(status), detail)
    return replace(delivery, retry_after=_retry_after(response.getheader("Retry-After")))


def _retry_after(header: str | None) -> timedelta | None:
    """Seconds, or an HTTP date (RFC 9110 section 10.2.3); no longer than a day, and what is neither does not count."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_RETRY_AFTER)
    try:
        instant = parsedate_to_datetime(text)
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return max(timedelta(), min(instant - datetime.now(UTC), LONGEST_RETRY_AFTER))


def _readable(error: Exception) -> str:
    """One line about what broke, of ours or the system's: no word of the other side's."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return "time ran out"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {getattr(error, 'verify_message', '') or error.reason or 'failed'}"
    if isinstance(error, OSError):
        return (error.strerror or str(error) or "the connection broke").lower()
    return str(error) if str(error) == "the answer is too long" else "the answer is not HTTP"


def _anywhere(address: str) -> bool:
    return True


@lru_cache(maxsize=1)
def _usual_tls() -> ssl.SSLContext:
    return ssl.create_default_context()
