"""Makes rows SENDING, by themselves or as members of one message."""

from collections.abc import Sequence

from reminders.conf import ReminderConfig
from reminders.ledger.counters import Cursor
from reminders.ledger.records import Claim
from reminders.ledger.sql import bigints, run

MAKE_SENDING = """
    UPDATE reminders_reminder
    SET state = 'SENDING', attempts = attempts + 1, begun_at = statement_timestamp(), reason = '',
        lease_until = statement_timestamp() + %s, digest_id = %s
    WHERE id = ANY(%s::bigint[]) AND state = 'QUEUED'
"""


def make_sending(
    cursor: Cursor, claims: Sequence[Claim], *, digest_id: int | None, config: ReminderConfig
) -> None:
    """Begins these rows, whose locks the caller holds; `digest_id` is the row that leads the message that holds them."""
    run(cursor, MAKE_SENDING, [config.lease, digest_id, bigints(claim.row.id for claim in claims)])
