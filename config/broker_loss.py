"""A worker that loses Redis while it acknowledges a message reconnects, instead of receiving no more messages.

Celery (5.7) only logs such a failure. The message then counts against the prefetch limit for ever; when the limit is
reached, the worker asks for no more messages, reads nothing, and so never notices that its connection is dead.
"""

import logging
from typing import Any

from celery import Task
from celery.signals import worker_ready
from celery.worker.request import Request

logger = logging.getLogger(__name__)

_loop: Any = None
"""The event loop of this worker (kombu.asynchronous.Hub). Kombu's own `get_event_loop` returns it only until the first
lost connection: the clean-up after that loss resets it for good (Celery 5.7, Kombu 5.7)."""


@worker_ready.connect
def _keep_loop(sender: Any, **_: object) -> None:
    global _loop
    _loop = sender.hub


class AckLossRequest(Request):
    """Raises in the worker's event loop if an acknowledgement was lost, so that the worker reconnects."""

    @property
    def connection_errors(self) -> tuple[type[Exception], ...]:
        """What the broker's client library raises when the connection is lost."""
        errors: tuple[type[Exception], ...] = self._connection_errors  # type: ignore[attr-defined]
        return errors

    def acknowledge(self) -> None:
        """Acknowledges once. A lost connection is handled as one that is noticed while reading."""
        if self.acknowledged:
            return
        self.acknowledged = True
        try:
            self.message.ack()
        except self.connection_errors as error:
            logger.warning("Broker connection lost", extra={"reason": type(error).__name__})
            if _loop is None:
                raise
            _loop.call_soon(_raise, error)


class AckLossTask(Task[..., object]):
    """The base of all tasks: Celery receives them as `AckLossRequest`."""

    abstract = True
    Request = f"{__name__}:AckLossRequest"


def _raise(error: Exception) -> None:
    raise error
