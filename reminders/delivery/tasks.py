"""What Celery runs: scan and dispatch in the scanner, deliver in the workers. Each makes one call."""

import logging
import os
import socket
from datetime import timedelta

from celery import shared_task
from celery.signals import beat_init, before_task_publish, task_prerun, worker_ready
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from assignments.transactions import hanging_up_after
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.delivery import (
    beat_schedule,
    deadman,
    deliver,
    dispatch,
    failover,
    heartbeats,
    outage,
    retention,
    scan,
)
from reminders.delivery.broker import QUEUE, SCAN_QUEUE, CeleryBroker
from reminders.delivery.hints import BrokerDown, HintBatch
from reminders.delivery.scan import ScanResult
from reminders.ledger import scans
from reminders.ledger.records import Hint
from reminders.models import ScanRun

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 5.0
"""How long a connection that was kept may take to show that it still lives."""

LAST_RESORT = deliver.FINISH_RETRY_FOR + timedelta(minutes=1)
"""The watchdog ends a send that hangs; a finish may wait this long for its database (RULES, 8)."""


@shared_task(name="reminders.scan", time_limit=600)
def scan_task(trigger: str = ScanRun.Trigger.BEAT, by: str = "") -> None:
    """Plans, voids and audits; asked for by beat, by a scanner's start, or for an operator."""
    config = conf.current()
    try:
        _after_scan(scan.scan(trigger=trigger, by=by, config=config), config)
    except scan.Disabled:
        logger.info("Scan skipped", extra={"reason": "disabled"})


@shared_task(name="reminders.go_on_with_scan", time_limit=600)
def resume_scan_task(scan_id: int) -> None:
    """Finishes a scan that was begun in a request and took longer than one may."""
    config = conf.current()
    try:
        _after_scan(scan.resume_scan(int(scan_id), config=config), config)
    except scan.Disabled:
        logger.info("Scan skipped", extra={"reason": "disabled", "scan_id": scan_id})


@shared_task(name="reminders.dispatch", time_limit=60)
def dispatch_task(standby: bool = False) -> None:
    """Hands over what is due; `standby` where a worker steps in, so that the scanner's silence is still seen."""
    config, broker = conf.current(), CeleryBroker()
    _hand_over(config, broker)
    if heartbeats.record("standby" if standby else "scanner") and config.enabled:
        _let_a_canary_fly(broker)
    if config.enabled and not standby:
        _take_over_a_scan(broker)


@shared_task(name="reminders.deliver", time_limit=int(LAST_RESORT.total_seconds()))
def deliver_task(hints: list[list[int]]) -> None:
    """Delivers the rows that the hints name; a hint is [reminder id, ticket]."""
    config = conf.current()
    try:
        named = [Hint(int(reminder_id), int(ticket)) for reminder_id, ticket in hints]
    except (TypeError, ValueError):
        logger.error("Reminder job skipped", extra={"reason": "malformed hint"})
        return
    heartbeats.record(
        "worker", at_once=not named
    )  # Without hints it is a canary: somebody waits for the sign.
    deliver.deliver(named, config=config)


def _hand_over(config: ReminderConfig, broker: CeleryBroker) -> None:
    """Dispatches; after a long outage, where the settings want it, an operator looks at the backlog first."""
    outage.pause_after_outage(config)
    dispatch.dispatch(config=config, broker=broker)


def _after_scan(done: ScanResult | None, config: ReminderConfig) -> None:
    """Once a scan has ended: what it audited clean is told to the dead man's switch, and old records go."""
    if done is None or done.counts is None:
        return
    if done.counts.planned:
        # What was found due already does not wait for the next tick.
        _hand_over(config, CeleryBroker())
    if done.counts.unaccounted == 0:
        deadman.ping(config.deadman_url)
    retention.prune(config)


def _take_over_a_scan(broker: CeleryBroker) -> None:
    """A scan that was killed does not wait for the next one's turn, minutes away: somebody goes on with it."""
    scan_id = scans.take_over_scan()
    if scan_id is not None:
        logger.warning("Scan taken over", extra={"scan_id": scan_id})
        broker.resume_scan_elsewhere(scan_id)


def _let_a_canary_fly(broker: CeleryBroker) -> None:
    """A message without hints travels the whole way, so that an idle worker is seen; none while others wait."""
    try:
        if broker.depth() == 0:
            broker.publish([HintBatch(())])
    except BrokerDown:
        return


@task_prerun.connect
def let_go_of_broken_connections(**_: object) -> None:
    """A connection that broke is replaced before the task begins; Celery is told to keep it across tasks."""
    with hanging_up_after(ANSWER_SECONDS):
        close_old_connections()
        connection.close_if_health_check_failed()  # now, while somebody watches, and not at the first statement


@worker_ready.connect
def at_start(sender: object, **_: object) -> None:
    """Says that the queue is there; the scanner also scans at once, so that a restart is never a gap."""
    queues = getattr(getattr(sender, "task_consumer", None), "queues", [])
    names = {getattr(queue, "name", str(queue)) for queue in queues}
    logger.info(
        "Reminder queue initialised",
        extra={"queues": sorted(names), "host": socket.gethostname(), "pid": os.getpid()},
    )
    if QUEUE in names:
        failover.start(sender, conf.current())
    if SCAN_QUEUE in names:
        scan_task.apply_async(kwargs={"trigger": ScanRun.Trigger.STARTUP.value}, queue=SCAN_QUEUE, expires=60)


@beat_init.connect
def at_beat_start(**_: object) -> None:
    """Puts beat's entries right before it reads them (RULES, 30); from then on beat is seen when it asks for a task."""
    try:
        for line in beat_schedule.set_up(conf.current()):
            logger.info("Beat entry put right", extra={"entry": line})
    except DatabaseError as error:
        logger.warning("Beat entries not checked", extra={"reason": type(error).__name__})
    before_task_publish.connect(beat_is_seen, dispatch_uid="reminders.beat_is_seen")


def beat_is_seen(**_: object) -> None:
    """Beat leaves its sign of life before it turns to the broker, so that a dead Redis does not make it look dead."""
    heartbeats.record("beat")
