"""What every channel implements."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from notifications.message import Contact, Delivery, Message


class Channel(ABC):
    """A way to reach people. Its instances may keep a connection; each thread uses its own."""

    name: ClassVar[str]
    reaches_people: ClassVar[bool] = True
    """Whether what it accepts goes to a person; not so for channels of trials, tests and programs."""
    short_text: ClassVar[bool] = False
    """Whether it takes the short text of a message, without HTML, instead of a mail."""
    calendar_files: ClassVar[bool] = False
    """Whether it sends the calendar file of a message along; for others none is made."""

    @abstractmethod
    def address(self, contact: Contact) -> str | None:
        """Where this contact is reached over this channel, ready for `Message.address`; None: not at all."""

    @abstractmethod
    def send(
        self, message: Message, *, timeout: timedelta, final_reply_timeout: timedelta = timedelta()
    ) -> Delivery:
        """Sends the message and returns how that ended.

        `timeout` bounds all of it, connecting included, save that the response to the whole message may take
        `final_reply_timeout` from its last byte on, if that is longer: the two together are the longest a send
        takes. (RFC 5321 section 4.5.3.2.6 gives a mail server 10 minutes for this phase, and whoever does not wait
        for the response cannot know whether the message was accepted.)

        Whatever can be expected to go wrong is in the Delivery. An exception is a fault of the program.
        """

    def send_announcing(
        self,
        message: Message,
        *,
        timeout: timedelta,
        final_reply_timeout: timedelta = timedelta(),
        before_last_octet: Callable[[], None],
    ) -> Delivery:
        """As `send`. Calls `before_last_octet` once before the octet without which the message is none: whoever dies
        earlier has certainly not sent it. A channel that does not know that octet calls it at the beginning.
        """
        before_last_octet()
        return self.send(message, timeout=timeout, final_reply_timeout=final_reply_timeout)

    def probe(self, address: str | None, *, timeout: timedelta) -> Delivery | None:
        """Asks whether a message, to this address if one is given, would be accepted, and sends none.

        None where this channel has no server to ask.
        """
        return None

    def keep(self) -> None:  # noqa: B027  most channels have nothing to keep
        """From now until `close`, several threads may send over this instance, and it keeps its connections."""

    def close(self) -> None:  # noqa: B027  most channels keep no connection
        """Closes this thread's connection. The next send opens a new one."""


class AnnouncingChannel(Channel):
    """A channel that knows the octet without which a message is none."""

    def send(
        self, message: Message, *, timeout: timedelta, final_reply_timeout: timedelta = timedelta()
    ) -> Delivery:
        return self.send_announcing(
            message,
            timeout=timeout,
            final_reply_timeout=final_reply_timeout,
            before_last_octet=lambda: None,
        )

    @abstractmethod
    def send_announcing(
        self,
        message: Message,
        *,
        timeout: timedelta,
        final_reply_timeout: timedelta = timedelta(),
        before_last_octet: Callable[[], None],
    ) -> Delivery: ...
