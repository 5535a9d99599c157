"""One poll of the mailbox: each new mail is read, recorded, and then marked. The network is outside of any transaction.

Whoever dies between recording and marking reads the mail again, which changes nothing. What is settled is deleted: it may
quote what a person was told, and a full mailbox takes no more bounces. Whatever somebody may want to read is marked as seen
and stays.
"""

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError

from notifications.bounces.imap import MailboxAddress
from notifications.bounces.mailbox import Mailbox, MailboxFailed
from reminders.bounces import polls, receiving
from reminders.bounces.polls import MailboxPollResult
from reminders.bounces.receiving import Receipt, ReceiptOutcome
from reminders.conf import ReminderConfig

logger = logging.getLogger(__name__)

TIMEOUT = timedelta(seconds=60)
SHARE_SECONDS = 45.0
"""After so long no further mail is begun in one visit."""

MOST_MAILS = 200


def poll(*, config: ReminderConfig) -> MailboxPollResult | None:
    """Reads what is new in BOUNCE_MAILBOX_URL; None where nothing is configured, or somebody else is at it."""
    address = settings.BOUNCE_MAILBOX
    lease = polls.claim() if address is not None else None
    if address is None or lease is None:
        return None
    every = timedelta(seconds=settings.BOUNCE_POLL_SECONDS)
    try:
        result = _visit(address, config)
    except MailboxFailed as failure:
        result = MailboxPollResult(code=failure.code, detail=str(failure))
    except Exception as error:
        polls.finish(lease, MailboxPollResult(code="internal", detail=type(error).__name__), every=every)
        raise
    polls.finish(lease, result, every=every)
    counts = {"read": result.read, "recorded": result.recorded}
    if result.code:
        logger.warning("Mailbox not read", extra={"reason": result.code})
    elif result.read:
        logger.info("Mailbox read", extra=counts)
    return result


def _visit(address: MailboxAddress, config: ReminderConfig) -> MailboxPollResult:
    over = time.monotonic() + SHARE_SECONDS
    read = recorded = 0
    with Mailbox(address, timeout=TIMEOUT) as mailbox:
        uids = mailbox.new(limit=MOST_MAILS)
        for uid in uids:
            if time.monotonic() >= over:
                return MailboxPollResult(read=read, recorded=recorded, more=True)
            content = mailbox.content(uid)
            if content is None:
                continue
            receipt = _receive(content, config)
            if receipt.outcome is not ReceiptOutcome.EARLY:  # Else it stays new, for the next poll.
                mailbox.finish(uid, delete=receipt.settled)
            read, recorded = read + 1, recorded + (receipt.outcome is ReceiptOutcome.RECORDED)
    return MailboxPollResult(read=read, recorded=recorded, more=len(uids) == MOST_MAILS)


def _receive(content: bytes, config: ReminderConfig) -> Receipt:
    """A fault of ours with one mail does not hold up the others: it stays for a person."""
    try:
        return receiving.receive(content, config=config)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("Returned mail not recorded")
        return Receipt(ReceiptOutcome.UNKNOWN, settled=False)
