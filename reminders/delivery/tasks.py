"""What Celery runs: scan and dispatch in the scanner, deliver in the workers. Each makes one call."""

import logging
import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from celery import shared_task
from celery.signals import beat_init, before_task_publish, task_prerun, worker_init, worker_ready
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from assignments.transactions import is_quiet
from reminders import conf
from reminders.bounces import polls as bounce_polls
from reminders.conf import ReminderConfig
from reminders.content import compose
from reminders.delivery import (
    beat_schedule,
    deadman,
    deliver,
    dispatch,
    ends,
    failover,
    heartbeats,
    journal,
    outage,
    recovery,
    retention,
    scan,
    standby,
)
from reminders.delivery.broker import QUEUE, SCAN_QUEUE, SLOTS, CeleryBroker, slots_in
from reminders.delivery.hints import BrokerDown, HintBatch
from reminders.delivery.scan import ScanCounts, ScanResult
from reminders.feeds import polls
from reminders.ledger import scans
from reminders.ledger.records import Hint
from reminders.models import ScanRun

logger = logging.getLogger(__name__)

TRUSTED_SECONDS = 1.0
"""For how long a connection that has answered, and of whose end nothing has come, is not asked again."""

_asked_at = float("-inf")

LAST_RESORT = ends.FINISH_RETRY_FOR + timedelta(minutes=1)
"""The watchdog ends a send that hangs; a finish may wait this long for its database."""


@shared_task(name="reminders.scan", time_limit=600)
def scan_task(trigger: str = ScanRun.Trigger.BEAT, by: str = "") -> None:
    """Plans, voids and audits; requested by beat, by a scanner's start, by a worker that stands in, or for an operator."""
    config = conf.current()
    dispatcher = "standby" if trigger == ScanRun.Trigger.STANDBY else "scanner"
    try:
        _after_scan(
            scan.scan(
                trigger=trigger,
                by=by,
                config=config,
                journal=journal.own(),
                watch=_hand_over_planned(config, dispatcher),
            ),
            config,
        )
    except scan.Disabled:
        logger.info("Scan skipped", extra={"reason": "disabled"})


@shared_task(name="reminders.go_on_with_scan", time_limit=600)
def resume_scan_task(scan_id: int) -> None:
    """Finishes a scan that a request has handed over, because it took longer than one may, or whose process has died."""
    config = conf.current()
    try:
        watch = _hand_over_planned(config, "scanner")
        _after_scan(scan.resume_scan(int(scan_id), config=config, journal=journal.own(), watch=watch), config)
    except scan.Disabled:
        logger.info("Scan skipped", extra={"reason": "disabled", "scan_id": scan_id})


@shared_task(name="reminders.dispatch", time_limit=60)
def dispatch_task(standby: bool = False) -> None:
    """Hands over what is due; `standby` where a worker stands in, so that the scanner is still seen to be missing."""
    config, broker = conf.current(), CeleryBroker()
    dispatcher = "standby" if standby else "scanner"
    recovery.settle_dead(config=config, broker=broker)
    _dispatch(config, broker, dispatcher)
    if heartbeats.record(dispatcher) and config.enabled:
        _send_canary(broker)
    _request_bounces(broker)
    if config.enabled and not standby:
        _resume_abandoned_scan(broker)


@shared_task(name="reminders.deliver", bind=True, time_limit=int(LAST_RESORT.total_seconds()))
def deliver_task(self: Any, hints: list[list[int]]) -> None:
    """Delivers the rows that the hints name; a hint is [reminder id, ticket]. Without hints it is a canary.

    The header `reminder_slots` says which of them are begun when.
    """
    config = conf.current()
    try:
        parsed = [Hint(int(reminder_id), int(ticket)) for reminder_id, ticket in hints]
    except (TypeError, ValueError):
        logger.error("Reminder job skipped", extra={"reason": "malformed hint"})
        return
    heartbeats.record("worker", at_once=not parsed)  # Whoever sent a canary waits for this heartbeat.
    slots = slots_in(self.request.get(SLOTS), hints=len(parsed))
    deliver.deliver(parsed, config=config, journal=journal.own(), slots=slots, hand_on=_hand_on)


def _hand_on(batches: list[HintBatch]) -> None:
    """What this worker does not get round to goes to others; what the broker refuses is due again at the next tick."""
    dispatch.release_refused(CeleryBroker().publish(batches))


@shared_task(name="reminders.poll_calendar", time_limit=600)
def poll_calendar_task(source_id: int) -> None:
    """Polls one calendar that is due, unless another worker does."""
    from reminders.feeds import poll  # Only who polls loads what reads calendars.

    if conf.current().enabled:
        poll.poll(int(source_id))


