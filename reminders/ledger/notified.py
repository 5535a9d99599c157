"""What counts as already notified, and the roll-up `reminder_status` that follows from it."""

from collections.abc import Sequence

from django.db import connection

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger.events import record_ended
from reminders.ledger.planning import SCOPE_IDS
from reminders.ledger.records import Ended
from reminders.ledger.sql import fetch, run

TOLD = """
    SELECT a.id FROM assignments_assignment a
    WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND a.reminder_status = 'NONE' AND {scope}
      AND EXISTS (
          SELECT 1 FROM reminders_reminder r
          WHERE r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
            AND (r.state = 'SENT' OR r.reason IN ('already_told', 'imported'))
          OFFSET 0)
    ORDER BY a.id FOR NO KEY UPDATE
"""


@atomically
def sync_roll_up(config: ReminderConfig, ids: Sequence[int] | None = None) -> int:
    """Sets the roll-up to SENT where the ledger says that the current plan was told; returns how many."""
    scope = "a.scheduled_start <= statement_timestamp() + %(lookahead)s" if ids is None else SCOPE_IDS
    with connection.cursor() as cursor:
        run(
            cursor,
            TOLD.format(scope=scope),
            {"lookahead": config.lookahead, "ids": list(ids or [])},
        )
        told = [row[0] for row in cursor.fetchall()]
        if told:
            run(
                cursor,
                "UPDATE assignments_assignment SET reminder_status = 'SENT'"
                " WHERE id = ANY(%s) AND status = 'SCHEDULED' AND overdue_at IS NULL",
                [told],
            )
        return len(told)


CLOSE_IMPORTED = """
    UPDATE reminders_reminder r
    SET state = 'SKIPPED', reason = 'imported', lease_until = NULL, closed_at = statement_timestamp()
    FROM assignments_assignment a
    WHERE a.id = ANY(%(ids)s) AND r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
      AND r.closed_at IS NULL AND r.state IN ('PLANNED', 'QUEUED') AND r.ambiguous = 0
    RETURNING r.id AS reminder_id, r.assignment_id, r.version, r.kind, r.due_at, r.state, r.reason
"""


INSERT_IMPORTED = """
    INSERT INTO reminders_reminder AS r (assignment_id, version, kind, rule, recipient, channel, planned_start,
        planned_at, due_at, not_after, next_attempt_at, state, reason, closed_at)
    SELECT a.id, a.version, 'REMINDER', 'default',
           CASE WHEN a.assignee_id IS NULL THEN '' ELSE 'assignee:' || a.assignee_id END, %(channel)s,
           a.scheduled_start, statement_timestamp(), due.at, a.scheduled_start + %(overdue)s, due.at,
           'SKIPPED', 'imported', statement_timestamp()
    FROM assignments_assignment a,
         LATERAL (SELECT a.scheduled_start - coalesce(make_interval(mins => a.lead_minutes), %(lead)s) AS at) due
    WHERE a.id = ANY(%(ids)s)
      AND NOT EXISTS (SELECT 1 FROM reminders_reminder known
                      WHERE known.assignment_id = a.id AND known.version = a.version AND known.kind = 'REMINDER'
                      OFFSET 0)
    ON CONFLICT DO NOTHING
    RETURNING r.id AS reminder_id, r.assignment_id, r.version, r.kind, r.due_at, r.state, r.reason
"""


@atomically
def record_as_notified(ids: Sequence[int], config: ReminderConfig) -> list[Ended]:
    """Writes down that another system has told the present plan of these assignments (RULES, 36).

    What was to be sent of it is not sent any more; the roll-up is SENT. The assignments' rows are locked.
    """
    within = {"ids": list(ids), "lead": config.lead, "overdue": config.overdue, "channel": config.channel}
    ended = []
    with connection.cursor() as cursor:
        for statement in (CLOSE_IMPORTED, INSERT_IMPORTED):
            run(cursor, statement, within)
            ended += [Ended(**row) for row in fetch(cursor)]
        run(
            cursor,
            "UPDATE assignments_assignment SET reminder_status = 'SENT'"
            " WHERE id = ANY(%(ids)s) AND reminder_status = 'NONE'",
            within,
        )
        record_ended(cursor, ended)
    return ended
