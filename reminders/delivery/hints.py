"""What dispatch hands to the workers, and what it needs of a broker."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from reminders.ledger.records import Hint


@dataclass(frozen=True, slots=True)
class HintSlot:
    """So many hints of a message, which may be begun from this instant on, by the database's clock."""

    size: int
    begins_at: datetime


@dataclass(frozen=True, slots=True)
class HintBatch:
    """One message to the workers: hints that may be begun `wait` from now, or at once.

    With slots only those of the first one may be begun then, and those of the others at their instants, in the order of
    the hints.
    """

    hints: tuple[Hint, ...]
    wait: timedelta = timedelta()
    slots: tuple[HintSlot, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerContents:
    """How many messages wait for workers; and whether the broker has kept everything since it was marked."""

    messages: int
    is_intact: bool


class Broker(Protocol):
    """What dispatch needs of the broker. The tasks module has the real one. Each call but `publish` raises BrokerDown
    when there is no answer in time.
    """

    def contents(self) -> BrokerContents:
        """What the broker holds. It is not intact where it has never been marked, too."""

    def mark(self) -> None:
        """From now on the contents are intact, until the broker loses what it holds."""

    def waiting_hints(self) -> list[Hint]:
        """The hints of all messages that wait for workers."""

    def publish(self, batches: Sequence[HintBatch]) -> list[HintBatch]:
        """Hands the envelopes over; returns those that were refused."""


class BrokerDown(Exception):
    """The broker does not answer. Nothing was claimed, so nothing is lost."""
