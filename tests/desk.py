"""A broker that keeps what it is given: the in-memory twin of the real one."""

from collections.abc import Sequence

from reminders.delivery import hints as delivery_hints
from reminders.delivery.hints import Envelope
from reminders.ledger.records import Hint


class Desk:
    """A broker that keeps what it is given, in memory; `refuse` makes it refuse."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.refuse = False
        self.down = False

    def depth(self) -> int:
        if self.down:
            raise delivery_hints.BrokerDown("no answer")
        return 0

    def publish(self, envelopes: Sequence[Envelope]) -> list[Envelope]:
        if self.refuse:
            return list(envelopes)
        self.envelopes += envelopes
        return []

    def hints(self) -> list[Hint]:
        return [hint for envelope in self.envelopes for hint in envelope.hints]
