"""The pause, and what waits behind it."""

from collections.abc import Collection
from datetime import datetime

from django.db import connection

from assignments.transactions import atomically
from reminders.ledger.chains import go_on_later
from reminders.ledger.events import record_ended
from reminders.ledger.fragments import ACTIVE_PAUSE, AS_ENDED, TO_PEOPLE, ended_unsent
from reminders.ledger.records import Ended
from reminders.ledger.sql import fetch, prepared_cursor, run
from reminders.models import Kind, Pause
from reminders.policy.timing import Usefulness

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

IN_FORCE = f"""
    SELECT id, by::text, reason::text, since, until, ended_at, ended_by::text FROM reminders_pause
    WHERE id IN ({ACTIVE_PAUSE}) ORDER BY id DESC LIMIT 1
"""  # noqa: S608 - our own constants

DUE = f"""r.closed_at IS NULL AND r.state IN ('PLANNED', 'QUEUED') AND r.channel <> 'none'
    AND r.{TO_PEOPLE} AND r.next_attempt_at <= statement_timestamp()"""
"""What people would be sent now, if nothing held it. Events for programs are left out: they go on by themselves."""

USE = """CASE WHEN r.not_after < statement_timestamp() THEN 'too_late'
    WHEN r.kind = 'REMINDER' AND r.planned_start < statement_timestamp() THEN 'late' ELSE 'useful' END"""
"""`policy.timing.usefulness` is the same rule as a pure function."""


@atomically
def open_pause(*, by: str, reason: str, until: datetime | None) -> int | None:
    """Starts a pause; None where one is in force already: never two at a time."""
    with connection.cursor() as cursor:
        run(cursor, "SELECT pg_advisory_xact_lock(%s)", [PAUSE_LOCK])
        run(cursor, OPEN_PAUSE.format(in_force=ACTIVE_PAUSE), [by, reason, until])
        made = cursor.fetchone()
        return made[0] if made else None


@atomically
def end_pause(*, by: str) -> int | None:
    """Ends the pause in force and returns its id; None where nothing is paused."""
    with connection.cursor() as cursor:
        run(cursor, "SELECT pg_advisory_xact_lock(%s)", [PAUSE_LOCK])
        run(cursor, END_PAUSE.format(in_force=ACTIVE_PAUSE), [by])
        ended = cursor.fetchone()
        return ended[0] if ended else None


def backlog() -> dict[tuple[Kind, Usefulness], int]:
    """How many due rows wait to be sent, by kind and by what sending them now would still be worth."""
    with connection.cursor() as cursor:
        run(cursor, f"SELECT r.kind, {USE}, count(*) FROM reminders_reminder r WHERE {DUE} GROUP BY 1, 2")  # noqa: S608
        return {(Kind(kind), Usefulness(use)): count for kind, use, count in cursor.fetchall()}


@atomically
def skip_waiting(parts: Collection[tuple[Kind, Usefulness]]) -> list[Ended]:
    """Ends these parts of the backlog: an operator has said not to send them.

    What may have arrived already ends UNKNOWN.
    """
    with connection.cursor() as cursor:
        run(
            cursor,
            f"""
            WITH unwanted AS (
                SELECT r.id FROM reminders_reminder r
                WHERE {DUE} AND (r.kind, {USE}) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
                ORDER BY r.id FOR NO KEY UPDATE
            )
            UPDATE reminders_reminder r
            SET {ended_unsent("'operator'")}
            FROM unwanted
            WHERE r.id = unwanted.id AND r.state IN ('PLANNED', 'QUEUED')
            RETURNING {AS_ENDED}
            """,  # noqa: S608
            [[kind.value for kind, _ in parts], [use.value for _, use in parts]],
        )
        ended = [Ended(**row) for row in fetch(cursor)]
        record_ended(cursor, ended)
        go_on_later(cursor, ended)
    return ended


def pause_in_force() -> Pause | None:
    """The pause that holds sending now; None while nothing does."""
    with prepared_cursor() as cursor:
        run(cursor, IN_FORCE)
        row = next(fetch(cursor), None)
    return Pause.from_db(connection.alias, list(row), list(row.values())) if row else None
