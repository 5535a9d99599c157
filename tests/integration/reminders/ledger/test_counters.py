"""A fault of the figures is a fault of the figures: what is counted goes on without them, and says so once."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from assignments import services
from reminders.delivery import deliver, dispatch, scan
from reminders.insight import metrics
from reminders.insight.metrics import ReminderCollector
from reminders.ledger import claims, counters
from reminders.models import Attempt, Counter, Reminder
from tests.factories import AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db(transaction=True)

MOVES = {
    "the table is gone": (
        "ALTER TABLE reminders_counter RENAME TO reminders_counter_gone",
        "ALTER TABLE reminders_counter_gone RENAME TO reminders_counter",
    ),
    "values are refused": (
        "ALTER TABLE reminders_counter ADD CONSTRAINT full_up CHECK (value < 0) NOT VALID",
        "ALTER TABLE reminders_counter DROP CONSTRAINT full_up",
    ),
}


@pytest.fixture(params=sorted(MOVES))
def fault(request, monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(counters, "_left_alone_until", float("-inf"))
    there, back = MOVES[request.param]
    with connection.cursor() as cursor:
        cursor.execute(there)
    yield
    with connection.cursor() as cursor:
        cursor.execute(back)


def turn(config, outbox) -> None:
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    deliver.deliver(desk.hints(), config=config, channel=lambda _: outbox)


def test_reminders_are_sent_marked_and_voided_without_counters(config, outbox, fault, caplog):
    now = timezone.now()
    told = AssignmentFactory(scheduled_start=now + timedelta(minutes=10))
    cancelled = AssignmentFactory(scheduled_start=now + timedelta(minutes=10))
    forgotten = AssignmentFactory(scheduled_start=now - timedelta(minutes=40))
    services.cancel(cancelled.pk)
    turn(config, outbox)
    scan.scan(trigger="cli", config=config)
    turn(config, outbox)

    ended = {(row.assignment_id, row.kind, row.state) for row in Reminder.objects.exclude(closed_at=None)}
    assert ended >= {
        (told.pk, "REMINDER", "SENT"),
        (cancelled.pk, "REMINDER", "SKIPPED"),
        (forgotten.pk, "REMINDER", "SKIPPED"),
        (forgotten.pk, "OVERDUE", "MARKED"),
    }
    assert [message.address for message in outbox.messages] == [told.assignee.email]
    assert Attempt.objects.count() == 1
    assert [r.getMessage() for r in caplog.records].count("Metrics incomplete") == 1


def test_a_scrape_shows_the_gauges_without_counters(config, outbox, fault):
    AssignmentFactory(scheduled_start=timezone.now() + timedelta(minutes=10))
    turn(config, outbox)
    text = metrics.exposition(ReminderCollector(config=config, ask=metrics.read)).decode()
    assert "reminder_worker_enabled 1.0" in text


def test_counting_goes_on_once_the_fault_is_over(config, outbox, monkeypatch):
    monkeypatch.setattr(counters, "_left_alone_until", float("-inf"))
    with connection.cursor() as cursor:
        cursor.execute(MOVES["the table is gone"][0])
        try:
            claims.count_failure("broker")
        finally:
            cursor.execute(MOVES["the table is gone"][1])
    claims.count_failure("broker")
    assert not Counter.objects.exists()  # left alone for a while
    monkeypatch.setattr(counters, "_left_alone_until", float("-inf"))
    claims.count_failure("broker")
    assert Counter.objects.get().value == 1.0
