"""Begins rows: decides under their locks and makes those that may be sent SENDING."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger import counters
from reminders.ledger.counters import Cursor
from reminders.ledger.events import OVERDUE, Event, emit_events, record_ended
from reminders.ledger.fragments import ACTIVE_PAUSE, ROUTE, SUPERVISORS, TO_SUPERVISOR
from reminders.ledger.notices import carry_over, plan_notices
from reminders.ledger.records import Begun, Hint, claim_of, ended_row, plan_of, row_of
from reminders.ledger.sql import bigints, fetch, prepared_cursor, run
from reminders.models import Reason, State
from reminders.policy import gates
from reminders.policy.recipients import person_recipient_sql
from reminders.policy.rows import Action, Row, Situation

PICK = f"""
    SELECT r.id, r.assignment_id, r.version, r.kind, r.rule, r.recipient, r.channel, r.planned_start, r.planned_at,
           r.due_at, r.not_after, r.next_attempt_at, r.state, r.ticket, r.attempts, r.failures, r.ambiguous, r.scan_id,
           a.version AS plan_version, a.status AS plan_status, a.scheduled_start, a.scheduled_end, a.assignee_id,
           a.overdue_at, a.answer, a.known_at, a.title, a.kind AS assignment_kind, a.location, a.notes, a.reference,
           p.name, p.email, p.phone, p.time_zone, p.language,
           statement_timestamp() AS now,
           EXISTS ({ACTIVE_PAUSE}) AS paused,
           r.payload,
           CASE WHEN {TO_SUPERVISOR}
                THEN ARRAY(SELECT {person_recipient_sql("x.id")} FROM {SUPERVISORS} x(id)) END AS supervisors,
           (SELECT h.until FROM reminders_channelhold h
            WHERE h.channel = {ROUTE}) AS held_until
    FROM unnest(%s::bigint[], %s::bigint[]) AS hint(id, ticket)
    JOIN reminders_reminder r ON r.id = hint.id AND r.ticket = hint.ticket AND r.state = 'QUEUED'
    JOIN assignments_assignment a ON a.id = r.assignment_id
    LEFT JOIN assignments_assignee p ON p.id = a.assignee_id
    ORDER BY a.id, r.id
    FOR NO KEY UPDATE OF a, r SKIP LOCKED
"""  # noqa: S608 - ACTIVE_PAUSE is our own constant


@atomically
def begin(hints: Sequence[Hint], *, config: ReminderConfig) -> Begun:
    """Decides about each hint's row under its lock, and makes those that may be sent SENDING.

    Rows and assignments are picked SKIP LOCKED: nothing is decided on a snapshot that is older than a lock
    wait. What the policy refuses is settled in the same transaction (docs/state-machine.md#refusals-at-begin).
    """
    hints = list(dict.fromkeys(hints))  # A hint that is there twice must not be begun twice.
    with prepared_cursor() as cursor:
        run(cursor, PICK, _hint_arrays(hints))
        picked = list(fetch(cursor))
        claims, marked, settled, marks, puts = [], [], [], [], []
        for found in picked:
            row, plan = row_of(found), plan_of(found)
            held = {row.route: found["held_until"]} if found["held_until"] else {}
            situation = Situation(now=found["now"], enabled=config.enabled, paused=found["paused"], held=held)
            verdict = gates.judge(row, plan, situation)
            if verdict.action is Action.SEND:
                claims.append(claim_of(row, plan, found))
            elif verdict.action is Action.MARK:
                marks.append((row, found))
                marked.append(ended_row(row, State.MARKED, ""))
            else:
                state = verdict.state or State.PLANNED
                reason = verdict.reason.value if verdict.reason else ""
                puts.append((row.id, state.value, reason, verdict.until or row.next_attempt_at))
                settled.append(ended_row(row, state, reason))
        if claims:
            run(
                cursor,
                """
                UPDATE reminders_reminder
                SET state = 'SENDING', attempts = attempts + 1, begun_at = statement_timestamp(), reason = '',
                    lease_until = statement_timestamp() + %s
                WHERE id = ANY(%s::bigint[]) AND state = 'QUEUED'
                """,
                [config.lease, bigints(claim.row.id for claim in claims)],
            )
        if puts:
            _settle(cursor, puts)
            record_ended(cursor, settled)
            reassigned = [row for row in settled if row.reason == Reason.REASSIGNED]
            carry_over(cursor, reassigned, config)
        if marks:
            _mark(cursor, marks, config)
    missing = {hint.reminder_id for hint in hints} - {found["id"] for found in picked}
    stale, busy = _stale_and_busy([hint for hint in hints if hint.reminder_id in missing])
    return Begun(claims, marked, settled, stale, busy)


def _hint_arrays(hints: Sequence[Hint]) -> list[str]:
    return [bigints(hint.reminder_id for hint in hints), bigints(hint.ticket for hint in hints)]


def _settle(cursor: Cursor, puts: Sequence[tuple[int, str, str, datetime]]) -> None:
    ids, states, reasons, untils = (list(column) for column in zip(*puts, strict=True))
    run(
        cursor,
        """
        UPDATE reminders_reminder r
        SET state = x.state, reason = x.reason, lease_until = NULL, next_attempt_at = x.until,
            closed_at = CASE WHEN x.state = 'PLANNED' THEN NULL ELSE statement_timestamp() END
        FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[]) AS x(id, state, reason, until)
        WHERE r.id = x.id AND r.state = 'QUEUED'
        """,
        [ids, states, reasons, untils],
    )


def _mark(cursor: Cursor, marks: Sequence[tuple[Row, dict[str, Any]]], config: ReminderConfig) -> None:
    """Marks assignments OVERDUE, ends their markers and plans the notices about them, all in one transaction."""
    run(
        cursor,
        """
        UPDATE assignments_assignment SET reminder_status = 'OVERDUE', overdue_at = statement_timestamp()
        WHERE id = ANY(%s) AND status = 'SCHEDULED' AND overdue_at IS NULL
        """,
        [[row.assignment_id for row, _ in marks]],
    )
    counters.write(cursor, counters.Counts({(counters.OVERDUE_MARKED, ""): cursor.rowcount}))
    emit_events(cursor, [Event(OVERDUE, row.assignment_id, source=str(row.id)) for row, _ in marks])
    run(
        cursor,
        """
        UPDATE reminders_reminder SET state = 'MARKED', reason = '', lease_until = NULL,
            closed_at = statement_timestamp()
        WHERE id = ANY(%s) AND state = 'QUEUED'
        """,
        [[row.id for row, _ in marks]],
    )
    told = [row for row, found in marks if row.due_at >= found["known_at"]]
    if told:
        plan_notices(cursor, told, config)


def _stale_and_busy(missing: Sequence[Hint]) -> tuple[list[Hint], list[Hint]]:
    """Hints whose row has moved on, and hints whose row somebody held locked just now."""
    if not missing:
        return [], []
    with prepared_cursor() as cursor:
        run(
            cursor,
            """
            SELECT r.id FROM reminders_reminder r
            JOIN unnest(%s::bigint[], %s::bigint[]) AS hint(id, ticket) ON r.id = hint.id AND r.ticket = hint.ticket
            WHERE r.state = 'QUEUED'
            """,
            _hint_arrays(missing),
        )
        waiting = {row[0] for row in cursor.fetchall()}
    stale = [hint for hint in missing if hint.reminder_id not in waiting]
    return stale, [hint for hint in missing if hint.reminder_id in waiting]
