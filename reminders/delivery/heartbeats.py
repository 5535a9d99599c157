"""Who is at work: each process leaves a sign of life every ten seconds."""

import os
import socket
import time
from dataclasses import dataclass

from billiard.process import current_process
from django.db import Error, connection

from reminders import conf

HEARTBEAT_SECONDS = 10.0
RECENT_SECONDS = 30
"""Whoever left no sign of life for this long is not seen any more."""

KEEP_DAYS = 1
_touched_at: dict[tuple[int, str], float] = {}


def record(kind: str, *, at_once: bool = False) -> bool:
    """Leaves a sign of life for this process, at most every ten seconds unless `at_once`; True where it did.

    Never raises a database error.
    """
    key = (os.getpid(), kind)
    now = time.monotonic()
    if not at_once and now - _touched_at.get(key, -HEARTBEAT_SECONDS) < HEARTBEAT_SECONDS:
        return False
    _touched_at[key] = now
    try:
        write(kind)
    except Error:
        if not connection.in_atomic_block:
            connection.close()  # A broken one must not be left to whoever comes next.
        return False
    return True


def write(kind: str) -> None:
    """Writes a sign of life for this process now, whenever the last one was. Raises the database's error.

    It says how far this host's clock is off, and under which settings the process runs.
    """
    config = conf.current()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO reminders_process AS p
                (kind, host, pid, started_at, seen_at, clock_ahead_seconds, enabled, rules)
            VALUES (%s, %s, %s, statement_timestamp(), statement_timestamp(),
                    %s - extract(epoch FROM statement_timestamp())::float8, %s, %s)
            ON CONFLICT (kind, host, pid) DO UPDATE SET
                started_at = CASE WHEN p.seen_at < statement_timestamp() - interval '1 minute'
                                  THEN excluded.started_at ELSE p.started_at END,
                seen_at = excluded.seen_at, clock_ahead_seconds = excluded.clock_ahead_seconds,
                enabled = excluded.enabled, rules = excluded.rules
            """,
            [kind, socket.gethostname(), _process_id(), time.time(), config.enabled, config.fingerprint],
        )


def _process_id() -> int:
    """The worker's own process id in its children too: which of them was busy lately says nothing about their number."""
    return os.getpid() if current_process().name == "MainProcess" else os.getppid()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessCount:
    """Processes of one kind that were seen lately.

    `at_once` counts those that were seen after the youngest of them had started: one that was replaced in a
    restart is not among them. `last_seen_at` is in seconds since 1970.
    """

    count: int
    at_once: int
    last_seen_at: float


def recent_by_kind() -> dict[str, ProcessCount]:
    """The processes that were seen lately, by kind; a worker with its children counts as one."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT kind, count(*), count(*) FILTER (WHERE seen_at >= youngest), extract(epoch FROM max(seen_at))::float8
            FROM (SELECT kind, seen_at, max(started_at) OVER (PARTITION BY kind) AS youngest
                  FROM reminders_process
                  WHERE seen_at > statement_timestamp() - make_interval(secs => %s) AND kind <> 'scrape') AS lately
            GROUP BY kind
            """,
            [RECENT_SECONDS],
        )
        return {
            kind: ProcessCount(count=count, at_once=at_once, last_seen_at=last_seen_at)
            for kind, count, at_once, last_seen_at in cursor.fetchall()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveProcess:
    """One process that was seen lately, and what it said about itself; None and '' where it said nothing."""

    kind: str
    host: str
    pid: int
    clock_ahead_seconds: float | None
    enabled: bool | None
    rules: str

    def __str__(self) -> str:
        return f"{self.kind} {self.pid} on {self.host}"


def live_processes() -> list[LiveProcess]:
    """Every process of this system that was seen lately."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT kind, host, pid, clock_ahead_seconds, enabled, rules FROM reminders_process
            WHERE seen_at > statement_timestamp() - make_interval(secs => %s) AND kind <> 'scrape'
            ORDER BY kind, host, pid
            """,
            [RECENT_SECONDS],
        )
        names = [column[0] for column in cursor.description]
        return [LiveProcess(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def seconds_since(*kinds: str) -> float | None:
    """How long ago a process of one of these kinds was last seen; None where there is no sign of one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM statement_timestamp() - max(seen_at))::float8"
            " FROM reminders_process WHERE kind = ANY(%s)",
            [list(kinds)],
        )
        age: float | None = cursor.fetchone()[0]
        return age


def prune() -> int:
    """Forgets processes that have not been seen for a day, except the last of each kind; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM reminders_process p WHERE seen_at < statement_timestamp() - make_interval(days => %s)"
            " AND EXISTS (SELECT 1 FROM reminders_process q WHERE q.kind = p.kind AND q.seen_at > p.seen_at)",
            [KEEP_DAYS],
        )
        return int(cursor.rowcount)
