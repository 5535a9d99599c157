"""Plans the reminders and markers that are missing, and counts due work without any row (the audit of a scan)."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from django.db import connection

from assignments.transactions import atomically
from reminders.conf import MAX_LEAD, ReminderConfig
from reminders.ledger.events import record_ended
from reminders.ledger.fragments import PLANNED_BY_RULES, notified_sql, opted_out, way_sql, ways_of
from reminders.ledger.records import Ended, ended_from_json
from reminders.ledger.sql import prepared_cursor, run
from reminders.policy.recipients import assignee_recipient_sql
from reminders.policy.timing import overdue_base_sql

BATCH = 2_000
"""Rows planned per transaction: locks are held for a moment, a killed scan loses little, and what is due leaves soon."""

LONGEST_LEAD = f"interval '{MAX_LEAD.days} days'"
HAS_REMINDER = """EXISTS (
                SELECT 1 FROM reminders_reminder r
                WHERE r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER' AND r.rule = 'default'
                OFFSET 0)"""
"""Whether the current version has its reminder row, in whatever state."""


# One statement plans reminders for a scan (a page of the open index) and for a change of plan (some ids).
PLAN_REMINDERS = f"""
    WITH page AS MATERIALIZED (
        SELECT a.id, a.version, a.scheduled_start, a.assignee_id, a.known_at, a.renudge_at, a.answer,
               {overdue_base_sql("a")} + %(overdue)s AS overdue_at,
               coalesce(make_interval(mins => a.lead_minutes), %(lead)s) AS lead
        FROM assignments_assignment a
        WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND {{scope}}
          AND a.scheduled_start <= statement_timestamp() + greatest(
                %(lookahead)s, coalesce(make_interval(mins => a.lead_minutes), %(lead)s) + %(poll)s)
          AND NOT {HAS_REMINDER} AND NOT {PLANNED_BY_RULES}
        ORDER BY a.scheduled_start, a.id
        LIMIT %(limit)s
    ),
    judged AS (
        SELECT a.*, {assignee_recipient_sql("a")} AS recipient,
               {way_sql("p")} AS way,
               CASE
                   WHEN a.scheduled_start <= a.known_at THEN 'past'
                   WHEN a.overdue_at < statement_timestamp() THEN 'too_late'
                   WHEN a.version > 1 AND a.assignee_id IS NOT NULL AND {notified_sql("'default'")} THEN 'already_told'
                   WHEN a.answer = 'DECLINED' THEN 'declined'
                   WHEN p.way = 'none' OR {opted_out("'default'", "a.assignee_id")} THEN 'opted_out'
                   ELSE ''
               END AS reason
        FROM page a LEFT JOIN assignments_assignee p ON p.id = a.assignee_id
    ),
    planned AS (
        INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
            planned_at, scan_id, due_at, not_after, next_attempt_at, state, reason, closed_at)
        SELECT id, version, 'REMINDER', 'default', recipient, way, scheduled_start, statement_timestamp(),
               %(scan_id)s::bigint,
               scheduled_start - lead, overdue_at, scheduled_start - lead,
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
"""  # noqa: S608 - our own constants


PLAN_MARKERS = f"""
    WITH page AS MATERIALIZED (
        SELECT a.id, a.version, a.scheduled_start, {overdue_base_sql("a")} + %(overdue)s AS overdue_at
        FROM assignments_assignment a
        WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND {{scope}}
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
               %(scan_id)s::bigint, overdue_at, overdue_at, 'PLANNED'
        FROM page
        ON CONFLICT DO NOTHING
        RETURNING id
    )
    SELECT (SELECT count(*) FROM page), (SELECT count(*) FROM planned), NULL::jsonb,
           (SELECT scheduled_start FROM page ORDER BY scheduled_start DESC, id DESC LIMIT 1),
           (SELECT id FROM page ORDER BY scheduled_start DESC, id DESC LIMIT 1)
"""  # noqa: S608 - our own constants


SCOPE_IDS = "a.id = ANY(%(ids)s::bigint[])"


SCOPE_PAGE = "(a.scheduled_start, a.id) > (%(after_start)s, %(after_id)s)"


SCOPE_DEFAULT_LEAD = (
    SCOPE_PAGE
    + " AND a.lead_minutes IS NULL"
    + " AND a.scheduled_start <= statement_timestamp() + greatest(%(lookahead)s, %(lead)s + %(poll)s)"
)


SCOPE_OWN_LEAD = (
    SCOPE_PAGE
    + " AND a.lead_minutes IS NOT NULL"
    + f" AND a.scheduled_start <= statement_timestamp() + {LONGEST_LEAD} + %(poll)s"
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
        **ways_of(config),
        "limit": BATCH,
        "scan_id": None,
        **within,
    }
    of_scan = "ids" not in within
    with connection.cursor() if of_scan else prepared_cursor() as cursor:
        if of_scan:
            # Losing this commit loses nothing: the next scan plans the same rows again.
            run(cursor, "SET LOCAL synchronous_commit = off")
        run(cursor, statement.format(scope=scope), params)
        row = cursor.fetchone()
        assert row is not None
        seen, planned, skipped, last_start, last_id = row
        ended = [ended_from_json(row) for row in json.loads(skipped or "[]")]
        record_ended(cursor, ended)
    full = seen == BATCH
    return Planned(planned, ended, {"after_start": last_start, "after_id": last_id} if full else None)


UNACCOUNTED_BY_START = f"""
    SELECT (
        SELECT count(*) FROM assignments_assignment a
        WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND a.lead_minutes IS NULL
          AND a.scheduled_start <= statement_timestamp() + %(lead)s
          AND NOT {HAS_REMINDER} AND NOT {PLANNED_BY_RULES}
    ) + (
        SELECT count(*) FROM assignments_assignment a
        WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND a.lead_minutes IS NOT NULL
          AND a.scheduled_start <= statement_timestamp() + {LONGEST_LEAD}
          AND a.scheduled_start <= statement_timestamp() + make_interval(mins => a.lead_minutes)
          AND NOT {HAS_REMINDER} AND NOT {PLANNED_BY_RULES}
    )
"""  # noqa: S608 - our own constants

UNACCOUNTED_BY_RULES = """
    + (SELECT count(*) FROM reminders_ruleschedule s JOIN assignments_assignment a ON a.id = s.assignment_id
       WHERE s.next_at <= statement_timestamp() AND a.status = 'SCHEDULED')
"""
UNACCOUNTED = UNACCOUNTED_BY_START + UNACCOUNTED_BY_RULES


def unaccounted(config: ReminderConfig, *, by_rules: bool = True) -> int:
    """Due assignments without any row for their current version: the audit, by a query other than the planning's.

    `by_rules`: also where a rule's instant has passed. Not needed where no schedule had come near a moment ago.
    """
    statement = UNACCOUNTED if by_rules else UNACCOUNTED_BY_START
    with connection.cursor() as cursor:
        run(cursor, statement, {"lead": config.lead})
        return int(cursor.fetchone()[0])
