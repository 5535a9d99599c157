"""Connections to endpoints that are kept between two posts, so that most posts cost no handshake.

A connection is kept for a short time only: many servers close theirs after five seconds, and with each new connection the
name is resolved and its addresses are checked again.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPResponse

from notifications.channels.webhook.endpoint import WebhookEndpoint
from notifications.deadline_socket import DeadlineSocket

IDLE_SECONDS = 4.0
"""How long a connection may lie idle, or a second less than the other side says it waits (`Keep-Alive: timeout=`)."""
AGE_SECONDS = 60.0
"""How old a connection may be: then its name is resolved, and the addresses are checked, anew."""
MOST_KEPT = 128

_Key = tuple[bool, str, int]


@dataclass(frozen=True, slots=True)
class _Kept:
    sock: DeadlineSocket
    until: float


class KeptConnections:
    """Idle connections, by scheme, host and port. Several threads may use it. `clock`: seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._idle: dict[_Key, list[_Kept]] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def take(self, endpoint: WebhookEndpoint) -> DeadlineSocket | None:
        """The connection to this endpoint that was used last and still stands; None where there is none."""
        while (kept := self._pop(endpoint)) is not None:
            if self._clock() < kept.until and kept.sock.is_idle:
                return kept.sock
            kept.sock.close()
        return None

    def _pop(self, endpoint: WebhookEndpoint) -> _Kept | None:
        with self._lock:
            idle = self._idle.get(_key(endpoint))
            return idle.pop() if idle else None

    def give(self, endpoint: WebhookEndpoint, sock: DeadlineSocket, response: HTTPResponse) -> None:
        """Keeps a connection on which this response was read to its end, or closes it."""
        now = self._clock()
        with self._lock:
            until = min(now + _idle_seconds(response), sock.opened_at + AGE_SECONDS)
            if until > now and not self._is_closed and sum(map(len, self._idle.values())) < MOST_KEPT:
                self._idle.setdefault(_key(endpoint), []).append(_Kept(sock, until))
                return
        sock.close()

    def close(self) -> None:
        """Closes what is idle, and from now on whatever is given back."""
        with self._lock:
            self._is_closed = True
            idle = [kept for connections in self._idle.values() for kept in connections]
            self._idle.clear()
        for kept in idle:
            kept.sock.close()


def _key(endpoint: WebhookEndpoint) -> _Key:
    return endpoint.tls, endpoint.host, endpoint.port


def _idle_seconds(response: HTTPResponse) -> float:
    """How long it may lie idle after this response; the header is no standard, and widely used."""
    for word in (response.getheader("Keep-Alive") or "").split(","):
        name, _, value = word.strip().partition("=")
        if name.lower() == "timeout" and value.isascii() and value.isdigit():
            return min(IDLE_SECONDS, int(value[:6]) - 1.0)
    return IDLE_SECONDS
