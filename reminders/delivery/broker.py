"""The real broker: how hints reach the workers through Celery and Redis, with every wait bounded."""

import base64
import json
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import current_app
from kombu.exceptions import BatchPublishError, LimitExceeded, OperationalError  # type: ignore[attr-defined]
from redis.exceptions import RedisError

from reminders.delivery.hints import BrokerContents, BrokerDown, HintBatch, HintSlot
from reminders.ledger.records import Hint

logger = logging.getLogger(__name__)

QUEUE = "reminders"
SCAN_QUEUE = "reminders.scan"
MARK = "reminders.mark"
"""A key without an end, with the id of the server's run. Where it is gone, or names another run (a replica took over, or
the server began anew from a file), messages may be gone too."""
SCAN_QUEUE_LIMIT = 30
"""So many messages for the scanner ask for no more than one of them does: beat adds none."""
DELIVER = "reminders.deliver"
RESUME_SCAN = "reminders.go_on_with_scan"
RESUME_SCAN_EXPIRES = timedelta(seconds=60)
POLL_CALENDAR = "reminders.poll_calendar"
POLL_EXPIRES = timedelta(minutes=4)
POLL_BOUNCES = "reminders.poll_bounces"
SLOTS = "reminder_slots"
"""The header of a message that is begun a slot at a time: [size, seconds since 1970] of each."""
SHOWN_HINTS = 10
FAILOVER_KWARGS: dict[str, dict[str, object]] = {
    "reminders.dispatch": {"standby": True},
    "reminders.scan": {"trigger": "standby"},
}
"""What the tasks are told when a worker steps in for beat."""
HINT_EXPIRES = timedelta(hours=1)
"""Only removes stale messages; the ticket decides (docs/state-machine.md#tickets-and-leases)."""

BROKER_ERRORS = (OperationalError, BatchPublishError, LimitExceeded, RedisError, OSError)


class CeleryBroker:
    """Implements `hints.Broker`."""

    def depth(self, queue: str = QUEUE) -> int:
        """How many messages wait in the queue. Raises BrokerDown."""
        with _client() as client:
            return int(client.llen(queue))

    def contents(self) -> BrokerContents:
        with _kept_client() as client:
            asked = client.pipeline(transaction=True).llen(QUEUE).get(MARK).info("server")
            messages, mark, server = asked.execute()
            return BrokerContents(int(messages), mark == _run_of(server))

    def mark(self) -> None:
        with _client() as client:
            client.set(MARK, _run_of(client.info("server")))

    def waiting_hints(self) -> list[Hint]:
        """The hints of all messages in the queue; one that is none of ours, or broken, holds none."""
        with _client() as client:
            return [hint for message in client.lrange(QUEUE, 0, -1) for hint in _hints_of(message)]

    def publish(self, batches: Sequence[HintBatch]) -> list[HintBatch]:
        """Sends the messages in one exchange. Where that fails all are refused: those that have arrived all the same are of
        rows that get a new ticket.
        """
        waits = [batch.wait.total_seconds() for batch in batches]
        taken = _send(
            {
                "name": DELIVER,
                "kwargs": {"hints": [[hint.reminder_id, hint.ticket] for hint in batch.hints]},
                "kwargsrepr": _in_short(batch),
                "queue": QUEUE,
                "countdown": wait if wait > 0 else None,
                "expires": HINT_EXPIRES.total_seconds() + wait,
                # Beside the arguments: the release before begins all hints at once, and puts back those that are not due.
                "headers": {SLOTS: [[slot.size, slot.begins_at.timestamp()] for slot in batch.slots]}
                if batch.slots
                else None,
            }
            for batch, wait in zip(batches, waits, strict=True)
        )
        return [] if taken else list(batches)

    def ask_workers(self, tasks: Sequence[str], *, expires: float) -> None:
        """Puts dispatch and scans into the workers' own queue; what the broker does not take is left out."""
        calls = (
            {"name": task, "kwargs": FAILOVER_KWARGS[task], "queue": QUEUE, "expires": expires}
            for task in tasks
        )
        _send(calls, quietly=True)

    def poll_calendars(self, ids: Sequence[int]) -> None:
        """Asks workers to poll these calendars; what the broker does not take is due again at the next scan."""
        _send(
            {
                "name": POLL_CALENDAR,
                "kwargs": {"source_id": source_id},
                "queue": QUEUE,
                "expires": POLL_EXPIRES.total_seconds(),
            }
            for source_id in ids
        )

    def poll_bounces(self, *, expires: timedelta) -> None:
        """Asks a worker to read the mailbox for bounces; what the broker does not take is asked for at the next interval."""
        call = {"name": POLL_BOUNCES, "queue": QUEUE, "expires": expires.total_seconds()}
        _send([call], quietly=True)

    def resume_scan_elsewhere(self, scan_id: int) -> bool:
        """Asks the scanner to go on with a scan; False when the broker does not take the message in time."""
        call = {
            "name": RESUME_SCAN,
            "kwargs": {"scan_id": scan_id},
            "queue": SCAN_QUEUE,
            "expires": RESUME_SCAN_EXPIRES.total_seconds(),
        }
        return _send([call])


