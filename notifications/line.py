"""One SMTP connection on which no wait outlives a deadline, however slowly the other side speaks.

smtplib knows one timeout, for each read and each write by itself: a server that sends one octet a second
never exceeds it. Here every read and write gets only what is left of the deadline, and every answer is bounded.
"""

import os
import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from typing import Any

from notifications import lookup

LONGEST_ANSWER_LINE = 4096  # octets; RFC 5321 section 4.5.3.1.5 allows 512
MOST_ANSWER_LINES = 100
MOST_ADDRESSES = 4  # of one host name; the time left is shared out among them
READ_SIZE = 65_536

# RFC 5321 section 4.2: three digits, then a blank, a hyphen if more lines follow, or nothing.
_ANSWER = re.compile(rb"[2-5][0-9][0-9](?:[ -]|\Z)")


class LineBroke(smtplib.SMTPServerDisconnected):
    """The connection is of no more use: it broke, its time ran out, or the other side does not speak SMTP."""


class Line(smtplib.SMTP):
    """An SMTP connection with a deadline.

    `deadline` is an instant of `clock` (seconds) and must be set before anything else is done. Whatever goes
    wrong with the connection raises LineBroke; what the server answers is returned or raised as in smtplib.
    `send` has handed every octet to the operating system when it returns, and not the last one when it raises.
    """

    def __init__(self, *, tls: ssl.SSLContext | None, clock: Callable[[], float]) -> None:
        super().__init__(local_hostname="localhost")
        self.deadline = 0.0
        self.pid = os.getpid()
        self._tls = tls
        self._clock = clock
        self._unread = bytearray()

    def dial(self, host: str, port: int) -> None:
        """Connects. The server's greeting is the next answer."""
        self._host = host
        try:
            self._connect(host, port)
        except OSError as error:
            raise _broken(error) from error

    def encrypt(self) -> None:
        """Begins TLS on what is connected (RFC 8314 section 3)."""
        assert self.sock is not None
        self.sock = self._wrapped(self.sock)

    def secure(self) -> None:
        """STARTTLS (RFC 3207), after EHLO. Raises an SMTPException where the server will not."""
        if not self.has_extn("starttls"):
            raise smtplib.SMTPNotSupportedError("the server offers no STARTTLS")
        code, text = self.docmd("STARTTLS")
        if code != 220:
            raise smtplib.SMTPResponseException(code, text)
        # What came before the handshake may be anybody's, and so may the list of features.
        self._unread.clear()
        self.ehlo_resp = self.helo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False
        self.encrypt()

    def send(self, s: Any) -> None:
        octets = memoryview(s.encode(self.command_encoding) if isinstance(s, str) else s)
        if self.sock is None:
            raise LineBroke("not connected")
        try:
            while octets:
                self.sock.settimeout(self._left())
                octets = octets[self.sock.send(octets) :]
        except OSError as error:
            raise _broken(error) from error

    def getreply(self) -> tuple[int, bytes]:
        texts: list[bytes] = []
        while True:
            line = self._next_line()
            if not _ANSWER.match(line):
                raise LineBroke("the server's answer is not SMTP")
            texts.append(line[4:])
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(texts)
            if len(texts) == MOST_ANSWER_LINES:
                raise LineBroke("the server's answer does not end")

    def _next_line(self) -> bytes:
        while (end := self._unread.find(b"\n")) < 0:
            if len(self._unread) > LONGEST_ANSWER_LINE:
                raise LineBroke("a line of the server's answer is too long")
            self._unread += self._received()
        line = bytes(self._unread[:end]).rstrip(b"\r")
        del self._unread[: end + 1]
        return line

    def _received(self) -> bytes:
        if self.sock is None:
            raise LineBroke("not connected")
        try:
            self.sock.settimeout(self._left())
            octets = self.sock.recv(READ_SIZE)
        except OSError as error:
            raise _broken(error) from error
        if not octets:
            raise LineBroke("the server closed the connection")
        return octets

    def _left(self) -> float:
        left = self.deadline - self._clock()
        if left <= 0:
            raise TimeoutError
        return left

    def _connect(self, host: str, port: int) -> None:
        addresses = lookup.resolved(host, port, timeout=self._left())[:MOST_ADDRESSES]
        for others, (family, kind, protocol, _, address) in zip(
            reversed(range(len(addresses))), addresses, strict=True
        ):
            # Ours at once, so that it is closed whatever happens next.
            self.sock = socket.socket(family, kind, protocol)
            try:
                self.sock.settimeout(self._left() / (others + 1))
                self.sock.connect(address)
            except OSError:
                self.close()
                if not others:
                    raise
            else:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                self.local_hostname = _own_name(self.sock)
                return

    def _wrapped(self, sock: socket.socket) -> ssl.SSLSocket:
        assert self._tls is not None
        try:
            sock.settimeout(self._left())
            return self._tls.wrap_socket(sock, server_hostname=self._host)
        except (OSError, ValueError) as error:
            raise _broken(error) from error


def _own_name(sock: socket.socket) -> str:
    """What EHLO says: this host's name if it is a full one, else its address (RFC 5321 section 4.1.3).

    socket.getfqdn() would ask name servers, and those know no deadline.
    """
    name = socket.gethostname()
    if "." in name and name.isascii() and name.isprintable() and " " not in name:
        return name
    address = str(sock.getsockname()[0])
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _broken(error: Exception) -> LineBroke:
    if isinstance(error, LineBroke):
        return error
    if isinstance(error, TimeoutError) and error.errno is None:
        return LineBroke("time ran out")
    if isinstance(error, ssl.SSLError):
        return LineBroke(f"TLS: {getattr(error, 'verify_message', '') or error.reason or 'failed'}")
    reason = error.strerror if isinstance(error, OSError) else None
    return LineBroke((reason or str(error) or type(error).__name__).lower())
