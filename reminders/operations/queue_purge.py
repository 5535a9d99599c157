"""Purge: the queue is emptied without losing anything."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection

from accounts import reasons
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.delivery import broker_status
from reminders.delivery.broker import CeleryBroker
from reminders.ledger import audit, leases
from reminders.ledger.records import Hint
from reminders.operations import rescans
from reminders.operations.rescans import Rescan


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """How many messages were thrown away, by queue, and how many rows went back to PLANNED. `scan` is the rescan that
    followed; None while reminders are switched off."""

    redis: dict[str, int]
    returned: int
    scan: Rescan | None = None


def purge(
    *, by: str, reason: str = "", trigger: str, config: ReminderConfig, budget: timedelta | None = None
) -> Purged:
    """Empties the queues, returns claimed rows to PLANNED and rescans: dispatch hands over again within a second.

    Rows that a worker has begun are left alone. A message that was on its way in between finds its ticket
    void. A rescan that takes longer than `budget` goes on in the scanner. Raises BrokerDown before anything was
    changed.
    """
    reason = reasons.checked_reason(reason, needed=False)
    messages = broker_status.purge()
    returned = _return(messages, by=by, reason=reason)
    scan = None
    if config.enabled:
        scan = rescans.rescan(
            trigger=trigger,
            by=by,
            reason="after a purge",
            config=config,
            budget=budget,
            hand_over=CeleryBroker().resume_scan_elsewhere,
        )
    return Purged(redis=messages, returned=returned, scan=scan)


@atomically
def _return(messages: dict[str, int], *, by: str, reason: str) -> int:
    returned = leases.release(_claimed())
    audit.record("purge", by=by, reason=reason, before={"messages": messages}, after={"returned": returned})
    return returned


def _claimed() -> list[Hint]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, ticket FROM reminders_reminder WHERE closed_at IS NULL AND state = 'QUEUED' ORDER BY id"
        )
        return [Hint(reminder_id, ticket) for reminder_id, ticket in cursor.fetchall()]
