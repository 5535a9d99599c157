"""Sends one message within its time. Whatever a person, a server or a channel did wrong is a result."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from notifications.channels.base import Channel
from notifications.message import BUILT_IN, Contact, Delivery, Message, Outcome, Wording
from reminders.conf import ReminderConfig
from reminders.content import compose
from reminders.content.contacts import contact_for
from reminders.content.message_templates import active
from reminders.delivery import refusals, sms_sending, watchdog
from reminders.delivery.log_lines import fields_of
from reminders.ledger import sms_usage
from reminders.ledger.records import Claim
from reminders.models import Reason
from reminders.policy.record import record
from reminders.policy.retries import Result
from reminders.policy.send_times import SendTimes
from reminders.policy.ways import channel_name

logger = logging.getLogger(__name__)


class ContactFor(Protocol):
    """Who is written to (`contacts.contact_for`)."""

    def __call__(
        self,
        recipient: str,
        person: Contact,
        config: ReminderConfig,
        *,
        way: str,
        verified_only: bool = False,
    ) -> Contact | None: ...


@record
class Prepared:
    """A message, ready for its channel."""

    channel: Channel
    message: Message


@record
class Unsendable:
    """Why there is nothing to send."""

    result: Result
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Send:
    """Sends one message after the other, each within its time. `watch` interrupts what does not come back."""

    config: ReminderConfig
    channel: Callable[[str], Channel]
    watch: watchdog.Watch
    contact: ContactFor = contact_for

    def __call__(
        self, claim: Claim, *, times: SendTimes, before_last_octet: Callable[[], None]
    ) -> tuple[Result, Delivery, str, Wording]:
        """One send. What a person or a server did wrong is a result; a fault of the program ends this row alone.

        `before_last_octet` is called before the message is complete. The end comes with the message's id, and what its text
        was made from.
        """
        prepared = self.prepare(claim)
        if isinstance(prepared, Unsendable):
            return prepared.result, prepared.delivery, "", BUILT_IN
        channel, message = prepared.channel, prepared.message
        send = partial(self._send, channel, message, claim, times, before_last_octet)
        if channel.name != sms_usage.CHANNEL:
            delivery = send()
        else:
            delivery = sms_sending.send_counted(message, claim.row.recipient, send)
            if delivery.code == sms_usage.CAPPED:
                return Result.NO_CONTACT, delivery, "", BUILT_IN
        return refusals.result_of(delivery), delivery, message.message_id, message.wording

    def prepare(self, claim: Claim) -> "Prepared | Unsendable":
        """What is sent for this claim, and over which channel; or why there is nothing to send."""
        try:
            channel = self.channel(channel_name(claim.row.channel))
            contact = self.contact(
                claim.row.recipient,
                compose.assignee_contact(claim.facts),
                self.config,
                way=claim.row.channel,
                verified_only=claim.verified_only,
            )
            address = channel.address(contact) if contact else None
            if contact is None or address is None:
                return Unsendable(
                    Result.NO_CONTACT, Delivery(Outcome.REJECTED, "no_contact", "no usable address")
                )
        except Exception as error:
            logger.exception("Reminder failed", extra={**fields_of(claim), "reason": Reason.INTERNAL.value})
            return Unsendable(Result.INTERNAL, Delivery(Outcome.REJECTED, "internal", type(error).__name__))
        if not claim.row.is_webhook:
            active.refresh()
        try:
            with self.watch(self.config.interrupt_after):
                message = compose.compose(claim, contact=contact, address=address, now=claim.begun_at)
        except watchdog.SendInterrupted:
            logger.error("Reminder failed", extra={**fields_of(claim), "reason": Reason.TEMPLATE.value})
            return Unsendable(
                Result.TEMPLATE, Delivery(Outcome.REJECTED, "template", "the template took too long")
            )
        except Exception as error:
            logger.exception("Reminder failed", extra={**fields_of(claim), "reason": Reason.TEMPLATE.value})
            return Unsendable(Result.TEMPLATE, Delivery(Outcome.REJECTED, "template", type(error).__name__))
        return Prepared(channel, message)

    def _send(
        self,
        channel: Channel,
        message: Message,
        claim: Claim,
        times: SendTimes,
        before_last_octet: Callable[[], None],
    ) -> Delivery:
        """A channel answers with a Delivery. One that raises, or hangs, may have sent: nobody can know."""
        try:
            with self.watch(times.interrupt_after):
                return channel.send_announcing(
                    message,
                    timeout=self.config.event_timeout if claim.row.is_webhook else self.config.send_timeout,
                    final_reply_timeout=times.final_reply_timeout,
                    before_last_octet=before_last_octet,
                )
        except watchdog.SendInterrupted:
            logger.error("Reminder failed", extra={**fields_of(claim), "reason": "interrupted"})
            return Delivery(Outcome.UNKNOWABLE, "interrupted", "the channel did not come back in time")
        except Exception as error:
            logger.exception("Reminder failed", extra={**fields_of(claim), "reason": Reason.INTERNAL.value})
            return Delivery(Outcome.UNKNOWABLE, "internal", type(error).__name__)
