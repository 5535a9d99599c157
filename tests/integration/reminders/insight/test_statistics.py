"""The figures that page and metrics share: what they count, that they are cheap, and that they are shared."""

import json
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from assignments import services
from assignments.models import Assignment
from notifications.message import Outcome
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, heartbeats, scan
from reminders.insight import statistics
from reminders.ledger import pauses, scans
from reminders.models import Reminder, Statistics
from reminders.policy.retries import AMBIGUOUS_WAIT
from tests import acting
from tests.conftest import NOON
from tests.factories import AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db


@pytest.fixture
def tick(config, channel_of):
    """One tick of dispatch and a worker that takes all of it."""

    def turn():
        desk = MemoryBroker()
        dispatch.dispatch(config=config, broker=desk)
        return deliver.deliver(desk.hints(), config=config, channel=channel_of)

    return turn


def test_an_empty_database_counts_to_nothing(clock, config):
    assert statistics.count(config) == statistics.Snapshot(taken_at=NOON.timestamp())


def test_work_is_counted_by_status_and_roll_up(clock, config, tick):
    AssignmentFactory.create_batch(2)
    AssignmentFactory(soon=True)
    services.cancel(AssignmentFactory().pk)
    tick()
    assert statistics.count(config).assignments == {
        ("SCHEDULED", "NONE"): 2,
        ("SCHEDULED", "SENT"): 1,
        ("CANCELLED", "NONE"): 1,
    }


def test_work_further_away_than_a_day_is_not_counted_unless_it_is_old_and_still_scheduled(clock, config):
    day = timedelta(hours=24)
    AssignmentFactory(scheduled_start=NOON + day)
    AssignmentFactory(scheduled_start=NOON + day + timedelta(seconds=1))
    AssignmentFactory(scheduled_start=NOON - day)
    acting.complete(AssignmentFactory(scheduled_start=NOON - day).pk)
    acting.complete(AssignmentFactory(scheduled_start=NOON - day + timedelta(seconds=1)).pk)
    assert statistics.count(config).assignments == {("SCHEDULED", "NONE"): 2, ("COMPLETED", "NONE"): 1}
    longer = ReminderConfig(lookahead=timedelta(hours=48))
    assert statistics.count(longer).assignments == {("SCHEDULED", "NONE"): 3, ("COMPLETED", "NONE"): 1}


def test_ledger_rows_are_counted_open_and_of_the_last_day(clock, config, tick):
    AssignmentFactory(soon=True)
    AssignmentFactory()
    tick()
    taken = statistics.count(config)
    assert (taken.ledger_open, taken.ledger_closed) == ({"PLANNED": 1}, {"SENT": 1})
    assert taken.ledger == {"PLANNED": 1, "SENT": 1}
    clock.advance(timedelta(hours=24, seconds=1))
    assert statistics.count(config).ledger_closed == {}


def test_what_is_due_and_unsent_is_counted_with_the_age_of_the_oldest(clock, config):
    AssignmentFactory(scheduled_start=NOON + timedelta(minutes=31))
    clock.advance(timedelta(minutes=1, seconds=40))
    AssignmentFactory(soon=True)  # Due before it was known: it counts from then on.
    AssignmentFactory(scheduled_start=NOON + timedelta(minutes=45))
    taken = statistics.count(config)
    assert (taken.due_unsent, taken.oldest_due_age_seconds) == (2, 40.0)


def test_a_marker_writes_to_nobody_and_is_not_unsent(clock, config):
    AssignmentFactory(past=True)
    clock.advance(timedelta(hours=1))
    taken = statistics.count(config)
    assert (taken.ledger_open, taken.due_unsent, taken.overdue) == ({"PLANNED": 1}, 0, 1)


def test_overdue_counts_by_time_marked_or_not(clock, config, tick):
    marked = AssignmentFactory(soon=True)
    clock.set(marked.scheduled_start + timedelta(minutes=30) - timedelta(microseconds=1))
    assert statistics.count(config).overdue == 0
    clock.set(marked.scheduled_start + timedelta(minutes=30))
    assert statistics.count(config).overdue == 1
    scan.scan(trigger="cli", config=config)
    tick()
    assert Assignment.objects.get().reminder_status == "OVERDUE"
    assert statistics.count(config).overdue == 1
    acting.start(marked.pk)
    assert statistics.count(config).overdue == 0


