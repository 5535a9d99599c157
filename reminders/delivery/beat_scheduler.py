"""The scheduler of beat: django-celery-beat's, which sends no more than the scanner takes."""

import logging
import time
from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler

from assignments.transactions import ROUND_DEADLINE_SECONDS, connection_deadline
from reminders.delivery import broker_status, heartbeats
from reminders.delivery.broker import SCAN_QUEUE, SCAN_QUEUE_LIMIT
from reminders.delivery.hints import BrokerDown

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How often the queue is looked at, and the entries are. Between two looks the queue may grow by what beat sends."""


class BoundedScheduler(DatabaseScheduler):  # type: ignore[misc]
    """Sends nothing to a scanner's queue that is full, for expiry removes no message from a list in Redis.

    Whatever is left out is asked for again at its next interval; a scanner also scans when it starts, and workers
    dispatch while none is seen.
    """

    _look_at = 0.0
    _full = False
    _compare_at = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """One round. A database that stops responding fails it instead of holding it up for ever; the next connects anew."""
        with connection_deadline(ROUND_DEADLINE_SECONDS):
            return super().tick(*args, **kwargs)

    def schedule_changed(self) -> bool:
        """Whether somebody has changed an entry; asked every few seconds, and not at each tick."""
        if time.monotonic() < self._compare_at:
            return False
        self._compare_at = time.monotonic() + LOOK_SECONDS
        return bool(super().schedule_changed())

    def adjust(self, n: float | None, drift: float = 0.0) -> float | None:
        """Seconds until the entry is due. Celery (5.7) wakes 10 ms before, and asks without pause until then."""
        return super().adjust(n, drift) if n else n

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Sends the task of a due entry, unless it would only wait behind many like it."""
        if entry.options.get("queue") == SCAN_QUEUE and self._is_full():
            heartbeats.record("beat")
            return
        super().apply_entry(entry, producer=producer)

    def _is_full(self) -> bool:
        if time.monotonic() < self._look_at:
            return self._full
        self._look_at = time.monotonic() + LOOK_SECONDS
        try:
            depth = broker_status.queue_lengths()[SCAN_QUEUE]
        except BrokerDown:
            return self._full  # Sending says what is wrong.
        was_full, self._full = self._full, depth >= SCAN_QUEUE_LIMIT
        if self._full and not was_full:
            logger.warning("Scan queue is full", extra={"depth": depth})
        if was_full and not self._full:
            logger.info("Scan queue has room", extra={"depth": depth})
        return self._full
