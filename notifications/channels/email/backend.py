"""Sends Django's own mails over our SMTP transport."""

import smtplib
from collections.abc import Sequence
from datetime import timedelta
from email.utils import make_msgid
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from notifications.addresses import mailbox
from notifications.channels.email.server import MailServer, server_of_settings
from notifications.channels.email.transport import transport_for
from notifications.message import Delivery, Outcome

DEFAULT_TIMEOUT = timedelta(seconds=10)


class NotDelivered(smtplib.SMTPException):
    """A mail of Django's was not certainly accepted. `delivery` is how it ended."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(f"{delivery.outcome.value} ({delivery.code}): {delivery.detail}")
        self.delivery = delivery


class EmailBackend(BaseEmailBackend):
    """Django's e-mail backend over an `SmtpTransport`: same arguments and settings as Django's own SMTP backend.

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
        default = server_of_settings()
        self.server = MailServer(
            host=host or default.host,
            port=port or default.port,
            username=default.username if username is None else username,
            password=default.password if password is None else password,
            starttls=default.starttls if use_tls is None else use_tls,
            implicit_tls=default.implicit_tls if use_ssl is None else use_ssl,
            keyfile=default.keyfile if ssl_keyfile is None else ssl_keyfile,
            certfile=default.certfile if ssl_certfile is None else ssl_certfile,
        )
        if self.server.starttls and self.server.implicit_tls:
            raise ValueError("EMAIL_USE_TLS and EMAIL_USE_SSL exclude each other")
        seconds = timeout or settings.EMAIL_TIMEOUT
        self.timeout = timedelta(seconds=seconds) if seconds else DEFAULT_TIMEOUT

    def open(self) -> bool | None:
        """Connects. Raises NotDelivered, or returns None if failing silently."""
        failure = transport_for(self.server).open(timeout=self.timeout)
        if failure is None:
            return True
        if self.fail_silently:
            return None
        raise NotDelivered(failure)

    def close(self) -> None:
        transport_for(self.server).close()

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
            transport_for(self.server).deliver(
                content, sender=sender[1], recipient=recipient[1], timeout=self.timeout
            )
            for recipient in recipients
            if recipient is not None
        ]
