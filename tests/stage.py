"""One assignment, its messages and a clock, for tests that follow it from act to act."""

from datetime import timedelta

from notifications.channels.memory.channel import MemoryChannel
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch
from reminders.models import Kind, Reminder
from tests.conftest import NOON, DatabaseClock
from tests.factories import AssignmentFactory
from tests.fakes.broker import MemoryBroker

MINUTE = timedelta(minutes=1)


class Ticks:
    """Dispatch and a worker, driven by hand."""

    def __init__(self, clock: DatabaseClock, config: ReminderConfig, outbox: MemoryChannel) -> None:
        self.clock, self.config, self.outbox = clock, config, outbox
        self.desk = MemoryBroker()

    def deliver_due(self) -> list[str]:
        """The subjects of what is sent in a few ticks from now on."""
        before = len(self.outbox.messages)
        for _ in range(3):
            dispatch.dispatch(config=self.config, broker=self.desk)
            hints = self.desk.hints()
            self.desk.batches.clear()
            deliver.deliver(hints, config=self.config, channel=lambda _: self.outbox)
            self.clock.advance(timedelta(seconds=1.5))
        return [message.subject for message in self.outbox.messages[before:]]


class Stage(Ticks):
    """Work of which its assignee was told at noon; a tick is one dispatch and all that it hands over."""

    def __init__(self, clock: DatabaseClock, config: ReminderConfig, outbox: MemoryChannel) -> None:
        super().__init__(clock, config, outbox)
        self.work = AssignmentFactory(
            title="Pump", location="Hall 1", scheduled_start=NOON + 20 * MINUTE, assignee__time_zone="UTC"
        )

    def tick(self, after: timedelta = timedelta()) -> list[str]:
        """The subjects of what is sent after this time."""
        self.clock.advance(after)
        return self.deliver_due()

    def remind(self) -> "Stage":
        assert self.tick() == ["Reminder: Pump, Mon 15 Jun, 12:20"]
        return self

    def ends(self, kind: Kind) -> list[tuple[str, str]]:
        """State and reason of all rows of this kind, in the order in which they were planned."""
        rows = Reminder.objects.filter(kind=kind).order_by("id")
        return [(row.state, row.reason) for row in rows]
