"""What the scanner and beat do beside their work: the dead man's switch, pruning, the canary, beat's start."""

import base64
import functools
import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import NamedTuple

import pytest
from celery import current_app
from celery.signals import before_task_publish
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django_celery_beat.models import PeriodicTask

from assignments.models import Assignment
from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule, broker_status, deadman, deliver, heartbeats, slots, tasks
from reminders.delivery.broker import CeleryBroker
from reminders.delivery.hints import HintBatch
from reminders.ledger import planning, scans
from reminders.ledger.records import Hint
from reminders.models import Attempt, Kind, Process, Reminder, ScanRun, State
from reminders.operations import schedule
from reminders.policy.gates import EARLY_TOLERANCE
from tests.factories import NOON, AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _forget_touches(monkeypatch):
    monkeypatch.setattr(heartbeats, "_touched_at", {})


@pytest.fixture
def outside():
    """Somebody outside who is pinged: remembers the paths, answers with the status that the path names."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_response(int(self.path.rpartition("/")[2] or 200))
            self.end_headers()

        def log_message(self, *_args):
            pass

    paths: list[str] = []
    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    server.server_close()


def switch(address: str) -> ReminderConfig:
    return ReminderConfig(channel="memory", deadman_url=address)


def test_a_clean_scan_is_told_outside(settings, outside):
    url, paths = outside
    settings.REMINDERS = switch(f"{url}/secret-uuid/200")
    tasks.scan_task()
    assert paths == ["/secret-uuid/200"]


def test_what_a_scan_finds_due_is_handed_over_at_once(monkeypatch):
    desk = MemoryBroker()
    monkeypatch.setattr(tasks, "CeleryBroker", lambda: desk)
    assignment = AssignmentFactory()
    Reminder.objects.all().delete()  # as if it had come past the services
    Assignment.objects.filter(pk=assignment.pk).update(scheduled_start=Now() + timedelta(minutes=10))
    tasks.scan_task()
    assert [hint.reminder_id for hint in desk.hints()] == [Reminder.objects.get(kind=Kind.REMINDER).pk]


def test_what_a_step_of_a_scan_has_planned_leaves_while_the_scan_goes_on(monkeypatch):
    planned: list[int] = []

    class Desk(MemoryBroker):
        def publish(self, batches):
            planned.append(Reminder.objects.filter(kind=Kind.REMINDER).count())
            return super().publish(batches)

    desk = Desk()
    monkeypatch.setattr(tasks, "CeleryBroker", lambda: desk)
    monkeypatch.setattr(planning, "BATCH", 2)
    AssignmentFactory.create_batch(5)
    Reminder.objects.all().delete()
    Assignment.objects.update(scheduled_start=Now() + timedelta(minutes=10))
    tasks.scan_task()
    assert planned == [2, 4, 5]
    assert len(set(desk.hints())) == 5


def test_a_scan_that_cannot_account_for_everything_is_silent(settings, outside, monkeypatch):
    url, paths = outside
    settings.REMINDERS = switch(f"{url}/200")
    monkeypatch.setattr("reminders.ledger.planning.unaccounted", lambda _config, **_: 1)
    tasks.scan_task()
    assert ScanRun.objects.get().counts["unaccounted"] == 1
    assert paths == []


def test_a_scan_that_is_switched_off_or_runs_elsewhere_is_silent(settings, outside):
    url, paths = outside
    settings.REMINDERS = ReminderConfig(channel="memory", deadman_url=f"{url}/200", enabled=False)
    tasks.scan_task()
    settings.REMINDERS = switch(f"{url}/200")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reminders_scanrun (trigger, by, started_at, alive_until, error)"
            " VALUES ('api', '', now(), now() + interval '20 seconds', '')"
        )
    tasks.scan_task()
    assert paths == []


def test_a_switch_that_answers_badly_is_one_line_without_its_address(outside, caplog):
    url, _paths = outside
    assert deadman.ping(f"{url}/secret-uuid/503") is False
    assert deadman.ping("http://127.0.0.1:9/secret-uuid") is False
    assert [record.reason for record in caplog.records] == ["HTTP 503", "URLError"]
    assert "secret-uuid" not in caplog.text


def test_a_scan_survives_a_dead_switch(settings, caplog):
    settings.REMINDERS = switch("http://127.0.0.1:9/secret-uuid")
    AssignmentFactory()
    tasks.scan_task()
    assert ScanRun.objects.get().error == ""
    assert "Dead man's switch not reached" in caplog.text


def test_a_scan_throws_away_old_scans_and_dead_processes(settings):
    with connection.cursor() as cursor:
        for days in (29, 31):
            cursor.execute(
                "INSERT INTO reminders_scanrun (trigger, by, started_at, alive_until, finished_at, error)"
                " VALUES ('beat', '', now(), now(), now() - make_interval(days => %s), '')",
                [days],
            )
        cursor.execute(
            "INSERT INTO reminders_process (kind, host, pid, started_at, seen_at)"
            " VALUES ('worker', 'gone', 1, now(), now() - interval '25 hours'), ('worker', 'here', 1, now(), now())"
        )
    tasks.scan_task()
    assert ScanRun.objects.count() == 2
    assert not Process.objects.filter(host="gone").exists()


# --- messages with slots ---------------------------------------------------------------------------------------


@pytest.fixture
def empty_queue():
    broker_status.purge()
    yield
    broker_status.purge()


class TakenMessage(NamedTuple):
    """The slots and the hints of a message as a worker gets them."""

    slots: object
    hints: list[list[int]]

    def run(self) -> None:
        tasks.deliver_task.push_request(reminder_slots=self.slots)
        try:
            tasks.deliver_task.run(self.hints)
        finally:
            tasks.deliver_task.pop_request()


def take_messages() -> list[TakenMessage]:
    """All that wait for a worker, but canaries, which have no hints."""
    with current_app.connection_for_write() as broker:
        envelopes = [
            json.loads(message) for message in broker.default_channel.client.lrange("reminders", 0, -1)
        ]
    broker_status.purge()
    found = [
        TakenMessage(
            one["headers"].get("reminder_slots"), json.loads(base64.b64decode(one["body"]))[1]["hints"]
        )
        for one in reversed(envelopes)
    ]
    return [message for message in found if message.hints]


@pytest.fixture
def two_soon(settings, clock, empty_queue, monkeypatch) -> list[Reminder]:
    """Two reminders that fall due within a tick, a second apart, and are handed over; who waits moves the clock."""
    settings.REMINDERS = ReminderConfig(channel="memory")
    for seconds in (1, 2):
        AssignmentFactory(scheduled_start=NOON + timedelta(minutes=30, seconds=seconds))
    rows = list(Reminder.objects.filter(kind=Kind.REMINDER).order_by("due_at"))
    clock.set(rows[0].due_at - timedelta(seconds=0.2))
    tasks.dispatch_task()
    waits = functools.partial(slots.InTurn, sleep=lambda seconds: clock.advance(timedelta(seconds=seconds)))
    monkeypatch.setattr(deliver, "InTurn", waits)
    return rows


@pytest.mark.usefixtures("empty_queue")
@pytest.mark.parametrize(
    ("hints", "shown"),
    [
        (0, "{'hints': []}"),
        (2, "{'hints': [[1, 7], [2, 7]]}"),
        (
            500,
            "{'hints': [[1, 7], [2, 7], [3, 7], [4, 7], [5, 7], [6, 7], [7, 7], [8, 7], [9, 7], [10, 7], ... 490 more]}",
        ),
    ],
)
def test_a_message_says_in_short_what_it_holds(hints, shown):
    """Celery's own tools show it; to have Celery put it together took longer than to publish the message."""
    CeleryBroker().publish([HintBatch(tuple(Hint(number, 7) for number in range(1, hints + 1)))])
    with current_app.connection_for_write() as broker:
        (message,) = broker.default_channel.client.lrange("reminders", 0, -1)
    headers = json.loads(message)["headers"]
    assert (headers["kwargsrepr"], headers["argsrepr"]) == (shown, "()")


