"""Sends a message as an e-mail: over our own SMTP transport, or over any other backend that EMAIL_BACKEND names."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.encoders import encode_base64
from email.mime.base import MIMEBase
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from notifications.addresses import envelope_address, mailbox
from notifications.channels.base import AnnouncingChannel
from notifications.channels.email import mime
from notifications.channels.email.backend import EmailBackend
from notifications.channels.email.server import server_of_settings
from notifications.channels.email.transport import transport_for
from notifications.channels.email.verp import return_path
from notifications.message import Contact, Delivery, Message, Outcome, Subject
from notifications.providers import with_token
from notifications.redaction import redacted
from notifications.settings_cache import kept_while_settings_stay

logger = logging.getLogger(__name__)

OWN_BACKEND = f"{EmailBackend.__module__}.{EmailBackend.__qualname__}"


class MailSettings(NamedTuple):
    """What the settings say about every mail. Read once: one of Django's settings takes as long as a header does."""

    over_own_transport: bool
    sender: str
    reply_to: str
    bounce_address: str


class EmailChannel(AnnouncingChannel):
    name = "email"
    calendar_files = True

    def address(self, contact: Contact) -> str | None:
        return envelope_address(contact.email)

    def send_announcing(
        self,
        message: Message,
        *,
        timeout: timedelta,
        final_reply_timeout: timedelta = timedelta(),
        before_last_octet: Callable[[], None],
    ) -> Delivery:
        if envelope_address(message.address) != message.address:
            return Delivery(
                Outcome.REJECTED, "address", "not one valid e-mail address", subject=Subject.RECIPIENT
            )
        if message.tracking:
            message = with_token(message, provider=settings.ANYMAIL_PROVIDER)
        mail = _mail_settings()
        if not mail.over_own_transport:
            before_last_octet()
            return _through_django(message)
        sender_header, sender = _sender(mail.sender, message.reply_to or mail.reply_to)
        if message.tracking and mail.bounce_address:
            sender = return_path(mail.bounce_address, message.tracking)
        content = mime.serialized(message, sender_header=sender_header, at=datetime.now(UTC))
        return transport_for(server_of_settings()).deliver(
            content,
            sender=sender,
            recipient=message.address,
            timeout=timeout,
            final_reply_timeout=final_reply_timeout,
            before_last_octet=before_last_octet,
        )

    def probe(self, address: str | None, *, timeout: timedelta) -> Delivery | None:
        mail = _mail_settings()
        if mail.over_own_transport:
            sender = mail.bounce_address or _sender(mail.sender, "")[1]
            return transport_for(server_of_settings()).probe(
                sender=sender, recipient=address, timeout=timeout
            )
        connection = get_connection()
        try:
            connection.open()
        except OSError as error:
            return Delivery(
                Outcome.CHANNEL_DOWN, "connect", str(error), subject=Subject.CHANNEL, phase="connect"
            )
        _close(connection)
        return Delivery(Outcome.ACCEPTED, "backend")

    def close(self) -> None:
        if _mail_settings().over_own_transport:
            transport_for(server_of_settings()).close()


@kept_while_settings_stay()
def _mail_settings() -> MailSettings:
    return MailSettings(
        over_own_transport=settings.EMAIL_BACKEND == OWN_BACKEND,
        sender=settings.DEFAULT_FROM_EMAIL,
        reply_to=settings.EMAIL_REPLY_TO,
        bounce_address=settings.BOUNCE_ADDRESS,
    )


@lru_cache(maxsize=64)
def _sender(text: str, reply_to: str) -> tuple[str, str]:
    """The header lines that say who sends and where answers go, and the envelope sender, of these two settings."""
    found = mailbox(text)
    if found is None:
        raise ImproperlyConfigured("DEFAULT_FROM_EMAIL is not one valid address")
    lines = mime.from_header(*found)
    if reply_to:
        answers = mailbox(reply_to)
        if answers is None:
            raise ImproperlyConfigured("EMAIL_REPLY_TO, or that of the team, is not one valid address")
        lines += mime.reply_to_header(*answers)
    return lines, found[1]


def _through_django(message: Message) -> Delivery:
    """Sends over the backend that EMAIL_BACKEND names. Its time-outs are its own.

    Such a backend cannot report how far a failed send got. So what fails in its open() is certainly not sent, and
    every exception of send_messages() leaves it unknowable.
    """
    connection = get_connection()
    try:
        connection.open()
    except OSError as error:
        detail = redacted(str(error), recipient=message.address)
        return Delivery(Outcome.CHANNEL_DOWN, "connect", detail, subject=Subject.CHANNEL, phase="connect")
    try:
        # None is what a backend returns that keeps no count, against Django's documentation.
        count: int | None = connection.send_messages([_django_mail(message)])
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
        return Delivery(Outcome.UNKNOWABLE, "backend", redacted(detail, recipient=message.address))
    finally:
        _close(connection)
    if count is None:
        return Delivery(Outcome.UNKNOWABLE, "backend", "the e-mail backend does not report what it sent")
    if count == 0:
        return Delivery(Outcome.REFUSED_FOR_NOW, "backend", "the e-mail backend sent nothing")
    return Delivery(Outcome.ACCEPTED, "backend")


def _close(connection: BaseEmailBackend) -> None:
    """An error here cannot undo what was sent."""
    try:
        connection.close()
    except Exception:
        logger.warning("E-mail backend did not close")


def _django_mail(message: Message) -> EmailMultiAlternatives:
    name = mime.display_name(message.name)
    reply_to = message.reply_to or settings.EMAIL_REPLY_TO
    mail = EmailMultiAlternatives(
        subject=mime.one_line(message.subject),
        body=message.text,
        to=[f"{mime.quoted(name)} <{message.address}>" if name else message.address],
        reply_to=[reply_to] if reply_to else None,
        headers={
            "Message-ID": f"<{message.message_id}>",
            "Auto-Submitted": "auto-generated",
            **{header: mime.one_line(value) for header, value in message.headers.items()},
        },
    )
    if message.html:
        mail.attach_alternative(message.html, "text/html")
    if message.calendar is not None:
        # Django has no place for the parameter that names the method.
        method = message.calendar.method.value
        part = MIMEBase("text", "calendar", charset="utf-8", method=method, name=mime.CALENDAR_FILE)
        part.add_header("Content-Disposition", "attachment", filename=mime.CALENDAR_FILE)
        part.set_payload(message.calendar.text.encode())
        encode_base64(part)
        mail.attach(part)
    if message.tracking and settings.BOUNCE_ADDRESS:
        # Django's own backends take `from_email` for the envelope.
        mail.extra_headers["From"] = settings.DEFAULT_FROM_EMAIL
        mail.from_email = return_path(settings.BOUNCE_ADDRESS, message.tracking)
    return mail
