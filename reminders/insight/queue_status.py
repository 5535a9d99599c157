"""What waits where: in Redis, in workers, in the ledger."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from reminders.delivery import broker_status
from reminders.delivery.hints import BrokerDown


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """`redis` counts messages by queue and is None while Redis does not answer (`trouble` says why); all others
    are ledger rows, events for programs apart. `due` rows are PLANNED and wait only to be handed over."""

    redis: dict[str, int] | None
    trouble: str
    queued: int
    sending: int
    planned: int
    due: int
    next_at: datetime | None


def read_queue_status() -> QueueStatus:
    """What waits where at this moment. Never raises for a broker that does not answer."""
    redis, trouble = None, ""
    try:
        redis = broker_status.queue_lengths()
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
    return QueueStatus(
        redis=redis,
        trouble=trouble,
        queued=queued,
        sending=sending,
        planned=planned,
        due=due,
        next_at=next_at,
    )
