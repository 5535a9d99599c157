"""Workers that do not get round to what they are given: rows are not handed over again and again."""

from datetime import timedelta

import pytest

from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, scan
from reminders.delivery.dispatch import HandoverLimit
from tests.factories import AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db

DUE = 200
TICK = timedelta(seconds=1)


@pytest.fixture
def crowd(clock) -> ReminderConfig:
    """As many reminders due as one minute of two slow workers would not send."""
    config = ReminderConfig(channel="memory")
    for _ in range(DUE):
        AssignmentFactory(soon=True)
    scan.scan(trigger="cli", config=config)
    return config


def test_in_two_minutes_of_a_server_that_takes_nothing_few_rows_are_handed_over_again(crowd, clock, caplog):
    """Five leases: all rows each time, where only the first time can be of use."""
    caplog.set_level("INFO")
    limit = HandoverLimit()
    for _ in range(125):
        dispatch.dispatch(config=crowd, broker=MemoryBroker(), limit=limit)
        clock.advance(TICK)
    lines = [
        line for record in caplog.records if record.getMessage() == "Queued reminder" for line in record.each
    ]
    assert DUE <= len(lines) <= DUE + 60


def test_once_workers_take_what_they_get_all_is_handed_over_within_seconds(crowd, clock, channel_of):
    limit, broker = HandoverLimit(), MemoryBroker()
    for _ in range(60):
        dispatch.dispatch(config=crowd, broker=broker, limit=limit)
        clock.advance(TICK)
    assert limit.rows == 8
    clock.advance(crowd.lease)
    sent_by_tick: list[int] = []
    while sum(sent_by_tick) < DUE and len(sent_by_tick) < 10:
        broker.batches.clear()
        dispatch.dispatch(config=crowd, broker=broker, limit=limit)
        done = [deliver.deliver(batch.hints, config=crowd, channel=channel_of) for batch in broker.batches]
        sent_by_tick.append(sum(one.sent for one in done))
        clock.advance(TICK)
    assert (sum(sent_by_tick), len(sent_by_tick)) == (DUE, 5)


def test_rows_that_are_begun_in_time_leave_the_limit_alone(crowd, clock):
    limit, broker = HandoverLimit(), MemoryBroker()
    for _ in range(3):
        assert dispatch.dispatch(config=crowd, broker=broker, limit=limit).returned == 0
    assert (limit.rows, len(broker.hints())) == (crowd.queue_limit, DUE)