def states(rows: list[Reminder]) -> list[str]:
    return [Reminder.objects.get(pk=row.pk).state for row in rows]


def test_what_falls_due_within_a_tick_is_one_message_whose_slots_are_begun_in_turn(two_soon):
    (message,) = take_messages()
    assert message.slots == [[1, row.due_at.timestamp()] for row in two_soon]
    message.run()
    assert states(two_soon) == [State.SENT, State.SENT]
    for row in two_soon:
        begun = Attempt.objects.get(reminder=row).started_at - row.due_at
        assert -EARLY_TOLERANCE <= begun < timedelta(seconds=0.9)


def test_a_worker_of_the_release_before_puts_back_what_is_not_due_and_loses_nothing(two_soon, clock):
    """It knows no slots: all hints of the message are begun at the instant of the first."""
    (message,) = take_messages()
    clock.set(two_soon[0].due_at)
    message._replace(slots=None).run()
    assert states(two_soon) == [State.SENT, State.PLANNED]
    assert Reminder.objects.get(pk=two_soon[1].pk).next_attempt_at == two_soon[1].due_at


def test_a_worker_that_is_too_slow_hands_on_the_other_slots_to_others(two_soon, monkeypatch):
    (message,) = take_messages()
    monkeypatch.setattr(deliver.speed, "seconds_per_send", 2.0)
    message.run()
    assert states(two_soon) == [State.SENT, State.QUEUED]
    (other,) = take_messages()
    assert (other.slots, [reminder_id for reminder_id, _ in other.hints]) == (None, [two_soon[1].pk])


