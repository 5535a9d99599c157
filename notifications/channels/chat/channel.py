"""Sends over chat and push services through Apprise. What it does not say of a failure is learnt beside it (`observed`)."""

import re
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError

from notifications.channels.base import Channel
from notifications.channels.chat.addresses import service_of
from notifications.message import Contact, Delivery, Message, Outcome, Subject

TOO_MANY = 429
SHORTEST, LONGEST = 1.0, 60.0
"""Seconds: the bounds of Apprise's own time-outs."""
ABOUT_THE_MESSAGE = frozenset({413, 414, 415, 422})
FOR_A_WHILE = frozenset({408, 423, 425, TOO_MANY, *range(500, 600)})


class ChatChannel(Channel):
    """One message to one chat service. `Message.address` is an Apprise URL."""

    name = "chat"
    short_text = True

    def address(self, contact: Contact) -> str | None:
        try:
            service_of(contact.chat)
        except ValidationError:
            return None
        return contact.chat

    def send(
        self, message: Message, *, timeout: timedelta, final_reply_timeout: timedelta = timedelta()
    ) -> Delivery:
        from notifications.channels.chat.observed import observing

        try:
            service = service_of(message.address)
        except ValidationError as refusal:
            return _about_recipient(Outcome.REJECTED, "address", " ".join(refusal.messages))
        # Half for connecting, half for the answer: together no longer than the whole may take.
        half = min(max(timeout.total_seconds() / 2, SHORTEST), LONGEST)
        service.socket_connect_timeout = service.socket_read_timeout = half
        with observing(allow_private=settings.CHAT_ALLOW_PRIVATE) as seen:
            sent = service.notify(body=message.text, title=message.subject, body_format="text")
        if sent:
            return Delivery(Outcome.ACCEPTED, "ok")
        if seen.refused:
            why = "its address is not in the public internet"
            return _about_recipient(Outcome.REJECTED, "address", why)
        if not seen.answers:
            # Not reached by HTTP, or in a way that cannot be seen: it may have gone out.
            return Delivery(Outcome.UNKNOWABLE, "service", "the service has not said what it did")
        return _judged(seen.answers[-1])


def _judged(last: object) -> Delivery:
    """How a send ended by what the last of its requests came to."""
    import requests

    if isinstance(last, requests.Response):
        return _of_status(last.status_code, last.headers.get("Retry-After", ""))
    if isinstance(last, requests.ConnectTimeout | requests.exceptions.SSLError) or _never_connected(last):
        return _about_recipient(
            Outcome.REFUSED_FOR_NOW, "connect", "the service cannot be reached", phase="connect"
        )
    if isinstance(last, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return _about_recipient(Outcome.REJECTED, "address", "the service's address cannot be used")
    return Delivery(
        Outcome.UNKNOWABLE, "response", "the service did not answer, or broke off", phase="response"
    )


def _never_connected(error: object) -> bool:
    """Whether a ConnectionError of requests came before anything was sent."""
    from urllib3.exceptions import NameResolutionError, NewConnectionError

    reason = getattr((getattr(error, "args", None) or (None,))[0], "reason", None)
    return isinstance(reason, NewConnectionError | NameResolutionError)


def _of_status(status: int, retry_after: str) -> Delivery:
    code = str(status)
    if status in FOR_A_WHILE:
        wait = timedelta(seconds=int(retry_after)) if re.fullmatch(r"[0-9]{1,6}", retry_after) else None
        return Delivery(
            Outcome.REFUSED_FOR_NOW,
            code,
            "the service takes no message just now",
            wait,
            subject=Subject.RECIPIENT,
            phase="response",
        )
    if status in ABOUT_THE_MESSAGE:
        return Delivery(
            Outcome.REJECTED,
            code,
            "the service refuses this message",
            subject=Subject.MESSAGE,
            phase="response",
        )
    return _about_recipient(Outcome.REJECTED, code, "the service refuses the address", phase="response")


def _about_recipient(outcome: Outcome, code: str, detail: str, *, phase: str = "") -> Delivery:
    # Each contact point has a service of its own: what one of them says is nothing about the others.
    return Delivery(outcome, code, detail, subject=Subject.RECIPIENT, phase=phase)
