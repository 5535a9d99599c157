"""One HTTP request, whose phases are known and whose waits all end at one deadline."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from http.client import HTTPConnection, HTTPResponse

from notifications.channels.webhook.endpoint import Endpoint
from notifications.deadline_socket import DeadlineSocket, default_tls
from notifications.message import Message
from notifications.public_addresses import is_public
from notifications.resolver import AddressInfo

MAX_RESPONSE = 65_536  # octets of a response that are read, headers included

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
        self._clock = clock
        self._sock = DeadlineSocket(deadline=deadline, clock=clock, most=most)

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
        addresses = resolve(self._endpoint.host, self._endpoint.port, timeout=self._sock.left())
        if not addresses:
            raise OSError("the host has no address")
        if not all(permitted(str(info[4][0])) for info in addresses):
            raise NotPermitted("the host has an address that is not public")
        self.phase = Phase.CONNECT
        self._sock.connect(addresses)
        if self._endpoint.tls:
            self.phase = Phase.TLS
            self._sock.start_tls(tls or default_tls(), self._endpoint.host)

    def write(self, message: Message) -> None:
        """POSTs the message."""
        self._send("POST", message.text.encode(), {"Content-Type": "application/json", **message.headers})

    def get(self, headers: Mapping[str, str]) -> None:
        """GETs the endpoint's document."""
        self._send("GET", None, headers)

    def _send(self, method: str, body: bytes | None, headers: Mapping[str, str]) -> None:
        self.phase = Phase.REQUEST
        connection = HTTPConnection(self._endpoint.host)
        connection.sock = self._sock  # it only ever calls sendall()
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
        self._sock.deadline = max(self._sock.deadline, self._clock() + timeout.total_seconds())
        response = HTTPResponse(self._sock, method=method)  # type: ignore[arg-type]  # it only ever calls makefile()
        response.begin()
        return response

    def close(self) -> None:
        self._sock.close()


def _anywhere(address: str) -> bool:
    return True
