"""Makes rows SENDING, by themselves or as members of one message."""

import json
from collections.abc import Sequence

from reminders.conf import ReminderConfig
from reminders.ledger.counters import Cursor
from reminders.ledger.records import Claim
from reminders.ledger.sql import run

# After a send whose end is unknown, the person may have been told what it stated, or what this one states.
MAKE_SENDING = """
    UPDATE reminders_reminder r
    SET state = 'SENDING', attempts = attempts + 1, begun_at = statement_timestamp(), reason = '',
        lease_until = statement_timestamp() + %s, digest_id = %s,
        planned_start = coalesce(x.start, r.planned_start),
        announced = CASE WHEN x.stated IS NULL THEN NULL WHEN r.ambiguous = 0 THEN jsonb_build_array(x.stated)
            ELSE coalesce(r.announced, jsonb_build_array(jsonb_build_object('start', r.planned_start))) || x.stated END
    FROM json_to_recordset(%s) AS x(id bigint, start timestamptz, stated jsonb)
    WHERE r.id = x.id AND r.state = 'QUEUED'
"""


def make_sending(
    cursor: Cursor, claims: Sequence[Claim], *, digest_id: int | None, config: ReminderConfig
) -> None:
    """Begins these rows, whose locks the caller holds; `digest_id` is the row that leads the message that holds them."""
    begun = json.dumps([_begun(claim) for claim in claims])
    run(cursor, MAKE_SENDING, [config.lease, digest_id, begun])


def _begun(claim: Claim) -> dict[str, object]:
    """What the row of a send that begins keeps: what it states, and for a correction the start as it is now."""
    stated = claim.announced
    return {
        "id": claim.row.id,
        "start": stated.start.isoformat() if stated and claim.row.is_correction else None,
        "stated": stated and stated.as_json(),
    }
