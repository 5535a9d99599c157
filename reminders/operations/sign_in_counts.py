"""Counts failed sign-ins: the receiver of the signal of `accounts`."""

import logging
from collections import Counter

from django.db import DatabaseError, connection

from assignments.transactions import atomically
from reminders.ledger import counters

logger = logging.getLogger(__name__)


def on_sign_in_failed(*, reason: str, number: int, **_: object) -> None:
    """Adds to the counter. Nobody is let in or kept out because it cannot be written."""
    try:
        _count(reason, number)
    except DatabaseError as error:
        logger.warning("Metrics incomplete", extra={"part": "sign-ins", "reason": type(error).__name__})


@atomically
def _count(reason: str, number: int) -> None:
    with connection.cursor() as cursor:
        counters.write(cursor, Counter({(counters.SIGN_IN_FAILURES, counters.labels(reason=reason)): number}))
