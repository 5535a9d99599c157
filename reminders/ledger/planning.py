"""Plans what is missing and ends what no longer holds."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger.events import note_ended
from reminders.ledger.rows import Ended, ended_from_json, fetch, run
from reminders.models import Kind

BATCH = 5_000
"""Rows planned per transaction (RULES, 15)."""

# OFFSET 0 makes PostgreSQL look each assignment up in the ledger's unique index. Left to itself it joins page and
# ledger by statistics from before the page was planned: 20,000 rows in a new ledger took 5 s instead of 0.3 s.

# One statement plans reminders for a scan (a page of the open index) and for a change of plan (some ids).
PLAN_REMINDERS = """
    WITH page AS MATERIALIZED (
        SELECT a.id, a.version, a.scheduled_start, a.assignee_id, a.known_at, a.renudge_at,
               coalesce(make_interval(mins => a.lead_minutes), %(lead)s) AS lead
        FROM assignments_assignment a
        WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND {scope}
          AND a.scheduled_start <= statement_timestamp() + greatest(
                %(lookahead)s, coalesce(make_interval(mins => a.lead_minutes), %(lead)s) + %(poll)s)
          AND NOT EXISTS (
                SELECT 1 FROM reminders_reminder r
                WHERE r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER' AND r.rule = 'default'
                OFFSET 0)
        ORDER BY a.scheduled_start, a.id
        LIMIT %(limit)s
    ),
    judged AS (
        SELECT p.*,
               CASE WHEN p.assignee_id IS NULL THEN '' ELSE 'assignee:' || p.assignee_id END AS recipient,
               p.scheduled_start + %(overdue)s AS not_after,
               CASE
                   WHEN p.scheduled_start <= p.known_at THEN 'past'
                   WHEN p.scheduled_start + %(overdue)s < statement_timestamp() THEN 'too_late'
                   -- What this person heard last, or may have heard, or is being told right now, decides.
                   WHEN p.version > 1 AND p.assignee_id IS NOT NULL AND (
                       SELECT told.state = 'SENT' AND told.planned_start = p.scheduled_start
                          AND (p.renudge_at IS NULL OR told.sent_at > p.renudge_at)
                       FROM reminders_reminder told
                       WHERE told.assignment_id = p.id AND told.kind = 'REMINDER'
                         AND told.recipient = 'assignee:' || p.assignee_id AND told.begun_at IS NOT NULL
                         AND (told.state IN ('SENT', 'SENDING', 'UNKNOWN') OR told.ambiguous > 0)
                       ORDER BY told.begun_at DESC LIMIT 1) THEN 'already_told'
                   ELSE ''
               END AS reason
        FROM page p
    ),
    planned AS (
        INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
            planned_at, scan_id, due_at, not_after, next_attempt_at, state, reason, closed_at)
        SELECT id, version, 'REMINDER', 'default', recipient, %(channel)s, scheduled_start, statement_timestamp(),
               %(scan_id)s::bigint,
               scheduled_start - lead, not_after, scheduled_start - lead,
               CASE WHEN reason = '' THEN 'PLANNED' ELSE 'SKIPPED' END, reason,
               CASE WHEN reason = '' THEN NULL ELSE statement_timestamp() END
        FROM judged
        ON CONFLICT DO NOTHING
        RETURNING id, assignment_id, version, kind, due_at, state, reason
    )
    SELECT (SELECT count(*) FROM page),
           (SELECT count(*) FROM planned WHERE state = 'PLANNED'),
           (SELECT jsonb_agg(jsonb_build_array(id, assignment_id, version, kind, due_at, state, reason))
            FROM planned WHERE state = 'SKIPPED'),
           (SELECT scheduled_start FROM page ORDER BY scheduled_start DESC, id DESC LIMIT 1),
           (SELECT id FROM page ORDER BY scheduled_start DESC, id DESC LIMIT 1)