def _in_short(batch: HintBatch) -> str:
    """What `celery inspect` shows of a message. Celery would look at each hint for it, which takes longer than all else."""
    shown = ", ".join([f"[{hint.reminder_id}, {hint.ticket}]" for hint in batch.hints[:SHOWN_HINTS]])
    more = len(batch.hints) - SHOWN_HINTS
    return f"{{'hints': [{shown}{f', ... {more} more' if more > 0 else ''}]}}"


def slots_in(header: object, *, hints: int) -> tuple[HintSlot, ...]:
    """The slots of a message of so many hints, by its header; none where it has none that can be read."""
    if not isinstance(header, list):
        return ()
    try:
        slots = tuple(HintSlot(int(size), datetime.fromtimestamp(at, UTC)) for size, at in header)
    except (TypeError, ValueError, OverflowError):
        return ()
    fits = all(slot.size > 0 for slot in slots) and sum(slot.size for slot in slots) == hints
    return slots if fits else ()


def _send(calls: Iterable[Mapping[str, Any]], *, quietly: bool = False) -> bool:
    """Sends these tasks in one exchange; whether the broker took all of them. Otherwise none is taken for certain.

    `quietly`: whoever asks every tick does not fill the log.
    """
    try:
        with current_app.producer_pool.acquire(block=True, timeout=5) as producer, producer.batch():  # type: ignore[attr-defined]
            for call in calls:
                current_app.send_task(**call, producer=producer, retry=False, ignore_result=True)
    except BROKER_ERRORS as error:
        if not quietly:
            logger.warning(
                "Broker refused a message", extra={"reason": type(error.__cause__ or error).__name__}
            )
        return False
    return True


KEEP_SECONDS = 60.0
"""For how long a connection is kept by who asks every tick; one that fails is given up at once."""


@dataclass(slots=True)
class _Kept(threading.local):
    """The connection that this thread of this process has kept, and until when (time.monotonic)."""

    pid: int = 0
    until: float = 0.0
    connection: Any = None


_kept = _Kept()


@contextmanager
def _kept_client() -> Iterator[Any]:
    """As `_client`, over a connection that is kept from call to call. Raises BrokerDown."""
    if _kept.pid != os.getpid():
        _kept.connection = None  # The parent's: it is not ours to close.
    if _kept.connection is not None and time.monotonic() >= _kept.until:
        _give_up_kept()
    try:
        if _kept.connection is None:
            connection = current_app.connection_for_write(connect_timeout=2)
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
            _kept.pid, _kept.until = os.getpid(), time.monotonic() + KEEP_SECONDS
            _kept.connection = connection
        yield _kept.connection.default_channel.client
    except BROKER_ERRORS as error:
        _give_up_kept()
        raise BrokerDown(f"the broker does not answer ({type(error).__name__})") from error


def _give_up_kept() -> None:
    connection, _kept.connection = _kept.connection, None
    if connection is not None:
        with suppress(*BROKER_ERRORS):
            connection.release()


@contextmanager
def _client() -> Iterator[Any]:
    """A client of the broker. Raises BrokerDown."""
    try:
        with current_app.connection_for_write(connect_timeout=2) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
            channel: Any = connection.default_channel
            yield channel.client
    except BROKER_ERRORS as error:
        raise BrokerDown(f"the broker does not answer ({type(error).__name__})") from error


def _run_of(server: Mapping[str, Any]) -> bytes:
    return str(server["run_id"]).encode()


def _hints_of(message: bytes) -> list[Hint]:
    """The hints in a message as the queue keeps it: Celery's protocol 2 in the envelope of kombu's Redis transport."""
    try:
        _, kwargs, _ = json.loads(base64.b64decode(json.loads(message)["body"]))
        return [Hint(int(reminder_id), int(ticket)) for reminder_id, ticket in kwargs["hints"]]
    except (ValueError, TypeError, LookupError):
        return []
