"""What is said of reminders that wait for the rate of their person, before and after; and what the simulator counts."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command

from reminders.delivery import deliver, dispatch
from reminders.insight.explain.answer import Outlook
from reminders.insight.explain.explain import explain
from reminders.insight.next_steps import outlooks
from reminders.insight.simulator.simulator import simulate
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def ada():
    return AssigneeFactory(name="Ada")


@pytest.fixture
def tick(config, channel_of):
    def turn() -> None:
        broker = MemoryBroker()
        dispatch.dispatch(config=config, broker=broker)
        deliver.deliver(broker.hints(), config=config, channel=channel_of)

    return turn


def test_it_is_held_and_then_it_was_in_that_message(clock, config, tick, outbox, ada):
    AssignmentFactory(assignee=ada, soon=True)
    tick()
    clock.advance(20 * SECOND)
    later, other = AssignmentFactory.create_batch(2, assignee=ada, soon=True)
    for _ in range(2):  # before a worker has looked at it, and after
        found = explain(later, config=config)
        assert found.outlook is Outlook.COMING
        assert found.next_at == NOON + MINUTE
        assert "held 40 s: they had one at 12:00:00" in found.summary
        failed = next(gate for gate in found.gates if gate.name == "within the rate of their reminders")
        assert failed.observed == "held 40 s: they had one at 2026-06-15 12:00:00 UTC"
        for line in outlooks([later.pk, other.pk], config=config):
            assert line.next.at == NOON + MINUTE
            assert line.next.summary == "A reminder goes by memory (held 40 s: they had one at 12:00:00)"
        tick()
    clock.set(NOON + MINUTE)
    tick()
    found = explain(later, config=config)
    assert found.outlook is Outlook.SENT
    assert "in a message with 1 other" in found.summary
    (row,) = found.reminders
    assert row.message_id == outbox.messages[1].message_id
    assert row.digest_id == explain(other, config=config).reminders[0].digest_id


def test_what_is_not_due_yet_is_foreseen_too(clock, config, tick, outbox, ada):
    """Two reminders 20 seconds apart: the second one leaves a minute after the first, and is said to."""
    first, second = (
        AssignmentFactory(assignee=ada, scheduled_start=NOON + 40 * MINUTE + late * SECOND)
        for late in (0, 20)
    )
    assert explain(first, config=config).next_at == NOON + 10 * MINUTE
    found = explain(second, config=config)
    assert found.next_at == NOON + 11 * MINUTE
    assert "held 40 s: they have one at 12:10:00" in found.summary
    for at in (10 * MINUTE, 10 * MINUTE + 20 * SECOND, 11 * MINUTE):
        clock.set(NOON + at)
        tick()
    sent_at = explain(second, config=config).reminders[0].sent_at
    assert sent_at - found.next_at < SECOND


def test_the_simulator_puts_them_in_two_messages(clock, config, ada, capsys):
    for late in range(40):
        AssignmentFactory(assignee=ada, scheduled_start=NOON + 40 * MINUTE + late * SECOND)
    AssignmentFactory(scheduled_start=NOON + 40 * MINUTE)
    found = simulate(since=NOON, until=NOON + 60 * MINUTE, config=config)
    assert (found.total, found.people, found.joined) == (41, 2, 38)
    assert {send.at for send in found.sends} == {NOON + 10 * MINUTE, NOON + 11 * MINUTE}
    assert sum(send.joined for send in found.sends) == 38
    call_command("simulate_reminders", "--to", "2026-06-15T13:00:00+00:00")
    assert "38 of them would go in the message of another one" in capsys.readouterr().out
    call_command("simulate_reminders", "--to", "2026-06-15T13:00:00+00:00", "--json")
    assert json.loads(capsys.readouterr().out)["joined"] == 38
