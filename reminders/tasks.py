"""What Celery runs: scan and dispatch in the scanner, deliver in the workers. Each makes one call."""

import logging
import os
import socket
from datetime import timedelta

from celery import shared_task
from celery.signals import task_prerun, worker_ready
from django.db import close_old_connections

from reminders import conf, lifecycle, presence
from reminders.broker import SCAN_QUEUE, CeleryBroker
from reminders.ledger import Hint
from reminders.models import ScanRun

logger = logging.getLogger(__name__)

LAST_RESORT = lifecycle.FINISH_PATIENCE + timedelta(minutes=1)
"""The watchdog ends a send that hangs; a finish may wait this long for its database (RULES, 8)."""


@shared_task(name="reminders.scan", time_limit=600)
def scan(trigger: str = ScanRun.Trigger.BEAT, by: str = "") -> None:
    """Plans, voids and audits; asked for by beat, by a scanner's start, or for an operator."""
    try:
        lifecycle.scan(trigger=trigger, by=by, config=conf.current())
    except lifecycle.Disabled:
        logger.info("Scan skipped", extra={"reason": "disabled"})


@shared_task(name="reminders.go_on_with_scan", time_limit=600)
def go_on_with_scan(scan_id: int) -> None:
    """Finishes a scan that was begun in a request and took longer than one may."""
    try:
        lifecycle.go_on_with_scan(int(scan_id), config=conf.current())
    except lifecycle.Disabled:
        logger.info("Scan skipped", extra={"reason": "disabled", "scan_id": scan_id})


@shared_task(name="reminders.dispatch", time_limit=60)
def dispatch() -> None:
    """Hands over what is due."""
    lifecycle.dispatch(config=conf.current(), broker=CeleryBroker())
    presence.touch("scanner")


@shared_task(name="reminders.deliver", time_limit=int(LAST_RESORT.total_seconds()))
def deliver(hints: list[list[int]]) -> None:
    """Delivers the rows that the hints name; a hint is [reminder id, ticket]."""
    config = conf.current()
    try:
        named = [Hint(int(reminder_id), int(ticket)) for reminder_id, ticket in hints]
    except (TypeError, ValueError):
        logger.error("Reminder job skipped", extra={"reason": "malformed hint"})
        return
    presence.touch("worker")
    lifecycle.deliver(named, config=config)


@task_prerun.connect
def let_go_of_broken_connections(**_: object) -> None:
    """A connection that broke is replaced before the task begins; Celery is told to keep it across tasks."""
    close_old_connections()


@worker_ready.connect
def at_start(sender: object, **_: object) -> None:
    """Says that the queue is there; the scanner also scans at once, so that a restart is never a gap."""
    queues = getattr(getattr(sender, "task_consumer", None), "queues", [])
    names = {getattr(queue, "name", str(queue)) for queue in queues}
    logger.info(
        "Reminder queue initialised",
        extra={"queues": sorted(names), "host": socket.gethostname(), "pid": os.getpid()},
    )
    if SCAN_QUEUE in names:
        scan.apply_async(kwargs={"trigger": ScanRun.Trigger.STARTUP.value}, queue=SCAN_QUEUE, expires=60)