"""

PLAN_MARKERS = """
    WITH page AS MATERIALIZED (
        SELECT a.id, a.version, a.scheduled_start
        FROM assignments_assignment a
        WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND {scope}
          AND a.scheduled_start <= statement_timestamp() + %(poll)s
          AND NOT EXISTS (
                SELECT 1 FROM reminders_reminder r
                WHERE r.assignment_id = a.id AND r.version = a.version AND r.kind = 'OVERDUE'
                  AND r.rule = 'default' AND r.recipient = ''
                OFFSET 0)
        ORDER BY a.scheduled_start, a.id
        LIMIT %(limit)s
    ),
    planned AS (
        INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
            planned_at, scan_id, due_at, next_attempt_at, state)
        SELECT id, version, 'OVERDUE', 'default', '', 'none', scheduled_start, statement_timestamp(),
               %(scan_id)s::bigint, scheduled_start + %(overdue)s, scheduled_start + %(overdue)s, 'PLANNED'
        FROM page
        ON CONFLICT DO NOTHING
        RETURNING id
    )
    SELECT (SELECT count(*) FROM page), (SELECT count(*) FROM planned), NULL::jsonb,
           (SELECT scheduled_start FROM page ORDER BY scheduled_start DESC, id DESC LIMIT 1),
           (SELECT id FROM page ORDER BY scheduled_start DESC, id DESC LIMIT 1)
"""

SCOPE_IDS = "a.id = ANY(%(ids)s)"
SCOPE_PAGE = "(a.scheduled_start, a.id) > (%(after_start)s, %(after_id)s)"
SCOPE_DEFAULT_LEAD = (
    SCOPE_PAGE
    + " AND a.lead_minutes IS NULL"
    + " AND a.scheduled_start <= statement_timestamp() + greatest(%(lookahead)s, %(lead)s + %(poll)s)"
)
SCOPE_OWN_LEAD = (
    SCOPE_PAGE
    + " AND a.lead_minutes IS NOT NULL"
    + " AND a.scheduled_start <= statement_timestamp() + interval '30 days' + %(poll)s"
)
FIRST_PAGE = {"after_start": "-infinity", "after_id": 0}


@dataclass(frozen=True, slots=True)
class Planned:
    """What one page of planning did; `last` is where the next page begins, None after the last page."""

    planned: int
    skipped: list[Ended]
    last: dict[str, object] | None


def plan_reminders(config: ReminderConfig, scope: str, within: Mapping[str, object]) -> Planned:
    """Plans the missing reminder rows of the current versions in the scope, one page of them."""
    return _plan(PLAN_REMINDERS, config, scope, within)


def plan_markers(config: ReminderConfig, scope: str, within: Mapping[str, object]) -> Planned:
    """Plans the missing OVERDUE markers in the scope: from one scan before the start on."""
    return _plan(PLAN_MARKERS, config, scope, within)


def pages(
    plan: Callable[[ReminderConfig, str, Mapping[str, object]], Planned],
    config: ReminderConfig,
    scope: str,
    *,
    scan_id: int | None,
) -> Iterator[Planned]:
    """Plans page after page of a scope for this scan (None: for a preview), each committed on its own."""
    within: dict[str, object] | None = dict(FIRST_PAGE)
    while within is not None:
        page = plan(config, scope, {**within, "scan_id": scan_id})
        yield page
        within = page.last


@atomically
def _plan(statement: str, config: ReminderConfig, scope: str, within: Mapping[str, object]) -> Planned:
    params = {
        "lead": config.lead,
        "lookahead": config.lookahead,
        "poll": config.poll,
        "overdue": config.overdue,
        "channel": config.channel,
        "limit": BATCH,
        "scan_id": None,
        **within,
    }
    with connection.cursor() as cursor:
        if "ids" not in within:
            # Losing this commit loses nothing: the next scan plans the same rows again.
            run(cursor, "SET LOCAL synchronous_commit = off")
        run(cursor, statement.format(scope=scope), params)
        seen, planned, skipped, last_start, last_id = cursor.fetchone()
        ended = [ended_from_json(row) for row in json.loads(skipped or "[]")]
        note_ended(cursor, ended)
    full = seen == BATCH
    return Planned(planned, ended, {"after_start": last_start, "after_id": last_id} if full else None)


# Supervisors who were still to be told that work is overdue are told of the new version, while it still is.
TELL_ON = """
    INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
        planned_at, due_at, not_after, next_attempt_at, state)
    SELECT a.id, a.version, r.kind, r.rule, r.recipient, r.channel, a.scheduled_start, statement_timestamp(),
           r.due_at, r.not_after, r.next_attempt_at, 'PLANNED'
    FROM reminders_reminder r JOIN assignments_assignment a ON a.id = r.assignment_id
    WHERE r.id = ANY(%s) AND r.channel <> 'none' AND r.state = 'SKIPPED' AND r.version < a.version
      AND a.status = 'SCHEDULED' AND a.overdue_at IS NOT NULL
    ON CONFLICT DO NOTHING
