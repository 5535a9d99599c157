"""A worker's look at the schedule: what it corrects, when it steps in, and when it keeps out."""

import contextlib
import time
from datetime import timedelta

import pytest
from django.db import Error, connection
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule, failover, heartbeats, recovery
from reminders.delivery.beat_schedule import EntryStatus
from reminders.delivery.failover import LOOK_SECONDS, SchedulerFailover
from reminders.models import Audit
from reminders.operations import schedule
from tests.integration.assignments.test_transactions import A_LONG_SILENCE

pytestmark = pytest.mark.django_db

BOTH = [beat_schedule.DISPATCH, beat_schedule.SCAN]


class AskedWorkers:
    """In place of the broker: remembers what the worker asks for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def ask_workers(self, tasks, *, expires) -> None:
        self.asked.append(list(tasks))


@pytest.fixture
def broker() -> AskedWorkers:
    return AskedWorkers()


@pytest.fixture
def worker(config, broker, monkeypatch) -> SchedulerFailover:
    """A worker whose time to look has come, of a system with right entries; the test's connection stays open."""
    beat_schedule.set_up(config)
    monkeypatch.setattr(heartbeats, "_touched_at", {})
    monkeypatch.setattr(connection, "close", lambda: None)
    return SchedulerFailover(config, broker=broker, look_at=0.0)


def test_while_dispatch_is_seen_and_its_entries_are_right_it_keeps_out(worker, broker):
    heartbeats.record("scanner")
    worker.turn()
    assert (broker.asked, Audit.objects.count()) == ([], 0)


def test_when_nobody_dispatches_it_steps_in(worker, broker):
    worker.turn()
    assert broker.asked == [BOTH]


@pytest.mark.parametrize(
    "change",
    [{"enabled": False}, {"one_off": True}, {"kwargs": "{broken"}, {"task": "reminders.gone"}],
    ids=["disabled", "one-off", "broken kwargs", "another task"],
)
def test_a_fault_of_an_entry_is_corrected_and_stepped_around_at_the_next_look(
    worker, broker, caplog, change, config
):
    """Though dispatch was seen just now: beat may take a moment to read its entries again."""
    heartbeats.record("scanner")
    PeriodicTask.objects.filter(name=beat_schedule.DISPATCH).update(**change)
    worker.turn()
    assert [entry.right for entry in beat_schedule.check_entries(config)] == [True, True]
    assert broker.asked == [BOTH]
    assert "Beat entry corrected" in [record.getMessage() for record in caplog.records]
    assert Audit.objects.get().actor == "system"

    worker.look_at = 0.0
    worker.turn()
    assert len(broker.asked) == 1  # the scanner is seen: it keeps out again


def ask_in_vain(*_: object, **__: object) -> list[EntryStatus]:
    """Asks a server that does not answer."""
    with connection.cursor() as cursor:
        cursor.execute(A_LONG_SILENCE)
    return []


def settle_in_vain(**_: object) -> None:
    with contextlib.suppress(Error):
        ask_in_vain()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("module", "name", "in_vain"),
    [(beat_schedule, "check_entries", ask_in_vain), (recovery, "settle_dead", settle_in_vain)],
    ids=["look", "settle"],
)
def test_a_database_that_stops_responding_does_not_hold_the_worker_up(
    config, broker, monkeypatch, module, name, in_vain
):
    beat_schedule.set_up(config)
    worker = SchedulerFailover(config, broker=broker, look_at=0.0)
    with monkeypatch.context() as silent:
        silent.setattr(failover, "ROUND_DEADLINE_SECONDS", 0.2)
        silent.setattr(module, name, in_vain)
        began = time.monotonic()
        worker.turn()
        assert time.monotonic() - began < 30
    worker.look_at = 0.0
    worker.turn()
    assert broker.asked[-1] == BOTH


def test_a_look_comes_often_enough():
    assert LOOK_SECONDS <= 5


def test_what_an_operator_switched_off_is_left_off_and_nobody_steps_in(worker, broker):
    schedule.switch(beat_schedule.DISPATCH, on=False, by="ada", reason="the import runs")
    worker.turn()
    assert broker.asked == []
    assert PeriodicTask.objects.get(task=beat_schedule.DISPATCH).enabled is False


def test_scans_that_an_operator_switched_off_are_not_asked_for(worker, broker):
    schedule.switch(beat_schedule.SCAN, on=False, by="ada", reason="the import runs")
    worker.turn()
    assert broker.asked == [[beat_schedule.DISPATCH]]


def test_an_interval_that_was_changed_is_corrected(worker, config):
    heartbeats.record("scanner")
    IntervalSchedule.objects.filter(periodictask__task=beat_schedule.DISPATCH).update(
        every=1, period=IntervalSchedule.DAYS
    )
    worker.turn()
    assert beat_schedule.check_entries(config)[1].problem == ""


def test_processes_with_other_settings_do_not_correct_each_others_intervals(worker, config, settings):
    """As during a restart of all processes after a change of the interval."""
    settings.REMINDERS = ReminderConfig(channel="memory", tick=timedelta(seconds=2))
    heartbeats.record("scanner")
    beat_schedule.set_up(settings.REMINDERS)
    worker.turn()
    assert [entry.right for entry in beat_schedule.check_entries(settings.REMINDERS)] == [True, True]


def test_an_entry_that_cannot_be_corrected_keeps_nobody_from_stepping_in(worker, broker, monkeypatch, caplog):
    def refuse(_config):
        raise failover.ValidationError("no")

    PeriodicTask.objects.update(enabled=False)
    monkeypatch.setattr(beat_schedule, "set_up", refuse)
    worker.turn()
    assert broker.asked == [BOTH]
    assert "Beat entries not corrected" in [record.getMessage() for record in caplog.records]


def test_while_switched_off_by_the_settings_nobody_steps_in(broker, monkeypatch):
    monkeypatch.setattr(connection, "close", lambda: None)
    SchedulerFailover(ReminderConfig(enabled=False), broker=broker, look_at=0.0).turn()
    assert broker.asked == []
