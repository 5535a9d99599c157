"""Notices to supervisors: to those of the work's team who can be reached, else to REMINDER_OPS_EMAILS.

Those about overdue work are rows of kind OVERDUE with a recipient; those about acts of people (`ledger.escalations`) are of
kind ESCALATION. Whoever stops to be a supervisor gets none; those who take their place
get what was not sent yet. Nobody is told twice of one overdue start, or of one act.
"""

from collections.abc import Iterable, Sequence

from django.db import connection

from assignments.transactions import atomically
from reminders.conf import NOTIFY_WINDOW, ReminderConfig
from reminders.ledger.fragments import NOTICES, SUPERVISORS, TO_SUPERVISOR, reachable_sql, way_to_sql, ways_of
from reminders.ledger.records import Ended
from reminders.ledger.sql import Cursor, run
from reminders.models import Kind
from reminders.policy.recipients import ops_recipient, person_recipient_sql
from reminders.policy.rows import Row


def recipients_sql(condition: str) -> str:
    """Who is told about the assignment `a`, of the supervisors `q` for whom this condition holds; a parameter `ops` names
    whom to tell where there are none."""
    reachable = f"""
    SELECT {person_recipient_sql("q.id")} FROM assignments_assignee q
    WHERE {reachable_sql("q")} AND q.id IN {SUPERVISORS} AND {condition}"""  # noqa: S608 - our own constants
    return f"""({reachable}
    UNION ALL
    SELECT ops.recipient FROM unnest(%(ops)s::text[]) AS ops(recipient) WHERE NOT EXISTS ({reachable}))"""  # noqa: S608


PLAN = f"""
    INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
        planned_at, scan_id, due_at, not_after, next_attempt_at, state)
    SELECT x.assignment_id, x.version, 'OVERDUE', 'default', told.recipient, {way_to_sql("told.recipient")}, x.start,
           statement_timestamp(), x.scan_id, x.due_at, x.due_at + %(window)s, statement_timestamp(), 'PLANNED'
    FROM unnest(%(ids)s::bigint[], %(versions)s::int[], %(starts)s::timestamptz[], %(dues)s::timestamptz[],
                %(scans)s::bigint[]) AS x(assignment_id, version, start, due_at, scan_id)
    JOIN assignments_assignment a ON a.id = x.assignment_id
    CROSS JOIN LATERAL {recipients_sql("TRUE")} AS told(recipient)
    ORDER BY x.due_at, x.assignment_id, told.recipient
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own constants

# Whoever has been told of this overdue start or act, or is being told, is not told again. The steps of rules have instants
# of their own for each recipient (`ledger.chains`).
CARRY_OVER = f"""
    INSERT INTO reminders_reminder AS kept (assignment_id, version, kind, rule, recipient, channel, planned_start,
        planned_at, due_at, not_after, next_attempt_at, state)
    SELECT DISTINCT ON (a.id, r.kind, r.rule, told.recipient)
           a.id, a.version, r.kind, r.rule, told.recipient, {way_to_sql("told.recipient")}, a.scheduled_start,
           statement_timestamp(), r.due_at, r.not_after, r.next_attempt_at, 'PLANNED'
    FROM reminders_reminder r JOIN assignments_assignment a ON a.id = r.assignment_id
    CROSS JOIN LATERAL {recipients_sql("(r.kind = 'OVERDUE' OR q.id IS DISTINCT FROM a.assignee_id)")} AS told(recipient)
    WHERE (r.id = ANY(%(ended)s) AND r.state = 'SKIPPED'
           OR r.assignment_id = ANY(%(ids)s) AND r.closed_at IS NULL)
      AND r.channel <> 'none' AND a.status = 'SCHEDULED' AND r.rule NOT LIKE '%%:rule:%%'
      AND (r.kind = 'OVERDUE' AND a.overdue_at IS NOT NULL
           OR r.kind = 'ESCALATION' AND r.version = a.version AND r.reason IN ('', 'reassigned')
              AND r.rule NOT LIKE 'confirmed_after_all:%%')
      AND NOT EXISTS (
          SELECT 1 FROM reminders_reminder heard
          WHERE heard.assignment_id = a.id AND heard.kind = r.kind AND heard.rule = r.rule
            AND heard.recipient = told.recipient
            AND heard.planned_start = a.scheduled_start AND heard.state NOT IN ('SKIPPED', 'FAILED'))
    ORDER BY a.id, r.kind, r.rule, told.recipient, r.recipient <> told.recipient, r.id
    ON CONFLICT (assignment_id, version, kind, rule, recipient, channel) DO UPDATE
    SET state = 'PLANNED', reason = '', closed_at = NULL, next_attempt_at = excluded.next_attempt_at
    WHERE kept.state = 'SKIPPED' AND kept.reason = 'reassigned' AND kept.ambiguous = 0
