"""A broker that keeps what it is given: the in-memory twin of the real one."""

from collections.abc import Sequence

from reminders.delivery import hints as delivery_hints
from reminders.delivery.hints import BrokerContents, HintBatch
from reminders.ledger.records import Hint


class MemoryBroker:
    """A broker that keeps what it is given, in memory; `refuse` makes it refuse."""

    def __init__(self) -> None:
        self.batches: list[HintBatch] = []
        self.refuse = False
        self.down = False
        self.is_marked = True

    def depth(self) -> int:
        return self.contents().messages

    def contents(self) -> BrokerContents:
        """No message waits: whoever uses this takes what is there at once."""
        self._ask()
        return BrokerContents(0, self.is_marked)

    def mark(self) -> None:
        self._ask()
        self.is_marked = True

    def waiting_hints(self) -> list[Hint]:
        self._ask()
        return self.hints()

    def lose_everything(self) -> None:
        """As by FLUSHALL."""
        self.batches.clear()
        self.is_marked = False

    def _ask(self) -> None:
        if self.down:
            raise delivery_hints.BrokerDown("no answer")

    def publish(self, batches: Sequence[HintBatch]) -> list[HintBatch]:
        if self.refuse:
            return list(batches)
        self.batches += batches
        return []

    def hints(self) -> list[Hint]:
        return [hint for batch in self.batches for hint in batch.hints]