@shared_task(name="reminders.poll_bounces", time_limit=240)
def poll_bounces_task() -> None:
    """Reads what has come back by mail, unless another worker does."""
    from reminders.bounces import poll  # Only who polls loads what reads mails.

    poll.poll(config=conf.current())


def _dispatch(config: ReminderConfig, broker: CeleryBroker, dispatcher: str) -> None:
    """Dispatches; after a long outage, where the settings want it, an operator reviews the backlog first."""
    outage.pause_after_outage(config, dispatcher=dispatcher)
    dispatch.dispatch(config=config, broker=broker, journal=journal.own())


def _request_bounces(broker: CeleryBroker) -> None:
    """At its interval, whether or not sending is switched off: what has left may still come back."""
    every = timedelta(seconds=settings.BOUNCE_POLL_SECONDS)
    if settings.BOUNCE_MAILBOX is not None and bounce_polls.request_due(every=every):
        broker.poll_bounces(expires=every)


def _hand_over_planned(config: ReminderConfig, dispatcher: str) -> Callable[[ScanCounts], None]:
    """What a step of a scan has planned and is due leaves at once: workers send while the scan goes on."""
    handed_over = 0

    def watch(counts: ScanCounts) -> None:
        nonlocal handed_over
        if counts.planned > handed_over:
            handed_over = counts.planned
            _dispatch(config, CeleryBroker(), dispatcher)

    return watch


def _after_scan(done: ScanResult | None, config: ReminderConfig) -> None:
    """Once a scan has ended: the dead man's switch is called if the audit is clean, calendars that are due are polled, old
    records are removed.
    """
    if done is None or done.counts is None:
        return
    if done.counts.unaccounted == 0:
        deadman.ping(config.deadman_url)
    if due := polls.due():
        CeleryBroker().poll_calendars(due)
    retention.prune(config)


def _resume_abandoned_scan(broker: CeleryBroker) -> None:
    """A scan whose process was killed is resumed now, rather than at the next scan, minutes away."""
    scan_id = scans.take_over_scan()
    if scan_id is not None:
        logger.warning("Scan taken over", extra={"scan_id": scan_id})
        broker.resume_scan_elsewhere(scan_id)


def _send_canary(broker: CeleryBroker) -> None:
    """A message without hints takes the whole way, so that an idle worker is seen; none while others wait."""
    try:
        if broker.depth() == 0:
            broker.publish([HintBatch(())])
    except BrokerDown:
        return


@task_prerun.connect
def replace_broken_connections(**_: object) -> None:
    """A connection that broke is replaced before the task begins; CELERY_DB_REUSE_MAX keeps it across tasks."""
    global _asked_at
    if (
        time.monotonic() < _asked_at + TRUSTED_SECONDS
        and not connection.errors_occurred
        and is_quiet(connection)
    ):
        return
    close_old_connections()
    connection.close_if_health_check_failed()  # now, and not at the first statement
    _asked_at = time.monotonic()


@worker_init.connect
def load_texts(sender: Any, **_: object) -> None:
    """Before a worker that delivers starts its pool: its processes would each spend their first tenth of a second on it."""
    if QUEUE in sender.app.amqp.queues.consume_from:
        compose.preload()


@worker_ready.connect
def at_start(sender: object, **_: object) -> None:
    """Logs that the queue is ready; the scanner also scans at once, so that a restart leaves no gap."""
    queues = getattr(getattr(sender, "task_consumer", None), "queues", [])
    names = {getattr(queue, "name", str(queue)) for queue in queues}
    logger.info(
        "Reminder queue initialised",
        extra={"queues": sorted(names), "host": socket.gethostname(), "pid": os.getpid()},
    )
    standby.warn()
    if QUEUE in names:
        failover.start(sender, conf.current())
    if SCAN_QUEUE in names:
        scan_task.apply_async(kwargs={"trigger": ScanRun.Trigger.STARTUP.value}, queue=SCAN_QUEUE, expires=60)


@beat_init.connect
def at_beat_start(**_: object) -> None:
    """Corrects beat's entries before it reads them; from then on beat records a heartbeat with each task that it sends."""
    standby.warn()
    try:
        for line in beat_schedule.set_up(conf.current()):
            logger.info("Beat entry corrected", extra={"entry": line})
    except DatabaseError as error:
        logger.warning("Beat entries not checked", extra={"reason": type(error).__name__})
    before_task_publish.connect(record_beat, dispatch_uid="reminders.record_beat")


def record_beat(**_: object) -> None:
    """Beat records its heartbeat before it turns to the broker, so that a dead Redis does not make it look dead."""
    heartbeats.record("beat")
