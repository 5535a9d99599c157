"""The scheduler of beat, over a real Redis: a scanner that takes nothing does not fill it."""

import time

import pytest
from celery import current_app
from django.conf import settings
from kombu.utils.imports import symbol_by_name

from reminders.delivery import beat_schedule, beat_scheduler, broker_status, heartbeats
from reminders.delivery.beat_scheduler import BoundedScheduler
from reminders.delivery.broker import SCAN_QUEUE, SCAN_QUEUE_LIMIT
from reminders.delivery.hints import BrokerDown
from reminders.models import Process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scheduler(config, monkeypatch) -> BoundedScheduler:
    beat_schedule.set_up(config)
    monkeypatch.setattr(heartbeats, "_touched_at", {})
    monkeypatch.setattr(beat_scheduler, "LOOK_SECONDS", 0.0)
    broker_status.purge()
    made = BoundedScheduler(app=current_app, lazy=True)
    yield made
    made.sync()  # It would do so at the end of the process, when the database is gone.
    broker_status.purge()


def send(scheduler: BoundedScheduler, times: int) -> None:
    entry = scheduler.all_as_schedule()[beat_schedule.DISPATCH]
    for _ in range(times):
        scheduler.apply_entry(entry, producer=scheduler.producer)


def depth() -> int:
    return broker_status.queue_lengths()[SCAN_QUEUE]


def test_it_is_the_scheduler_of_the_settings():
    assert symbol_by_name(settings.CELERY_BEAT_SCHEDULER) is BoundedScheduler


def test_while_the_scanner_takes_nothing_its_queue_does_not_grow(scheduler, caplog):
    send(scheduler, 3 * SCAN_QUEUE_LIMIT)
    assert depth() == SCAN_QUEUE_LIMIT
    assert [r.getMessage() for r in caplog.records if "queue" in r.getMessage()] == ["Scan queue is full"]


def test_what_is_left_out_does_not_make_beat_look_dead(scheduler, monkeypatch):
    monkeypatch.setattr(broker_status, "queue_lengths", lambda: {SCAN_QUEUE: SCAN_QUEUE_LIMIT})
    send(scheduler, 1)
    assert Process.objects.get().kind == "beat"


def test_once_the_scanner_takes_messages_it_gets_them_again(scheduler, caplog):
    caplog.set_level("INFO")
    send(scheduler, 2 * SCAN_QUEUE_LIMIT)
    broker_status.purge()
    send(scheduler, 1)
    assert depth() == 1
    assert "Scan queue has room" in [record.getMessage() for record in caplog.records]


def test_between_two_looks_redis_is_not_asked(scheduler, monkeypatch):
    asked = []

    def answer() -> dict[str, int]:
        asked.append(None)
        return {SCAN_QUEUE: 0}

    monkeypatch.setattr(beat_scheduler, "LOOK_SECONDS", 600.0)
    monkeypatch.setattr(broker_status, "queue_lengths", answer)
    send(scheduler, 5)
    assert len(asked) == 1


def test_a_broker_that_does_not_answer_the_look_is_sent_to_all_the_same(scheduler, monkeypatch):
    def refuse() -> dict[str, int]:
        raise BrokerDown("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(broker_status, "queue_lengths", refuse)
        send(scheduler, 2)
    assert depth() == 2


def test_it_wakes_when_an_entry_is_due_and_not_again_and_again_before(scheduler, monkeypatch):
    """Celery's own scheduler wakes 10 ms before, and asks without pause until then."""
    monkeypatch.setattr(beat_scheduler, "LOOK_SECONDS", 600.0)
    scheduler.setup_schedule()
    ticks, sent = 0, depth()
    deadline = time.monotonic() + 30
    while depth() < sent + 4 and time.monotonic() < deadline:
        ticks += 1
        time.sleep(max(0.0, scheduler.tick() or 0.0))
    assert depth() == sent + 4  # both entries at once, then one each second
    assert ticks <= 10
