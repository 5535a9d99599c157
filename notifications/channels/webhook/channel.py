"""Posts a message to an endpoint, in the public internet only, within one deadline, knowing how far the send got.

The name is resolved once. Every address it has must be public (see `public_addresses`), and the connection goes to
the very address that was checked, so that a second result of the name server changes nothing. No redirect is
followed, no proxy of the environment used, and no more read than status and headers need.
"""

import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.client import HTTPException, HTTPResponse

from django.conf import settings

from notifications import resolver
from notifications.channels.base import Channel
from notifications.channels.webhook import endpoint
from notifications.channels.webhook.public_addresses import is_public
from notifications.channels.webhook.request import Phase, Request, Resolve
from notifications.message import Contact, Delivery, Message, Outcome

MAX_RETRY_AFTER = timedelta(hours=24)

GONE = "410"
"""The code of a Delivery whose endpoint wants no more messages, ever."""

# Responses about the endpoint as a whole: the next message would end the same way (RFC 9110 section 15, RFC 6585).
UNAVAILABLE = frozenset({429, 502, 503, 504})

# As with mail: in mid-request the message itself may be the cause, and after its last byte nobody can know.
IF_BROKEN = {Phase.REQUEST: Outcome.REFUSED_FOR_NOW, Phase.RESPONSE: Outcome.UNKNOWABLE}


class WebhookChannel(Channel):
    """One POST for each message. `Message.text` is the body, `Message.headers` are sent as they are."""

    name = "webhook"

    def __init__(
        self,
        *,
        resolve: Resolve = resolver.resolve,
        permitted: Callable[[str], bool] | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolve = resolve
        self._permitted = permitted
        self._tls = tls
        self._clock = clock

    def address(self, contact: Contact) -> str | None:
        try:
            endpoint.parse(contact.url, plain=settings.WEBHOOK_ALLOW_PRIVATE)
        except ValueError:
            return None
        return contact.url

    def send(self, message: Message, *, timeout: timedelta) -> Delivery:
        try:
            target = endpoint.parse(message.address, plain=settings.WEBHOOK_ALLOW_PRIVATE)
        except ValueError as error:
            return Delivery(Outcome.REJECTED, "address", str(error))
        permitted = self._permitted or (_anywhere if settings.WEBHOOK_ALLOW_PRIVATE else is_public)
        request = Request(target, self._clock() + timeout.total_seconds(), self._clock)
        try:
            addresses = request.resolve(self._resolve)
            if not all(permitted(str(info[4][0])) for info in addresses):
                return Delivery(
                    Outcome.REFUSED_FOR_NOW, "address", "the host has an address that is not public"
                )
            request.connect(addresses)
            if target.tls:
                request.start_tls(self._tls or _default_tls())
            request.write(message)
            return _delivery_of(request.read_response())
        except (OSError, HTTPException, ValueError) as error:
            return Delivery(
                IF_BROKEN.get(request.phase, Outcome.CHANNEL_DOWN), request.phase.value, _described(error)
            )
        finally:
            request.close()


def _delivery_of(response: HTTPResponse) -> Delivery:
    status, detail = response.status, response.reason
    if 200 <= status < 300:
        return Delivery(Outcome.ACCEPTED, str(status))
    if str(status) == GONE:
        return Delivery(Outcome.REJECTED, GONE, detail)
    if 300 <= status < 400:
        detail = "a redirect, which is not followed: subscribe the address that it names"
    outcome = Outcome.CHANNEL_DOWN if status in UNAVAILABLE else Outcome.REFUSED_FOR_NOW
    delivery = Delivery(outcome, str(status), detail)
    return replace(delivery, retry_after=_retry_after(response.getheader("Retry-After")))


def _retry_after(header: str | None) -> timedelta | None:
    """Seconds, or an HTTP date (RFC 9110 section 10.2.3); at most a day; None if it is neither."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), MAX_RETRY_AFTER)
    try:
        instant = parsedate_to_datetime(text)
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return max(timedelta(), min(instant - datetime.now(UTC), MAX_RETRY_AFTER))


def _described(error: Exception) -> str:
    """One line about what broke, in our or the system's words: nothing of what the endpoint sent."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return "time ran out"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {getattr(error, 'verify_message', '') or error.reason or 'failed'}"
    if isinstance(error, OSError):
        return (error.strerror or str(error) or "the connection broke").lower()
    return str(error) if str(error) == "the response is too long" else "the response is not HTTP"


def _anywhere(address: str) -> bool:
    return True


@lru_cache(maxsize=1)
def _default_tls() -> ssl.SSLContext:
    return ssl.create_default_context()
