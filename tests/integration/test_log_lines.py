"""What the log says: each line of a scan carries its number, and an outage is one line instead of one a row."""

import logging
from datetime import timedelta

import pytest

from notifications.message import Outcome
from reminders import lifecycle
from reminders.models import Reminder
from tests.conftest import NOON
from tests.desk import Desk
from tests.factories import AssignmentFactory

pytestmark = pytest.mark.django_db


def test_each_line_of_a_scan_carries_its_number(clock, config, caplog):
    caplog.set_level(logging.INFO)
    AssignmentFactory.create_batch(2)
    Reminder.objects.all().delete()
    clock.set(NOON + timedelta(hours=3))
    done = lifecycle.scan(trigger="cli", config=config)
    lines = [record for record in caplog.records if record.name == "reminders.lifecycle"]
    assert [line.getMessage() for line in lines] == ["Reminder job skipped"] * 2 + ["Scan finished"]
    assert {line.scan_id for line in lines} == {done.scan_id}
    assert [line.reason for line in lines[:2]] == ["too_late"] * 2


def test_an_outage_of_redis_is_one_line_a_tick(clock, config, caplog):
    AssignmentFactory.create_batch(20, soon=True)
    desk = Desk()
    desk.down = True
    lifecycle.dispatch(config=config, broker=desk)
    assert [record.getMessage() for record in caplog.records] == ["Failed to queue reminder"]


def test_a_redis_that_refuses_is_one_line_a_tick(clock, config, caplog):
    AssignmentFactory.create_batch(20, soon=True)
    desk = Desk()
    desk.refuse = True
    lifecycle.dispatch(config=config, broker=desk)
    (line,) = caplog.records
    assert (line.getMessage(), line.reason, line.count) == ("Failed to queue reminder", "enqueue", 20)


def test_an_outage_of_the_mail_server_is_one_line_a_slice(clock, config, caplog, outbox, channel_of):
    AssignmentFactory.create_batch(20, soon=True)
    outbox.answer_with(Outcome.CHANNEL_DOWN)
    desk = Desk()
    lifecycle.dispatch(config=config, broker=desk)
    caplog.clear()
    lifecycle.deliver(desk.hints(), config=config, channel=channel_of, pace=lifecycle.Pace(0.0001))
    assert [(record.getMessage(), record.reason) for record in caplog.records] == [
        ("Reminder will be tried again", "channel_down")
    ]
