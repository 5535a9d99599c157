"""Hands mails to the mail server: over a kept connection, within a deadline, knowing how far each send got.

`Courier.deliver` is the story of one send. `EmailBackend` offers the same to Django's own mail functions.
"""

import contextlib
import os
import smtplib
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import make_msgid
from enum import Enum
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from notifications.addresses import mailbox
from notifications.line import Line, LineBroke
from notifications.message import Delivery, Outcome, without

DEFAULT_TIMEOUT = timedelta(seconds=10)

# A kept connection is replaced after so many messages or seconds, and asked whether it still lives after so
# many idle seconds. Servers commonly end one after 5 idle minutes or 1,000 messages.
MOST_MESSAGES = 500
LONGEST_LIFE = 300.0
LONGEST_IDLE = 20.0
LONGEST_PROBE = 3.0  # seconds for the answer to that question
LONGEST_FAREWELL = 0.5  # seconds for the answer to QUIT


class Phase(Enum):
    """How far a send has got. The value is the `code` of a Delivery that no answer of the server ended."""

    CONNECT = "connect"
    TLS = "tls"
    EHLO = "ehlo"
    AUTH = "auth"
    RESET = "reset"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    ANSWER = "answer"


ENVELOPE = (Phase.MAIL, Phase.RCPT, Phase.DATA)
GOOD_ANSWER = {Phase.MAIL: 2, Phase.RCPT: 2, Phase.DATA: 3}  # first digits

# What it means when the line breaks, or time runs out, in a phase. In the others it says nothing about the
# message. In mid-content it may be the message's own doing: one that kills the connection each time must end
# as exhausted, and not hold up the channel for everybody.
BROKEN = {Phase.CONTENT: Outcome.REFUSED_FOR_NOW, Phase.ANSWER: Outcome.UNKNOWABLE}

# Answers that are about us, not about the message: the server is closing down (RFC 5321 section 3.8), or wants
# other credentials or encryption first (RFC 4954 section 6).
ABOUT_US = frozenset({421, 530, 534, 535, 538})


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in, and how."""

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    starttls: bool = False
    implicit_tls: bool = False
    keyfile: str | None = None
    certfile: str | None = None

    @classmethod
    def of_settings(cls) -> "Server":
        """The one that Django's EMAIL_* settings name."""
        return cls(
            host=settings.EMAIL_HOST,
            port=settings.EMAIL_PORT,
            username=settings.EMAIL_HOST_USER,
            password=settings.EMAIL_HOST_PASSWORD,
            starttls=settings.EMAIL_USE_TLS,
            implicit_tls=settings.EMAIL_USE_SSL,
            keyfile=settings.EMAIL_SSL_KEYFILE,
            certfile=settings.EMAIL_SSL_CERTFILE,
        )


