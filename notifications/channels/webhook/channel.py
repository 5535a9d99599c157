"""Posts a message to an endpoint, in the public internet only, within one deadline, knowing how far the send got.

The name is resolved once. Every address it has must be public (`notifications.public_addresses`), and the connection goes
to the very address that was checked, so that a second result of the name server changes nothing. No redirect is
followed, no proxy of the environment used, and of the response little more read than status and headers.

Where connections are kept (`keep`), a post goes over an idle one that has been checked when it was opened.
"""

import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http.client import HTTPException, HTTPResponse

from django.conf import settings

from notifications import resolver
from notifications.channels.base import AnnouncingChannel
from notifications.channels.webhook import endpoint
from notifications.channels.webhook.connections import KeptConnections
from notifications.channels.webhook.endpoint import WebhookEndpoint
from notifications.channels.webhook.request import NotPermitted, Request, Resolve
from notifications.deadline_socket import TIME_RAN_OUT, retry_after
from notifications.http_phases import HttpPhase, broken
from notifications.message import Contact, Delivery, Message, Outcome, Subject

GONE = "410"
"""The code of a Delivery whose endpoint wants no more messages, ever."""

# Responses about the endpoint as a whole: the next message would end the same way (RFC 9110 section 15, RFC 6585).
# All others may be about this one message.
BUSY = 429
UNAVAILABLE = frozenset({502, 503, 504})
MISCONFIGURED = frozenset({*range(300, 400), 401, 405, 407, 501, 505})


class WebhookChannel(AnnouncingChannel):
    """One POST for each message. `Message.text` is the body, `Message.headers` are sent as they are."""

    name = "webhook"
    reaches_people = False

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
        self._kept: KeptConnections | None = None

    def keep(self) -> None:
        if self._kept is None:
            self._kept = KeptConnections(self._clock)

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def address(self, contact: Contact) -> str | None:
        try:
            endpoint.parse(contact.url, plain=settings.WEBHOOK_ALLOW_PRIVATE)
        except ValueError:
            return None
        return contact.url

    def send_announcing(
        self,
        message: Message,
        *,
        timeout: timedelta,
        final_reply_timeout: timedelta = timedelta(),
        before_last_octet: Callable[[], None],
    ) -> Delivery:
        try:
            target = endpoint.parse(message.address, plain=settings.WEBHOOK_ALLOW_PRIVATE)
        except ValueError as error:
            return Delivery(Outcome.REJECTED, "address", str(error), subject=Subject.RECIPIENT)
        kept = self._kept
        deadline = self._clock() + timeout.total_seconds()
        post = partial(
            self._post,
            message,
            target,
            kept=kept,
            final_reply_timeout=final_reply_timeout,
            before_last_octet=before_last_octet,
        )
        was_complete = False
        if kept is not None and (sock := kept.take(target)) is not None:
            request = Request(target, deadline, self._clock)
            request.keep(sock)
            delivery, is_broken = post(request)
            if not (is_broken and _was_closed_unanswered(request, delivery)):
                return delivery
            # The other side has closed it while it was idle, and most likely has read nothing.
            was_complete = request.phase is HttpPhase.RESPONSE
        request = Request(target, deadline, self._clock)
        delivery, is_broken = post(request)
        return _in_doubt(delivery) if was_complete and is_broken else delivery

    def _post(
        self,
        message: Message,
        target: WebhookEndpoint,
        request: Request,
        *,
        kept: KeptConnections | None,
        final_reply_timeout: timedelta,
        before_last_octet: Callable[[], None],
    ) -> tuple[Delivery, bool]:
        """One post over one connection; and whether no response ended it."""
        try:
            if not request.is_open:
                request.open(
                    self._resolve,
                    private=settings.WEBHOOK_ALLOW_PRIVATE,
                    permitted=self._permitted,
                    tls=self._tls,
                )
                if kept is not None:
                    request.keep()
            before_last_octet()
            request.write(message)
            response = request.read_response(final_reply_timeout)
            delivery = _delivery_of(response)
            if kept is not None and (sock := request.release(response)) is not None:
                kept.give(target, sock, response)
            return delivery, False
        except NotPermitted as refusal:
            return Delivery(
                Outcome.REFUSED_FOR_NOW,
                "address",
                str(refusal),
                subject=Subject.RECIPIENT,
                phase=request.phase.value,
            ), True
        except (OSError, HTTPException, ValueError) as error:
            return broken(request.phase, error), True
        finally:
            request.close()


def _was_closed_unanswered(request: Request, delivery: Delivery) -> bool:
    """Whether a kept connection turned out to be closed, rather than slow: then a new one is worth the try."""
    return not request.has_response and delivery.detail != TIME_RAN_OUT


def _in_doubt(delivery: Delivery) -> Delivery:
    """A repeat that failed, after a post that was complete and may have been read all the same."""
    return replace(delivery, outcome=Outcome.UNKNOWABLE, subject=Subject.UNSTATED)


def _delivery_of(response: HTTPResponse) -> Delivery:
    status, code = response.status, str(response.status)
    if 200 <= status < 300:
        return Delivery(Outcome.ACCEPTED, code)
    outcome, subject = _judged(status)
    detail = response.reason
    if 300 <= status < 400:
        detail = "a redirect, which is not followed: subscribe the address that it names"
    wait = None if code == GONE else retry_after(response.getheader("Retry-After"))
    return Delivery(outcome, code, detail, wait, subject=subject, phase=HttpPhase.RESPONSE.value)


def _judged(status: int) -> tuple[Outcome, Subject]:
    if str(status) == GONE:
        return Outcome.REJECTED, Subject.RECIPIENT
    if status == BUSY:
        return Outcome.THROTTLED, Subject.CHANNEL
    if status in UNAVAILABLE:
        return Outcome.CHANNEL_DOWN, Subject.CHANNEL
    if status in MISCONFIGURED:
        return Outcome.CHANNEL_REFUSED, Subject.CHANNEL
    return Outcome.REFUSED_FOR_NOW, Subject.UNSTATED
