"""What waits where, in Redis, in workers, in the ledger; and how the queue is emptied without losing anything."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from assignments.transactions import atomically
from reminders import broker_state, ledger, operations
from reminders.broker import CeleryBroker
from reminders.conf import ReminderConfig
from reminders.ledger import Hint
from reminders.lifecycle import BrokerDown
from reminders.operations import Rescan


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """`redis` counts messages by queue and is None while Redis does not answer (`trouble` says why); all others
    are ledger rows, events for programs apart. `due` rows are PLANNED and wait only to be handed over."""

    redis: dict[str, int] | None
    trouble: str
    queued: int
    sending: int
    planned: int
    due: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """How many messages were thrown away, by queue, and how many rows went back to PLANNED. `scan` is the rescan that
    followed; None while reminders are switched off."""

    redis: dict[str, int]
    returned: int
    scan: Rescan | None = None


def look() -> Waiting:
    """What waits where at this moment. Never raises for a broker that does not answer."""
    redis, trouble = None, ""
    try:
        redis = broker_state.waiting()
    except BrokerDown as error:
        trouble = str(error)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FILTER (WHERE state = 'QUEUED'), count(*) FILTER (WHERE state = 'SENDING'),
                   count(*) FILTER (WHERE state = 'PLANNED'),
                   count(*) FILTER (WHERE state = 'PLANNED' AND next_attempt_at <= statement_timestamp()),
                   min(next_attempt_at) FILTER (WHERE state = 'PLANNED')
            FROM reminders_reminder WHERE closed_at IS NULL AND kind <> 'EVENT'
            """
        )
        queued, sending, planned, due, next_at = cursor.fetchone()
    return Waiting(
        redis=redis,
        trouble=trouble,
        queued=queued,
        sending=sending,
        planned=planned,
        due=due,
        next_at=next_at,
    )


def purge(
    *, by: str, reason: str = "", trigger: str, config: ReminderConfig, budget: timedelta | None = None
) -> Purged:
    """Empties the queues, returns claimed rows to PLANNED and rescans: dispatch hands over again within a second.

    Rows that a worker has begun are left alone. A message that was on its way in between finds its ticket
    void. A rescan that takes longer than `budget` goes on in the scanner. Raises BrokerDown before anything was
    changed.
    """
    reason = operations.checked_reason(reason, needed=False)
    messages = broker_state.purge()
    returned = _return(messages, by=by, reason=reason)
    scan = None
    if config.enabled:
        scan = operations.rescan(
            trigger=trigger,
            by=by,
            reason="after a purge",
            config=config,
            budget=budget,
            hand_over=CeleryBroker().hand_over_scan,
        )
    return Purged(redis=messages, returned=returned, scan=scan)


@atomically
def _return(messages: dict[str, int], *, by: str, reason: str) -> int:
    returned = ledger.release(_claimed())
    operations.note(
        "purge", by=by, reason=reason, before={"messages": messages}, after={"returned": returned}
    )
    return returned


def _claimed() -> list[Hint]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, ticket FROM reminders_reminder WHERE closed_at IS NULL AND state = 'QUEUED' ORDER BY id"
        )
        return [Hint(reminder_id, ticket) for reminder_id, ticket in cursor.fetchall()]
