"""How Celery takes messages from Redis: each leaves the queue when a worker takes it, and has no second copy there.

Kombu (5.7) keeps a copy of each message until a worker acknowledges it, and gives it to another one an hour later: two
exchanges with Redis for each message. Here a message only says which rows of the ledger are due. Rows whose message is
gone are due again at once (`reminders/delivery/recovery.py`), or when their lease is over; a message that came an hour
late would find its tickets outdated. So the transport's option `ack_emulation` is off.
"""

import logging
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class _Channel(redis.Channel):
    """Puts back what a worker had taken and not begun when it ends or loses its connection, if Redis takes it then."""

    _shared_client: Any = None

    def _restore(self, message: Any, leftmost: bool = False) -> None:
        """Kombu would write what Redis does not take into a file, for an operator to read."""
        try:
            super()._restore(message)
        except (OSError, RedisError) as error:
            logger.warning("Broker refused a message", extra={"reason": type(error).__name__})

    def _create_client(self, asynchronous: bool = False) -> Any:
        """One client for all calls of this channel. It has no state but its pool; to make one takes longer than a call."""
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[misc]
        if self._shared_client is None or self._shared_client.connection_pool is not self.pool:
            self._shared_client = super()._create_client()  # type: ignore[misc]
        return self._shared_client


class _SentinelChannel(_Channel, redis.SentinelChannel):
    """The same where sentinels say which server to use."""


class Transport(redis.Transport):
    """For redis://, with TLS and without."""

    Channel = _Channel


class SentinelTransport(redis.SentinelTransport):
    """For sentinel://."""

    Channel = _SentinelChannel


def register() -> None:
    """From now on kombu uses these for addresses of Redis, in this process."""
    TRANSPORT_ALIASES["redis"] = f"{__name__}:{Transport.__name__}"
    TRANSPORT_ALIASES["sentinel"] = f"{__name__}:{SentinelTransport.__name__}"
