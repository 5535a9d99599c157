"""Rows as a claim returns them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from reminders.delivery.hints import HintBatch
from reminders.ledger.records import Claimed, Hint
from reminders.models import Kind

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def claimed(number: int, kind: Kind = Kind.REMINDER, *, wait: int = 0, alone: bool = False) -> Claimed:
    """A row claimed at noon, due so many milliseconds later."""
    return Claimed(
        hint=Hint(number, 1),
        assignment_id=number,
        version=1,
        kind=kind.value,
        due_at=NOON,
        claimed_at=NOON,
        wait=wait * MILLISECOND,
        alone=alone,
        scan_id=None,
    )


def ids(batches: Iterable[HintBatch]) -> list[list[int]]:
    return [[hint.reminder_id for hint in batch.hints] for batch in batches]
