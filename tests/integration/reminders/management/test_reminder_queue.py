"""What waits where, and that emptying the queue loses nothing and sends nothing twice."""

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from reminders.delivery import broker_status, deliver, dispatch, tasks
from reminders.delivery.broker import CeleryBroker
from reminders.delivery.hints import BrokerDown
from reminders.ledger import beginning, records
from reminders.models import Audit, Reminder, ScanRun, State
from tests.conftest import NOON
from tests.factories import AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_queues():
    purge = broker_status.purge
    purge()
    yield
    purge()


@pytest.fixture
def redis_down(monkeypatch):
    def refuse():
        raise BrokerDown("the broker does not answer (TimeoutError)")

    monkeypatch.setattr(broker_status, "queue_lengths", refuse)
    monkeypatch.setattr(broker_status, "purge", refuse)


def said(*words: str) -> str:
    out = StringIO()
    call_command("reminder_queue", *words, stdout=out)
    return out.getvalue()


def test_every_place_where_a_reminder_can_wait_is_counted(clock, config):
    AssignmentFactory.create_batch(3, soon=True)
    AssignmentFactory()
    dispatch.dispatch(config=config, broker=CeleryBroker())
    beginning.begin(
        [records.Hint(row.pk, 1) for row in Reminder.objects.filter(state=State.QUEUED)[:1]], config=config
    )
    AssignmentFactory(soon=True)
    assert json.loads(said("--json")) == {
        "redis": {"reminders": 3, "reminders.scan": 0},
        "workers": {"queued": 2, "sending": 1},
        "ledger": {"planned": 2, "due": 1, "next_at": (NOON - timedelta(minutes=20)).isoformat()},
    }
    assert said().splitlines() == [
        "In Redis:    3 in reminders, 0 in reminders.scan",
        "In workers:  2 handed over, 1 being sent",
        "In ledger:   2 planned, 1 of them due; the next at 2026-06-15T11:40:00+00:00",
    ]


def test_nothing_waits_in_an_empty_system(clock):
    assert said().splitlines()[2] == "In ledger:   0 planned, 0 of them due"


def test_a_purge_empties_redis_and_voids_every_ticket_but_loses_nothing(clock, config, channel_of, outbox):
    AssignmentFactory.create_batch(4, soon=True)
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    CeleryBroker().publish(desk.batches)
    tasks.scan_task.apply_async(queue="reminders.scan")
    old = desk.hints()

    answer = json.loads(said("purge", "--json"))
    assert answer["purged"] == {"redis": {"reminders": 4, "reminders.scan": 1}, "returned": 4}
    assert broker_status.queue_lengths() == {"reminders": 0, "reminders.scan": 0}
    assert set(Reminder.objects.values_list("state", "lease_until")) == {(State.PLANNED, None)}
    assert deliver.deliver(old, config=config, channel=channel_of).stale == 4

    again = MemoryBroker()
    dispatch.dispatch(config=config, broker=again)
    assert deliver.deliver(old, config=config, channel=channel_of).stale == 4
    assert deliver.deliver(again.hints(), config=config, channel=channel_of).sent == 4
    assert len(outbox.messages) == 4


def test_a_row_that_is_being_sent_is_left_alone(clock, config):
    AssignmentFactory(soon=True)
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    beginning.begin(desk.hints(), config=config)
    assert json.loads(said("purge", "--json"))["purged"]["returned"] == 0
    assert Reminder.objects.get().state == State.SENDING


def test_a_dry_run_says_the_same_and_changes_nothing(clock, config):
    AssignmentFactory.create_batch(2, soon=True)
    dispatch.dispatch(config=config, broker=CeleryBroker())
    assert said("purge", "--dry-run").splitlines()[-1] == (
        "A purge would throw away 2 messages, plan 2 rows again, and rescan."
    )
    assert broker_status.queue_lengths()["reminders"] == 2
    assert set(Reminder.objects.values_list("state", flat=True)) == {State.QUEUED}
    assert not Audit.objects.exists()


def test_a_purge_is_on_record(clock, config):
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=CeleryBroker())
    said("purge", "--reason", "poisoned")
    line = Audit.objects.get(action="purge")
    assert (line.reason, line.before, line.after) == (
        "poisoned",
        {"messages": {"reminders": 1, "reminders.scan": 0}},
        {"returned": 1},
    )


def test_a_purge_ends_with_a_rescan(clock, config, settings):
    AssignmentFactory(soon=True)
    Reminder.objects.all().delete()
    lines = said("purge").splitlines()
    run = ScanRun.objects.get()
    assert (run.by != "", run.counts["planned"]) == (True, 1)
    assert lines[-1] == f"Scan {run.pk} has looked for what was missing."
    settings.REMINDERS = replace(config, enabled=False)
    assert said("purge").splitlines()[-1].endswith("reminders are switched off.")
    assert ScanRun.objects.count() == 1


def test_without_redis_the_rest_is_shown_and_nothing_is_purged(clock, config, redis_down):
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=MemoryBroker())
    assert said().splitlines()[0] == "In Redis:    the broker does not answer (TimeoutError)"
    assert json.loads(said("--json"))["redis"] is None
    for words in (["purge"], ["purge", "--dry-run"]):
        with pytest.raises(CommandError, match="nothing was changed"):
            said(*words)
    assert Reminder.objects.get().state == State.QUEUED


def test_a_dry_run_of_nothing_is_a_usage_error():
    with pytest.raises(CommandError) as refusal:
        said("--dry-run")
    assert refusal.value.returncode == 2
