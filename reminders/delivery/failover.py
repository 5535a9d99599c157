"""When nobody drives scans and dispatch, the workers do: no reminder waits for a beat or a scanner that is gone.

Each worker looks every five seconds whether dispatch was seen lately, and whether beat's entries are as they must be.
It corrects an entry that something other than an operator has stopped. While dispatch was not seen, or its entry was
just corrected, the worker puts dispatch, and scans that are late, into its own queue. Both are single-flight, so any
number of workers may do this at once. What an operator has switched off, with a recorded reason, is left off.
"""

import logging
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import Error, connection

from assignments.transactions import ROUND_DEADLINE_SECONDS, connection_deadline
from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule, heartbeats, recovery
from reminders.delivery.beat_schedule import EntryStatus
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
    """What one worker knows of who dispatches and scans. `turn` is called every tick."""

    config: ReminderConfig
    broker: CeleryBroker = field(default_factory=CeleryBroker)
    # Whoever starts together with everybody else first lets them show themselves.
    look_at: float = field(default_factory=lambda: time.monotonic() + 3 * LOOK_SECONDS)
    silent: bool = False
    scan_is_late: bool = False

    def turn(self) -> None:
        """Settles what dead processes of this host had in hand. Steps in for one tick, if nobody else dispatches.

        A database that stops responding holds the worker up no longer than a round of each may take.
        """
        with connection_deadline(ROUND_DEADLINE_SECONDS):
            recovery.settle_dead(config=self.config, broker=self.broker)
            connection.close()  # A child of the pool must never inherit it.
        if time.monotonic() >= self.look_at:
            self.look_at = time.monotonic() + LOOK_SECONDS
            with connection_deadline(ROUND_DEADLINE_SECONDS):
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
            found = {entry.task: entry for entry in beat_schedule.check_entries(self.config)}
            dispatch, scan = found[beat_schedule.DISPATCH], found[beat_schedule.SCAN]
            wrong = {task for task, entry in found.items() if self._is_wrong(entry, silent=not dispatched)}
            if wrong:
                self._correct()
            is_dispatched = dispatched and dispatch.task not in wrong
            self.silent = self.config.enabled and not is_dispatched and dispatch.switched_off is None
            self.scan_is_late = self.silent and not scanned and scan.switched_off is None
        except Error:
            self.silent = False
        finally:
            connection.close()
        if self.silent and not was_silent:
            logger.warning("Nobody dispatches: this worker steps in")

    def _is_wrong(self, entry: EntryStatus, *, silent: bool) -> bool:
        """Whether to correct an entry now.

        What follows the settings is left alone while processes run with different ones, as during a restart: they
        would correct each other for ever. So is a last run in the future while dispatch is seen all the same: then
        beat's clock is ahead.
        """
        if entry.broken or (silent and not entry.right):
            return True
        return "interval" in entry.outdated and all(
            process.rules == self.config.fingerprint for process in heartbeats.live_processes()
        )

    def _correct(self) -> None:
        """An entry that cannot be corrected keeps nobody from stepping in."""
        try:
            for line in beat_schedule.set_up(self.config):
                logger.warning("Beat entry corrected", extra={"entry": line})
        except (Error, ValidationError) as error:
            logger.warning("Beat entries not corrected", extra={"reason": type(error).__name__})

    def _silence(self) -> float:
        """Seconds after which dispatch counts as silent: a scanner leaves its sign every ten, but not between ticks."""
        return HEARTBEAT_SECONDS * 1.5 + 2 * self.config.tick.total_seconds()

    @staticmethod
    def _seconds(span: timedelta) -> str:
        return f"{span.total_seconds()} seconds"


def start(consumer: Any, config: ReminderConfig) -> None:
    """Lets the worker's own timer call a SchedulerFailover every tick; `consumer` is Celery's, as worker_ready gives it."""
    consumer.timer.call_repeatedly(config.tick.total_seconds(), SchedulerFailover(config).turn)
