"""A worker that loses Redis while it acknowledges a message connects anew, instead of falling silent.

Celery (5.7) logs such a failure and goes on. The message then counts as taken for ever; once as many are as the
worker may hold at a time, it asks for no more, reads nothing, and so never learns that its connection is dead.
"""

import logging
from typing import Any

from celery import Task
from celery.signals import worker_ready
from celery.worker.request import Request

logger = logging.getLogger(__name__)

_loop: Any = None
"""The loop of this worker (kombu.asynchronous.Hub). Kombu's own `get_event_loop` knows it only until the first time
that a connection is lost: what cleans up after that loss forgets it for good (Celery 5.7, Kombu 5.7)."""


@worker_ready.connect
def _keep_loop(sender: Any, **_: object) -> None:
    global _loop
    _loop = sender.hub


class HonestRequest(Request):
    """Tells the worker's loop when an acknowledgement did not get through."""

    @property
    def connection_errors(self) -> tuple[type[Exception], ...]:
        """What the broker's library raises when the connection is gone."""
        errors: tuple[type[Exception], ...] = self._connection_errors  # type: ignore[attr-defined]
        return errors

    def acknowledge(self) -> None:
        """Acknowledges once. A lost connection ends the loop's turn, as one that is noticed while reading does."""
        if self.acknowledged:
            return
        self.acknowledged = True
        try:
            self.message.ack()
        except self.connection_errors as error:
            logger.warning("Broker connection lost", extra={"reason": type(error).__name__})
            if _loop is None:
                raise
            _loop.call_soon(_lost, error)


class HonestTask(Task[..., object]):
    """Every task of the project is received by such requests."""

    abstract = True
    Request = f"{__name__}:HonestRequest"


def _lost(error: Exception) -> None:
    raise error
