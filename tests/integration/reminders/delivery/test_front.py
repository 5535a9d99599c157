"""Where much is due, a tick looks at what is due first, and at all of it now and then."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reminders.delivery import dispatch
from reminders.delivery.dispatch import FarLook
from reminders.ledger import claims, leases
from reminders.models import Reminder, State
from tests.factories import AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db


@pytest.fixture
def behind(clock, config, monkeypatch):
    """Two rows that a worker has taken and lost, behind three that became due earlier and wait."""
    for _ in range(2):
        AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=MemoryBroker())
    taken = list(Reminder.objects.filter(state=State.QUEUED))
    assert len(taken) == 2
    for _ in range(3):
        AssignmentFactory(soon=True)
    waiting = Reminder.objects.filter(state=State.PLANNED)
    assert waiting.update(next_attempt_at=taken[0].next_attempt_at - timedelta(minutes=1)) == 3
    clock.advance(config.lease + timedelta(seconds=1))
    monkeypatch.setattr(leases, "front", lambda _: 3)
    return taken


def test_what_lies_behind_much_that_waits_is_taken_back_by_a_look_at_all_that_is_due(behind, config):
    assert leases.reap(config, among=leases.IN_FRONT).returned == 0
    assert leases.reap(config).returned == 2


@pytest.mark.parametrize("is_far", [False, True])
def test_a_tick_looks_far_when_it_is_time_to(behind, config, monkeypatch, is_far):
    monkeypatch.setattr(FarLook, "is_due", lambda _: is_far)
    assert dispatch.dispatch(config=config, broker=MemoryBroker()).returned == (2 if is_far else 0)


@pytest.mark.usefixtures("behind")
def test_what_is_claimed_is_counted_among_what_is_due_first(config, monkeypatch):
    assert claims.queued(config) == 0
    monkeypatch.setattr(leases, "front", lambda _: 5)
    assert claims.queued(config) == 2


def test_what_is_due_first_is_taken_back_by_each_look(behind, config):
    Reminder.objects.filter(state=State.PLANNED).update(
        next_attempt_at=behind[0].next_attempt_at + timedelta(minutes=1)
    )
    assert leases.reap(config, among=leases.IN_FRONT).returned == 2


def test_a_process_looks_far_at_first_and_then_after_a_while(monkeypatch):
    look = FarLook()
    assert [look.is_due(), look.is_due()] == [True, False]
    monkeypatch.setattr("reminders.delivery.dispatch.FAR_LOOK_SECONDS", 0.0)
    look.next_at = 0.0
    assert [look.is_due(), look.is_due()] == [True, True]


@pytest.mark.parametrize(("limit", "front"), [(100, 20_000), (10_000, 20_000), (1_000_000, 2_000_000)])
def test_all_that_may_be_handed_over_is_in_front(config, limit, front):
    assert leases.front(replace(config, queue_limit=limit)) == front
