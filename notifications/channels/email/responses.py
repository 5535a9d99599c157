"""What a mail server's replies mean: whether a refusal is about the recipient, the message or the channel.

Judged by the phase it came in, by its enhanced status code (RFC 3463; the registry is RFC 5248), else by its basic
code (RFC 5321 section 4.2), and by its words only where neither decides. The tables below are the whole rule.

Many servers delay every refusal until RCPT (Postfix does by default), so there too a reply may be about the sender.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from notifications.message import Outcome, Subject
from notifications.redaction import MAX_READ


class SmtpPhase(Enum):
    """How far a send has got. The value is the `code` of a Delivery that no reply of the server ended."""

    CONNECT = "connect"
    TLS = "tls"
    EHLO = "ehlo"
    AUTH = "auth"
    RESET = "reset"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    FINAL_REPLY = "answer"


# What it means when the connection breaks, or time runs out, in a phase. In the others it says nothing about the
# message. In mid-content the message itself may be the cause: one that breaks the connection each time must end
# as exhausted, and not hold up the channel for everybody.
IF_BROKEN = {SmtpPhase.CONTENT: Outcome.REFUSED_FOR_NOW, SmtpPhase.FINAL_REPLY: Outcome.UNKNOWABLE}

EXPECTED_REPLY = {SmtpPhase.MAIL: 2, SmtpPhase.RCPT: 2, SmtpPhase.DATA: 3}  # first digits
UNKNOWN_COMMAND = frozenset({500, 501, 502, 503, 504})  # RFC 5321 section 4.2.2


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a refusal means: `for_now` is the outcome of a 4xx reply, `for_good` that of a 5xx reply."""

    for_now: Outcome
    for_good: Outcome
    subject: Subject


RECIPIENT = Meaning(Outcome.REFUSED_FOR_NOW, Outcome.REJECTED, Subject.RECIPIENT)
MESSAGE = Meaning(Outcome.REFUSED_FOR_NOW, Outcome.REJECTED, Subject.MESSAGE)
SERVICE = Meaning(Outcome.CHANNEL_DOWN, Outcome.CHANNEL_REFUSED, Subject.CHANNEL)
PACE = Meaning(Outcome.THROTTLED, Outcome.CHANNEL_REFUSED, Subject.CHANNEL)
# From RCPT on the reply may leave open what it is about. These name what is presumed.
PRESUMED_RECIPIENT = Meaning(Outcome.REFUSED_FOR_NOW, Outcome.REJECTED, Subject.UNSTATED)
PRESUMED_PACE = Meaning(Outcome.THROTTLED, Outcome.CHANNEL_REFUSED, Subject.UNSTATED)
PRESUMED_POLICY = Meaning(Outcome.REFUSED_FOR_NOW, Outcome.CHANNEL_REFUSED, Subject.UNSTATED)

# These are about the channel in every phase: closing down (RFC 5321 section 3.8), no mail service at all (RFC 7504),
# other credentials, or encryption, are needed first (RFC 4954 sections 4.7.12 and 6, RFC 5248, RFC 3207).
SERVICE_CODES = frozenset({421, 432, 454, 521, 523, 525, 530, 534, 535, 538})

# Enhanced status codes, without their class: "subject.detail", else "subject".
AT_MAIL_BY_STATUS: Mapping[str, Meaning] = {
    "1": SERVICE,  # addressing: the sender's
    "2": SERVICE,  # mailbox: the sender's
    "2.3": MESSAGE,  # message length exceeds administrative limit
    "3": SERVICE,  # mail system
    "3.4": MESSAGE,  # message too big for system
}
AFTER_MAIL_BY_STATUS: Mapping[str, Meaning] = {
    "1": RECIPIENT,  # addressing: no such mailbox, no such domain, it has moved, it accepts no mail
    "1.7": SERVICE,  # bad sender's mailbox address syntax
    "1.8": SERVICE,  # bad sender's system address
    "2": RECIPIENT,  # mailbox: disabled, full
    "2.3": MESSAGE,  # message length exceeds administrative limit
    "3": PRESUMED_POLICY,  # mail system
    "3.1": SERVICE,  # mail system full
    "3.2": SERVICE,  # system not accepting network messages
    "3.4": MESSAGE,  # message too big for system
    "4": PRESUMED_RECIPIENT,  # routing: mostly that to the recipient's domain
    "4.5": PACE,  # mail system congestion; also sending quotas
    "5": PRESUMED_RECIPIENT,  # protocol
    "5.1": PRESUMED_POLICY,  # invalid command, bad sequence
    "5.3": PACE,  # too many recipients
    "6": MESSAGE,  # content or media
    "6.7": RECIPIENT,  # non-ASCII addresses not permitted for that sender/recipient (RFC 6531)
    "7": PRESUMED_PACE,  # policy
    "7.1": PRESUMED_POLICY,  # delivery not authorized; in a 4xx it is greylisting
    "7.8": SERVICE,  # authentication credentials invalid (RFC 4954), as are the next five
    "7.9": SERVICE,
    "7.11": SERVICE,
    "7.12": SERVICE,
    "7.13": SERVICE,  # user account disabled (RFC 5248)
    "7.14": SERVICE,
    "7.17": RECIPIENT,  # mailbox owner has changed (RFC 7293)
    "7.18": RECIPIENT,  # domain owner has changed (RFC 7293)
}

