"""Plans corrections: messages to people whose work is not planned any more as they were told.

They are planned in the transaction of the change, for whoever was or may have been told something else by then. A scan
plans none, so it costs nothing where nothing changes; and a correction whose own end is unknown leads to no other.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection

from assignments.models import Status
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger.fragments import HEARD, MAY_KNOW, way_to_sql, ways_of
from reminders.ledger.sql import fetch, run
from reminders.policy import announcements, corrections, recipients
from reminders.policy.recipients import ASSIGNEE

HEARD_OF = f"""
    SELECT a.id, a.version, a.status, a.scheduled_start, a.location, a.title, a.assignee_id, who.recipient,
           {HEARD.format(assignment="a.id", recipient="who.recipient")} AS heard, statement_timestamp() AS now
    FROM assignments_assignment a,
         LATERAL (SELECT DISTINCT m.recipient FROM reminders_reminder m
                  WHERE m.assignment_id = a.id AND m.recipient LIKE '{ASSIGNEE}%%' AND {MAY_KNOW}) who
    WHERE a.id = ANY(%s)
"""  # noqa: S608 - our own constants

# One open row for each person: a further change keeps it, and its instant, so that changes without end delay nothing.
# The key holds a number for each person, since a change of place or title draws no version.
PLAN_CORRECTIONS = f"""
    WITH wanted AS (
        SELECT * FROM json_to_recordset(%(wanted)s) AS x(
            assignment_id bigint, version int, recipient text, start timestamptz, due_at timestamptz,
            not_after timestamptz)
    ),
    kept AS (
        UPDATE reminders_reminder r
        SET not_after = w.not_after,
            due_at = CASE WHEN r.attempts = 0 THEN least(r.due_at, w.due_at) ELSE r.due_at END,
            next_attempt_at = CASE WHEN r.attempts = 0 THEN least(r.next_attempt_at, w.due_at) ELSE r.next_attempt_at END
        FROM wanted w
        WHERE r.assignment_id = w.assignment_id AND r.recipient = w.recipient AND r.kind = 'CORRECTION'
          AND r.state IN ('PLANNED', 'QUEUED')
        RETURNING r.assignment_id, r.recipient, least(r.next_attempt_at, w.due_at) AS next_attempt_at
    ),
    planned AS (
        INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
            planned_at, due_at, not_after, next_attempt_at, state)
        SELECT w.assignment_id, w.version, 'CORRECTION',
               'correction:' || (1 + (SELECT count(*) FROM reminders_reminder r
                                      WHERE r.assignment_id = w.assignment_id AND r.recipient = w.recipient
                                        AND r.kind = 'CORRECTION')),
               w.recipient, {way_to_sql("w.recipient")}, w.start, statement_timestamp(), w.due_at, w.not_after, w.due_at,
               'PLANNED'
        FROM wanted w
        WHERE NOT EXISTS (SELECT FROM kept k WHERE k.assignment_id = w.assignment_id AND k.recipient = w.recipient)
        ON CONFLICT DO NOTHING
        RETURNING assignment_id, recipient, next_attempt_at
    )
    SELECT assignment_id, recipient, next_attempt_at FROM kept
    UNION ALL SELECT assignment_id, recipient, next_attempt_at FROM planned
"""  # noqa: S608 - our own constants

# A reminder of the new plan that is due before its correction waits for it: a change that is taken back sends neither.
HOLD_REMINDERS = """
    UPDATE reminders_reminder r SET next_attempt_at = x.until
    FROM json_to_recordset(%s) AS x(assignment_id bigint, recipient text, until timestamptz),
         assignments_assignment a
    WHERE a.id = x.assignment_id AND r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
      AND r.recipient = x.recipient AND r.state = 'PLANNED' AND r.attempts = 0 AND r.next_attempt_at < x.until
"""


@atomically
def plan_corrections(ids: Sequence[int], config: ReminderConfig) -> None:
    """Plans a correction for each person who was, or may have been, told something of these assignments that no longer
    holds. Their rows are locked by the caller. Planned also while reminders are switched off, since no scan would.
    """
    with connection.cursor() as cursor:
        run(cursor, HEARD_OF, [list(ids)])
        wanted = list(_wanted(fetch(cursor), config))
        if not wanted:
            return
        run(cursor, PLAN_CORRECTIONS, {"wanted": json.dumps(wanted), **ways_of(config)})
        held = [
            {"assignment_id": pk, "recipient": recipient, "until": until.isoformat()}
            for pk, recipient, until in cursor.fetchall()
        ]
        run(cursor, HOLD_REMINDERS, [json.dumps(held)])


def _wanted(heard: Iterator[dict[str, Any]], config: ReminderConfig) -> Iterator[dict[str, object]]:
    for found in heard:
        status = Status(found["status"])
        present = corrections.announcement_for(
            found["recipient"],
            assigned_to=recipients.assignee_recipient(found["assignee_id"]),
            status=status,
            start=found["scheduled_start"],
            place=found["location"],
            title=found["title"],
        )
        known = announcements.known(announcements.messages_from_json(json.loads(found["heard"])))
        planned = corrections.correction(known, present, status=status, now=found["now"], config=config)
        if planned is not None:
            yield {
                "assignment_id": found["id"],
                "version": found["version"],
                "recipient": found["recipient"],
                "start": found["scheduled_start"].isoformat(),
                "due_at": planned.due_at.isoformat(),
                "not_after": planned.not_after.isoformat(),
            }
