"""Submits mails to the mail server: over a kept connection, within a deadline, knowing how far each send got."""

import contextlib
import os
import smtplib
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from notifications.channels.email.connection import ConnectionBroken, ReplyCutShort, SmtpConnection
from notifications.channels.email.one_piece import (
    MAX_OCTETS,
    MAX_PAUSE,
    in_one_piece,
    is_understood,
    refused_envelope,
)
from notifications.channels.email.opening import open_connection
from notifications.channels.email.responses import (
    EXPECTED_REPLY,
    IF_BROKEN,
    SERVICE_CODES,
    UNKNOWN_COMMAND,
    SmtpPhase,
    decoded,
    judge,
)
from notifications.channels.email.server import MailServer, tls_context
from notifications.message import Delivery, Outcome, Subject
from notifications.redaction import redacted

# A kept connection is replaced after so many messages or seconds, and probed before use after so many idle
# seconds. Servers commonly close one after 5 idle minutes or 1,000 messages.
MAX_MESSAGES = 500
MAX_AGE = 300.0
MAX_IDLE = 20.0
PROBE_TIMEOUT = 3.0  # seconds for the reply to that probe
QUIT_TIMEOUT = 0.5  # seconds for the reply to QUIT

# After these the connection is closed: another one may be served, and this one is not.
CHANNEL_OUTCOMES = frozenset({Outcome.CHANNEL_DOWN, Outcome.CHANNEL_REFUSED, Outcome.THROTTLED})


