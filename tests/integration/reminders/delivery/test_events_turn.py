"""A turn of events whose lanes do not come back, and what its journal says at each moment."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from notifications.channels.memory.channel import MemoryChannel
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, events_turn, recovery
from reminders.delivery.journal import JournalFile
from reminders.ledger import beginning
from reminders.models import Attempt, Kind, Reminder, State
from reminders.operations import subscriptions
from reminders.policy.deaths import JournalPhase
from tests import acting
from tests.factories import AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(clock, config: ReminderConfig, settings) -> MemoryBroker:
    """One endpoint, six events, and the first of them handed over."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    subscriptions.subscribe(
        name="planning", url="http://127.0.0.1:9/", events=["assignment.confirmed"], by="ada"
    )
    for work in AssignmentFactory.create_batch(6, far=True):
        acting.confirm(work)
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    return desk


class Endpoint(MemoryChannel):
    """Accepts the first `good` posts. The next one comes back when the test is over."""

    def __init__(self, good: int) -> None:
        super().__init__()
        self.good = good
        self.over = threading.Event()

    def address(self, contact) -> str:
        return contact.url

    def send(self, message, **more):
        if len(self.messages) >= self.good:
            self.over.wait(30)
        return super().send(message, **more)


def states() -> list[str]:
    return list(Reminder.objects.filter(kind=Kind.EVENT).order_by("id").values_list("state", flat=True))


def test_a_lane_that_does_not_come_back_is_given_up(config, desk, monkeypatch):
    """Nobody can know how that post ended. What was to follow it goes back, and its late result changes nothing."""
    monkeypatch.setattr(events_turn, "GRACE", 0.0)
    hasty = replace(config, send_timeout=timedelta(seconds=0.5), lease=timedelta(seconds=5))
    endpoint = Endpoint(2)
    try:
        deliver.deliver(desk.hints(), config=hasty, channel=lambda _: endpoint)
    finally:
        endpoint.over.set()
    codes = list(Attempt.objects.values_list("outcome", "code"))
    assert codes.count(("accepted", "250")) + codes.count(("accepted", "")) == 2
    assert ("unknowable", "interrupted") in codes
    assert set(states()) == {State.SENT, State.PLANNED}


def test_the_journal_holds_each_post_at_its_place(config, desk, tmp_path):
    """While some are under way, others begin and end: a kill is settled by how far each one has got."""
    lease = Now() + timedelta(seconds=20)
    Reminder.objects.filter(kind=Kind.EVENT).update(state=State.QUEUED, ticket=7, lease_until=lease)
    hints = [
        replace(desk.hints()[0], reminder_id=pk, ticket=7)
        for pk in Reminder.objects.filter(kind=Kind.EVENT).order_by("id").values_list("id", flat=True)
    ]
    notes = JournalFile(tmp_path)
    notes.take(hints[:3])
    first = beginning.begin(hints[:3], config=config).claims
    for place, claim in enumerate(first):
        notes.put(place, claim)
    notes.note(0, JournalPhase.ACCEPTED)
    notes.note(1, JournalPhase.COMPLETE)
    notes.retake(hints[3:])
    second = beginning.begin(hints[3:5], config=config).claims
    notes.put(3, second[0])
    notes.note(3, JournalPhase.STARTED)
    notes.close()  # the process is dead
    assert recovery.settle_dead(config=config, broker=desk, folder=tmp_path) == 1
    assert states() == [State.SENT] + [State.PLANNED] * 5
    outcomes = dict(Attempt.objects.order_by("reminder_id").values_list("reminder_id", "outcome"))
    assert list(outcomes.values()) == ["accepted", "unknowable", "handed_back", "handed_back", "handed_back"]


def test_a_place_that_is_used_again_says_nothing_of_what_was_there(config, desk, tmp_path):
    (hint,) = desk.hints()
    notes = JournalFile(tmp_path)
    notes.take([hint])
    (claim,) = beginning.begin([hint], config=config).claims
    notes.put(0, replace(claim, row=replace(claim.row, ticket=claim.row.ticket - 1)))
    notes.note(0, JournalPhase.COMPLETE)
    notes.put(0, claim)
    notes.close()
    recovery.settle_dead(config=config, broker=desk, folder=tmp_path)
    assert [attempt.outcome for attempt in Attempt.objects.all()] == ["handed_back"]
