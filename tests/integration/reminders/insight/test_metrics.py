"""What Prometheus sees: every series from the first scrape, exact to the unit, and never a failed scrape."""

import math
import random
import shutil
import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from assignments import acts, services
from assignments.models import Act, ActKind, Assignment, Status, Way
from notifications.message import Delivery, Outcome, Subject
from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule, broker_status, deliver, dispatch
from reminders.delivery import scan as delivery_scan
from reminders.delivery.hints import BrokerDown
from reminders.insight import metrics, statistics
from reminders.insight.metrics import MetricsReading, ReminderCollector
from reminders.ledger import beginning, counters, pauses
from reminders.models import Attempt, Kind, Reminder, State
from reminders.operations import schedule
from reminders.policy.retries import Result
from tests import acting
from tests.depth import examples
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def depths(monkeypatch):
    """What the broker answers: a number of messages in the workers' queue, or BrokerDown."""
    answers = {"reminders": 0, "reminders.scan": 0}

    def waiting():
        if isinstance(answers["reminders"], BrokerDown):
            raise answers["reminders"]
        return answers

    monkeypatch.setattr(broker_status, "queue_lengths", waiting)
    return answers


def scrape(config: ReminderConfig) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """One scrape as Prometheus reads it: (name, sorted labels) -> value."""
    text = metrics.exposition(ReminderCollector(config=config, ask=metrics.read))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(found, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


DOCUMENTED = {
    "reminder_sent_total": [{"status": "SCHEDULED"}],
    "reminder_failed_total": [
        {"reason": reason}
        for reason in (
            "enqueue broker template no_contact rejected exhausted ambiguous internal".split()  # noqa: SIM905
        )
    ],
    "reminder_skipped_total": [{"reason": reason.value} for reason in counters.SKIP_REASONS],
    "reminder_attempts_total": [{"channel": "memory", "outcome": result.value} for result in Result],
    "reminder_acts_total": [{"act": act.value, "via": way.value} for act in ActKind for way in Way],
    "reminder_overdue_marked_total": [{}],
    "reminder_ambiguous_total": [{"channel": "memory"}],
    "assignment_declined": [{}],
    "assignment_unanswered": [{}],
    "reminder_overdue": [{}],
    "reminder_assignments": [
        {"status": status, "reminder_status": roll_up}
        for status in Status.values
        for roll_up in ("NONE", "SENT", "OVERDUE")
    ],
    "reminder_ledger": [{"state": state} for state in State.values],
    "reminder_due_unsent": [{}],
    "reminder_oldest_due_age_seconds": [{}],
    "reminder_unaccounted": [{}],
    "reminder_unknown": [{}],
    "reminder_last_scan_timestamp_seconds": [{}],
    "reminder_paused": [{}],
    "reminder_queue_depth": [{}],
    "reminder_scan_queue_depth": [{}],
    "reminder_send_delay_seconds_count": [{}],
    "reminder_send_delay_seconds_sum": [{}],
    "reminder_scan_duration_seconds_count": [{}],
    "reminder_scan_duration_seconds_sum": [{}],
}


def test_every_series_of_the_contract_is_there_at_0_on_the_first_scrape(clock, config):
    found = scrape(config)
    for name, labelled in DOCUMENTED.items():
        assert [value(found, name, **labels) for labels in labelled] == [0.0] * len(labelled), name
        assert sum(key[0] == name for key in found) == len(labelled), name
    assert value(found, "reminder_worker_enabled") == 1.0
    assert value(found, "reminder_database_up") == 1.0
    assert value(found, "reminder_broker_up") == 1.0
    for name, bounds in counters.BUCKETS.items():
        shown = [float(labels[0][1]) for of, labels in found if of == f"{name}_bucket"]
        assert shown == [*bounds, math.inf]


def test_the_switch_is_seen(clock):
    assert value(scrape(ReminderConfig(channel="memory", enabled=False)), "reminder_worker_enabled") == 0.0


def test_gauges_show_the_figures(clock, config):
    AssignmentFactory.create_batch(3)
    AssignmentFactory(past=True)
    clock.advance(timedelta(minutes=30, seconds=20))
    pauses.open_pause(by="ada", reason="", until=None)
    delivery_scan.scan(trigger="cli", config=config)
    found = scrape(config)
    assert value(found, "reminder_assignments", status="SCHEDULED", reminder_status="NONE") == 4.0
    assert value(found, "reminder_ledger", state="PLANNED") == 4.0
    assert value(found, "reminder_ledger", state="SKIPPED") == 1.0
    assert value(found, "reminder_due_unsent") == 3.0
    assert value(found, "reminder_oldest_due_age_seconds") == 20.0
    assert value(found, "reminder_overdue") == 1.0
    assert value(found, "reminder_paused") == 1.0
    assert value(found, "reminder_last_scan_timestamp_seconds") == clock.now().timestamp()


def test_buckets_are_cumulative_and_end_with_the_count(clock, config):
    tally = counters.Counts()
    counters.observe(tally, counters.SEND_DELAY, [0.01, 0.05, 0.3, 4000.0])
    with connection.cursor() as cursor:
        counters.write(cursor, tally)
    found = scrape(config)
    upto = {
        labels[0][1]: number
        for (name, labels), number in found.items()
        if name == "reminder_send_delay_seconds_bucket"
    }
    assert [upto[bound] for bound in ("0.05", "0.1", "0.25", "0.5", "1800.0", "+Inf")] == [2, 2, 2, 3, 3, 4]
    assert value(found, "reminder_send_delay_seconds_count") == 4.0
    assert value(found, "reminder_send_delay_seconds_sum") == pytest.approx(4000.36)


def test_a_channel_of_yesterday_keeps_its_series(clock, config):
    with connection.cursor() as cursor:
        old = counters.labels(channel="pigeon", outcome="accepted")
        counters.write(cursor, counters.Counts({(counters.ATTEMPTS, old): 7}))
    found = scrape(config)
    assert value(found, "reminder_attempts_total", channel="pigeon", outcome="accepted") == 7.0
    assert value(found, "reminder_attempts_total", channel="memory", outcome="accepted") == 0.0


def test_slots_of_several_processes_are_one_series(clock, config):
    with connection.cursor() as cursor:
        for slot in (1, 2, 3):
            cursor.execute(
                "INSERT INTO reminders_counter (name, labels, slot, value) VALUES (%s, %s, %s, 2)",
                [counters.SENT, "status=SCHEDULED", slot],
            )
    assert value(scrape(config), "reminder_sent_total", status="SCHEDULED") == 6.0


# --- exact -----------------------------------------------------------------------------------------------------

ENDS = [
    Outcome.ACCEPTED,
    Outcome.ACCEPTED,
    Outcome.ACCEPTED,
    Delivery(Outcome.REFUSED_FOR_NOW, "450", subject=Subject.RECIPIENT),
    Delivery(Outcome.REJECTED, "550", subject=Subject.RECIPIENT),
    Outcome.UNKNOWABLE,
    Outcome.CHANNEL_DOWN,
]


class Office:
    """A day at work, drawn by lot: people plan, move, cancel; the machine dispatches, sends, fails, dies."""

    def __init__(self, chance: random.Random, clock, config: ReminderConfig, outbox) -> None:
        self.chance, self.clock, self.config, self.outbox = chance, clock, config, outbox
        self.people = [AssigneeFactory() for _ in range(5)] + [AssigneeFactory(unreachable=True)]
        self.work: list[int] = []
        self.enqueue_refusals = 0
        self.dead_ticks = 0

    def step(self) -> None:
        chosen = self.chance.choice(
            [self.plan] * 5 + [self.move, self.cancel, self.start, self.reassign, self.scan, self.refuse]
            + [self.decline, self.run_late, self.broker_down, self.die] + [self.tick] * 6
        )  # fmt: skip
        chosen()
        self.clock.advance(timedelta(seconds=self.chance.choice([1, 5, 20, 60, 300])))

    def plan(self) -> None:
        made = AssignmentFactory(
            assignee=self.chance.choice([*self.people, None]),
            scheduled_start=self.clock.now() + timedelta(minutes=self.chance.randrange(-10, 60)),
        )
        self.work.append(made.pk)

    def move(self) -> None:
        self._change(
            lambda pk: services.reschedule(
                pk, start=self.clock.now() + timedelta(minutes=self.chance.randrange(5, 60))
            )
        )

    def cancel(self) -> None:
        self._change(services.cancel)

    def start(self) -> None:
        self._change(acting.start)

    def decline(self) -> None:
        self._change(lambda pk: acts.decline(pk, actor=acting.by_link(Assignment.objects.get(pk=pk))))

    def each_act_once(self) -> None:
        """Chance may leave one out in a day."""
        soon = self.clock.now() + timedelta(minutes=30)
        declined, late, started = (
            AssignmentFactory(assignee=self.people[0], scheduled_start=soon) for _ in range(3)
        )
        acting.decline(declined)
        acts.run_late(late.pk, actor=acting.OLGA, minutes=15)
        acting.start(started.pk)

    def run_late(self) -> None:
        self._change(lambda pk: acts.run_late(pk, actor=acting.OLGA, minutes=self.chance.randrange(5, 60)))

    def reassign(self) -> None:
        self._change(lambda pk: services.reassign(pk, assignee_id=self.chance.choice(self.people).pk))

    def _change(self, change) -> None:
        if self.work:
            try:
                change(self.chance.choice(self.work))
            except services.Refused:
                pass

    def scan(self) -> None:
        delivery_scan.scan(trigger="cli", config=self.config)

    def tick(self) -> None:
        desk = MemoryBroker()
        dispatch.dispatch(config=self.config, broker=desk)
        hints = desk.hints()
        self.outbox.answer_with(*self.chance.choices(ENDS, k=len(hints)))
        deliver.deliver(hints, config=self.config, channel=lambda _: self.outbox)

    def refuse(self) -> None:
        desk = MemoryBroker()
        desk.refuse = True
        self.enqueue_refusals += dispatch.dispatch(config=self.config, broker=desk).refused

    def broker_down(self) -> None:
        desk = MemoryBroker()
        desk.down = True
        dispatch.dispatch(config=self.config, broker=desk)
        self.dead_ticks += 1

    def die(self) -> None:
        """A worker begins and is gone."""
        desk = MemoryBroker()
        dispatch.dispatch(config=self.config, broker=desk)
        beginning.begin(desk.hints(), config=self.config)


@pytest.mark.parametrize("seed", range(1, 1 + examples(3)))
def test_counters_equal_what_the_ledger_says_after_random_operations(clock, outbox, settings, seed):
    settings.REMINDERS = config = ReminderConfig(channel="memory", ops_emails=("ops@example.test",))
    office = Office(random.Random(seed), clock, config, outbox)
    office.each_act_once()
    for _ in range(350):
        office.step()
    found = scrape(config)

    def shown(name: str, label: str) -> dict[str, float]:
        return {dict(ls)[label]: v for (of, ls), v in found.items() if of == name and v}

    rows = Reminder.objects.order_by("id")
    attempts = Attempt.objects.select_related("reminder").order_by("reminder_id", "number")
    sent = rows.filter(state=State.SENT, kind=Kind.REMINDER).count()
    assert sent > 5
    assert value(found, "reminder_sent_total", status="SCHEDULED") == sent
    skipped = Counter(rows.filter(state=State.SKIPPED).values_list("reason", flat=True))
    assert shown("reminder_skipped_total", "reason") == skipped
    done = Counter(Act.objects.values_list("act", "via"))
    assert {act for act, _ in done} == {"decline", "late", "start"}
    acted = {pair: value(found, "reminder_acts_total", act=pair[0], via=pair[1]) for pair in done}
    assert acted == done
    failed = Counter(rows.filter(state__in=(State.FAILED, State.UNKNOWN)).values_list("reason", flat=True))
    failed.update({"enqueue": office.enqueue_refusals, "broker": office.dead_ticks})
    assert shown("reminder_failed_total", "reason") == +failed
    assert shown("reminder_attempts_total", "outcome") == Counter(attempts.values_list("outcome", flat=True))
    assert value(found, "reminder_ambiguous_total", channel="memory") == sum(
        rows.values_list("ambiguous", flat=True)
    )
    assert value(found, "reminder_overdue_marked_total") == rows.filter(state=State.MARKED).count()
    delays = [
        (row.sent_at - max(row.due_at, row.planned_at)).total_seconds()
        for row in rows.filter(state=State.SENT)
    ]
    assert value(found, "reminder_send_delay_seconds_count") == len(delays)
    assert value(found, "reminder_send_delay_seconds_sum") == pytest.approx(sum(delays), abs=0.01)
    for state in State.values:
        expected = rows.filter(state=state).exclude(closed_at__lte=clock.now() - timedelta(hours=24)).count()
        assert value(found, "reminder_ledger", state=state) == expected


# --- never a failed scrape -------------------------------------------------------------------------------------


def test_without_broker_the_depth_is_no_number_and_all_else_is_there(clock, config, depths):
    AssignmentFactory()
    depths["reminders"] = BrokerDown("the broker does not answer (TimeoutError)")
    found = scrape(config)
    assert math.isnan(value(found, "reminder_queue_depth"))
    assert value(found, "reminder_broker_up") == 0.0
    assert value(found, "reminder_assignments", status="SCHEDULED", reminder_status="NONE") == 1.0


def test_the_depth_is_that_of_the_workers_queue(clock, config, depths):
    depths |= {"reminders": 12, "reminders.scan": 3}
    found = scrape(config)
    assert value(found, "reminder_queue_depth") == 12.0
    assert value(found, "reminder_scan_queue_depth") == 3.0


def test_a_task_that_an_operator_switched_off_is_shown(clock, config):
    beat_schedule.set_up(config)
    schedule.switch(beat_schedule.SCAN, on=False, by="ada", reason="the import runs")
    found = scrape(config)
    assert value(found, "reminder_schedule_enabled", task="reminders.scan") == 0.0
    assert value(found, "reminder_schedule_enabled", task="reminders.dispatch") == 1.0


def test_without_database_what_is_known_is_still_shown(clock, config, depths, monkeypatch):
    def broken(_cursor):
        raise OperationalError("server closed the connection")

    depths["reminders"] = 4
    monkeypatch.setattr(counters, "totals", broken)
    found = scrape(config)
    assert {name for name, _ in found} == {
        "reminder_worker_enabled",
        "reminder_poll_interval_seconds",
        "reminder_database_up",
        "reminder_broker_up",
        "reminder_queue_depth",
        "reminder_scan_queue_depth",
        "reminder_disk_free_bytes",
    }
    assert value(found, "reminder_database_up") == 0.0
    assert value(found, "reminder_queue_depth") == 4.0


class Broken(Collector):
    def collect(self):
        raise RuntimeError("a bug in a collector")


def test_a_collector_that_breaks_costs_only_its_own_series(clock, config, caplog):
    text = metrics.exposition(Broken(), ReminderCollector(config=config, ask=metrics.read)).decode()
    assert "reminder_sent_total" in text
    assert [record.getMessage() for record in caplog.records] == ["Metrics incomplete"]


def test_a_slow_database_costs_its_own_series_only(clock, config, monkeypatch, caplog):
    """The statement is ended, and the connection is good for the next one."""

    def slow(cursor):
        cursor.execute("SELECT pg_sleep(30)")

    with monkeypatch.context() as patch:
        patch.setattr(counters, "totals", slow)
        patch.setattr(statistics, "STATEMENT_TIMEOUT", timedelta(milliseconds=50))
        found = scrape(config)
    assert value(found, "reminder_database_up") == 0.0
    assert value(found, "reminder_queue_depth") == 0.0
    assert [record.getMessage() for record in caplog.records] == ["Metrics without database"]
    assert value(scrape(config), "reminder_database_up") == 1.0


@pytest.fixture
def hand(monkeypatch):
    """The clock of this process, which stands until the test moves it; nothing is kept at first."""
    at = [1_000.0]
    monkeypatch.setattr(metrics, "monotonic", lambda: at[0])
    monkeypatch.setattr(metrics, "_last", None)
    return at


@pytest.mark.django_db(transaction=True)
def test_fifty_scrapes_at_once_cost_one_set_of_queries(config, hand):
    asked: list[str] = []
    answers: list[metrics.MetricsReading] = []
    gate = threading.Barrier(50)

    def note(execute, sql, params, many, context):
        asked.append(sql)
        return execute(sql, params, many, context)

    def ask_once() -> None:
        with connection.execute_wrapper(note):
            metrics.read(config)

    def scrape_too() -> None:
        gate.wait(30)
        try:
            with connection.execute_wrapper(note):
                answers.append(metrics.shared(config))
        finally:
            connection.close()

    ask_once()  # Counts the figures, which are kept; each process has left its sign of life.
    asked.clear()
    ask_once()
    one_set = sorted(asked)
    asked.clear()
    scrapes = [threading.Thread(target=scrape_too) for _ in range(50)]
    for each in scrapes:
        each.start()
    for each in scrapes:
        each.join(60)
    assert len(answers) == 50
    assert sorted(asked) == one_set
    assert all(told is answers[0] for told in answers)


def test_an_answer_is_kept_for_a_second_and_no_longer(config, hand):
    asked = []

    def count(_config):
        asked.append(1)
        return metrics.MetricsReading(None, None, 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "read", count)
        metrics.shared(config)
        hand[0] += metrics.KEPT_SECONDS
        metrics.shared(config)
        assert len(asked) == 1
        hand[0] += 0.001
        metrics.shared(config)
        assert len(asked) == 2


def test_the_free_space_of_the_database_is_shown_where_it_is_known(settings, tmp_path):
    def shown() -> float:
        collector = ReminderCollector(ask=lambda _: MetricsReading(None, None, None))
        return next(f for f in collector.collect() if f.name == "reminder_disk_free_bytes").samples[0].value

    settings.POSTGRES_DATA_DIR = str(tmp_path)
    assert 0 < shown() <= shutil.disk_usage(tmp_path).total
    for unknown in ("", str(tmp_path / "nowhere")):
        settings.POSTGRES_DATA_DIR = unknown
        assert math.isnan(shown())