def test_work_without_a_row_is_unaccounted_once_it_is_due(clock, config):
    AssignmentFactory()
    AssignmentFactory(scheduled_start=NOON + timedelta(hours=3), lead_minutes=175)
    Reminder.objects.all().delete()
    assert statistics.count(config).unaccounted == 0
    clock.advance(timedelta(minutes=5))
    assert statistics.count(config).unaccounted == 1
    clock.advance(timedelta(minutes=25))
    assert statistics.count(config).unaccounted == 2


def test_unknown_waits_for_an_operator_until_the_plan_is_another_one(clock, config, tick, outbox):
    first, second = AssignmentFactory.create_batch(2, soon=True)
    outbox.answer_with(*[Outcome.UNKNOWABLE] * 4)
    for _ in range(3):
        tick()
        clock.advance(AMBIGUOUS_WAIT * config.send_timeout)
    taken = statistics.count(config)
    assert (taken.unknown, taken.possible_duplicates, taken.failed) == (2, 2, {"ambiguous": 2})
    services.remind_again([first.pk])
    assert statistics.count(config).unknown == 1
    acting.start(second.pk)
    taken = statistics.count(config)
    assert (taken.unknown, taken.possible_duplicates) == (0, 2)
    clock.advance(timedelta(hours=25))
    assert statistics.count(config).possible_duplicates == 0


def test_a_send_whose_end_nobody_knows_is_no_duplicate_before_it_is_repeated(clock, config, tick, outbox):
    AssignmentFactory(soon=True)
    outbox.answer_with(Outcome.UNKNOWABLE)
    tick()
    assert statistics.count(config).possible_duplicates == 0
    clock.advance(AMBIGUOUS_WAIT * config.send_timeout)
    tick()
    assert statistics.count(config).possible_duplicates == 1


def test_failures_are_counted_by_reason(clock, config, tick, outbox):
    AssignmentFactory.create_batch(2, soon=True, assignee__unreachable=True)
    AssignmentFactory(soon=True)
    outbox.answer_with(Outcome.REJECTED)
    tick()
    assert statistics.count(config).failed == {"no_contact": 2, "rejected": 1}


def test_the_last_scan_is_the_last_that_ended_well(clock, config):
    scan.scan(trigger="cli", config=config)
    turn = scans.open_scan(trigger="cli", by="")
    clock.advance(timedelta(minutes=5))
    scans.close_scan(turn.scan_id, counts="null", error="OperationalError (57014)")
    assert statistics.count(config).last_scan_timestamp_seconds == NOON.timestamp()


def test_a_pause_and_a_held_channel_are_seen(clock, config, tick, outbox):
    AssignmentFactory(soon=True)
    outbox.answer_with(Outcome.CHANNEL_DOWN)
    tick()
    pauses.open_pause(by="ada", reason="mail server moves", until=None)
    taken = statistics.count(config)
    assert taken.paused is True
    assert list(taken.held_channels) == ["memory"]
    assert taken.held_channels["memory"] == pytest.approx((NOON + timedelta(seconds=5)).timestamp(), abs=1)
    clock.advance(timedelta(seconds=6))
    assert statistics.count(config).held_channels == {}


