"""A message that has left by e-mail, with a token, and the person's telephone as the next way."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from assignments.models import Assignee
from notifications.channels.email.verp import return_path
from notifications.message import Delivery, Outcome
from reminders import conf
from reminders.content import tracking
from reminders.delivery import deliver, dispatch, scan
from reminders.models import Reminder
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker

ADDRESS = "bounces@example.org"
PHONE = "+4930123456"


@dataclass
class SentMail:
    """A row that is SENT, its person, and what a bounce of it names."""

    row: Reminder
    person: Assignee

    @property
    def token(self) -> str:
        return tracking.token_of(self.row.pk)

    @property
    def return_path(self) -> str:
        return return_path(ADDRESS, self.token)

    def ways(self) -> list[str]:
        """Each row of this nudge: its way, its state and its reason."""
        rows = Reminder.objects.filter(assignment=self.row.assignment_id).exclude(channel="none")
        return [f"{row.channel} {row.state} {row.reason}".strip() for row in rows.order_by("id")]

    def events(self) -> list[tuple[str, bool, str, str]]:
        found = self.row.delivery_events.all()
        return [(event.kind, event.permanent, event.source, event.detail) for event in found]

    def is_again_being_sent(self) -> None:
        """As if the worker had not recorded yet how its send ended."""
        Reminder.objects.filter(pk=self.row.pk).update(
            state="SENDING", closed_at=None, sent_at=None, lease_until=NOON + timedelta(seconds=20)
        )

    def has_been_sent(self) -> None:
        Reminder.objects.filter(pk=self.row.pk).update(
            state="SENT", closed_at=NOON, sent_at=NOON, lease_until=None
        )

    def is_failing(self) -> bool:
        point = self.person.contact_points.get(channel="email")
        return point.failing_since is not None


@pytest.fixture(autouse=True)
def config(clock, settings, monkeypatch) -> conf.ReminderConfig:
    settings.BOUNCE_ADDRESS = ADDRESS
    settings.TRACKED_CHANNELS = frozenset({"email"})
    configured = replace(conf.current(), channel="email", further_channels=("sms",))
    monkeypatch.setattr(conf, "current", lambda: configured)
    return configured


@pytest.fixture
def messages() -> list:
    return []


@pytest.fixture
def send_due(config, messages):
    """A scan, and all that is due; what is sent is in `messages`."""

    class Remembering:
        name = "email"

        def address(self, contact):
            return contact.email or contact.phone or None

        def send_announcing(self, message, **_):
            messages.append(message)
            return Delivery(Outcome.ACCEPTED, "250")

        def close(self):
            pass

    def turn() -> None:
        scan.scan(trigger="cli", config=config)
        broker = MemoryBroker()
        dispatch.dispatch(config=config, broker=broker)
        for batch in broker.batches:
            deliver.deliver(batch.hints, config=config, channel=lambda _: Remembering())

    return turn


@pytest.fixture
def sent(send_due) -> SentMail:
    person = AssigneeFactory(phone=PHONE)
    work = AssignmentFactory(soon=True, assignee=person)
    send_due()
    return SentMail(Reminder.objects.get(assignment=work, channel="email"), person)
