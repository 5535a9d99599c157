"""Waits that pass faster: for the breakers and paces of routes, and for rows that are tried again.

The ledger keeps each of these waits as an instant, and nothing but a clock ends it. So a test of what happens, in which
order and how often, need not last as long as they do. What is due, leases and deadlines stay as they are.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg

TIMES = 5.0
"""So many times as fast."""
LOOK = 0.1
MOVED = (
    """
    UPDATE reminders_channelhold SET until = until - %(by)s
    WHERE channel IN (SELECT channel FROM reminders_channelhold WHERE until > statement_timestamp()
                      FOR UPDATE SKIP LOCKED)
    """,
    """
    UPDATE reminders_channelpace
    SET refilled_at = refilled_at - %(by)s, raised_at = raised_at - %(by)s, throttled_at = throttled_at - %(by)s
    WHERE channel IN (SELECT channel FROM reminders_channelpace FOR UPDATE SKIP LOCKED)
    """,
    """
    UPDATE reminders_reminder SET next_attempt_at = next_attempt_at - %(by)s
    WHERE id IN (SELECT id FROM reminders_reminder
                 WHERE closed_at IS NULL AND state = 'PLANNED'
                   AND next_attempt_at > statement_timestamp() AND due_at <= statement_timestamp()
                 FOR UPDATE SKIP LOCKED)
    """,
)
"""Whoever is at work has locked what it changes: that is moved at the next look."""


@contextlib.contextmanager
def hastened(database_url: str, times: float) -> Iterator[None]:
    """From here on these waits pass so many times as fast."""
    over = threading.Event()

    def hasten() -> None:
        address = database_url.replace("postgres://", "postgresql://", 1)
        with psycopg.connect(address, autocommit=True) as link:
            looked = time.monotonic()
            while not over.wait(LOOK):
                before, looked = looked, time.monotonic()
                for statement in MOVED:
                    link.execute(
                        statement.encode(), {"by": timedelta(seconds=(looked - before) * (times - 1))}
                    )

    with ThreadPoolExecutor(max_workers=1) as pool:
        hastening = pool.submit(hasten)
        try:
            yield
        finally:
            over.set()
            hastening.result(timeout=30)