class Courier:
    """Carries mails to one server over one kept connection. For one thread; a forked child opens its own."""

    def __init__(
        self,
        server: Server,
        *,
        clock: Callable[[], float] = time.monotonic,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._clock = clock
        self._tls = tls
        self._line: Line | None = None
        self._phase = Phase.CONNECT
        self._opened_at = self._used_at = 0.0
        self._count = 0
        self._must_reset = False

    def deliver(self, content: bytes, *, sender: str, recipient: str, timeout: timedelta) -> Delivery:
        """Hands in one mail for one recipient, and says how that ended.

        `content` is the mail with CRLF line ends, not dot-stuffed; `sender` and `recipient` are envelope
        addresses (see `envelope_address`; the sender may be empty). `timeout` bounds everything.
        """
        deadline = self._clock() + timeout.total_seconds()
        kept = self._keeps_a_line()
        delivery = self._attempt(content, sender, recipient, deadline)
        if kept and delivery.outcome is Outcome.CHANNEL_DOWN and self._phase in (Phase.RESET, Phase.MAIL):
            # The server had ended the kept connection before it heard of this message. A new one decides.
            delivery = self._attempt(content, sender, recipient, deadline)
        return delivery

    def open(self, *, timeout: timedelta) -> Delivery | None:
        """Connects, unless a connection is kept. None is good; a Delivery says why it could not be done."""
        if self._keeps_a_line():
            return None
        try:
            self._new_line(self._clock() + timeout.total_seconds())
        except smtplib.SMTPException as error:
            self._drop()
            return self._broken(error, recipient="")
        return None

    def rehearse(self, *, sender: str, recipient: str | None, timeout: timedelta) -> Delivery:
        """Asks whether a mail from `sender`, and to `recipient` if one is given, would be taken; hands none in."""
        deadline = self._clock() + timeout.total_seconds()
        try:
            line = self._kept_line(deadline) if self._keeps_a_line() else self._new_line(deadline)
            line.command_encoding = "utf-8"
            self._phase = Phase.MAIL
            code, text = line.docmd(f"MAIL FROM:<{sender}>")
            if code // 100 == 2 and recipient is not None:
                self._phase = Phase.RCPT
                code, text = line.docmd(f"RCPT TO:<{recipient}>")
        except smtplib.SMTPException as error:
            self._drop()
            return self._broken(error, recipient=recipient or "")
        self.close()
        if code // 100 == 2:
            return Delivery(Outcome.ACCEPTED, str(code), "")
        refusal = self._refused(code, text, recipient=recipient or "")
        return replace(refusal, detail=without(refusal.detail, sender))

    def close(self) -> None:
        """Ends the kept connection politely. Trouble with that harms nobody."""
        if self._line is not None and self._line.pid == os.getpid():
            self._line.deadline = self._clock() + LONGEST_FAREWELL
            with contextlib.suppress(smtplib.SMTPException):
                self._line.docmd("QUIT")
        self._drop()

    def __del__(self) -> None:
        self._drop()

    def _attempt(self, content: bytes, sender: str, recipient: str, deadline: float) -> Delivery:
        try:
            line = self._kept_line(deadline) if self._line else self._new_line(deadline)
            delivery = self._transaction(line, content, sender, recipient)
        except smtplib.SMTPException as error:
            self._drop()
            return self._broken(error, recipient=recipient)
        except BaseException:
            # The answer still to come would be taken for that to the next message.
            self._drop()
            raise
        if delivery.outcome is Outcome.CHANNEL_DOWN:
            self._drop()
        return delivery

    def _keeps_a_line(self) -> bool:
        """Lets go of a connection that is a parent process's, or that has served long enough."""
        if self._line is None:
            return False
        if self._line.pid != os.getpid():
            self._drop()
        elif self._count >= MOST_MESSAGES or self._clock() - self._opened_at > LONGEST_LIFE:
            self.close()
        return self._line is not None

    def _kept_line(self, deadline: float) -> Line:
        """The kept connection, asked first whether it lives if that is in doubt, and cleared of a refused mail."""
        line = self._line
        assert line is not None
        now = self._clock()
        if self._must_reset or now - self._used_at > LONGEST_IDLE:
            self._phase = Phase.RESET
            line.deadline = min(deadline, now + LONGEST_PROBE)
            code, text = line.docmd("RSET")
            if code != 250:
                raise smtplib.SMTPResponseException(code, text)
            self._must_reset = False
        line.deadline = deadline
        return line

    def _new_line(self, deadline: float) -> Line:
        """A connection that is ready for mail. Raises an SMTPException that belongs to `self._phase`."""
        server = self._server
        self._phase = Phase.CONNECT
        self._opened_at = self._used_at = self._clock()
        self._count = 0
        self._must_reset = False
        try:
            line = self._line = Line(tls=self._tls or _tls_context(server), clock=self._clock)
        except OSError as error:
            raise LineBroke("the client certificate cannot be read") from error
        line.deadline = deadline
        line.dial(server.host, server.port)
        if server.implicit_tls:
            self._phase = Phase.TLS
            line.encrypt()
            self._phase = Phase.CONNECT
        code, text = line.getreply()
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)
        self._phase = Phase.EHLO
        line.ehlo_or_helo_if_needed()
        if server.starttls:
            self._phase = Phase.TLS
            line.secure()
            self._phase = Phase.EHLO
            line.ehlo_or_helo_if_needed()
        if server.username and server.password:
            self._phase = Phase.AUTH
            try:
                line.login(server.username, server.password)
            except ValueError as error:
                raise smtplib.SMTPException("user name or password is not ASCII") from error
        return line

    def _transaction(self, line: Line, content: bytes, sender: str, recipient: str) -> Delivery:
        """One mail transaction (RFC 5321 section 3.3)."""
        international = not (sender.isascii() and recipient.isascii())
        if international and not line.has_extn("smtputf8"):
            detail = "the mail server takes no addresses with characters beyond ASCII (SMTPUTF8)"
            # Where it is our own address, every message would fare the same.
            outcome = Outcome.CHANNEL_DOWN if recipient.isascii() else Outcome.REJECTED
            return Delivery(outcome, "smtputf8", detail)
        line.command_encoding = "utf-8" if international else "ascii"
        body = _dot_stuffed(content)
        parameters = " SMTPUTF8" if international else ""
        if not content.isascii() and line.has_extn("8bitmime"):
            parameters += " BODY=8BITMIME"
        if line.has_extn("size"):
            parameters += f" SIZE={len(content)}"
        refusal = self._envelope(
            line, (f"MAIL FROM:<{sender}>{parameters}\r\n", f"RCPT TO:<{recipient}>\r\n", "DATA\r\n")
        )
        if refusal is not None:
            return self._refused(*refusal, recipient=recipient)
        self._phase = Phase.CONTENT
        line.send(body)
        self._phase = Phase.ANSWER
        code, text = line.getreply()
        self._count += 1
        self._used_at = self._clock()
        if code // 100 == 2:
            return Delivery(Outcome.ACCEPTED, str(code), _readable(text, recipient))
        if code // 100 == 3:
            raise LineBroke("the server's answer is not SMTP")
        return self._refused(code, text, recipient=recipient)

    def _envelope(self, line: Line, commands: tuple[str, str, str]) -> tuple[int, bytes] | None:
        """MAIL, RCPT and DATA, in one write where the server allows it (RFC 2920). The first refusal, or None."""
        pipelining = line.has_extn("pipelining")
        refusals: dict[Phase, tuple[int, bytes]] = {}
        self._phase = Phase.MAIL
        if pipelining:
            line.send("".join(commands))
        for phase, command in zip(ENVELOPE, commands, strict=True):
            self._phase = phase
            if not pipelining:
                line.send(command)
            code, text = line.getreply()
            if code // 100 != GOOD_ANSWER[phase]:
                if code < 400:
                    raise LineBroke("the server's answer is not SMTP")
                refusals[phase] = code, text
                self._must_reset = True
                if code in ABOUT_US or not pipelining:
                    break
        if not refusals:
            return None
        first = next(iter(refusals))
        if pipelining and self._phase is Phase.DATA and Phase.DATA not in refusals:
            self._end_needless_data(line, nobody_gets_it=Phase.RCPT in refusals)
        self._phase = first
        return refusals[first]

    def _end_needless_data(self, line: Line, *, nobody_gets_it: bool) -> None:
        """DATA was accepted although an earlier command was not: a lone dot ends it (RFC 2920 section 3.1)."""
        if not nobody_gets_it:
            # Here the dot could send an empty mail to somebody.
            self._drop()
            return
        try:
            line.send(".\r\n")
            line.getreply()
        except LineBroke:
            self._drop()

    def _refused(self, code: int, text: bytes, *, recipient: str) -> Delivery:
        if code in ABOUT_US:
            outcome = Outcome.CHANNEL_DOWN
        else:
            outcome = Outcome.REJECTED if code >= 500 else Outcome.REFUSED_FOR_NOW
        return Delivery(outcome, str(code), _readable(text, recipient))

    def _broken(self, error: smtplib.SMTPException, *, recipient: str) -> Delivery:
        """The end of a send in which the line broke, or was refused before there was a message."""
        outcome = BROKEN.get(self._phase, Outcome.CHANNEL_DOWN)
        if isinstance(error, smtplib.SMTPResponseException):
            text = error.smtp_error
            return Delivery(
                outcome,
                str(error.smtp_code),
                _readable(text if isinstance(text, bytes) else text.encode(), recipient),
            )
        return Delivery(outcome, self._phase.value, without(str(error), recipient))

    def _drop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            with contextlib.suppress(OSError):
                line.close()


