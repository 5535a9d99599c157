"""What waits where: in Redis, in workers, in the ledger."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from reminders.delivery import broker_status
from reminders.ledger.fragments import TO_PEOPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """`redis` counts messages by queue and is None while Redis does not answer (`error` says why); all others
    are ledger rows, events for programs apart. `due` rows are PLANNED and wait only to be handed over."""

    redis: dict[str, int] | None
    error: str
    queued: int
    sending: int
    planned: int
    due: int
    next_at: datetime | None


def read_queue_status() -> QueueStatus:
    """What waits where at this moment. Never raises for a broker that does not answer."""
    broker = broker_status.probe()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*) FILTER (WHERE state = 'QUEUED'), count(*) FILTER (WHERE state = 'SENDING'),
                   count(*) FILTER (WHERE state = 'PLANNED'),
                   count(*) FILTER (WHERE state = 'PLANNED' AND next_attempt_at <= statement_timestamp()),
                   min(next_attempt_at) FILTER (WHERE state = 'PLANNED')
            FROM reminders_reminder WHERE closed_at IS NULL AND {TO_PEOPLE}
            """  # noqa: S608 - our own constants
        )
        queued, sending, planned, due, next_at = cursor.fetchone()
    return QueueStatus(
        redis=broker.queues,
        error=broker.error,
        queued=queued,
        sending=sending,
        planned=planned,
        due=due,
        next_at=next_at,
    )
