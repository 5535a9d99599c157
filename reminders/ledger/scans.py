"""The record of a scan: one at a time, alive while its process is."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection

from assignments.transactions import atomically
from reminders.ledger import counters
from reminders.ledger.sql import run

SCAN_LEASE = timedelta(seconds=20)
"""A scan that has not said for so long that it is at work has lost its process; a tick later another goes on."""

SCAN_LOCK = 0x72656D02


@dataclass(frozen=True, slots=True)
class OpenedScan:
    """The scan that runs now. `is_new` is False when another one was running already."""

    scan_id: int
    is_new: bool


@atomically
def open_scan(*, trigger: str, by: str) -> OpenedScan:
    """Starts a scan's record, unless one is running: then that one is the answer."""
    with connection.cursor() as cursor:
        run(cursor, "SELECT pg_advisory_xact_lock(%s)", [SCAN_LOCK])
        run(
            cursor,
            "SELECT id FROM reminders_scanrun WHERE finished_at IS NULL AND alive_until > statement_timestamp()"
            " AND alive_until <= statement_timestamp() + %s ORDER BY id DESC LIMIT 1",
            [SCAN_LEASE],
        )
        if running := cursor.fetchone():
            return OpenedScan(running[0], is_new=False)
        run(
            cursor,
            """
            UPDATE reminders_scanrun
            SET finished_at = statement_timestamp(), error = 'The process ended before the scan did.'
            WHERE finished_at IS NULL
            """,
        )
        run(
            cursor,
            """
            INSERT INTO reminders_scanrun (trigger, by, started_at, alive_until, error)
            VALUES (%s, %s, statement_timestamp(), statement_timestamp() + %s, '') RETURNING id
            """,
            [trigger, by, SCAN_LEASE],
        )
        return OpenedScan(cursor.fetchone()[0], is_new=True)


@atomically
def renew_scan_lease(scan_id: int) -> bool:
    """Says that the scan is still at work; False when its record is closed by now."""
    with connection.cursor() as cursor:
        run(
            cursor,
            "UPDATE reminders_scanrun SET alive_until = statement_timestamp() + %s"
            " WHERE id = %s AND finished_at IS NULL",
            [SCAN_LEASE, scan_id],
        )
        return bool(cursor.rowcount)


@atomically
def end_scan_lease(scan_id: int) -> None:
    """The process of this scan is known to be dead: whoever looks next may take it over."""
    with connection.cursor() as cursor:
        run(
            cursor,
            "UPDATE reminders_scanrun SET alive_until = statement_timestamp()"
            " WHERE id = %s AND finished_at IS NULL AND alive_until > statement_timestamp()",
            [scan_id],
        )


@atomically
def take_over_scan() -> int | None:
    """A scan whose process is gone, for the caller to go on with; None where there is none. Only one caller gets it."""
    with connection.cursor() as cursor:
        run(
            cursor,
            """
            UPDATE reminders_scanrun SET alive_until = statement_timestamp() + %s
            WHERE id = (SELECT id FROM reminders_scanrun
                        WHERE finished_at IS NULL AND alive_until <= statement_timestamp()
                        ORDER BY id DESC LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id
            """,
            [SCAN_LEASE],
        )
        found = cursor.fetchone()
        return found[0] if found else None


@atomically
def close_scan(scan_id: int, *, counts: str, error: str) -> float:
    """Ends a scan's record and observes its duration, which it returns in seconds."""
    with connection.cursor() as cursor:
        run(
            cursor,
            """
            UPDATE reminders_scanrun SET finished_at = statement_timestamp(), counts = %s::jsonb, error = %s
            WHERE id = %s AND finished_at IS NULL
            RETURNING extract(epoch FROM statement_timestamp() - started_at)::float8
            """,
            [counts, error[:500], scan_id],
        )
        found = cursor.fetchone()
        seconds = float(found[0]) if found else 0.0
        tally = counters.Counts()
        counters.observe(tally, counters.SCAN_DURATION, [seconds])
        counters.write(cursor, tally)
        return seconds
