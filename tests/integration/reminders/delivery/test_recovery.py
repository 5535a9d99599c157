"""What was handed over and is lost is handed over again at once: the broker's messages, and what dead processes held."""

from datetime import timedelta

import pytest
from celery import current_app

from reminders.delivery import broker_status, deliver, dispatch
from reminders.delivery.broker import MARK, CeleryBroker
from reminders.delivery.hints import BrokerContents, HintBatch
from reminders.ledger.records import Hint
from reminders.models import Attempt, Reminder, State
from tests.factories import AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> MemoryBroker:
    return MemoryBroker()


def states() -> dict[int, str]:
    return dict(Reminder.objects.values_list("pk", "state"))


# --- a broker that has lost its messages -----------------------------------------------------------------------


def test_what_a_broker_has_lost_is_handed_over_at_the_next_tick(clock, config, desk, channel_of, outbox):
    AssignmentFactory.create_batch(3, soon=True)
    dispatch.dispatch(config=config, broker=desk)
    old = desk.hints()
    desk.lose_everything()
    clock.advance(timedelta(seconds=1))
    done = dispatch.dispatch(config=config, broker=desk)
    assert (done.lost, done.handed_over) == (3, 3)
    deliver.deliver(desk.hints(), config=config, channel=channel_of)
    assert deliver.deliver(old, config=config, channel=channel_of).stale == 3
    assert len(outbox.messages) == 3


def test_a_broker_that_keeps_its_messages_is_given_none_twice(clock, config, desk):
    AssignmentFactory.create_batch(3, soon=True)
    for _ in range(20):
        dispatch.dispatch(config=config, broker=desk)
        clock.advance(timedelta(seconds=1))
    assert len(desk.hints()) == 3


def test_a_loss_is_noticed_once(clock, config, desk, caplog):
    AssignmentFactory.create_batch(3, soon=True)
    dispatch.dispatch(config=config, broker=desk)
    desk.lose_everything()
    for _ in range(5):
        dispatch.dispatch(config=config, broker=desk)
    assert len(desk.hints()) == 3
    lines = [record for record in caplog.records if record.getMessage() == "Lost hints are replaced"]
    assert [(line.reason, line.count) for line in lines] == [("broker_emptied", 3)]


def test_rows_that_are_being_sent_are_left_to_their_worker(clock, config, desk, channel_of, outbox):
    """It may have sent them: a broker that was emptied says nothing about that."""
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    Reminder.objects.update(state=State.SENDING)
    desk.lose_everything()
    assert dispatch.dispatch(config=config, broker=desk).lost == 0
    assert set(states().values()) == {State.SENDING}
    assert not Attempt.objects.exists()


@pytest.fixture
def redis():
    broker_status.purge()
    client = current_app.connection_for_write().default_channel.client
    client.delete(MARK)
    yield client
    broker_status.purge()


def test_the_real_broker_says_what_it_holds_and_whether_it_was_emptied(redis):
    broker = CeleryBroker()
    assert broker.contents() == BrokerContents(0, is_intact=False)
    broker.mark()
    broker.publish([HintBatch((Hint(7, 1), Hint(8, 3))), HintBatch(()), HintBatch((Hint(9, 2),))])
    redis.lpush("reminders", "no message of ours", b'{"body": "bm90IGpzb24="}')
    assert broker.contents() == BrokerContents(5, is_intact=True)
    assert broker.waiting_hints() == [Hint(9, 2), Hint(7, 1), Hint(8, 3)]
    redis.flushdb()
    assert broker.contents() == BrokerContents(0, is_intact=False)


def test_after_a_loss_what_waits_all_the_same_is_not_handed_over_again(clock, config, redis):
    """A broker that came back with a part of its messages."""
    broker = CeleryBroker()
    dispatch.dispatch(config=config, broker=broker)
    AssignmentFactory.create_batch(2, soon=True)
    dispatch.dispatch(config=config, broker=broker)
    first = broker.waiting_hints()
    assert len(first) == 2
    redis.ltrim("reminders", 0, 0)
    redis.delete(MARK)
    (kept,) = broker.waiting_hints()
    assert dispatch.dispatch(config=config, broker=broker).lost == 1
    (other,) = [hint for hint in first if hint != kept]
    assert sorted(broker.waiting_hints(), key=lambda hint: hint.reminder_id) == sorted(
        [kept, Hint(other.reminder_id, other.ticket + 1)], key=lambda hint: hint.reminder_id
    )
