"""A broker that keeps what it is given: the in-memory twin of the real one."""

from collections.abc import Sequence

from reminders.delivery import hints as delivery_hints
from reminders.delivery.hints import HintBatch
from reminders.ledger.records import Hint


class MemoryBroker:
    """A broker that keeps what it is given, in memory; `refuse` makes it refuse."""

    def __init__(self) -> None:
        self.batches: list[HintBatch] = []
        self.refuse = False
        self.down = False

    def depth(self) -> int:
        if self.down:
            raise delivery_hints.BrokerDown("no answer")
        return 0

    def publish(self, batches: Sequence[HintBatch]) -> list[HintBatch]:
        if self.refuse:
            return list(batches)
        self.batches += batches
        return []

    def hints(self) -> list[Hint]:
        return [hint for batch in self.batches for hint in batch.hints]