# Basic codes, where there is no status in the tables above.
AT_MAIL_BY_CODE: Mapping[int, Meaning] = {
    552: MESSAGE,  # message size exceeds fixed maximum message size (RFC 1870 section 6.1)
}
AFTER_MAIL_BY_CODE: Mapping[int, Meaning] = {
    452: PRESUMED_PACE,  # insufficient system storage; too many recipients (RFC 5321 section 4.5.3.1.10)
    500: PRESUMED_POLICY,  # command unrecognized
    502: PRESUMED_POLICY,  # command not implemented
    503: PRESUMED_POLICY,  # bad sequence of commands
    504: PRESUMED_POLICY,  # command parameter not implemented
    551: RECIPIENT,  # user not local
    556: RECIPIENT,  # the recipient's domain does not accept mail (RFC 7504)
}

# Words, searched where the status leaves open what the reply is about. A mailbox that is "over quota" is the
# recipient's, so the word alone does not count.
_GREYLISTING = re.compile(r"gr[ae]y-?list", re.IGNORECASE)
_TOO_MUCH = re.compile(
    r"too (?:many|fast|much mail)|slow down|throttl|rate.?limit"
    r"|(?:sending|send|sender|message|submission|connection|session|daily|hourly) (?:rate|limit|quota)",
    re.IGNORECASE,
)
_NOT_FOR_US = re.compile(
    r"relay|sender (?:address |is |was )?(?:reject|not |denied|block|unverified)|not owned", re.IGNORECASE
)

# RFC 2034 section 4: class, subject and detail stand before the text, on each line. Some servers leave them out on the
# first lines. The class is to be the code's first digit; where it is not, the code decides whether the refusal is for
# good (RFC 5321 section 4.2.1), and subject and detail still say what it is about.
_STATUS = re.compile(r"^[ \t]*([45]\.\d{1,3}\.\d{1,3})(?![\d.])", re.MULTILINE)
_SEARCHED = 2_000  # characters of the text


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal as the tables judge it. `status` is its enhanced status code as the server wrote it, or empty."""

    outcome: Outcome
    subject: Subject
    status: str


def judge(phase: SmtpPhase, code: int, text: str) -> Refusal:
    """What the refusal `code` (4xx or 5xx) with this text means in this phase."""
    text = text[:_SEARCHED]
    status = _status(text)
    meaning = _meaning(phase, code, status, text)
    return Refusal(meaning.for_good if code >= 500 else meaning.for_now, meaning.subject, status)


def _status(text: str) -> str:
    found = _STATUS.search(text)
    return found[1] if found else ""


def _meaning(phase: SmtpPhase, code: int, status: str, text: str) -> Meaning:
    if (
        phase not in (SmtpPhase.MAIL, SmtpPhase.RCPT, SmtpPhase.DATA, SmtpPhase.FINAL_REPLY)
        or code in SERVICE_CODES
    ):
        return PACE if _TOO_MUCH.search(text) else SERVICE
    if phase is SmtpPhase.MAIL:
        return _by_status(AT_MAIL_BY_STATUS, status) or AT_MAIL_BY_CODE.get(code, PACE)
    stated = _by_status(AFTER_MAIL_BY_STATUS, status)
    if stated and stated.subject is not Subject.UNSTATED:
        return stated
    if code < 500 and _GREYLISTING.search(text):
        return RECIPIENT
    if _TOO_MUCH.search(text) or (code >= 500 and _NOT_FOR_US.search(text)):
        return PRESUMED_PACE
    return stated or AFTER_MAIL_BY_CODE.get(code, PRESUMED_RECIPIENT)


def _by_status(table: Mapping[str, Meaning], status: str) -> Meaning | None:
    _, _, kind = status.partition(".")
    return table.get(kind) or table.get(kind.partition(".")[0])


def decoded(reply: bytes) -> str:
    """As much of a reply as is considered at all, and a little more, so that the cut is noticed."""
    return reply[: 8 * MAX_READ].decode("utf-8", "replace")
