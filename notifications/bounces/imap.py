"""The standard library's IMAP client, within limits that it does not have: no answer and no conversation grows without end,
and all of it ends at a deadline, however slowly the server speaks.
"""

import imaplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from notifications.bounces.bounded import MOST_OCTETS

STEP_TIMEOUT = 10.0
"""Seconds for each read or write."""

MOST_LITERAL = MOST_OCTETS + 4096
MOST_LINE = 1024 * 1024
MOST_RECEIVED = 64 * 1024 * 1024
"""Octets of a conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxAddress:
    """Where a mailbox is. `tls`: from the first octet on."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    tls: bool = True


class Client(imaplib.IMAP4):
    """A connection. Raises OSError or `imaplib.IMAP4.error`, as its base does."""

    def __init__(
        self,
        address: MailboxAddress,
        *,
        deadline: float,
        clock: Callable[[], float],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = (tls or ssl.create_default_context()) if address.tls else None
        self._deadline, self._clock = deadline, clock
        self._received = bytearray()
        self._octets = 0
        super().__init__(address.host, address.port, timeout=STEP_TIMEOUT)

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        """Connects, within the time that is left."""
        self.host, self.port = host, port
        self.sock = socket.create_connection((host, port), timeout=self._wait())
        if self._tls is not None:
            try:
                self.sock = self._tls.wrap_socket(self.sock, server_hostname=host)
            except BaseException:
                self.sock.close()
                raise

    def read(self, size: int) -> bytes:
        """A literal, whose size the server has named."""
        if size > MOST_LITERAL:
            raise self.abort("the server announces more than was asked for")
        while len(self._received) < size:
            self._receive()
        return self._taken(size)

    def readline(self) -> bytes:
        """A line with its end."""
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > MOST_LINE:
                raise self.abort("the server's line has no end")
            self._receive()
        return self._taken(end + 1)

    def send(self, data: Any) -> None:
        self.sock.settimeout(self._wait())
        self.sock.sendall(data)

    def shutdown(self) -> None:
        """Closes the connection."""
        self.sock.close()

    def _receive(self) -> None:
        self.sock.settimeout(self._wait())
        octets = self.sock.recv(65_536)
        self._octets += len(octets)
        if not octets or self._octets > MOST_RECEIVED:
            raise self.abort("the server has hung up" if not octets else "the server has no end")
        self._received += octets

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _wait(self) -> float:
        left = self._deadline - self._clock()
        if left <= 0:
            raise TimeoutError("time is over")
        return min(STEP_TIMEOUT, left)