"""


@atomically
def replan(ids: Sequence[int], config: ReminderConfig) -> list[Ended]:
    """Makes the ledger follow a change of plan, in the service's own transaction (RULES, 1).

    Voids what is open and no longer holds, sets the roll-up back where the new plan was not told yet, plans
    anew what lies within the look-ahead. The assignments' rows are locked by the caller.
    """
    ended = void(ids)
    with connection.cursor() as cursor:
        run(
            cursor,
            """
            UPDATE assignments_assignment a SET reminder_status = 'NONE', overdue_at = NULL
            WHERE a.id = ANY(%(ids)s) AND a.status = 'SCHEDULED' AND (
                (a.reminder_status = 'OVERDUE' AND a.scheduled_start + %(overdue)s > statement_timestamp())
                -- the change at hand is an operator's reset
                OR (a.reminder_status = 'OVERDUE' AND a.renudge_at >= a.updated_at)
                OR (a.reminder_status = 'SENT' AND NOT EXISTS (
                    SELECT 1 FROM reminders_reminder r
                    WHERE r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
                      AND (r.state = 'SENT' OR r.reason IN ('already_told', 'imported')))))
            """,
            {"ids": list(ids), "overdue": config.overdue},
        )
        run(cursor, TELL_ON, [[row.reminder_id for row in ended if row.kind == Kind.OVERDUE]])
    if config.enabled:
        within = {"ids": list(ids), "limit": len(ids)}
        ended += plan_reminders(config, SCOPE_IDS, within).skipped
        plan_markers(config, SCOPE_IDS, within)
    heal_roll_up(config, ids)
    return ended


VOID = """
    UPDATE reminders_reminder r
    SET state = CASE WHEN r.ambiguous > 0 THEN 'UNKNOWN' ELSE 'SKIPPED' END,
        reason = CASE
            WHEN r.ambiguous > 0 THEN 'ambiguous'
            WHEN a.status = 'CANCELLED' THEN 'cancelled'
            WHEN a.status <> 'SCHEDULED' THEN 'started'
            WHEN r.planned_start <> a.scheduled_start THEN 'moved'
            WHEN r.kind = 'REMINDER'
                 AND r.recipient <> CASE WHEN a.assignee_id IS NULL THEN '' ELSE 'assignee:' || a.assignee_id END
                 THEN 'reassigned'
            ELSE 'replanned'
        END,
        lease_until = NULL, closed_at = statement_timestamp()
    FROM assignments_assignment a
    WHERE a.id = r.assignment_id AND r.closed_at IS NULL AND r.state IN ('PLANNED', 'QUEUED') AND {scope}
      AND r.kind <> 'EVENT' AND (a.version <> r.version OR a.status <> 'SCHEDULED' OR a.scheduled_start <> r.planned_start)
    RETURNING r.id AS reminder_id, r.assignment_id, r.version, r.kind, r.due_at, r.state, r.reason
