"""Who is at work: each process leaves a sign of life every ten seconds."""

import os
import socket
import time

from django.db import DatabaseError, connection

EVERY_SECONDS = 10.0
_touched_at: dict[tuple[int, str], float] = {}


def touch(kind: str) -> None:
    """Leaves a sign of life for this process, at most every ten seconds. Never raises a database error."""
    key = (os.getpid(), kind)
    now = time.monotonic()
    if now - _touched_at.get(key, -EVERY_SECONDS) < EVERY_SECONDS:
        return
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
    except DatabaseError:
        return
