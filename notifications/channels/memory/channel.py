"""Keeps what it accepts, and fails where a test wants it to."""

from collections import deque
from datetime import timedelta

from notifications.addresses import envelope_address
from notifications.channels.base import Channel
from notifications.message import Contact, Delivery, Message, Outcome, Subject


class MemoryChannel(Channel):
    """Accepts every message, unless `answer_with` has set other ends for the next ones.

    `messages` are the accepted ones, `attempts` all that were sent, both in order. After an UNKNOWABLE answer
    the message is in `attempts` only; whether it arrived cannot be known.
    """

    name = "memory"
    reaches_people = False
    calendar_files = True

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.attempts: list[Message] = []
        self.timeouts: list[timedelta] = []
        self._answers: deque[Delivery | Exception] = deque()

    def answer_with(self, *answers: Outcome | Delivery | Exception) -> None:
        """The ends of the next sends, one each, in order. An exception is raised instead of returned."""
        self._answers.extend(_delivery(each) if isinstance(each, Outcome) else each for each in answers)

    def clear(self) -> None:
        """Back to how it was made."""
        self.messages.clear()
        self.attempts.clear()
        self.timeouts.clear()
        self._answers.clear()

    def address(self, contact: Contact) -> str | None:
        return envelope_address(contact.email)

    def send(
        self, message: Message, *, timeout: timedelta, final_reply_timeout: timedelta = timedelta()
    ) -> Delivery:
        self.attempts.append(message)
        self.timeouts.append(timeout)
        answer = self._answers.popleft() if self._answers else Delivery(Outcome.ACCEPTED, "250")
        if isinstance(answer, Exception):
            raise answer
        if answer.accepted:
            self.messages.append(message)
        return answer


def _delivery(outcome: Outcome) -> Delivery:
    about_the_channel = outcome in (Outcome.CHANNEL_DOWN, Outcome.CHANNEL_REFUSED, Outcome.THROTTLED)
    subject = Subject.CHANNEL if about_the_channel else Subject.UNSTATED
    return Delivery(outcome, outcome.value, subject=subject)
