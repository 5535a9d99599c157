"""One SMTP connection on which no wait outlives a deadline, however slow the server is.

smtplib knows one timeout, for each read and each write by itself: a server that sends one octet a second
never exceeds it. Here every read and write gets only what is left of the deadline, and every reply is bounded.

The socket itself never waits. One with a time-out is set anew before each call, and asks the system whether it is ready
before each attempt: seven calls of the system for each mail on a kept connection, where four do.
"""

import os
import re
import select
import smtplib
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

from notifications import resolver

MAX_REPLY_LINE = 4096  # octets that are kept of a line; RFC 5321 section 4.5.3.1.5 allows 512
MAX_REPLY_LINES = 100  # that are kept of a reply
MAX_REPLY = 1_048_576  # octets of a reply that are read at all
MAX_ADDRESSES = 4  # of one host name; they share the time left
READ_SIZE = 4096  # octets; as many are set aside for each read

# RFC 5321 section 4.2: three digits, then a blank, a hyphen if more lines follow, or nothing.
_REPLY = re.compile(rb"[2-5][0-9][0-9](?:[ -]|\Z)")
_ONE_LINE = re.compile(rb"([2-5][0-9][0-9])(?: ([^\r\n]{0,500}))?\r\n")  # Most replies, and read already.
_TWO_ACCEPTANCES = re.compile(rb"(?:2[0-9][0-9](?: [^\r\n]{0,500})?\r\n){2}")
_CODE = re.compile(rb"[2-5][0-9][0-9][ -]")

A = TypeVar("A")
R = TypeVar("R")


class ConnectionBroken(smtplib.SMTPServerDisconnected):
    """The connection is unusable: it broke, its time ran out, or the other side does not speak SMTP."""


class ReplyCutShort(ConnectionBroken):
    """The connection became unusable within a reply, after its code: `code` and `text` are what is known of it."""

    def __init__(self, reason: str, *, code: int, text: bytes) -> None:
        super().__init__(reason)
        self.code, self.text = code, text


