"""A channel that accepts everything at once and only counts; the benchmarks measure all the rest with it."""

from datetime import timedelta

from notifications.channels.base import Channel
from notifications.message import Contact, Delivery, Message, Outcome

ACCEPTED = Delivery(Outcome.ACCEPTED, "noop")


class NoopChannel(Channel):
    name = "noop"
    reaches_people = False

    def __init__(self) -> None:
        self.count = 0

    def address(self, contact: Contact) -> str | None:
        return contact.email or contact.phone or None

    def send(
        self, message: Message, *, timeout: timedelta, final_reply_timeout: timedelta = timedelta()
    ) -> Delivery:
        self.count += 1
        return ACCEPTED