class SmtpTransport:
    """Submits mails to one server over one kept connection. For one thread; a forked child opens its own."""

    def __init__(
        self,
        server: MailServer,
        *,
        clock: Callable[[], float] = time.monotonic,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._clock = clock
        self._tls = tls
        self._connection: SmtpConnection | None = None
        self._phase = SmtpPhase.CONNECT
        self._opened_at = self._used_at = 0.0
        self._count = 0
        self._must_reset = False
        self._takes_one_piece = True

    def deliver(
        self,
        content: bytes,
        *,
        sender: str,
        recipient: str,
        timeout: timedelta,
        final_reply_timeout: timedelta = timedelta(),
        before_last_octet: Callable[[], None] = lambda: None,
    ) -> Delivery:
        """Submits one mail for one recipient, and returns how that ended.

        `content` is the mail with CRLF line ends, not dot-stuffed; `sender` and `recipient` are envelope
        addresses (see `envelope_address`; the sender may be empty). `timeout` bounds everything, save that the
        reply to the final dot may take `final_reply_timeout` from then on if that is longer. `before_last_octet` is
        called before the write that holds the final dot, or the whole mail.
        """
        deadline = self._clock() + timeout.total_seconds()
        kept = self._has_connection()
        mail = (content, sender, recipient, deadline, final_reply_timeout, before_last_octet)
        delivery = self._attempt(*mail)
        if kept and self._may_be_the_connection(delivery) and self._clock() < deadline:
            # The server had closed the kept connection, accepts no more on it, or knows no BDAT. A new one decides.
            delivery = self._attempt(*mail)
        return delivery

    def open(self, *, timeout: timedelta) -> Delivery | None:
        """Connects, unless a connection is kept. None: connected; a Delivery: why that failed."""
        if self._has_connection():
            return None
        try:
            self._new_connection(self._clock() + timeout.total_seconds())
        except smtplib.SMTPException as error:
            self._drop()
            return self._broken(error, recipient="")
        return None

    def probe(self, *, sender: str, recipient: str | None, timeout: timedelta) -> Delivery:
        """Asks whether a mail from `sender`, and to `recipient` if one is given, would be accepted; sends none."""
        deadline = self._clock() + timeout.total_seconds()
        try:
            connection = (
                self._kept_connection(deadline) if self._has_connection() else self._new_connection(deadline)
            )
            connection.command_encoding = "utf-8"
            self._phase = SmtpPhase.MAIL
            code, text = connection.docmd(f"MAIL FROM:<{sender}>")
            if code // 100 == 2 and recipient is not None:
                self._phase = SmtpPhase.RCPT
                code, text = connection.docmd(f"RCPT TO:<{recipient}>")
        except smtplib.SMTPException as error:
            self._drop()
            return self._broken(error, recipient=recipient or "")
        self.close()
        if code // 100 == 2:
            return Delivery(Outcome.ACCEPTED, str(code), "")
        refusal = self._refused(code, text, recipient=recipient or "")
        return replace(refusal, detail=redacted(refusal.detail, recipient=sender))

    def close(self) -> None:
        """Closes the kept connection with QUIT. Whether that succeeds does not matter."""
        if self._connection is not None and self._connection.pid == os.getpid():
            self._connection.deadline = self._clock() + QUIT_TIMEOUT
            with contextlib.suppress(smtplib.SMTPException):
                self._connection.docmd("QUIT")
        self._drop()

    def __del__(self) -> None:
        self._drop()

    def _attempt(
        self,
        content: bytes,
        sender: str,
        recipient: str,
        deadline: float,
        final_reply_timeout: timedelta,
        before_last_octet: Callable[[], None],
    ) -> Delivery:
        try:
            connection = (
                self._kept_connection(deadline) if self._connection else self._new_connection(deadline)
            )
            delivery = self._transaction(
                connection, content, sender, recipient, final_reply_timeout, before_last_octet
            )
        except smtplib.SMTPException as error:
            self._drop()
            if self._phase is SmtpPhase.FINAL_REPLY:
                self._takes_one_piece = (
                    False  # With a server that breaks off so, less is in doubt step by step.
                )
            return self._broken(error, recipient=recipient)
        except BaseException:
            # The reply still to come would be taken for that to the next message.
            self._drop()
            raise
        if delivery.outcome in CHANNEL_OUTCOMES:
            self._drop()
        return delivery

    def _may_be_the_connection(self, delivery: Delivery) -> bool:
        """Whether a new connection may be served where this one was not. The mail was certainly not accepted then."""
        if self._phase in (SmtpPhase.RESET, SmtpPhase.MAIL):
            return delivery.outcome in CHANNEL_OUTCOMES
        # Once a mail is begun only a reply says so: what breaks the connection may be this very mail.
        return delivery.code.isdigit() and delivery.outcome in (Outcome.CHANNEL_DOWN, Outcome.THROTTLED)

    def _has_connection(self) -> bool:
        """Whether a connection is kept. Closes one that is a parent process's, or has been used long enough."""
        if self._connection is None:
            return False
        if self._connection.pid != os.getpid():
            self._drop()
        elif self._count >= MAX_MESSAGES or self._clock() - self._opened_at > MAX_AGE:
            self.close()
        return self._connection is not None

    def _kept_connection(self, deadline: float) -> SmtpConnection:
        """The kept connection, ready for the next mail: probed first if it may be closed, and reset after a refused mail."""
        connection = self._connection
        assert connection is not None
        now = self._clock()
        if connection.is_out_of_step:
            self._phase = SmtpPhase.RESET
            raise ConnectionBroken("the server has replied to what it was not asked")
        if self._must_reset or now - self._used_at > MAX_IDLE:
            self._phase = SmtpPhase.RESET
            connection.deadline = min(deadline, now + PROBE_TIMEOUT)
            code, text = connection.docmd("RSET")
            if code != 250:
                raise smtplib.SMTPResponseException(code, text)
            self._must_reset = False
        connection.deadline = deadline
        return connection

    def _new_connection(self, deadline: float) -> SmtpConnection:
        """A connection that is ready for mail. Raises an SMTPException that belongs to `self._phase`."""
        server = self._server
        self._phase = SmtpPhase.CONNECT
        self._opened_at = self._used_at = self._clock()
        self._count = 0
        self._must_reset = False
        try:
            connection = self._connection = SmtpConnection(
                tls=self._tls or tls_context(server), clock=self._clock
            )
        except OSError as error:
            raise ConnectionBroken("the client certificate cannot be read") from error
        connection.deadline = deadline
        open_connection(connection, server, self._enter)
        return connection

    def _enter(self, phase: SmtpPhase) -> None:
        self._phase = phase

    def _transaction(
        self,
        connection: SmtpConnection,
        content: bytes,
        sender: str,
        recipient: str,
        final_reply_timeout: timedelta,
        before_last_octet: Callable[[], None],
    ) -> Delivery:
        """One mail transaction (RFC 5321 section 3.3)."""
        self._phase = SmtpPhase.MAIL
        international = not (sender.isascii() and recipient.isascii())
        if international and not connection.has_extn("smtputf8"):
            detail = "the mail server accepts only ASCII addresses (it does not offer SMTPUTF8)"
            if recipient.isascii():  # It is the sender's address: every message would end the same way.
                return self._ended(Outcome.CHANNEL_REFUSED, "smtputf8", detail, Subject.CHANNEL)
            return self._ended(Outcome.REJECTED, "smtputf8", detail, Subject.RECIPIENT)
        connection.command_encoding = "utf-8" if international else "ascii"
        parameters = " SMTPUTF8" if international else ""
        if not content.isascii() and connection.has_extn("8bitmime"):
            parameters += " BODY=8BITMIME"
        if "size" in connection.esmtp_features:
            parameters += f" SIZE={len(content)}"
        envelope = f"MAIL FROM:<{sender}>{parameters}\r\n", f"RCPT TO:<{recipient}>\r\n"
        at_once = len(content) <= MAX_OCTETS and self._may_go_in_one_piece(connection)
        if at_once:
            before_last_octet()
            connection.send(in_one_piece("".join(envelope).encode(connection.command_encoding), content))
        else:
            body = _dot_stuffed(content)
            refusal = self._send_envelope(connection, (*envelope, "DATA\r\n"))
            if refusal is not None:
                return self._refused(*refusal, recipient=recipient)
            self._phase = SmtpPhase.CONTENT
            before_last_octet()
            connection.send(body)
        self._phase = SmtpPhase.FINAL_REPLY
        connection.deadline = max(connection.deadline, self._clock() + final_reply_timeout.total_seconds())
        try:
            if at_once and (found := refused_envelope(connection)):
                self._phase = found.phase
                self._must_reset = True
                if not found.goes_on:
                    self._drop()
                return self._refused(found.code, found.text, recipient=recipient)
            code, text = connection.getreply()
        except ReplyCutShort as error:
            # The code decides, not the text (RFC 5321 section 4.2); the connection is of no more use.
            code, text = error.code, error.text
            self._drop()
        self._count += 1
        self._used_at = self._clock()
        if code // 100 == 2:
            return Delivery(Outcome.ACCEPTED, str(code), redacted(decoded(text), recipient=recipient))
        if code // 100 == 3:
            raise ConnectionBroken("the server's reply is not SMTP")
        if at_once:
            self._must_reset = True  # RFC 3030 section 2
        if at_once and code in UNKNOWN_COMMAND:
            self._takes_one_piece = False
            self._phase = SmtpPhase.MAIL
            raise ConnectionBroken("the server offers BDAT and does not know it")
        return self._refused(code, text, recipient=recipient)

    def _may_go_in_one_piece(self, connection: SmtpConnection) -> bool:
        """Whether the next mail may go in one piece: MAIL, RCPT and the content together (RFC 3030 section 4.2)."""
        if not (self._takes_one_piece and is_understood(connection)):
            return False
        if not self._count or self._clock() - self._used_at > MAX_PAUSE:
            return False
        if connection.has_something_to_read():
            self._phase = SmtpPhase.RESET
            raise ConnectionBroken("the server closed the connection")
        return True

    def _send_envelope(
        self, connection: SmtpConnection, commands: tuple[str, str, str]
    ) -> tuple[int, bytes] | None:
        """Sends MAIL, RCPT and DATA, in one write where the server offers PIPELINING (RFC 2920).

        Returns the first refusal, or None.
        """
        pipelining = connection.has_extn("pipelining")
        refusals: dict[SmtpPhase, tuple[int, bytes]] = {}
        if pipelining:
            connection.send("".join(commands))
        for phase, command in zip(EXPECTED_REPLY, commands, strict=True):
            self._phase = phase
            if not pipelining:
                connection.send(command)
            code, text = connection.getreply()
            if code // 100 != EXPECTED_REPLY[phase]:
                if code < 400:
                    raise ConnectionBroken("the server's reply is not SMTP")
                refusals[phase] = code, text
                self._must_reset = True
                if code in SERVICE_CODES or not pipelining:
                    break
        if not refusals:
            return None
        first = next(iter(refusals))
        if pipelining and self._phase is SmtpPhase.DATA and SmtpPhase.DATA not in refusals:
            self._end_empty_data(connection, no_recipient=SmtpPhase.RCPT in refusals)
        self._phase = first
        return refusals[first]

    def _end_empty_data(self, connection: SmtpConnection, *, no_recipient: bool) -> None:
        """DATA was accepted although an earlier command was not: a lone dot ends it (RFC 2920 section 3.1)."""
        if not no_recipient:
            # Here the dot could send an empty mail to somebody.
            self._drop()
            return
        try:
            connection.send(".\r\n")
            connection.getreply()
        except ConnectionBroken:
            self._drop()

    def _refused(self, code: int, reply: bytes, *, recipient: str) -> Delivery:
        text = decoded(reply)
        refusal = judge(self._phase, code, text)
        detail = redacted(text, recipient=recipient)
        return self._ended(refusal.outcome, str(code), detail, refusal.subject, refusal.status)

    def _broken(self, error: smtplib.SMTPException, *, recipient: str) -> Delivery:
        """How a send ended whose connection broke, or was refused before there was a message."""
        if isinstance(error, smtplib.SMTPResponseException):
            text = error.smtp_error
            reply = text if isinstance(text, bytes) else text.encode()
            return self._refused(error.smtp_code, reply, recipient=recipient)
        outcome = IF_BROKEN.get(self._phase, Outcome.CHANNEL_DOWN)
        subject = Subject.CHANNEL if outcome is Outcome.CHANNEL_DOWN else Subject.UNSTATED
        detail = redacted(str(error), recipient=recipient)
        return self._ended(outcome, self._phase.value, detail, subject)

    def _ended(
        self, outcome: Outcome, code: str, detail: str, subject: Subject, status: str = ""
    ) -> Delivery:
        return Delivery(outcome, code, detail, subject=subject, phase=self._phase.value, status=status)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()


class _Transports(threading.local):
    def __init__(self) -> None:
        self.by_server: dict[MailServer, SmtpTransport] = {}


_transports = _Transports()


def transport_for(server: MailServer) -> SmtpTransport:
    """This thread's transport to a server. It lives as long as the thread, and keeps its connection."""
    transport = _transports.by_server.get(server)
    if transport is None:
        transport = _transports.by_server[server] = SmtpTransport(server)
    return transport


def _dot_stuffed(content: bytes) -> bytes:
    """The content as it follows DATA, with the lone dot that ends it (RFC 5321 section 4.5.2)."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")
