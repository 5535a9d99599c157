"""One HTTP request, whose phases are known and whose waits all end at one deadline."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from http.client import HTTPConnection, HTTPException, HTTPResponse

from notifications.channels.webhook.endpoint import WebhookEndpoint
from notifications.deadline_socket import DeadlineSocket, default_tls
from notifications.http_phases import HttpPhase
from notifications.message import Message
from notifications.public_addresses import is_public
from notifications.resolver import AddressInfo

MAX_RESPONSE = 65_536  # octets of a response that are read, headers included
MAX_BODY = 16_384  # octets of a response whose connection is kept; of others the body is left unread
BODY_SECONDS = 0.5  # for which the body of a response is waited for, so that its connection can be kept

Resolve = Callable[..., Sequence[AddressInfo]]


class NotPermitted(Exception):
    """The host has an address to which nothing is sent. The text says so."""


class Request:
    """One request over one connection. `phase` is how far it has got when something raises."""

    def __init__(
        self,
        endpoint: WebhookEndpoint,
        deadline: float,
        clock: Callable[[], float],
        *,
        most: int = MAX_RESPONSE,
    ) -> None:
        self.phase = HttpPhase.RESOLVE
        self._endpoint = endpoint
        self._clock = clock
        self._sock = DeadlineSocket(deadline=deadline, clock=clock, most=most)
        self._keeps = False

    def keep(self, sock: DeadlineSocket | None = None) -> None:
        """Asks the other side to keep the connection after the response; `sock` is one that was kept, in place of `open`."""
        self._keeps = True
        if sock is not None:
            sock.deadline = self._sock.deadline
            sock.forget_response()
            self._sock = sock

    @property
    def is_open(self) -> bool:
        """Whether there is a connection already."""
        return self._sock.is_open

    @property
    def has_response(self) -> bool:
        """Whether any octet of a response has come."""
        return self._sock.has_response

    def release(self, response: HTTPResponse) -> DeadlineSocket | None:
        """Reads the rest of the response; the connection where it can carry another request, and None otherwise.

        Nothing that goes wrong here says anything about the request: its status has been read.
        """
        length = response.length
        if response.will_close or response.status < 200 or (length is not None and length > MAX_BODY):
            return None
        self._sock.deadline = min(self._sock.deadline, self._clock() + BODY_SECONDS)
        try:
            response.read()
        except (OSError, HTTPException, ValueError):
            return None
        response.close()
        if self._sock.has_more or not self._sock.is_idle:
            return None
        sock, self._sock = self._sock, DeadlineSocket(deadline=0.0, clock=self._clock, most=0)
        return sock

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
        self.phase = HttpPhase.CONNECT
        self._sock.connect(addresses)
        if self._endpoint.tls:
            self.phase = HttpPhase.TLS
            self._sock.start_tls(tls or default_tls(), self._endpoint.host)

    def write(self, message: Message) -> None:
        """POSTs the message."""
        self._send("POST", message.text.encode(), {"Content-Type": "application/json", **message.headers})

    def get(self, headers: Mapping[str, str]) -> None:
        """GETs the endpoint's document."""
        self._send("GET", None, headers)

    def _send(self, method: str, body: bytes | None, headers: Mapping[str, str]) -> None:
        self.phase = HttpPhase.REQUEST
        connection = HTTPConnection(self._endpoint.host)
        whole = _Collected()
        connection.sock = whole  # it only ever calls sendall()
        connection.auto_open = 0
        own = {
            "Host": self._endpoint.host_header,
            "User-Agent": "assignment-reminders",
            "Connection": "keep-alive" if self._keeps else "close",
            "Accept-Encoding": "identity",
        }
        connection.request(method, self._endpoint.path, body, {**own, **headers})
        self._sock.sendall(b"".join(whole.parts))

    def read_response(self, timeout: timedelta, *, method: str = "POST") -> HTTPResponse:
        """Status line and headers, within `timeout` if that is longer than what is left. The body is left unread."""
        self.phase = HttpPhase.RESPONSE
        self._sock.deadline = max(self._sock.deadline, self._clock() + timeout.total_seconds())
        response = HTTPResponse(self._sock, method=method)  # type: ignore[arg-type]  # it only ever calls makefile()
        response.begin()
        return response

    def close(self) -> None:
        self._sock.close()


class _Collected:
    """Takes what http.client writes in several calls, so that it leaves in one."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def sendall(self, octets: bytes) -> None:
        self.parts.append(octets)


def _anywhere(address: str) -> bool:
    return True