def test_what_nobody_takes_from_a_slow_worker_is_due_again(two_soon, monkeypatch):
    (message,) = take_messages()
    monkeypatch.setattr(deliver.speed, "seconds_per_send", 2.0)
    monkeypatch.setattr(tasks.CeleryBroker, "publish", lambda _self, batches: list(batches))
    message.run()
    assert states(two_soon) == [State.SENT, State.PLANNED]


# --- who is seen -----------------------------------------------------------------------------------------------


def test_an_idle_worker_is_seen_by_a_canary_that_takes_the_whole_way(settings, empty_queue):
    tasks.dispatch_task()
    assert broker_status.queue_lengths()["reminders"] == 1
    tasks.deliver_task([])
    assert set(Process.objects.values_list("kind", flat=True)) == {"scanner", "worker"}


def test_no_second_canary_while_one_waits_or_reminders_are_switched_off(settings, empty_queue, monkeypatch):
    tasks.dispatch_task()
    monkeypatch.setattr(heartbeats, "_touched_at", {})
    tasks.dispatch_task()
    assert broker_status.queue_lengths()["reminders"] == 1
    broker_status.purge()
    monkeypatch.setattr(heartbeats, "_touched_at", {})
    settings.REMINDERS = ReminderConfig(channel="memory", enabled=False)
    tasks.dispatch_task()
    assert broker_status.queue_lengths()["reminders"] == 0


def test_signs_of_life_are_ten_seconds_apart():
    assert heartbeats.record("worker") is True
    assert heartbeats.record("worker") is False
    assert heartbeats.record("scanner") is True
    assert Process.objects.count() == 2


def test_a_heartbeat_never_raises_for_a_dead_database_and_says_that_it_was_not_written(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "cursor", refuse)
    assert heartbeats.record("worker") is False


# --- beat ------------------------------------------------------------------------------------------------------


@pytest.fixture
def beat_signal():
    """What beat's start connects is taken back."""
    yield
    before_task_publish.disconnect(dispatch_uid="reminders.record_beat")


def test_beats_start_puts_its_entries_right(settings, beat_signal):
    beat_schedule.set_up(settings.REMINDERS)
    PeriodicTask.objects.filter(task=beat_schedule.DISPATCH).delete()
    schedule.switch(beat_schedule.SCAN, on=False, by="ada", reason="a test")
    tasks.at_beat_start()
    assert dict(PeriodicTask.objects.values_list("task", "enabled")) == {
        beat_schedule.SCAN: False,
        beat_schedule.DISPATCH: True,
    }


def test_beat_is_seen_when_it_asks_for_a_task_and_nobody_else_counts_as_beat(beat_signal, empty_queue):
    tasks.CeleryBroker().publish([tasks.HintBatch((Hint(1, 1),))])
    assert not Process.objects.filter(kind="beat").exists()
    tasks.at_beat_start()
    tasks.CeleryBroker().publish([tasks.HintBatch((Hint(1, 1),))])
    assert Process.objects.filter(kind="beat").count() == 1


def test_beat_starts_without_a_database(beat_signal, monkeypatch, caplog):
    def refuse(_config):
        raise OperationalError("connection refused")

    monkeypatch.setattr(beat_schedule, "set_up", refuse)
    tasks.at_beat_start()
    assert [record.getMessage() for record in caplog.records] == ["Beat entries not checked"]


def test_a_scan_whose_process_is_gone_is_handed_on_once(settings, clock, monkeypatch):
    """Not before its lease is over, to one scanner only, and never while the master switch is off."""
    handed: list[int] = []
    monkeypatch.setattr(
        tasks.CeleryBroker, "resume_scan_elsewhere", lambda _self, scan_id: handed.append(scan_id)
    )
    monkeypatch.setattr(tasks, "_dispatch", lambda *_: None)
    killed = scans.open_scan(trigger="beat", by="").scan_id
    tasks.dispatch_task()
    assert handed == []
    clock.advance(scans.SCAN_LEASE)
    settings.REMINDERS = ReminderConfig(channel="memory", enabled=False)
    tasks.dispatch_task()
    assert handed == []
    settings.REMINDERS = ReminderConfig(channel="memory")
    tasks.dispatch_task()
    tasks.dispatch_task()
    assert handed == [killed]

    AssignmentFactory()
    Reminder.objects.all().delete()
    tasks.resume_scan_task(killed)
    assert Reminder.objects.get().scan_id == killed
    assert ScanRun.objects.get().finished_at is not None
    clock.advance(scans.SCAN_LEASE)
    tasks.dispatch_task()
    assert handed == [killed]
