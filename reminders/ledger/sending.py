"""Makes rows SENDING, by themselves or as members of one message."""

import json
from collections.abc import Sequence

from reminders.conf import ReminderConfig
from reminders.ledger.records import Claim
from reminders.ledger.sql import Cursor, bigints, run

# After a send whose end is unknown, the person may have been told what it stated, or what this one states. The rows are
# named twice: by a join alone, PostgreSQL may read the whole ledger for a few of them.
MAKE_SENDING = """
    UPDATE reminders_reminder r
    SET state = 'SENDING', attempts = attempts + 1, begun_at = statement_timestamp(), reason = '',
        lease_until = statement_timestamp() + %s, digest_id = %s,
        planned_start = CASE WHEN r.kind = 'CORRECTION' AND x.stated <> 'null'
            THEN (x.stated -> 0 ->> 'start')::timestamptz ELSE r.planned_start END,
        announced = CASE WHEN x.stated = 'null' THEN NULL WHEN r.ambiguous = 0 THEN x.stated
            ELSE coalesce(r.announced, jsonb_build_array(jsonb_build_object('start', r.planned_start))) || x.stated END
    FROM jsonb_each(%s) AS x(id, stated)
    WHERE r.id = ANY(%s::bigint[]) AND r.id = x.id::bigint AND r.state = 'QUEUED'
"""


def make_sending(
    cursor: Cursor, claims: Sequence[Claim], *, digest_id: int | None, config: ReminderConfig
) -> None:
    """Begins these rows, whose locks the caller holds; `digest_id` is the row that leads the message that holds them.

    Each keeps what it states, and a correction the start as it is now.
    """
    stated = {
        claim.row.id: [claim.announced.as_json()] if claim.announced is not None else None for claim in claims
    }
    run(cursor, MAKE_SENDING, [config.lease, digest_id, json.dumps(stated), bigints(stated)])