class SmtpConnection(smtplib.SMTP):
    """An SMTP connection with a deadline.

    `deadline` is an instant of `clock` (seconds) and must be set before anything else is done. Whatever goes
    wrong with the connection raises ConnectionBroken; what the server replies is returned or raised as in smtplib.
    `send` has handed every octet to the operating system when it returns, and not the last one when it raises.
    """

    def __init__(self, *, tls: ssl.SSLContext | None, clock: Callable[[], float]) -> None:
        super().__init__(local_hostname="localhost")
        self.deadline = 0.0
        self.pid = os.getpid()
        self._tls = tls
        self._clock = clock
        self._unread = bytearray()
        self._reply_size = 0
        self._input = select.poll()  # of the socket, once there is one

    def connect_to(self, host: str, port: int) -> None:
        """Connects. The server's greeting is the next reply."""
        self._host = host
        try:
            self._connect(host, port)
        except OSError as error:
            raise _broken(error) from error

    def start_tls(self) -> None:
        """Begins TLS on the connection (RFC 8314 section 3)."""
        assert self.sock is not None
        self.sock = self._wrapped(self.sock)

    def upgrade_to_tls(self) -> None:
        """STARTTLS (RFC 3207), after EHLO. Raises an SMTPException where the server does not offer it or refuses."""
        if not self.has_extn("starttls"):
            raise smtplib.SMTPNotSupportedError("the server offers no STARTTLS")
        code, text = self.docmd("STARTTLS")
        if code != 220:
            raise smtplib.SMTPResponseException(code, text)
        # Anybody may have written what came before the handshake, and the list of features.
        self._unread.clear()
        self.ehlo_resp = self.helo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False
        self.start_tls()

    def send(self, s: Any) -> None:
        octets = memoryview(s.encode(self.command_encoding) if isinstance(s, str) else s)
        if self.sock is None:
            raise ConnectionBroken("not connected")
        try:
            while octets:
                self._left()  # Nothing is sent after the deadline.
                octets = octets[self._once_ready(self.sock.send, octets, select.POLLOUT) :]
        except OSError as error:
            raise _broken(error) from error

    def has_something_to_read(self) -> bool:
        """Whether the server has written, or closed the connection, since its last reply was read."""
        if self.sock is None or self._unread:
            return True
        return self._has_decrypted or bool(self._input.poll(0))

    @property
    def _has_decrypted(self) -> bool:
        """Whether TLS holds octets that were received already, of which the socket says nothing."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    @property
    def is_out_of_step(self) -> bool:
        """Whether more has come than was asked for: it would be taken for the reply to the next command."""
        return bool(self._unread)

    def skip_two_acceptances(self) -> bool:
        """Whether the next two replies accept in one line each and have come already; only then they are taken."""
        if not self._unread:
            self._unread += self._receive()
        if found := _TWO_ACCEPTANCES.match(self._unread):
            del self._unread[: found.end()]
        return found is not None

    def getreply(self) -> tuple[int, bytes]:
        """The next reply; what is too long of it is read and left out. Raises ReplyCutShort where its end is missing."""
        if not self._unread:
            self._unread += self._receive()
        if found := _ONE_LINE.match(self._unread):
            code, text = int(found[1]), bytes(found[2] or b"")
            del self._unread[: found.end()]
            return code, text
        texts: list[bytes] = []
        self._reply_size = len(self._unread)
        while True:
            try:
                line = self._read_line()
            except ConnectionBroken as error:
                texts.append(bytes(self._unread[:MAX_REPLY_LINE]))
                raise _cut_short(error, texts) from error
            if not _REPLY.match(line):
                raise ConnectionBroken("the server's reply is not SMTP")
            if len(texts) < MAX_REPLY_LINES:
                texts.append(line)
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(text[4:] for text in texts)

    def _read_line(self) -> bytes:
        while (end := self._unread.find(b"\n")) < 0:
            del self._unread[MAX_REPLY_LINE:]
            octets = self._receive()
            self._reply_size += len(octets)
            if self._reply_size > MAX_REPLY:
                raise ConnectionBroken("the server's reply does not end")
            self._unread += octets
        line = bytes(self._unread[: min(end, MAX_REPLY_LINE)]).rstrip(b"\r")
        del self._unread[: end + 1]
        return line

    def _receive(self) -> bytes:
        if self.sock is None:
            raise ConnectionBroken("not connected")
        try:
            if not self._has_decrypted:
                self._wait_for(select.POLLIN)
            octets = self._once_ready(self.sock.recv, READ_SIZE, select.POLLIN)
        except OSError as error:
            raise _broken(error) from error
        if not octets:
            raise ConnectionBroken("the server closed the connection")
        return octets

    def _once_ready(self, call: Callable[[A], R], argument: A, event: int) -> R:
        """What this call of the socket returns, as soon as it need not wait for `event`, or for what TLS needs for it."""
        while True:
            try:
                return call(argument)
            except ssl.SSLWantWriteError:
                self._wait_for(select.POLLOUT)
            except ssl.SSLWantReadError:
                self._wait_for(select.POLLIN)
            except BlockingIOError:
                self._wait_for(event)

    def _wait_for(self, event: int) -> None:
        """Returns once the socket is ready for it, or broken. Raises TimeoutError at the deadline."""
        waiting = self._input
        if event != select.POLLIN:
            assert self.sock is not None
            waiting = select.poll()
            waiting.register(self.sock, event)
        if not waiting.poll(self._left() * 1000):
            raise TimeoutError

    def _left(self) -> float:
        left = self.deadline - self._clock()
        if left <= 0:
            raise TimeoutError
        return left

    def _connect(self, host: str, port: int) -> None:
        addresses = resolver.resolve(host, port, timeout=self._left())[:MAX_ADDRESSES]
        for remaining, (family, kind, protocol, _, address) in zip(
            reversed(range(len(addresses))), addresses, strict=True
        ):
            # Assigned at once, so that it is closed whatever happens next.
            self.sock = socket.socket(family, kind, protocol)
            try:
                self.sock.settimeout(self._left() / (remaining + 1))
                self.sock.connect(address)
            except OSError:
                self.close()
                if not remaining:
                    raise
            else:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                self.local_hostname = _own_host_name(self.sock)
                self.sock.setblocking(False)
                self._input = select.poll()
                self._input.register(self.sock, select.POLLIN)
                return

    def _wrapped(self, sock: socket.socket) -> ssl.SSLSocket:
        assert self._tls is not None
        try:
            sock.settimeout(self._left())
            wrapped = self._tls.wrap_socket(sock, server_hostname=self._host)
            wrapped.setblocking(False)
            return wrapped
        except (OSError, ValueError) as error:
            raise _broken(error) from error


def _cut_short(error: ConnectionBroken, lines: list[bytes]) -> ConnectionBroken:
    """The error, with as much of the reply as these lines tell. Its code is known once a blank or hyphen follows it."""
    told = [line for line in lines if _CODE.match(line)]
    if not told:
        return error
    return ReplyCutShort(str(error), code=int(told[-1][:3]), text=b"\n".join(line[4:] for line in told))


def _own_host_name(sock: socket.socket) -> str:
    """The name in EHLO: this host's name if it is a full one, else its address (RFC 5321 section 4.1.3).

    socket.getfqdn() would ask name servers, and that has no deadline.
    """
    name = socket.gethostname()
    if "." in name and name.isascii() and name.isprintable() and " " not in name:
        return name
    address = str(sock.getsockname()[0])
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _broken(error: Exception) -> ConnectionBroken:
    if isinstance(error, ConnectionBroken):
        return error
    if isinstance(error, TimeoutError) and error.errno is None:
        return ConnectionBroken("time ran out")
    if isinstance(error, ssl.SSLError):
        return ConnectionBroken(f"TLS: {getattr(error, 'verify_message', '') or error.reason or 'failed'}")
    reason = error.strerror if isinstance(error, OSError) else None
    return ConnectionBroken((reason or str(error) or type(error).__name__).lower())
