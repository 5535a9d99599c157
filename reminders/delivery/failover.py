"""When nobody drives scans and dispatch, the workers do: no reminder waits for a beat or a scanner that is gone.

Each worker looks every five seconds whether dispatch was seen lately. While it was not, the worker puts dispatch,
and scans that are late, into its own queue. Both are single-flight, so any number of workers may do this at once.
Beat entries that an operator has switched off are a decision: then nobody steps in.
"""

import logging
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import Error, connection
from django_celery_beat.models import PeriodicTask

from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule
from reminders.delivery.broker import CeleryBroker
from reminders.delivery.heartbeats import HEARTBEAT_SECONDS

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
DRIVEN = """
    SELECT EXISTS (SELECT 1 FROM reminders_process
                   WHERE kind = 'scanner' AND seen_at > statement_timestamp() - make_interval(secs => %s)),
           EXISTS (SELECT 1 FROM reminders_scanrun WHERE started_at > statement_timestamp() - 2 * %s::interval)
"""


@dataclass(slots=True)
class SchedulerFailover:
    """What one worker knows of who drives. `turn` is called every tick."""

    config: ReminderConfig
    broker: CeleryBroker = field(default_factory=CeleryBroker)
    # Whoever starts together with everybody else first lets them show themselves.
    look_at: float = field(default_factory=lambda: time.monotonic() + 3 * LOOK_SECONDS)
    silent: bool = False
    scan_is_late: bool = False

    def turn(self) -> None:
        """Steps in for one tick, if nobody else drives."""
        if time.monotonic() >= self.look_at:
            self.look_at = time.monotonic() + LOOK_SECONDS
            self._look()
        if not self.silent:
            return
        tasks = [beat_schedule.DISPATCH, *([beat_schedule.SCAN] if self.scan_is_late else [])]
        self.scan_is_late = False
        self.broker.ask_workers(tasks, expires=max(LOOK_SECONDS, self.config.tick.total_seconds()))

    def _look(self) -> None:
        """Asks the database over a connection of its own, which a child of the pool must never inherit."""
        was_silent = self.silent
        try:
            with connection.cursor() as cursor:
                cursor.execute(DRIVEN, [self._silence(), self._seconds(self.config.poll)])
                dispatched, scanned = cursor.fetchone()
            switched_off = PeriodicTask.objects.filter(task=beat_schedule.DISPATCH, enabled=False).exists()
            self.silent = self.config.enabled and not dispatched and not switched_off
            self.scan_is_late = self.silent and not scanned
        except Error:
            self.silent = False
        finally:
            connection.close()
        if self.silent and not was_silent:
            logger.warning("Nobody dispatches: this worker steps in")

    def _silence(self) -> float:
        """Seconds after which dispatch counts as silent: a scanner leaves its sign every ten, but not between ticks."""
        return HEARTBEAT_SECONDS * 1.5 + 2 * self.config.tick.total_seconds()

    @staticmethod
    def _seconds(span: timedelta) -> str:
        return f"{span.total_seconds()} seconds"


def start(consumer: Any, config: ReminderConfig) -> None:
    """Lets the worker's own timer call a standby; `consumer` is Celery's, as worker_ready hands it over."""
    consumer.timer.call_repeatedly(config.tick.total_seconds(), SchedulerFailover(config).turn)
