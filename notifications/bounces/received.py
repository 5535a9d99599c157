"""The values that are read from a mail that came back."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from notifications.redaction import redacted


class ReportKind(Enum):
    """What a report says of the message that it is about."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class Ignored(Enum):
    """Why a mail reports nothing of what became of a message."""

    AUTO_REPLY = "auto_reply"
    """A person's mail program answers, as in out-of-office replies: the message arrived where somebody reads, or not."""
    DELAYED = "delayed"
    """A mail server still tries; another report follows if it gives up."""
    NO_OUTCOME = "no_outcome"
    """A report of something else, such as a message that was handed on to where no reports are made."""
    NO_REPORT = "no_report"
    """Any other mail."""
    UNREADABLE = "unreadable"
    """It is no mail, or one with more parts, inside each other, than any report has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a message.

    `permanent`: it was refused for good, and the next message to this address would meet the same. `status` is an enhanced
    status code (RFC 3463) or ''. `detail` is one line for people, in which no address is left.
    """

    kind: ReportKind
    permanent: bool = False
    status: str = ""
    detail: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", redacted(self.detail))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMail:
    """A mail that came back, as far as it concerns us.

    `tokens` are what may be tokens of ours in it, the most reliable first: whoever made them must check them.
    `external_id` is the same for every copy of this mail, and holds nothing of its text. `at` is when it was written, as
    it says itself.
    `found` is what it reports, or why it reports nothing.
    """

    found: Report | Ignored
    tokens: tuple[str, ...] = ()
    external_id: str = ""
    at: datetime | None = None