"""


@atomically
def void(ids: Sequence[int] | None = None) -> list[Ended]:
    """Ends the open rows (never one in SENDING) whose plan no longer holds; of all assignments, or of these.

    `policy.why_void` is the same rule as a pure function.
    """
    scope = "TRUE" if ids is None else "a.id = ANY(%(ids)s)"
    with connection.cursor() as cursor:
        run(cursor, VOID.format(scope=scope), {"ids": list(ids or [])})
        ended = [Ended(**row) for row in fetch(cursor)]
        note_ended(cursor, ended)
    return ended


@atomically
def retime(config: ReminderConfig) -> int:
    """Moves the instants of rows that nobody has begun, after the lead or the overdue time has changed.

    Rows that have begun keep theirs (DESIGN, 7). Returns how many moved.
    """
    with connection.cursor() as cursor:
        run(
            cursor,
            """
            WITH wanted AS (
                SELECT r.id, r.kind,
                       CASE WHEN r.kind = 'REMINDER'
                            THEN a.scheduled_start - coalesce(make_interval(mins => a.lead_minutes), %(lead)s)
                            ELSE a.scheduled_start + %(overdue)s END AS due_at,
                       CASE WHEN r.kind = 'REMINDER' THEN a.scheduled_start + %(overdue)s END AS not_after
                FROM reminders_reminder r JOIN assignments_assignment a ON a.id = r.assignment_id
                WHERE r.closed_at IS NULL AND r.state = 'PLANNED' AND r.attempts = 0
                  AND r.version = a.version AND (r.kind = 'REMINDER' OR r.channel = 'none'))
            UPDATE reminders_reminder r
            SET due_at = w.due_at, next_attempt_at = w.due_at, not_after = w.not_after
            FROM wanted w
            WHERE r.id = w.id AND r.state = 'PLANNED' AND r.attempts = 0
              AND (r.due_at, r.not_after) IS DISTINCT FROM (w.due_at, w.not_after)
            """,
            {"lead": config.lead, "overdue": config.overdue},
        )
        return int(cursor.rowcount)


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
def heal_roll_up(config: ReminderConfig, ids: Sequence[int] | None = None) -> int:
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


CLOSE_TOLD = """
    UPDATE reminders_reminder r
    SET state = 'SKIPPED', reason = 'imported', lease_until = NULL, closed_at = statement_timestamp()
    FROM assignments_assignment a
    WHERE a.id = ANY(%(ids)s) AND r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
      AND r.closed_at IS NULL AND r.state IN ('PLANNED', 'QUEUED') AND r.ambiguous = 0
    RETURNING r.id AS reminder_id, r.assignment_id, r.version, r.kind, r.due_at, r.state, r.reason
"""
INSERT_TOLD = """
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
def mark_told(ids: Sequence[int], config: ReminderConfig) -> list[Ended]:
    """Writes down that another system has told the present plan of these assignments (RULES, 36).

    What was to be sent of it is not sent any more; the roll-up is SENT. The assignments' rows are locked.
    """
    within = {"ids": list(ids), "lead": config.lead, "overdue": config.overdue, "channel": config.channel}
    ended = []
    with connection.cursor() as cursor:
        for statement in (CLOSE_TOLD, INSERT_TOLD):
            run(cursor, statement, within)
            ended += [Ended(**row) for row in fetch(cursor)]
        run(
            cursor,
            "UPDATE assignments_assignment SET reminder_status = 'SENT'"
            " WHERE id = ANY(%(ids)s) AND reminder_status = 'NONE'",
            within,
        )
        note_ended(cursor, ended)
    return ended


REVIVE = """
    UPDATE reminders_reminder r
    SET state = 'PLANNED', reason = '', closed_at = NULL, failures = 0, next_attempt_at = statement_timestamp()
    FROM assignments_assignment a JOIN assignments_assignee p ON p.id = a.assignee_id
    WHERE {scope} AND a.id = r.assignment_id AND a.version = r.version AND a.status = 'SCHEDULED'
      AND r.recipient = 'assignee:' || p.id AND r.state = 'FAILED' AND r.reason IN ('no_contact', 'rejected')
      AND statement_timestamp() < r.not_after
"""


@atomically
def revive(assignee_ids: Sequence[int]) -> int:
    """Puts rows that failed for want of a good contact back to PLANNED, once the contact was corrected.

    Only of the current version and while the message is still of use (RULES, 19). Returns how many.
    """
    with connection.cursor() as cursor:
        run(cursor, REVIVE.format(scope="p.id = ANY(%s)"), [list(assignee_ids)])
        return int(cursor.rowcount)


UNACCOUNTED = """
    SELECT (
        SELECT count(*) FROM assignments_assignment a
        WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND a.lead_minutes IS NULL
          AND a.scheduled_start <= statement_timestamp() + %(lead)s
          AND NOT EXISTS (SELECT 1 FROM reminders_reminder r
                          WHERE r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
                          OFFSET 0)
    ) + (
        SELECT count(*) FROM assignments_assignment a
        WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND a.lead_minutes IS NOT NULL
          AND a.scheduled_start <= statement_timestamp() + interval '30 days'
          AND a.scheduled_start <= statement_timestamp() + make_interval(mins => a.lead_minutes)
          AND NOT EXISTS (SELECT 1 FROM reminders_reminder r
                          WHERE r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
                          OFFSET 0)
    )
"""


def unaccounted(config: ReminderConfig) -> int:
    """Due assignments without any row for their current version: the audit, by a query of its own (DESIGN, 3)."""
    with connection.cursor() as cursor:
        run(cursor, UNACCOUNTED, {"lead": config.lead})
        return int(cursor.fetchone()[0])
