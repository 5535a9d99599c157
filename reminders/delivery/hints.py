"""What dispatch hands to the workers, and what it needs of a broker."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from reminders.ledger.records import Hint


@dataclass(frozen=True, slots=True)
class HintBatch:
    """One message to the workers: hints that may be begun `wait` from now, or at once."""

    hints: tuple[Hint, ...]
    wait: timedelta = timedelta()


class Broker(Protocol):
    """What dispatch needs of the broker. The tasks module has the real one."""

    def depth(self) -> int:
        """How many messages wait for workers. Raises BrokerDown when there is no answer in time."""

    def publish(self, batches: Sequence[HintBatch]) -> list[HintBatch]:
        """Hands the envelopes over; returns those that were refused."""


class BrokerDown(Exception):
    """The broker does not answer. Nothing was claimed, so nothing is lost."""
