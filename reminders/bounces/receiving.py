"""One mail that came back: read, matched with its row, recorded."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from django.conf import settings

from assignments.clock import database_now
from notifications.bounces.reading import read
from notifications.bounces.received import Ignored, ReportKind
from reminders.conf import ReminderConfig
from reminders.content import tracking
from reminders.ledger import delivery_events
from reminders.models import DeliveryKind, Reminder, State

logger = logging.getLogger(__name__)

SOURCES = {ReportKind.BOUNCED: "dsn", ReportKind.DELIVERED: "dsn", ReportKind.COMPLAINED: "arf"}
"""Who says it: a notification of a mail server (or what stands for one), or a complaint."""

PEOPLES = {Ignored.NO_REPORT, Ignored.UNREADABLE}
"""Mail that somebody may want to read: nothing of it is known."""


class ReceiptOutcome(Enum):
    """What became of a mail that came back."""

    RECORDED = "recorded"
    KNOWN = "known"
    """Nothing new: it was recorded before, or its row is in the archive."""
    IGNORED = "ignored"
    """It reports nothing."""
    UNKNOWN = "unknown"
    """It is about no message of ours, as far as can be told."""
    EARLY = "early"
    """Its message is not recorded as sent yet: to be received again."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """`settled`: it is about a message of ours, and nobody needs to read it any more."""

    outcome: ReceiptOutcome
    settled: bool


def receive(content: bytes, *, config: ReminderConfig, recipient: str = "") -> Receipt:
    """Records what a mail reports. Repeating it changes nothing, and is needed where the outcome is EARLY. Raises what the
    database raises, and nothing of the mail's.

    `recipient` is the address to which the mail was delivered, where that is known.
    """
    mail = read(content, address=settings.BOUNCE_ADDRESS, recipient=recipient)
    reminder_id = reminder_of(mail.tokens)
    if isinstance(mail.found, Ignored):
        outcome = ReceiptOutcome.IGNORED if reminder_id is not None else ReceiptOutcome.UNKNOWN
        _log(outcome, reminder_id, reason=mail.found.value)
        return Receipt(outcome, settled=reminder_id is not None and mail.found not in PEOPLES)
    if reminder_id is None:
        _log(ReceiptOutcome.UNKNOWN, None, reason="no_token")
        return Receipt(ReceiptOutcome.UNKNOWN, settled=False)
    report = mail.found
    if report.permanent and is_being_sent(reminder_id):
        _log(ReceiptOutcome.EARLY, reminder_id, kind=report.kind.value)
        return Receipt(ReceiptOutcome.EARLY, settled=False)
    recorded = delivery_events.record(
        reminder_id,
        DeliveryKind(report.kind.value),
        source=SOURCES[report.kind],
        external_id=mail.external_id,
        at=happened_at(mail.at),
        config=config,
        detail=report.detail or report.status,
        permanent=report.permanent,
    )
    outcome = ReceiptOutcome.RECORDED if recorded else ReceiptOutcome.KNOWN
    _log(outcome, reminder_id, kind=report.kind.value, permanent=report.permanent, status=report.status)
    return Receipt(outcome, settled=True)


def reminder_of(tokens: Iterable[str]) -> int | None:
    """The row of the first token that is signed by us."""
    return next((found for token in tokens if (found := tracking.reminder_id_of(token)) is not None), None)


def is_being_sent(reminder_id: int) -> bool:
    """Whether a worker has the row in hand, or knows how its send ended and only lacks the database.

    Nothing else may be planned for its message then, so a bounce for good must wait for the end of the send.
    """
    return Reminder.objects.filter(pk=reminder_id, state=State.SENDING).exists()


def happened_at(at: datetime | None) -> datetime:
    """When a report says that it happened, which is never later than now."""
    now = database_now()
    return now if at is None else min(at, now)


def _log(outcome: ReceiptOutcome, reminder_id: int | None, **fields: object) -> None:
    logger.info("Returned mail read", extra={"outcome": outcome.value, "reminder_id": reminder_id, **fields})
