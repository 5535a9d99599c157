"""What the log says: each line of a scan carries its number, and an outage is one line instead of one a row."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from assignments import services
from notifications.message import Outcome
from reminders.delivery import deliver, dispatch, scan
from reminders.delivery.log_lines import log_finished
from reminders.ledger import beginning, finishing
from reminders.models import Reminder
from tests.conftest import NOON
from tests.factories import AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db


def written(caplog):
    """The text and the fields of each line that delivery has logged: a record may be several lines."""
    for record in caplog.records:
        if record.name.startswith("reminders.delivery."):
            for fields in getattr(record, "each", [vars(record)]):
                yield record.getMessage(), fields


def test_each_line_of_a_scan_carries_its_number(clock, config, caplog):
    caplog.set_level(logging.INFO)
    AssignmentFactory.create_batch(2)
    Reminder.objects.all().delete()
    clock.set(NOON + timedelta(hours=3))
    done = scan.scan(trigger="cli", config=config)
    lines = list(written(caplog))
    assert [event for event, _ in lines] == ["Reminder job skipped"] * 2 + ["Scan finished"]
    assert {fields["scan_id"] for _, fields in lines} == {done.scan_id}
    assert [fields["reason"] for _, fields in lines[:2]] == ["too_late"] * 2


def test_the_scan_that_planned_a_row_is_named_in_every_line_about_it(clock, config, caplog, outbox):
    """From the scanner through the broker to the worker and its channel's answer, for people and supervisors."""
    rules = replace(config, ops_emails=("ops@example.test",))
    assignment = AssignmentFactory(far=True)
    clock.set(assignment.scheduled_start - timedelta(minutes=2))
    done = scan.scan(trigger="cli", config=rules)
    caplog.set_level(logging.INFO)
    caplog.clear()
    outbox.answer_with(Outcome.REFUSED_FOR_NOW)
    desk = MemoryBroker()
    for minutes in (-2, -1, 31, 31):
        clock.set(assignment.scheduled_start + timedelta(minutes=minutes))
        dispatch.dispatch(config=rules, broker=desk)
        deliver.deliver(desk.hints(), config=rules, channel=lambda _: outbox)
        desk.batches.clear()
    lines = list(written(caplog))
    assert {event for event, _ in lines} == {
        "Queued reminder",
        "Reminder will be tried again",
        "Reminder sent",
        "Assignment overdue",
        "Overdue notice sent",
    }
    assert {fields["scan_id"] for _, fields in lines} == {done.scan_id}


def test_a_row_that_was_planned_at_once_names_no_scan(clock, config, caplog):
    caplog.set_level(logging.INFO)
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=MemoryBroker())
    ((event, fields),) = written(caplog)
    assert event == "Queued reminder"
    assert "reminder_id" in fields
    assert "scan_id" not in fields


def test_an_outage_of_redis_is_one_line_a_tick(clock, config, caplog):
    AssignmentFactory.create_batch(20, soon=True)
    desk = MemoryBroker()
    desk.down = True
    dispatch.dispatch(config=config, broker=desk)
    assert [record.getMessage() for record in caplog.records] == ["Failed to queue reminder"]


def test_a_redis_that_refuses_is_one_line_a_tick(clock, config, caplog):
    AssignmentFactory.create_batch(20, soon=True)
    desk = MemoryBroker()
    desk.refuse = True
    dispatch.dispatch(config=config, broker=desk)
    (line,) = caplog.records
    assert (line.getMessage(), line.reason, line.count) == ("Failed to queue reminder", "enqueue", 20)


def test_an_outage_of_the_mail_server_is_one_line_a_slice(clock, config, caplog, outbox, channel_of):
    AssignmentFactory.create_batch(20, soon=True)
    outbox.answer_with(Outcome.CHANNEL_DOWN)
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    caplog.clear()
    deliver.deliver(desk.hints(), config=config, channel=channel_of, speed=deliver.SendSpeed(0.0001))
    assert [(record.getMessage(), record.reason) for record in caplog.records] == [
        ("Reminder will be tried again", "channel_down")
    ]


def test_a_failure_of_a_plan_that_has_changed_meanwhile_is_logged_as_skipped(
    clock, config, caplog, outbox, channel_of
):
    assignment = AssignmentFactory(soon=True)
    outbox.answer_with(Outcome.REFUSED_FOR_NOW)
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)
    claims = beginning.begin(broker.hints(), config=config).claims
    services.cancel(assignment.pk)
    caplog.set_level(logging.INFO)
    caplog.clear()
    log_finished(finishing.finish(deliver._send_all(claims, config, channel_of), config=config))
    assert [(event, fields["reason"]) for event, fields in written(caplog)] == [
        ("Reminder job skipped", "cancelled")
    ]


def test_a_reminder_that_is_not_repeated_after_a_change_of_plan_is_logged(clock, config, caplog, channel_of):
    assignment = AssignmentFactory(soon=True)
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)
    claims = beginning.begin(broker.hints(), config=config).claims
    services.cancel(assignment.pk)
    services.reinstate(assignment.pk)
    caplog.set_level(logging.INFO)
    caplog.clear()
    log_finished(finishing.finish(deliver._send_all(claims, config, channel_of), config=config))
    logged = [(event, fields["version"], fields.get("reason", "")) for event, fields in written(caplog)]
    assert logged == [("Reminder job skipped", 3, "already_told"), ("Reminder sent", 1, "")]
