"""Posts messages to a gateway: over a kept connection, within a deadline, knowing how far each send got."""

import base64
import contextlib
import json
import os
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import urlencode

from notifications import resolver
from notifications.channels.sms.gateway import Gateway
from notifications.channels.sms.responses import judge
from notifications.deadline_socket import DeadlineSocket, default_tls, described_error, retry_after
from notifications.http_phases import HttpPhase, broken
from notifications.message import Delivery, Outcome, Subject
from notifications.redaction import redacted
from notifications.resolver import AddressInfo

MAX_RESPONSE = 65_536  # octets of a response that are read, headers included

# A kept connection is replaced after so many messages or seconds, and after so many idle seconds: a gateway that closes it
# while a request is on its way leaves it unknowable whether that was accepted.
MAX_MESSAGES = 500
MAX_AGE = 300.0
MAX_IDLE = 10.0

Resolve = Callable[..., Sequence[AddressInfo]]

_ID = re.compile(r"[A-Za-z0-9_-]{2,64}")


class SmsTransport:
    """Posts messages to one gateway over one kept connection. For one thread; a forked child opens its own."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        resolve: Resolve = resolver.resolve,
        clock: Callable[[], float] = time.monotonic,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._gateway = gateway
        self._resolve = resolve
        self._clock = clock
        self._tls = tls
        self._sock: DeadlineSocket | None = None
        self._phase = HttpPhase.RESOLVE
        self._pid = 0
        self._opened_at = self._used_at = 0.0
        self._count = 0

    def deliver(
        self,
        fields: Mapping[str, str],
        *,
        recipient: str,
        timeout: timedelta,
        final_reply_timeout: timedelta = timedelta(),
        before_last_octet: Callable[[], None] = lambda: None,
    ) -> Delivery:
        """Posts one message, whose parameters are `fields`, and returns how that ended.

        `timeout` bounds everything, save that the response may take `final_reply_timeout` from the last octet of the request
        on if that is longer. `before_last_octet` is called before the write that holds that octet. `recipient` is hidden in
        what is told of a refusal.
        """
        deadline = self._clock() + timeout.total_seconds()
        try:
            sock = self._ready(deadline)
            self._phase = HttpPhase.REQUEST
            before_last_octet()
            self._request(sock, "POST", self._gateway.messages_path, urlencode(fields).encode())
            self._phase = HttpPhase.RESPONSE
            sock.deadline = max(deadline, self._clock() + final_reply_timeout.total_seconds())
            return self._read(sock, recipient)
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            return broken(self._phase, error)
        except BaseException:
            # The response still to come would be taken for that to the next message.
            self.close()
            raise

    def probe(self, *, timeout: timedelta) -> Delivery:
        """Asks for the account, with its credentials, and sends no message."""
        deadline = self._clock() + timeout.total_seconds()
        path = self._gateway.messages_path.replace("/Messages.json", ".json")
        try:
            sock = self._ready(deadline)
            self._phase = HttpPhase.REQUEST
            self._request(sock, "GET", path, None)
            self._phase = HttpPhase.RESPONSE
            return self._read(sock, "")
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            phase = self._phase.value
            return Delivery(
                Outcome.CHANNEL_DOWN, phase, described_error(error), subject=Subject.CHANNEL, phase=phase
            )

    def close(self) -> None:
        """Closes the kept connection. The next send opens a new one."""
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def _ready(self, deadline: float) -> DeadlineSocket:
        """A connection for the next request: the kept one if it is as good as a new one."""
        now = self._clock()
        kept = self._sock
        if kept is not None and (
            self._pid != os.getpid()
            or self._count >= MAX_MESSAGES
            or now - self._opened_at > MAX_AGE
            or now - self._used_at > MAX_IDLE
            or not kept.is_idle
        ):
            self.close()
        if self._sock is None:
            self._open(deadline)
        assert self._sock is not None
        self._sock.deadline = deadline
        return self._sock

    def _open(self, deadline: float) -> None:
        gateway = self._gateway
        self._phase = HttpPhase.RESOLVE
        self._pid, self._count, self._opened_at = os.getpid(), 0, self._clock()
        sock = DeadlineSocket(deadline=deadline, clock=self._clock, most=MAX_RESPONSE)
        addresses = self._resolve(gateway.host, gateway.port, timeout=sock.left())
        if not addresses:
            raise OSError("the host has no address")
        self._phase = HttpPhase.CONNECT
        self._sock = sock
        sock.connect(addresses)
        if gateway.tls:
            self._phase = HttpPhase.TLS
            sock.start_tls(self._tls or default_tls(), gateway.host)

    def _request(self, sock: DeadlineSocket, method: str, path: str, body: bytes | None) -> None:
        gateway = self._gateway
        login = base64.b64encode(f"{gateway.account}:{gateway.token}".encode()).decode()
        headers = {
            "Host": gateway.host_header,
            "Authorization": f"Basic {login}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "assignment-reminders",
        }
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = HTTPConnection(gateway.host)
        connection.sock = sock  # it only ever calls sendall()
        connection.auto_open = 0
        connection.request(method, path, body, headers)

    def _read(self, sock: DeadlineSocket, recipient: str) -> Delivery:
        response = HTTPResponse(sock, method="POST")  # type: ignore[arg-type]  # it only ever calls makefile()
        try:
            response.begin()
            answer = self._body(response)
        finally:
            response.close()
        self._count += 1
        self._used_at = self._clock()
        if 200 <= response.status < 300:
            return Delivery(Outcome.ACCEPTED, str(response.status), _id_of(answer))
        code = answer.get("code")
        refusal = judge(response.status, code if type(code) is int else None)
        if refusal.subject is Subject.CHANNEL:
            self.close()
        text = answer.get("message")
        return Delivery(
            refusal.outcome,
            refusal.code,
            _without_numbers(redacted(str(text or response.reason), recipient=recipient)),
            retry_after(response.getheader("Retry-After")),
            subject=refusal.subject,
            phase=HttpPhase.RESPONSE.value,
            status=str(response.status),
        )

    def _body(self, response: HTTPResponse) -> dict[str, object]:
        """What the answer says, if it says it as documented. The status decides: a body that breaks off changes nothing."""
        try:
            octets = response.read()
        except (OSError, HTTPException, ValueError):
            self.close()
            return {}
        if response.will_close:
            self.close()
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(octets)
            if isinstance(found, dict):
                return found
        return {}


def _id_of(answer: Mapping[str, object]) -> str:
    """The gateway's id of the message, by which its operator finds it."""
    found = str(answer.get("sid") or "")
    return found if _ID.fullmatch(found) else ""


def _without_numbers(text: str) -> str:
    """Gateways repeat numbers in what they say; a number of telephone is an address too."""
    return re.sub(r"\+?[0-9][0-9 ().-]{5,}[0-9]", "<number>", text)


class _Transports(threading.local):
    def __init__(self) -> None:
        self.by_gateway: dict[Gateway, SmsTransport] = {}


_transports = _Transports()


def transport_for(gateway: Gateway) -> SmsTransport:
    """This thread's transport to a gateway. It lives as long as the thread, and keeps its connection."""
    if gateway not in _transports.by_gateway:
        _transports.by_gateway[gateway] = SmsTransport(gateway)
    return _transports.by_gateway[gateway]
