"""What the broker holds and how it fares: for operators and metrics, never on a reminder's own path."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from celery import current_app
from redis.exceptions import ResponseError

from reminders.delivery.broker import BROKER_ERRORS, QUEUE, SCAN_QUEUE
from reminders.delivery.hints import BrokerDown

PATIENCE = timedelta(seconds=1)
"""How long one question may take. A scrape or a health check must not wait for a stalled Redis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerStatus:
    """What a broker that answers says about itself. `policy` is '' where it does not tell."""

    writable: bool
    policy: str
    clock_ahead: timedelta


def queue_lengths() -> dict[str, int]:
    """How many messages wait in each of our queues. Raises BrokerDown."""
    with _client() as client:
        return {queue: int(client.llen(queue)) for queue in (QUEUE, SCAN_QUEUE)}


@dataclass(frozen=True, slots=True)
class BrokerProbe:
    """What the broker answered: the messages waiting by queue, or None and why there is no answer."""

    queues: dict[str, int] | None
    error: str = ""

    @property
    def depth(self) -> int | None:
        """How many messages wait for workers."""
        return None if self.queues is None else self.queues[QUEUE]

    @property
    def scan_depth(self) -> int | None:
        """How many messages wait for the scanner."""
        return None if self.queues is None else self.queues[SCAN_QUEUE]


def probe() -> BrokerProbe:
    """Asks the broker once, for at most a second or two; never raises for one that does not answer."""
    try:
        return BrokerProbe(queue_lengths())
    except BrokerDown as error:
        return BrokerProbe(None, str(error))


def purge() -> dict[str, int]:
    """Empties both queues; returns how many messages went. Beat asks again by itself. Raises BrokerDown."""
    queues = (QUEUE, SCAN_QUEUE)
    with _client() as client:
        pipeline = client.pipeline(transaction=True)
        for queue in queues:
            pipeline.llen(queue)
        pipeline.delete(*queues)
        *gone, _ = pipeline.execute()
        return {queue: int(messages) for queue, messages in zip(queues, gone, strict=True)}


def read_status() -> BrokerStatus:
    """Writes a word, reads the clock and the eviction policy. Raises BrokerDown."""
    with _client() as client:
        asked_at = datetime.now(UTC)
        seconds, micros = client.time()
        answered_at = datetime.now(UTC)
        policy = str(client.info("memory").get("maxmemory_policy", ""))
        return BrokerStatus(
            writable=_takes_a_word(client),
            policy=policy,
            clock_ahead=_outside(
                datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=micros), asked_at, answered_at
            ),
        )


def _outside(clock: datetime, asked_at: datetime, answered_at: datetime) -> timedelta:
    """How far a clock that was read within this time is certainly off: a slow answer is no wrong clock."""
    if clock > answered_at:
        return clock - answered_at
    return min(timedelta(), clock - asked_at)


def _takes_a_word(client: Any) -> bool:
    """Not so for a replica, or where memory has run out."""
    key = f"reminders.doctor.{uuid4().hex}"
    try:
        client.set(key, "1", ex=10)
        client.delete(key)
    except ResponseError:
        return False
    return True


@contextmanager
def _client() -> Iterator[Any]:
    """A connection of its own, whose every wait is short. Raises BrokerDown."""
    seconds = PATIENCE.total_seconds()
    waits = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    try:
        with current_app.connection_for_write(connect_timeout=seconds, transport_options=waits) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=max(1, round(seconds)))
            channel: Any = connection.default_channel
            yield channel.client
    except BROKER_ERRORS as error:
        raise BrokerDown(f"the broker does not answer ({type(error).__name__})") from error
