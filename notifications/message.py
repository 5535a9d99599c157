"""The values every channel works with: who is written to, what is sent, and how that ended."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from enum import Enum

from notifications.redaction import redacted


@dataclass(frozen=True, slots=True)
class Contact:
    """A person, as far as a channel needs to know one. What is not known is an empty string.

    `language` is a language tag such as "en" or "pt-br", `time_zone` an IANA name such as "Europe/Berlin".
    `chat` is the URL of a chat service.
    A webhook subscriber is a contact too: `url` is its endpoint, and `secrets` sign what is posted there.
    """

    name: str
    email: str = ""
    phone: str = ""
    chat: str = field(default="", kw_only=True, repr=False)
    url: str = field(default="", kw_only=True, repr=False)
    secrets: tuple[str, ...] = field(default=(), kw_only=True, repr=False)
    language: str = "en"
    time_zone: str = "UTC"


class CalendarMethod(Enum):
    """What a calendar does with the events of a file (RFC 5546, section 3.2)."""

    PUBLISH = "PUBLISH"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A whole iCalendar object (RFC 5545): `text` with its CRLF line ends, of 75 octets at most, and the method it names."""

    method: CalendarMethod
    text: str


@dataclass(frozen=True, slots=True)
class Wording:
    """Which stored text a message was made from: the id of its `version`; None: the built-in text. With a `fault` that
    version could not be used, and the built-in text went out instead.
    """

    version: int | None = None
    fault: str = ""


BUILT_IN = Wording()


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one person.

    `message_id` is "left@right" without angle brackets. A repeated send must carry the same one.
    `address` is one recipient as `Channel.address()` gave it, `name` the name shown beside it.
    `html` may be empty. `tracking` is what the other side may hand back with what became of the message (lower-case letters,
    digits and hyphens); empty where nothing is to come back. `headers` are further header lines, such as List-Unsubscribe.
    `reply_to` is the mail address to which answers go; empty: that of the settings. `calendar` is a file that goes with a
    mail; other channels leave it out. `wording` is what its text was made from, for the record; no channel looks at it.
    """

    message_id: str
    address: str
    name: str
    subject: str
    text: str
    html: str = ""
    language: str = "en"
    tracking: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    reply_to: str = ""
    calendar: Calendar | None = None
    wording: Wording = BUILT_IN


class Outcome(Enum):
    """How a send ended. Whatever can be expected is one of these, never an exception."""

    ACCEPTED = "accepted"
    """The other side accepted the message."""
    REFUSED_FOR_NOW = "refused_for_now"
    """Certainly not accepted, for a reason that is this recipient's or this message's and may pass."""
    REJECTED = "rejected"
    """Certainly not accepted, for good, for a reason that is this recipient's or this message's."""
    THROTTLED = "throttled"
    """Certainly not accepted: the channel takes fewer messages in this time, and would accept this one later."""
    CHANNEL_REFUSED = "channel_refused"
    """Certainly not accepted: the channel serves, and refuses this sender, its account or a policy. It would refuse the next
    message too, until a person changes something."""
    CHANNEL_DOWN = "channel_down"
    """Certainly not accepted: the channel cannot be reached or does not serve at the moment; the next message would end the
    same way."""
    UNKNOWABLE = "unknowable"
    """The connection broke, or time ran out, between the message's last byte and the response."""


class Subject(Enum):
    """What the response to a message is about, as far as it can be known from the response alone."""

    RECIPIENT = "recipient"
    """This address. It says nothing about other recipients, however many of them fare the same."""
    MESSAGE = "message"
    """The content or size of this message."""
    CHANNEL = "channel"
    """The sender, its account, a policy, the pace or the service: every message would fare the same."""
    UNSTATED = "unstated"
    """It does not tell. The outcome is a presumption: of a refusal that several recipients in a row meet, the channel is the
    cause; of one that a single recipient meets among others that are accepted, that recipient."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The end of one send.

    `code` is the other side's code ("550"), or the phase in which the send ended without one ("connect"). `phase` is how
    far a send got that was not accepted ("rcpt"; each channel has its own), `status` the enhanced status code of a mail
    server's reply ("5.1.1", RFC 3463), each empty where there is none.

    `detail` is one line of at most 500 characters for people. Whatever looks like an e-mail address in it is
    replaced when the value is made, so that it may be logged and stored. `retry_after` is how long the other side
    asks to wait, if it does.
    """

    outcome: Outcome
    code: str
    detail: str = ""
    retry_after: timedelta | None = None
    _: KW_ONLY
    subject: Subject = Subject.UNSTATED
    phase: str = ""
    status: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", redacted(self.detail))

    @property
    def accepted(self) -> bool:
        return self.outcome is Outcome.ACCEPTED