"""  # noqa: S608 - our own constants

TELL_OPS = f"""
    INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
        planned_at, due_at, not_after, next_attempt_at, state)
    SELECT DISTINCT r.assignment_id, r.version, r.kind, r.rule, ops.recipient, %(channel)s, r.planned_start,
           statement_timestamp(), r.due_at, r.not_after, statement_timestamp(), 'PLANNED'
    FROM reminders_reminder r JOIN assignments_assignment a ON a.id = r.assignment_id
    CROSS JOIN unnest(%(ops)s::text[]) AS ops(recipient)
    WHERE r.id = ANY(%(ids)s) AND {TO_SUPERVISOR} AND r.state = 'FAILED'
      AND a.version = r.version AND a.status = 'SCHEDULED' AND statement_timestamp() < r.not_after
      AND NOT EXISTS (
          SELECT 1 FROM reminders_reminder other
          WHERE other.assignment_id = r.assignment_id AND other.version = r.version AND other.kind = r.kind
            AND other.rule = r.rule AND other.channel <> 'none' AND other.state NOT IN ('SKIPPED', 'FAILED'))
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own constants

LOCK_NOTIFIED = f"""
    SELECT id FROM assignments_assignment
    WHERE id IN (SELECT assignment_id FROM reminders_reminder WHERE closed_at IS NULL AND {NOTICES})
    ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - our own constant


def plan_notices(cursor: Cursor, markers: Sequence[Row], config: ReminderConfig) -> None:
    """Plans the notices about the work of these markers, in the transaction that marks it OVERDUE."""
    run(
        cursor,
        PLAN,
        {
            **ways_of(config),
            "window": NOTIFY_WINDOW,
            "ids": [row.assignment_id for row in markers],
            "versions": [row.version for row in markers],
            "starts": [row.planned_start for row in markers],
            "dues": [row.due_at for row in markers],
            "scans": [row.scan_id for row in markers],
            "ops": ops_recipients(config),
        },
    )


def carry_over(
    cursor: Cursor, ended: Iterable[Ended], config: ReminderConfig, *, ids: Sequence[int] = ()
) -> None:
    """Plans for those who are to be told now what was still to be sent: by the notices among `ended`, which have just
    been voided, and by the open ones of the assignments `ids`."""
    notices = [row.reminder_id for row in ended if row.kind in (Kind.OVERDUE, Kind.ESCALATION)]
    if notices or ids:
        of_rows = {"ended": notices, "ids": list(ids)}
        run(cursor, CARRY_OVER, {**of_rows, **ways_of(config), "ops": ops_recipients(config)})


def tell_ops(cursor: Cursor, failed: Sequence[int], config: ReminderConfig) -> None:
    """Tells Ops where a notice to a supervisor has failed for good, and no other one is sent or still to be sent."""
    if failed and config.ops_emails:
        run(
            cursor,
            TELL_OPS,
            {"ids": list(failed), "channel": config.channel, "ops": ops_recipients(config)},
        )


@atomically
def lock_notified() -> list[int]:
    """Locks the assignments about which a notice is still to be sent; returns their ids."""
    with connection.cursor() as cursor:
        run(cursor, LOCK_NOTIFIED, [])
        return [row[0] for row in cursor.fetchall()]


def ops_recipients(config: ReminderConfig) -> list[str]:
    """Who is told where no supervisor can be reached, as the ledger names them."""
    return [ops_recipient(address) for address in config.ops_emails]