class _Couriers(threading.local):
    def __init__(self) -> None:
        self.by_server: dict[Server, Courier] = {}


_couriers = _Couriers()


def courier(server: Server) -> Courier:
    """This thread's courier for a server. It lives as long as the thread, and keeps its connection."""
    if server not in _couriers.by_server:
        _couriers.by_server[server] = Courier(server)
    return _couriers.by_server[server]


class NotDelivered(smtplib.SMTPException):
    """A mail of Django's was not certainly accepted. `delivery` says how it ended."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(f"{delivery.outcome.value} ({delivery.code}): {delivery.detail}")
        self.delivery = delivery


class EmailBackend(BaseEmailBackend):
    """Django's e-mail backend over a `Courier`: same arguments and settings as Django's own SMTP backend.

    All instances of a thread share one connection to a server, which stays open between mails. `timeout`
    (seconds; EMAIL_TIMEOUT, else 10) bounds the whole of each send. A mail goes out once for each recipient.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        username: str | None = None,
        password: str | None = None,
        use_tls: bool | None = None,
        fail_silently: bool = False,
        use_ssl: bool | None = None,
        timeout: float | None = None,
        ssl_keyfile: str | None = None,
        ssl_certfile: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fail_silently=fail_silently)
        usual = Server.of_settings()
        self.server = Server(
            host=host or usual.host,
            port=port or usual.port,
            username=usual.username if username is None else username,
            password=usual.password if password is None else password,
            starttls=usual.starttls if use_tls is None else use_tls,
            implicit_tls=usual.implicit_tls if use_ssl is None else use_ssl,
            keyfile=usual.keyfile if ssl_keyfile is None else ssl_keyfile,
            certfile=usual.certfile if ssl_certfile is None else ssl_certfile,
        )
        if self.server.starttls and self.server.implicit_tls:
            raise ValueError("EMAIL_USE_TLS and EMAIL_USE_SSL exclude each other")
        seconds = timeout or settings.EMAIL_TIMEOUT
        self.timeout = timedelta(seconds=seconds) if seconds else DEFAULT_TIMEOUT

    def open(self) -> bool | None:
        """Connects. Raises NotDelivered, or returns None if failing silently."""
        trouble = courier(self.server).open(timeout=self.timeout)
        if trouble is None:
            return True
        if self.fail_silently:
            return None
        raise NotDelivered(trouble)

    def close(self) -> None:
        courier(self.server).close()

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """The number of mails that were accepted for all their recipients.

        Raises NotDelivered at the first that was not, unless failing silently.
        """
        count = 0
        for email_message in email_messages:
            failures = [each for each in self._deliveries(email_message) if not each.accepted]
            if failures and not self.fail_silently:
                raise NotDelivered(failures[0])
            count += not failures and bool(email_message.recipients())
        return count

    def _deliveries(self, email_message: EmailMessage) -> list[Delivery]:
        sender = mailbox(email_message.from_email)
        recipients = [mailbox(recipient) for recipient in email_message.recipients()]
        if sender is None or None in recipients:
            return [Delivery(Outcome.REJECTED, "address", "sender and recipients must be valid addresses")]
        if not any(header.lower() == "message-id" for header in email_message.extra_headers):
            # Kept with the mail, so that sending it again is the same mail again.
            email_message.extra_headers["Message-ID"] = make_msgid(domain=sender[1].rpartition("@")[2])
        content: bytes = email_message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]
        return [
            courier(self.server).deliver(
                content, sender=sender[1], recipient=recipient[1], timeout=self.timeout
            )
            for recipient in recipients
            if recipient is not None
        ]


@lru_cache(maxsize=8)
def _tls_context(server: Server) -> ssl.SSLContext | None:
    """Certificates are verified, also where a client certificate is given."""
    if not (server.starttls or server.implicit_tls):
        return None
    context = ssl.create_default_context()
    if server.certfile:
        context.load_cert_chain(server.certfile, server.keyfile)
    return context


def _dot_stuffed(content: bytes) -> bytes:
    """The content as it follows DATA, with the lone dot that ends it (RFC 5321 section 4.5.2)."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")


def _readable(text: bytes, recipient: str) -> str:
    return without(text.decode("utf-8", "replace").replace("\n", " "), recipient)
