"""Reads a mail that came to BOUNCE_ADDRESS: what it reports, of which message, and nothing else of it.

The order in which it is tried: a delivery status notification (RFC 3464), a complaint (RFC 5965), an auto-reply, and at last
what flufl.bounce recognizes in the words of mail servers that write no notifications. Notifications come first, because
these too may be marked as auto-replies (RFC 3834 section 5).
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime
from itertools import islice

from flufl.bounce import all_failures

from notifications.bounces import bounded, delivery_status
from notifications.bounces.bounded import header
from notifications.bounces.received import Ignored, ReceivedMail, Report, ReportKind
from notifications.channels.email import verp

MOST_TOKENS = 10
RECIPIENT_HEADERS = frozenset(
    {"to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "return-path", "received"}
)
HEURISTIC_OCTETS, HEURISTIC_LINE = 32 * 1024, 300
"""What flufl.bounce is shown: the time that its patterns take grows with the square of a line."""

COMPLAINTS = frozenset({"abuse", "fraud", "virus", "other"})  # RFC 5965 section 7.3; "other" is one as well
_AUTO_REPLY_SUBJECT = re.compile(
    r"\s*(?:out of (?:the )?office|automatic reply|auto(?:matic)?[ -]?repl|autoreply|vacation|abwesen|automatische antwort"
    r"|r[ée]ponse automatique|respuesta autom)",
    re.IGNORECASE,
)
_AUTO_REPLY_HEADERS = ("X-Autoreply", "X-Autorespond", "X-Autoresponse")
_MAIL_SERVER = re.compile(r"mailer-daemon|postmaster|mail delivery (?:sub)?system", re.IGNORECASE)


def read(content: bytes, *, address: str, recipient: str = "") -> ReceivedMail:
    """What a mail reports. It never raises, whatever the mail is; time and memory are bounded.

    `address` is BOUNCE_ADDRESS as `notifications.addresses.parse` returns it, or ''; `recipient` the address to which the
    mail was delivered, where that is known.
    """
    text = bounded.cut(content)
    message = bounded.parsed(text)
    if message is None:
        return ReceivedMail(found=Ignored.UNREADABLE, external_id=_digest(text))
    try:
        found = _found(message, text)
    except Exception:  # A library stumbled over it; what it is about is no longer to be known.
        found = Ignored.UNREADABLE
    tokens = islice(dict.fromkeys(_tokens(message, text, address, recipient)), MOST_TOKENS)
    message_id = header(message, "Message-ID")
    return ReceivedMail(
        found=found,
        tokens=tuple(tokens),
        external_id=_digest(message_id.encode("utf-8", "replace") if message_id else text),
        at=_written_at(message),
    )


def _found(message: Message, text: bytes) -> Report | Ignored:
    if fields := delivery_status.fields_in(message):
        return delivery_status.outcome_of(fields)
    if (feedback := _feedback_type(message)) is not None:
        return (
            Report(kind=ReportKind.COMPLAINED, detail=feedback)
            if feedback in COMPLAINTS
            else Ignored.NO_OUTCOME
        )
    if _is_auto_reply(message):
        return Ignored.AUTO_REPLY
    return _recognized(bounded.cut(text, octets=HEURISTIC_OCTETS, longest=HEURISTIC_LINE))


def _recognized(text: bytes) -> Report | Ignored:
    """What the words of a mail server say that writes no notifications."""
    message = bounded.parsed(text)
    if message is None:
        return Ignored.UNREADABLE
    if not parseaddr(header(message, "From"))[1]:
        # flufl.bounce takes it that there is one.
        del message["From"]
        message["From"] = "MAILER-DAEMON@invalid"
    delayed, failed = all_failures(message)
    if failed:
        words = text.decode("utf-8", "replace").partition("\n\n")[2]
        return delivery_status.bounce(delivery_status.status_in(words), "")
    return Ignored.DELAYED if delayed else Ignored.NO_REPORT


def _feedback_type(message: Message) -> str | None:
    """Of a complaint in the Abuse Reporting Format (RFC 5965); None where there is none."""
    for part in message.walk():
        if part.get_content_type() == "message/feedback-report":
            payload = part.get_payload()
            inner = payload[0] if isinstance(payload, list) and payload else None
            return header(inner, "Feedback-Type").lower()[:40] if isinstance(inner, Message) else ""
    return None


def _is_auto_reply(message: Message) -> bool:
    """Mail servers that write no notifications mark their bounces as auto-replies too; their name tells them apart."""
    if header(message, "X-Failed-Recipients") or _MAIL_SERVER.search(header(message, "From")[:200]):
        return False
    marked = header(message, "Auto-Submitted").lower().startswith(("auto-replied", "auto-generated"))
    precedence = header(message, "Precedence").lower().startswith("auto")
    named = any(header(message, name) for name in _AUTO_REPLY_HEADERS)
    subject = header(message, "Subject")[:200]
    return marked or precedence or named or _AUTO_REPLY_SUBJECT.match(subject) is not None


def _tokens(message: Message, text: bytes, address: str, recipient: str) -> Iterator[str]:
    if address:
        yield from verp.tokens_in(recipient.encode("utf-8", "replace"), address)
        for name, value in message.items():
            if name.lower() in RECIPIENT_HEADERS:
                yield from verp.tokens_in(str(value).encode("utf-8", "replace"), address)
    yield from verp.header_tokens_in(text)
    for part in message.walk():
        if part.get_content_type() in ("text/rfc822-headers", "message/global-headers"):
            decoded = part.get_payload(decode=True)
            if isinstance(decoded, bytes):
                yield from verp.header_tokens_in(decoded)
    if address:
        yield from verp.tokens_in(text, address)


def _written_at(message: Message) -> datetime | None:
    try:
        at = parsedate_to_datetime(header(message, "Date"))
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
