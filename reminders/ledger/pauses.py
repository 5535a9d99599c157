"""The pause, and what waits behind it."""

from datetime import datetime

from django.db import connection

from assignments.transactions import atomically
from reminders import counters
from reminders.ledger.rows import IN_FORCE, Ended, fetch, run, tally_skipped
from reminders.models import Kind
from reminders.policy import Use

PAUSE_LOCK = 0x72656D03

OPEN_PAUSE = """
    INSERT INTO reminders_pause (by, reason, since, until, ended_by)
    SELECT %s, %s, statement_timestamp(), %s, '' WHERE NOT EXISTS ({in_force})
    RETURNING id
"""

END_PAUSE = """
    UPDATE reminders_pause SET ended_at = statement_timestamp(), ended_by = %s
    WHERE id IN ({in_force})
    RETURNING id
"""


@atomically
def open_pause(*, by: str, reason: str, until: datetime | None) -> int | None:
    """Starts a pause; None where one is in force already: never two at a time."""
    with connection.cursor() as cursor:
        run(cursor, "SELECT pg_advisory_xact_lock(%s)", [PAUSE_LOCK])
        run(cursor, OPEN_PAUSE.format(in_force=IN_FORCE), [by, reason, until])
        made = cursor.fetchone()
        return made[0] if made else None


@atomically
def end_pause(*, by: str) -> int | None:
    """Ends the pause in force and returns its id; None where nothing is paused."""
    with connection.cursor() as cursor:
        run(cursor, "SELECT pg_advisory_xact_lock(%s)", [PAUSE_LOCK])
        run(cursor, END_PAUSE.format(in_force=IN_FORCE), [by])
        ended = cursor.fetchone()
        return ended[0] if ended else None


def backlog() -> dict[tuple[Kind, Use], int]:
    """How many due rows wait to be sent, by kind and by what sending them now would still be worth.

    `policy.use` is the same rule as a pure function.
    """
    with connection.cursor() as cursor:
        run(
            cursor,
            """
            SELECT r.kind,
                   CASE WHEN r.not_after < statement_timestamp() THEN 'too_late'
                        WHEN r.kind = 'REMINDER' AND r.planned_start < statement_timestamp() THEN 'late'
                        ELSE 'useful' END AS use,
                   count(*)
            FROM reminders_reminder r
            WHERE r.closed_at IS NULL AND r.state IN ('PLANNED', 'QUEUED') AND r.channel <> 'none'
              AND r.next_attempt_at <= statement_timestamp()
            GROUP BY 1, 2
            """,
        )
        return {(Kind(kind), Use(use)): count for kind, use, count in cursor.fetchall()}


@atomically
def skip_late() -> list[Ended]:
    """Ends the waiting reminders of work that has begun by the clock: an operator has said not to send them.

    What may have arrived already ends UNKNOWN (RULES, 11).
    """
    with connection.cursor() as cursor:
        run(
            cursor,
            """
            WITH late AS (
                SELECT id FROM reminders_reminder
                WHERE closed_at IS NULL AND state = 'PLANNED' AND kind = 'REMINDER'
                  AND next_attempt_at <= statement_timestamp() AND planned_start < statement_timestamp()
                ORDER BY id FOR NO KEY UPDATE
            )
            UPDATE reminders_reminder r
            SET state = CASE WHEN r.ambiguous > 0 THEN 'UNKNOWN' ELSE 'SKIPPED' END,
                reason = CASE WHEN r.ambiguous > 0 THEN 'ambiguous' ELSE 'operator' END,
                closed_at = statement_timestamp()
            FROM late
            WHERE r.id = late.id AND r.state = 'PLANNED'
            RETURNING r.id AS reminder_id, r.assignment_id, r.version, r.kind, r.due_at, r.state, r.reason
            """,
        )
        ended = [Ended(**row) for row in fetch(cursor)]
        counters.write(cursor, tally_skipped(ended))
    return ended
