"""Sends a message as an SMS, by a gateway with Twilio's Messages API.

Twilio has no idempotency key for messages: who repeats a request that was not answered may send the message twice.
"""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from notifications.channels.base import AnnouncingChannel
from notifications.channels.sms import gateway as gateways
from notifications.channels.sms.gateway import NUMBER, Gateway
from notifications.channels.sms.transport import transport_for
from notifications.message import Contact, Delivery, Message, Outcome, Subject
from notifications.phone_numbers import sendable

STATUS_PATH = "/api/inbound/sms-status"
"""Where the gateway tells what became of a message."""
TRACKING = "tracking"
"""The parameter of that address which names the message."""
THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}

NO_GATEWAY = Delivery(Outcome.CHANNEL_REFUSED, "settings", "SMS_URL is not set", subject=Subject.CHANNEL)


class SmsChannel(AnnouncingChannel):
    """One POST for each message. `Message.text` is the whole message."""

    name = "sms"
    short_text = True

    def address(self, contact: Contact) -> str | None:
        return contact.phone if NUMBER.fullmatch(contact.phone) else sendable(contact.phone)

    def send_announcing(
        self,
        message: Message,
        *,
        timeout: timedelta,
        final_reply_timeout: timedelta = timedelta(),
        before_last_octet: Callable[[], None],
    ) -> Delivery:
        gateway = gateways.current()
        if gateway is None:
            return NO_GATEWAY
        if not NUMBER.fullmatch(message.address):
            return Delivery(
                Outcome.REJECTED, "address", "not a telephone number (E.164)", subject=Subject.RECIPIENT
            )
        return transport_for(gateway).deliver(
            parameters(message, gateway),
            recipient=message.address,
            timeout=timeout,
            final_reply_timeout=final_reply_timeout,
            before_last_octet=before_last_octet,
        )

    def probe(self, address: str | None, *, timeout: timedelta) -> Delivery | None:
        gateway = gateways.current()
        return NO_GATEWAY if gateway is None else transport_for(gateway).probe(timeout=timeout)

    def close(self) -> None:
        gateway = gateways.current()
        if gateway is not None:
            transport_for(gateway).close()


def parameters(message: Message, gateway: Gateway) -> dict[str, str]:
    """The parameters of "Create a Message resource"."""
    sender = {"MessagingServiceSid": gateway.service} if gateway.service else {"From": gateway.sender}
    callback = status_callback(message.tracking, gateway)
    return {
        "To": message.address,
        **sender,
        "Body": message.text,
        **({"StatusCallback": callback} if callback else {}),
    }


def status_callback(tracking: str, gateway: Gateway) -> str:
    """Where the gateway tells of this message; '' where it could not reach us, for such an address it would refuse."""
    if not tracking or not settings.PUBLIC_URL:
        return ""
    if urlsplit(settings.PUBLIC_URL).hostname in THIS_MACHINE and not gateway.is_on_this_machine:
        return ""
    return f"{settings.PUBLIC_URL}{STATUS_PATH}?{urlencode({TRACKING: tracking})}"
