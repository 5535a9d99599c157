"""How webhook subscriptions are doing: what waits for each, and whether its endpoint answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from reminders.ledger.fragments import TO_WEBHOOKS
from reminders.models import Subscription
from reminders.policy.recipients import subscription_recipient


@dataclass(frozen=True, slots=True)
class Health:
    """How a subscription fares: how many events wait for it, since when it fails, and what it answered last.

    It fails while its endpoint is left alone, or while an event waits that it has refused.
    """

    waiting: int
    breaker_open_until: datetime | None = None
    failing_since: datetime | None = None
    code: str = ""
    detail: str = ""


def health(subscriptions: Sequence[Subscription]) -> dict[int, Health]:
    """How each of them fares, by id; two statements for all."""
    recipients = {subscription_recipient(one.pk): one.pk for one in subscriptions}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.recipient, (SELECT count(*) FROM reminders_reminder r
                                 WHERE r.closed_at IS NULL AND r.{TO_WEBHOOKS} AND r.recipient = s.recipient),
                   h.until, coalesce(h.since, f.since), coalesce(h.code, f.code, ''), coalesce(h.detail, f.detail, '')
            FROM unnest(%s::text[]) AS s(recipient)
            LEFT JOIN reminders_channelhold h ON h.channel = s.recipient
            LEFT JOIN LATERAL (
                SELECT a.code, a.detail, min(a.started_at) OVER () AS since
                FROM reminders_reminder r JOIN reminders_attempt a ON a.reminder_id = r.id
                WHERE r.closed_at IS NULL AND r.{TO_WEBHOOKS} AND r.recipient = s.recipient
                    AND a.outcome NOT IN ('accepted', 'handed_back')
                ORDER BY a.finished_at DESC LIMIT 1
            ) f ON true
            """,  # noqa: S608 - our own constants
            [list(recipients)],
        )
        return {recipients[recipient]: Health(*rest) for recipient, *rest in cursor.fetchall()}
