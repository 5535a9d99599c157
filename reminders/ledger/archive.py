"""Where closed reminders of long-past work go, so that years of history cost the live ledger nothing.

A row moves whole, with its attempts, once its work started long ago and is no longer SCHEDULED. What may still be
decided about is never moved; so nothing but people's questions ever looks here.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import prefetch_related_objects

from assignments.team_scope import EVERYTHING, TeamScope
from assignments.teams import effective_team_sql
from assignments.transactions import atomically
from reminders.ledger.fragments import channel_name_sql
from reminders.models import ArchivedReminder, Attempt, Reminder

BATCH = 1_000

# Closed rows are found by when they were closed, oldest first, and each is asked for its work: a join would read all old
# work for each batch. Attempts are looked up in the table, as it was before this statement: a CTE has no index.
MOVE = """
    WITH old AS MATERIALIZED (
        SELECT r.id, r.closed_at
        FROM reminders_reminder r
        WHERE r.closed_at < statement_timestamp() - make_interval(secs => %(seconds)s) AND r.closed_at >= %(since)s
          AND (SELECT a.status <> 'SCHEDULED'
                      AND a.scheduled_start < statement_timestamp() - make_interval(secs => %(seconds)s)
               FROM assignments_assignment a WHERE a.id = r.assignment_id)
        ORDER BY r.closed_at
        LIMIT %(batch)s
        FOR UPDATE OF r SKIP LOCKED
    ),
    attempts AS (
        DELETE FROM reminders_attempt t WHERE t.reminder_id = ANY(ARRAY(SELECT id FROM old))
    ),
    moved AS (
        DELETE FROM reminders_reminder r WHERE r.id = ANY(ARRAY(SELECT id FROM old)) RETURNING r.*
    ),
    kept AS (
        INSERT INTO reminders_archivedreminder (id, assignment_id, archived_at, row, attempts)
        SELECT m.id, m.assignment_id, statement_timestamp(), to_jsonb(m),
               coalesce((SELECT jsonb_agg(to_jsonb(t) ORDER BY t.number) FROM reminders_attempt t
                         WHERE t.reminder_id = m.id), '[]')
        FROM moved m
        RETURNING id
    )
    SELECT (SELECT count(*) FROM kept), (SELECT max(closed_at) FROM old)
"""

# A stored row becomes what it was, whatever columns have been added since.
ROWS = """
    SELECT (jsonb_populate_record(NULL::reminders_reminder, row)).*
    FROM reminders_archivedreminder WHERE assignment_id = %s ORDER BY id DESC
"""
# One statement sees each row in one of the two places, even while it moves.
WHOLE_LEDGER = """
    SELECT {columns}
    FROM reminders_reminder AS kept
    WHERE {condition}
    UNION ALL
    SELECT {columns}
    FROM reminders_archivedreminder AS old, jsonb_populate_record(NULL::reminders_reminder, old.row) AS kept
    WHERE {condition}
    ORDER BY id
"""
OF_TEAMS = f"""EXISTS (
        SELECT 1 FROM assignments_assignment a
        WHERE a.id = kept.assignment_id AND {effective_team_sql("a")} = ANY(%(teams)s))"""  # noqa: S608
REFERENCES = {
    "channel": channel_name_sql("kept.channel"),
    "contact_point": "nullif(split_part(kept.channel, ':', 2), '')::bigint",
    "assignment_reference": "(SELECT a.reference FROM assignments_assignment a WHERE a.id = kept.assignment_id)",
    "recipient_reference": """(
        SELECT p.reference FROM assignments_assignee p
        WHERE p.id = substring(kept.recipient FROM '^(?:assignee|person):([0-9]{{1,18}})$')::bigint AND {seen})""",
}
"""What is told apart of a row's way, and what names work and people in any system, beside the ids of this one."""

CONDITIONS = {
    "due_after": "kept.due_at >= %(due_after)s",
    "due_before": "kept.due_at < %(due_before)s",
    "state": "kept.state = %(state)s",
    "recipients": "kept.recipient = ANY(%(recipients)s)",
}
ATTEMPTS = """
    SELECT (jsonb_populate_recordset(NULL::reminders_attempt, attempts)).*
    FROM reminders_archivedreminder WHERE assignment_id = %s
"""


def archive_batch(*, after: timedelta) -> int:
    """Moves up to BATCH rows; returns how many. Several may do it at once: each row goes once."""
    moved, _ = _move(after, None)
    return moved


def archive_batches(*, after: timedelta) -> Iterator[int]:
    """Moves batch after batch until there is nothing left; yields how many rows each had.

    Each begins where the one before has ended: what stays, because its work is still SCHEDULED, is looked at once.
    """
    moved, up_to = BATCH, None
    while moved == BATCH:
        moved, up_to = _move(after, up_to)
        yield moved


@atomically
def _move(after: timedelta, since: datetime | None) -> tuple[int, datetime | None]:
    """How many rows were moved, and when the last of them was closed; none that was closed before `since`."""
    with connection.cursor() as cursor:
        cursor.execute(
            MOVE, {"seconds": after.total_seconds(), "batch": BATCH, "since": since or "-infinity"}
        )
        moved, up_to = cursor.fetchone()
        return int(moved), up_to


def archived_rows(assignment_id: int) -> list[Reminder]:
    """The archived reminders of an assignment, the newest first, each with `attempt_rows` and `delivery_events`."""
    rows = list(Reminder.objects.raw(ROWS, [assignment_id]))
    if rows:
        tries: dict[int, list[Attempt]] = {row.pk: [] for row in rows}
        with connection.cursor() as cursor:
            cursor.execute(ATTEMPTS, [assignment_id])
            names = [column[0] for column in cursor.description]
            for values in cursor.fetchall():
                attempt = Attempt(**dict(zip(names, values, strict=True)))
                attempt.template_fault = attempt.template_fault or ""  # archived before there were any
                tries[attempt.reminder_id].append(attempt)
        for row in rows:
            # As prefetch_related would leave them.
            vars(row)["_prefetched_objects_cache"] = {"attempt_rows": tries[row.pk]}
        prefetch_related_objects(rows, "delivery_events")
    return rows


def number_to(recipients: Sequence[str]) -> int:
    """How many archived reminders went to these recipients. Reads the whole archive."""
    return ArchivedReminder.objects.filter(row__recipient__in=list(recipients)).count()


def live_and_archived(
    columns: Sequence[str], asked: Mapping[str, Any], *, chunk: int, scope: TeamScope = EVERYTHING
) -> Iterator[Mapping[str, Any]]:
    """Live and archived rows together, in the order of their ids; `chunk` of them are in memory at once.

    `columns` are those of the ledger and REFERENCES; a limited caller gets no reference of a person of other teams.
    `asked` narrows them down by the names of CONDITIONS; other names in it mean nothing here.
    """
    conditions = [condition for name, condition in CONDITIONS.items() if name in asked]
    values = {name: asked[name] for name in CONDITIONS if name in asked}
    if scope.teams is not None:
        conditions.append(OF_TEAMS)
        values["teams"] = sorted(scope.teams)
    seen = "true" if scope.teams is None else "p.team_id = ANY(%(teams)s)"
    selected = (
        f"{REFERENCES[name].format(seen=seen)} AS {name}" if name in REFERENCES else f"kept.{name}"
        for name in columns
    )
    statement = WHOLE_LEDGER.format(columns=", ".join(selected), condition=" AND ".join(conditions) or "true")
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, values)
        while rows := cursor.fetchmany(chunk):
            yield from (dict(zip(columns, values, strict=True)) for values in rows)
