"""The values that travel the road: who is written to, what is written, and how it ended."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

MOST_DETAIL = 500
ADDRESS = "<address>"

# Deliberately greedy: rather a word too much is hidden than an address shown. `%40` is "@" inside a URL.
_LOOKS_LIKE_AN_ADDRESS = re.compile(r"""<?(?:"[^"]*"|[^\s<>"()\[\],;:]+)(?:@|%40)[^\s<>"()\[\],;:]+>?""")
_NOT_PRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Contact:
    """A person, as far as a channel needs to know one. What is not known is an empty string.

    `language` is a language tag such as "en" or "pt-br", `time_zone` an IANA name such as "Europe/Berlin".
    A program is a contact too: `url` is where it listens, and `secrets` sign what it gets.
    """

    name: str
    email: str = ""
    phone: str = ""
    url: str = field(default="", kw_only=True, repr=False)
    secrets: tuple[str, ...] = field(default=(), kw_only=True, repr=False)
    language: str = "en"
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one person.

    `message_id` is "left@right" without angle brackets. A repeated send must carry the same one.
    `address` is one recipient as `Channel.address()` gave it, `name` the name shown beside it.
    `html` may be empty. `headers` are further header lines, such as List-Unsubscribe.
    """

    message_id: str
    address: str
    name: str
    subject: str
    text: str
    html: str = ""
    language: str = "en"
    headers: Mapping[str, str] = field(default_factory=dict)


class Outcome(Enum):
    """How a send ended. Every end that can be expected is one of these, never an exception."""

    ACCEPTED = "accepted"
    """The other side took the message over."""
    REFUSED_FOR_NOW = "refused_for_now"
    """Certainly not accepted, for a reason that lies in this message and may pass."""
    REJECTED = "rejected"
    """Certainly not accepted, for good."""
    CHANNEL_DOWN = "channel_down"
    """Certainly not accepted, and it says nothing about this message: the next one would fare the same."""
    UNKNOWABLE = "unknowable"
    """The line broke, or time ran out, between the message's last byte and the answer."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The end of one send.

    `code` is the other side's code ("550"), or the phase in which the send ended without one ("connect").
    `detail` is one line of at most 500 characters for people. Whatever looks like an e-mail address in it is
    replaced when the value is made, so that it may be logged and stored. `retry_after` is how long the other side
    asks to be left alone, if it does.
    """

    outcome: Outcome
    code: str
    detail: str = ""
    retry_after: timedelta | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", _presentable(self.detail))

    @property
    def accepted(self) -> bool:
        return self.outcome is Outcome.ACCEPTED


def without(text: str, recipient: str) -> str:
    """`text` with every mention of this recipient replaced by "<address>", upper and lower case alike."""
    # Looked for first, because a pattern of its own for each recipient costs more than the whole send.
    if not recipient or recipient.casefold() not in text.casefold():
        return text
    return re.sub(f"<?{re.escape(recipient)}>?", ADDRESS, text, flags=re.IGNORECASE)


def _presentable(detail: str) -> str:
    line = _NOT_PRINTABLE.sub(" ", detail)
    if "@" in line or "%40" in line:
        line = _LOOKS_LIKE_AN_ADDRESS.sub(ADDRESS, line)
    return line.strip()[:MOST_DETAIL]
