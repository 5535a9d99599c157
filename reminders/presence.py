"""Who is at work: each process leaves a sign of life every ten seconds."""

import os
import socket
import time
from dataclasses import dataclass

from django.db import Error, connection

EVERY_SECONDS = 10.0
LATELY_SECONDS = 30
"""Whoever left no sign of life for this long is not seen any more."""

FORGOTTEN_DAYS = 1
_touched_at: dict[tuple[int, str], float] = {}


def touch(kind: str) -> bool:
    """Leaves a sign of life for this process, at most every ten seconds; True when it was time for one.

    Never raises a database error.
    """
    key = (os.getpid(), kind)
    now = time.monotonic()
    if now - _touched_at.get(key, -EVERY_SECONDS) < EVERY_SECONDS:
        return False
    _touched_at[key] = now
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO reminders_process AS p (kind, host, pid, started_at, seen_at)
                VALUES (%s, %s, %s, statement_timestamp(), statement_timestamp())
                ON CONFLICT (kind, host, pid) DO UPDATE SET
                    started_at = CASE WHEN p.seen_at < statement_timestamp() - interval '1 minute'
                                      THEN excluded.started_at ELSE p.started_at END,
                    seen_at = excluded.seen_at
                """,
                [kind, socket.gethostname(), os.getpid()],
            )
    except Error:
        if not connection.in_atomic_block:
            connection.close()  # A broken one must not be left to whoever comes next.
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Processes of one kind that were seen lately.

    `at_once` counts those that were seen after the youngest of them had started: one that was replaced in a
    restart is not among them. `last_seen_at` is in seconds since 1970.
    """

    count: int
    at_once: int
    last_seen_at: float


def seen() -> dict[str, Seen]:
    """The processes that were seen lately, by kind; each child of a worker counts."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT kind, count(*), count(*) FILTER (WHERE seen_at >= youngest), extract(epoch FROM max(seen_at))::float8
            FROM (SELECT kind, seen_at, max(started_at) OVER (PARTITION BY kind) AS youngest
                  FROM reminders_process WHERE seen_at > statement_timestamp() - make_interval(secs => %s)) AS lately
            GROUP BY kind
            """,
            [LATELY_SECONDS],
        )
        return {
            kind: Seen(count=count, at_once=at_once, last_seen_at=last_seen_at)
            for kind, count, at_once, last_seen_at in cursor.fetchall()
        }


def forget() -> int:
    """Forgets processes that have not been seen for a day; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM reminders_process WHERE seen_at < statement_timestamp() - make_interval(days => %s)",
            [FORGOTTEN_DAYS],
        )
        return int(cursor.rowcount)
