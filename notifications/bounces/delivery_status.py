"""Reads delivery status notifications (RFC 3464), also international ones (RFC 6533), wherever in a mail they are."""

import email
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message

from notifications.bounces.bounded import header
from notifications.bounces.received import Ignored, Report, ReportKind
from notifications.channels.email.responses import SmtpPhase, judge
from notifications.message import Outcome, Subject
from notifications.redaction import MAX_READ, redacted

TYPES = ("message/delivery-status", "message/global-delivery-status")
MOST_RECIPIENTS = 20

_ACTION = re.compile(r"[a-z]+")
_STATUS = re.compile(r"(?<![\d.])([245])\.\d{1,3}\.\d{1,3}(?![\d.])")
_REPLY = re.compile(r"(?:smtp\s*;)?\s*([45]\d\d)[ -]?(.*)", re.IGNORECASE)
_ADDRESS_TYPE = re.compile(
    r"[a-z0-9-]+\s*;\s*", re.IGNORECASE
)  # "rfc822;" before the address (RFC 3464, 2.3.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What a notification says of one recipient. What it does not say is ''."""

    action: str
    status: str
    recipient: str = ""
    diagnostic: str = ""


def fields_in(message: Message) -> list[Fields]:
    """What the notifications in a mail say, recipient by recipient; nothing where there is none."""
    found = []
    for part in message.walk():
        if part.get_content_type() in TYPES:
            for block in _blocks(part):
                if header(block, "Action") or header(block, "Status"):
                    found.append(_fields(block))
                if len(found) == MOST_RECIPIENTS:
                    return found
    return found


def outcome_of(fields: Sequence[Fields]) -> Report | Ignored:
    """What became of a message to one address, which may have been replaced by several on its way.

    It bounced only if nobody whom the notification names got it.
    """
    actions = {each.action for each in fields}
    failed = [each for each in fields if each.action == "failed"]
    if "delivered" in actions:
        return Report(kind=ReportKind.DELIVERED)
    if failed and not actions & {"relayed", "expanded", "delayed"}:
        return bounce(failed[0].status, failed[0].diagnostic, recipient=failed[0].recipient)
    return Ignored.DELAYED if "delayed" in actions else Ignored.NO_OUTCOME


def bounce(status: str, diagnostic: str, *, recipient: str = "") -> Report:
    """A bounce with this status and this reply of a mail server, either of which may be ''.

    It is permanent if the class of the status says so, else the reply's code, and if it is not about the sender, a policy or
    the content of this message: those say nothing of the address, and would close all addresses at once. That is judged as
    if the server had refused the recipient while we were connected (`notifications.channels.email.responses`).
    """
    diagnostic = diagnostic[:MAX_READ]
    reply = _REPLY.match(diagnostic)
    digit = status[:1] or (reply[1][:1] if reply else "5")
    code = int(reply[1]) if reply and reply[1][0] == digit else int(f"{digit}50")
    text = reply[2] if reply else diagnostic
    refusal = judge(SmtpPhase.RCPT, code, f"{text}\n{status}")
    return Report(
        kind=ReportKind.BOUNCED,
        permanent=refusal.outcome is Outcome.REJECTED and refusal.subject is not Subject.MESSAGE,
        status=status or refusal.status,
        detail=redacted(diagnostic, recipient=recipient),
    )


def status_in(text: str) -> str:
    """The first enhanced status code of a failure in the text; '' where there is none."""
    return next((found[0] for found in _STATUS.finditer(text) if found[1] != "2"), "")


def has_reply(text: str) -> bool:
    """Whether the text begins as the refusal of a mail server does."""
    return _REPLY.match(text) is not None


def _fields(block: Message) -> Fields:
    action = _ACTION.search(header(block, "Action").lower())
    status = _STATUS.search(header(block, "Status"))
    names = (header(block, name) for name in ("Final-Recipient", "Original-Recipient"))
    recipient = next((_ADDRESS_TYPE.sub("", name, count=1) for name in names if name), "")
    found = status[0] if status else ""
    return Fields(
        action=action[0] if action else _action_of(found),
        status=found,
        recipient=recipient.strip("<> "),
        diagnostic=header(block, "Diagnostic-Code"),
    )


def _action_of(status: str) -> str:
    """RFC 3464 demands an action; where it is missing the class of the status says as much as is certain."""
    return {"2": "delivered", "5": "failed"}.get(status[:1], "delayed")


def _blocks(part: Message) -> Iterator[Message]:
    """The groups of fields, which blank lines separate: those of the message, then those of each recipient."""
    payload = part.get_payload()
    if not isinstance(payload, list) or not payload:
        return
    if part.get_content_type() == TYPES[0] and not part.get("Content-Transfer-Encoding"):
        yield from (block for block in payload if isinstance(block, Message))
        return
    # To the parser any other part of this kind is a mail: its first group is the header, the rest its body.
    inner = payload[0]
    if not isinstance(inner, Message):
        return
    yield inner
    rest = inner.get_payload()
    for text in re.split(r"\n[ \t]*\n", rest)[: 2 * MOST_RECIPIENTS] if isinstance(rest, str) else ():
        yield email.message_from_string(text.lstrip("\n"))