def process(kind: str, pid: int, *, started: float, seen: float) -> None:
    """Seconds before noon."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reminders_process (kind, host, pid, started_at, seen_at) VALUES (%s, 'here', %s, %s, %s)",
            [kind, pid, NOON - timedelta(seconds=started), NOON - timedelta(seconds=seen)],
        )


def test_processes_are_seen_for_half_a_minute(clock, config):
    process("worker", 1, started=600, seen=29)
    process("worker", 2, started=600, seen=31)
    assert statistics.count(config).processes == {
        "worker": heartbeats.ProcessCount(count=1, at_once=1, last_seen_at=NOON.timestamp() - 29)
    }


def test_a_beat_that_was_replaced_is_not_a_second_beat(clock, config):
    process("beat", 1, started=600, seen=20)
    process("beat", 2, started=15, seen=5)
    assert statistics.count(config).processes["beat"].at_once == 1
    process("beat", 3, started=600, seen=10)
    assert statistics.count(config).processes["beat"].at_once == 2


def test_processes_are_forgotten_after_a_day(clock):
    process("worker", 1, started=90_000, seen=86_401)
    process("worker", 2, started=90_000, seen=86_399)
    process("scanner", 3, started=900_000, seen=864_000)  # the last of its kind
    assert heartbeats.prune() == 1


# --- shared ----------------------------------------------------------------------------------------------------


def test_figures_are_kept_for_fifteen_seconds(clock, config):
    assert statistics.current(config=config).assignments == {}
    AssignmentFactory()
    clock.advance(timedelta(seconds=14.9))
    with CaptureQueriesContext(connection) as asked:
        assert statistics.current(config=config).assignments == {}
    assert len(asked) == 1
    clock.advance(timedelta(seconds=0.1))
    fresh = statistics.current(config=config)
    assert fresh == statistics.current(config=config)
    assert (fresh.assignments, fresh.taken) == ({("SCHEDULED", "NONE"): 1}, clock.now())
    assert Statistics.objects.count() == 1


def test_whoever_needs_them_fresh_gets_them_fresh(clock, config):
    statistics.current(config=config)
    AssignmentFactory()
    fresh = statistics.current(max_age=timedelta(), config=config)
    assert fresh.assignments == {("SCHEDULED", "NONE"): 1}
    assert statistics.current(config=config) == fresh


def test_figures_from_the_future_are_not_believed(clock, config):
    statistics.current(config=config)
    AssignmentFactory(scheduled_start=NOON + timedelta(minutes=1))
    clock.advance(timedelta(hours=-1))
    assert statistics.current(config=config).assignments == {("SCHEDULED", "NONE"): 1}


def test_figures_that_another_version_has_kept_are_counted_anew(clock, config):
    statistics.current(config=config)
    Statistics.objects.update(values=json.dumps({"assignments": [], "of_tomorrow": 7}))
    assert statistics.current(config=config) == statistics.Snapshot(taken_at=NOON.timestamp())
    Statistics.objects.update(values={})
    assert statistics.current(config=config) == statistics.Snapshot(taken_at=NOON.timestamp())


def test_every_figure_survives_being_kept(clock, config, tick, outbox):
    AssignmentFactory.create_batch(3, soon=True)
    outbox.answer_with(Outcome.REJECTED, Outcome.UNKNOWABLE, Outcome.CHANNEL_DOWN)
    tick()
    process("worker", 1, started=600, seen=9)
    counted = statistics.current(config=config)
    assert statistics.current(config=config) == counted
    assert (counted.failed, counted.ledger_open, list(counted.held_channels)) == (
        {"rejected": 1},
        {"PLANNED": 2},
        ["memory"],
    )


@pytest.fixture
def forgiving():
    """The memory of a failure ends with the test."""
    statistics._failed_at = float("-inf")
    yield
    statistics._failed_at = float("-inf")


def test_when_counting_fails_the_old_figures_stay_and_the_next_asker_does_not_try_at_once(
    clock, config, forgiving, caplog, monkeypatch
):
    old = statistics.current(config=config)
    clock.advance(timedelta(minutes=5))
    tries = []

    def fails(_config):
        tries.append(1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(10)")

    monkeypatch.setattr(statistics, "count", fails)
    monkeypatch.setattr(statistics, "STATEMENT_TIMEOUT", timedelta(milliseconds=50))
    assert statistics.current(config=config) == old
    assert statistics.current(config=config) == old
    assert len(tries) == 1
    assert [record.getMessage() for record in caplog.records] == ["Figures not refreshed"]


def test_without_old_figures_a_failure_is_an_error(clock, config, forgiving, monkeypatch):
    def fails(_config):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM no_such_table")

    monkeypatch.setattr(statistics, "count", fails)
    with pytest.raises(Exception, match="no_such_table"):
        statistics.current(config=config)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("already_kept", [False, True], ids=["first ever", "old figures"])
def test_fifty_askers_at_once_cost_one_count(config, monkeypatch, already_kept):
    if already_kept:
        statistics.current(config=config)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE reminders_figures SET taken_at = taken_at - interval '1 minute'")
    counts = []
    real = statistics.count

    def slow_count(config):
        counts.append(1)
        time.sleep(0.3)
        return real(config)

    monkeypatch.setattr(statistics, "count", slow_count)
    gate = threading.Barrier(50)
    answers: list[statistics.Snapshot] = []

    def ask():
        gate.wait()
        try:
            answers.append(statistics.current(config=config))
        finally:
            connections.close_all()

    askers = [threading.Thread(target=ask) for _ in range(50)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(20)
    assert (len(answers), len(counts)) == (50, 1)
