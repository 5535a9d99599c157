"""The doctor: each thing that can be wrong is said, with the fix, and decides the exit code."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from types import SimpleNamespace
from typing import ClassVar

import pytest
from celery import Celery
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django_celery_beat.models import PeriodicTask

from assignments.models import Erasure
from notifications.message import Outcome
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule, broker_status, dispatch, heartbeats, scan, tasks
from reminders.delivery import deliver as delivery_deliver
from reminders.delivery.broker import CeleryBroker
from reminders.delivery.broker_status import BrokerStatus
from reminders.delivery.hints import BrokerDown
from reminders.insight import metrics
from reminders.insight.doctor import check as doctor_check
from reminders.insight.doctor import doctor, texts
from reminders.insight.doctor.check import Level
from reminders.insight.doctor.servers import shipped_rules
from reminders.ledger.pauses import open_pause
from reminders.models import Reminder
from reminders.operations import pauses, schedule
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker
from tests.fakes.sms_gateway import SmsGateway
from tests.fakes.smtp_faults import Fault
from tests.fakes.smtp_server import SmtpServer

pytestmark = pytest.mark.django_db

NAMES = [
    "settings",
    "switch 1 of 3: REMINDER_WORKER_ENABLED",
    "channel",
    "database",
    "clock of the database",
    "migrations",
    "switch 2 of 3: pause",
    "switch 3 of 3: beat entry reminders.scan",
    "switch 3 of 3: beat entry reminders.dispatch",
    "beat",
    "scanner",
    "worker",
    "switch 1 of 3 in every process",
    "same settings everywhere",
    "clocks of the hosts",
    "metrics are read",
    "last scan",
    "unaccounted",
    "unknown",
    "due and unsent",
    "change of rules",
    "channels",
    "pace",
    "message templates",
    "erasures",
    "Redis",
    "Redis takes writes",
    "Redis eviction policy",
    "clock of Redis",
    "a message to a worker",
    "metrics",
]
SOON = timedelta(seconds=0.2)
"""How long these tests wait for a canary that nobody takes."""


def at_work(*kinds: str, pid: int = 1) -> None:
    """Processes that were seen just now."""
    with connection.cursor() as cursor:
        for kind in kinds:
            cursor.execute(
                "INSERT INTO reminders_process"
                " (kind, host, pid, started_at, seen_at, clock_ahead_seconds, enabled, rules)"
                " VALUES (%s, 'here', %s, statement_timestamp() - interval '1 hour', statement_timestamp(), 0.1, true,"
                " %s)",
                [kind, pid, conf.current().fingerprint],
            )


@pytest.fixture
def redis(monkeypatch):
    """What Redis says about itself; a BrokerDown where it says nothing."""

    def says(state: BrokerStatus | BrokerDown) -> None:
        def look():
            if isinstance(state, BrokerDown):
                raise state
            return state

        monkeypatch.setattr(broker_status, "read_status", look)

    return says


@pytest.fixture
def worker(monkeypatch):
    """A worker that takes each message as soon as it is published."""
    monkeypatch.setattr(heartbeats, "_touched_at", {})

    def take(_broker, batches):
        for batch in batches:
            tasks.deliver_task([[hint.reminder_id, hint.ticket] for hint in batch.hints])
        return []

    monkeypatch.setattr(CeleryBroker, "publish", take)


@pytest.fixture
def healthy(config, redis, worker, monkeypatch):
    """A system with nothing wrong. The in-memory channel stands for one that reaches people."""
    monkeypatch.setattr(ReminderConfig, "reaches_people", True)
    redis(BrokerStatus(writable=True, policy="noeviction", clock_ahead=timedelta()))
    beat_schedule.set_up(config)
    at_work("beat", "scanner", "worker", "scrape")
    scan.scan(trigger="cli", config=config)
    return config


def found(config: ReminderConfig) -> dict[str, doctor_check.Check]:
    return {check.name: check for check in doctor.run_checks(config, canary=SOON)}


def trouble(config: ReminderConfig) -> dict[str, Level]:
    return {
        check.name: check.level
        for check in doctor.run_checks(config, canary=SOON)
        if check.level is not Level.PASS
    }


def test_a_healthy_system_passes_every_check_of_the_list(healthy):
    said = list(doctor.run_checks(healthy, canary=SOON))
    assert [check.name for check in said] == NAMES
    assert {check.level for check in said} == {Level.PASS}
    assert {check.fix for check in said} == {""}


def test_whatever_does_not_pass_comes_with_a_fix(config, redis):
    redis(BrokerDown("the broker does not answer (TimeoutError)"))
    said = [check for check in doctor.run_checks(config, canary=SOON) if check.level is not Level.PASS]
    assert {check.name for check in said} == {
        "settings",
        "channel",
        "switch 3 of 3: beat entry reminders.scan",
        "switch 3 of 3: beat entry reminders.dispatch",
        "beat",
        "scanner",
        "worker",
        "metrics are read",
        "last scan",
        "Redis",
    }
    assert all(check.fix for check in said)


@pytest.mark.parametrize(("seconds", "level"), [(5, Level.WARN), (-90, Level.FAIL)])
def test_a_clock_that_differs_from_the_database_is_noticed(healthy, monkeypatch, seconds, level):
    monkeypatch.setattr(doctor, "time", SimpleNamespace(time=lambda: time.time() + seconds))
    assert trouble(healthy) == {"clock of the database": level}


@pytest.mark.parametrize("channel", ["noop", "memory", "webhook"])
def test_a_channel_that_reaches_nobody_is_a_failure(healthy, monkeypatch, channel):
    monkeypatch.undo()
    assert found(replace(healthy, channel=channel))["channel"].level is Level.FAIL


def test_a_slow_answer_is_no_wrong_clock():
    asked, answered = NOON, NOON + timedelta(seconds=5)
    for clock, off in (
        (asked, 0),
        (answered, 0),
        (NOON + timedelta(seconds=8), 3),
        (NOON - timedelta(seconds=4), -4),
    ):
        assert broker_status._outside(clock, asked, answered) == timedelta(seconds=off)


def test_the_first_switch(healthy):
    off = replace(healthy, enabled=False)
    assert trouble(off) == {"switch 1 of 3: REMINDER_WORKER_ENABLED": Level.FAIL}


def test_the_second_switch_names_who_and_until_when(healthy):
    until = datetime(2100, 1, 1, tzinfo=UTC)
    pauses.pause(by="ada", reason="mail server moves", until=until)
    assert trouble(healthy) == {"switch 2 of 3: pause": Level.WARN}
    seen = found(healthy)["switch 2 of 3: pause"].seen
    assert seen.startswith("paused by ada since ")
    assert seen.endswith("until 2100-01-01T00:00+00:00: mail server moves")


@pytest.mark.parametrize(
    ("change", "level", "seen"),
    [
        ({"enabled": False}, Level.FAIL, "its entry is disabled, by no operator"),
        ({"kwargs": "{broken"}, Level.FAIL, "its entry was altered: kwargs"),
        (
            {"last_run_at": NOON + timedelta(days=40_000)},
            Level.FAIL,
            "its last run lies in the future",
        ),
        ({"interval": None}, Level.WARN, "it runs not at an interval where the settings say 300 s"),
    ],
)
def test_the_third_switch(healthy, change, level, seen):
    PeriodicTask.objects.filter(task=beat_schedule.SCAN).update(**change)
    name = "switch 3 of 3: beat entry reminders.scan"
    assert trouble(healthy) == {name: level}
    assert found(healthy)[name].seen == seen


def test_the_third_switch_in_the_hand_of_an_operator_names_who_and_why(healthy):
    schedule.switch(beat_schedule.SCAN, on=False, by="ada", reason="the import runs")
    name = "switch 3 of 3: beat entry reminders.scan"
    assert trouble(healthy) == {name: Level.FAIL}
    assert found(healthy)[name].seen.startswith("switched off by ada: the import runs (since 20")
    schedule.switch(beat_schedule.SCAN, on=True, by="ada", reason="the import is done")
    assert trouble(healthy) == {}


def test_an_entry_that_is_missing_and_one_that_follows_older_settings(healthy):
    PeriodicTask.objects.filter(task=beat_schedule.DISPATCH).delete()
    hourly = ReminderConfig(channel="memory", poll=timedelta(hours=1), lookahead=timedelta(hours=2))
    assert trouble(hourly) == {
        "switch 3 of 3: beat entry reminders.scan": Level.WARN,
        "switch 3 of 3: beat entry reminders.dispatch": Level.FAIL,
        "same settings everywhere": Level.WARN,
    }


@pytest.mark.parametrize("kind", ["beat", "scanner", "worker"])
def test_a_process_that_was_not_seen_lately(healthy, kind, monkeypatch):
    monkeypatch.setattr(CeleryBroker, "publish", lambda *_: [])  # nobody takes the canary either
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE reminders_process SET seen_at = seen_at - interval '31 seconds' WHERE kind = %s", [kind]
        )
    assert trouble(healthy) == {kind: Level.FAIL, "a message to a worker": Level.FAIL}


def test_a_scanner_that_beat_does_not_ask_is_not_said_to_be_missing(healthy):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE reminders_process SET seen_at = seen_at - interval '31 seconds' WHERE kind IN ('beat', 'scanner')"
        )
    assert trouble(healthy) == {"beat": Level.FAIL, "scanner": Level.WARN}
    assert found(healthy)["beat"].fix.startswith("If its process is there, it is frozen")


def test_a_message_that_no_worker_takes_fails_though_a_worker_was_seen(healthy, monkeypatch):
    monkeypatch.setattr(CeleryBroker, "publish", lambda *_: [])
    assert trouble(healthy) == {"a message to a worker": Level.FAIL}
    assert found(healthy)["a message to a worker"].seen == "no worker took it in 0.2 s"
    monkeypatch.setattr(CeleryBroker, "publish", lambda _, batches: list(batches))
    assert found(healthy)["a message to a worker"].seen == "Redis refused it"
    assert "a message to a worker" not in {check.name for check in doctor.run_checks(healthy, canary=None)}


def test_a_process_with_the_switch_off_is_named(healthy):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reminders_process SET enabled = false WHERE kind = 'scanner'")
    assert trouble(healthy) == {"switch 1 of 3 in every process": Level.FAIL}
    assert found(healthy)["switch 1 of 3 in every process"].seen == (
        "REMINDER_WORKER_ENABLED is false in scanner 1 on here"
    )


def test_a_process_with_other_settings_is_named(healthy):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reminders_process SET rules = 'older' WHERE kind = 'beat'")
    assert trouble(healthy) == {"same settings everywhere": Level.WARN}
    assert found(healthy)["same settings everywhere"].seen.endswith("in beat 1 on here")


@pytest.mark.parametrize(("seconds", "level"), [(3, Level.WARN), (-61, Level.FAIL)])
def test_a_host_whose_clock_is_off_is_named(healthy, seconds, level):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE reminders_process SET clock_ahead_seconds = %s, host = 'there' WHERE kind = 'beat'",
            [seconds],
        )
    assert trouble(healthy) == {"clock of host there": level}


def test_a_sign_of_life_says_what_the_doctor_needs(healthy):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM reminders_process")
    heartbeats.record("web", at_once=True)
    (process,) = heartbeats.live_processes()
    assert (process.kind, process.pid, process.enabled) == ("web", os.getpid(), True)
    assert process.rules == healthy.fingerprint
    assert abs(process.clock_ahead_seconds) < 2


def test_metrics_that_nobody_reads_are_a_warning(healthy, client):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE reminders_process SET seen_at = seen_at - interval '6 minutes' WHERE kind = 'scrape'"
        )
    assert trouble(healthy) == {"metrics are read": Level.WARN}
    client.get("/api/metrics")
    assert trouble(healthy) == {}


def test_a_series_that_is_missing_is_named(healthy, monkeypatch):
    whole = metrics.exposition_of_all()
    monkeypatch.setattr(metrics, "exposition_of_all", lambda: whole.replace(b"# TYPE reminder_unknown ", b""))
    assert trouble(healthy) == {"metrics": Level.FAIL}
    assert found(healthy)["metrics"].seen == "missing: reminder_unknown"


def test_a_second_beat_is_noticed(healthy):
    at_work("beat", pid=2)
    assert trouble(healthy) == {"beat": Level.WARN}


def test_scans_that_have_stopped(healthy):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reminders_scanrun SET finished_at = finished_at - interval '14 minutes'")
    assert trouble(healthy) == {}
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reminders_scanrun SET finished_at = finished_at - interval '2 minutes'")
    assert trouble(healthy) == {"last scan": Level.FAIL}


def test_a_due_assignment_without_a_row_fails(healthy):
    AssignmentFactory(scheduled_start=datetime.now(UTC) + timedelta(minutes=5))
    Reminder.objects.all().delete()
    assert trouble(healthy) == {"unaccounted": Level.FAIL}


def test_messages_that_wait_too_long_fail_unless_sending_is_paused(healthy):
    AssignmentFactory(scheduled_start=datetime.now(UTC) + timedelta(minutes=5))
    assert trouble(healthy) == {}
    Reminder.objects.update(planned_at=datetime.now(UTC) - timedelta(seconds=61))
    Reminder.objects.update(due_at=datetime.now(UTC) - timedelta(seconds=61))
    assert trouble(healthy) == {"due and unsent": Level.FAIL}
    open_pause(by="ada", reason="", until=None)
    assert trouble(healthy) == {"switch 2 of 3: pause": Level.WARN, "due and unsent": Level.WARN}


def test_what_nobody_can_know_and_a_held_channel_are_warnings(healthy, outbox):
    AssignmentFactory(scheduled_start=datetime.now(UTC) + timedelta(minutes=5))
    outbox.answer_with(Outcome.UNKNOWABLE, Outcome.UNKNOWABLE)
    for _ in range(2):
        Reminder.objects.filter(state="PLANNED", channel="memory").update(next_attempt_at=datetime.now(UTC))
        deliver(healthy, outbox)
    AssignmentFactory(scheduled_start=datetime.now(UTC) + timedelta(minutes=5))
    outbox.answer_with(Outcome.CHANNEL_DOWN)
    deliver(healthy, outbox)
    assert trouble(healthy) == {"unknown": Level.WARN, "channel memory": Level.WARN}


def deliver(config, outbox) -> None:
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    delivery_deliver.deliver(desk.hints(), config=config, channel=lambda _: outbox)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"writable": False}, {"Redis takes writes": Level.FAIL}),
        ({"policy": "allkeys-lru"}, {"Redis eviction policy": Level.WARN}),
        ({"policy": ""}, {"Redis eviction policy": Level.WARN}),
        ({"ahead": 5}, {"clock of Redis": Level.WARN}),
        ({"ahead": -90}, {"clock of Redis": Level.FAIL}),
    ],
)
def test_a_redis_that_answers_but_is_not_well(healthy, redis, state, expected):
    redis(
        BrokerStatus(
            writable=state.get("writable", True),
            policy=state.get("policy", "noeviction"),
            clock_ahead=timedelta(seconds=state.get("ahead", 0)),
        )
    )
    assert trouble(healthy) == expected


def test_a_real_redis_is_looked_at():
    state = broker_status.read_status()
    assert (state.writable, state.policy) == (True, "noeviction")
    assert abs(state.clock_ahead) < timedelta(seconds=2)


@pytest.mark.parametrize("listens", [True, False], ids=["stalled", "gone"])
def test_a_redis_that_does_not_answer_is_given_up_quickly(monkeypatch, listens):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not listens:
            server.close()
        elsewhere = Celery(broker=f"redis://127.0.0.1:{port}/0", set_as_current=False)
        monkeypatch.setattr(broker_status, "current_app", elsewhere)
        started = time.monotonic()
        for question in (broker_status.queue_lengths, broker_status.read_status, broker_status.purge):
            with pytest.raises(BrokerDown, match="the broker does not answer"):
                question()
        assert time.monotonic() - started < 30


def test_without_database_everything_else_is_still_asked(healthy, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "cursor", refuse)
    assert [(check.name, check.level) for check in doctor.run_checks(healthy, canary=SOON)] == [
        ("settings", Level.PASS),
        ("switch 1 of 3: REMINDER_WORKER_ENABLED", Level.PASS),
        ("channel", Level.PASS),
        ("database", Level.FAIL),
        ("Redis", Level.PASS),
        ("Redis takes writes", Level.PASS),
        ("Redis eviction policy", Level.PASS),
        ("clock of Redis", Level.PASS),
    ]


def test_an_older_schema_fails_and_what_needs_it_is_left_out(healthy, monkeypatch):
    monkeypatch.setattr(doctor, "unapplied", lambda: ["reminders.0009_new"])
    said = found(healthy)
    assert said["migrations"].seen == "not applied: reminders.0009_new"
    assert "beat" not in said


def test_settings_that_contradict_each_other_fail(healthy, settings):
    settings.REMINDERS = ReminderConfig(channel="memory", lease=timedelta(seconds=5))
    said = found(healthy)["settings"]
    assert said.level is Level.FAIL
    assert said.seen.startswith("REMINDER_LEASE_SECONDS is 5")


def test_the_gateway_for_sms_is_asked_where_one_is_set(healthy, settings):
    assert "SMS gateway" not in found(healthy)
    with SmsGateway() as gateway:
        settings.SMS_URL = gateway.url
        by_sms = settings.REMINDERS = replace(healthy, further_channels=("sms",))
        with_same_rules(by_sms)
        assert found(by_sms)["SMS gateway"].seen == "it answers and takes our credentials"
        gateway.token = "another"
        assert found(by_sms)["SMS gateway"].seen == "it refuses our credentials (20003) Authenticate"
    assert trouble(by_sms) == {"SMS gateway": Level.FAIL}
    assert found(by_sms)["SMS gateway"].seen.startswith("it cannot be reached (")


def test_a_mail_server_that_cannot_be_reached_fails(healthy, settings):
    settings.EMAIL_BACKEND = "notifications.channels.email.backend.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    by_mail = settings.REMINDERS = ReminderConfig(channel="email")
    with_same_rules(by_mail)
    assert trouble(by_mail) == {"mail server": Level.FAIL}
    assert found(by_mail)["mail server"].seen.startswith("it cannot be reached")
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert trouble(by_mail) == {}


@pytest.mark.parametrize(
    ("refused", "check"), [("mail", "mail server"), ("rcpt", "mail to a supervisor"), (None, "")]
)
def test_a_mail_server_that_refuses_sender_or_recipient_fails(healthy, settings, refused, check):
    supervisor = "boss@example.test"
    by_mail = settings.REMINDERS = ReminderConfig(channel="email", ops_emails=(supervisor,))
    with_same_rules(by_mail)
    settings.EMAIL_BACKEND = "notifications.channels.email.backend.EmailBackend"
    settings.DEFAULT_FROM_EMAIL = "reminders@example.test"
    with SmtpServer() as server:
        if refused:
            server.plan(Fault(refused, "answer", f"550 <{supervisor}> <reminders@example.test> not here"))
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        assert trouble(by_mail) == ({check: Level.FAIL} if check else {})
        assert server.accepted == []
        if check:
            seen = found(by_mail)[check].seen
            assert "(550)" in seen
            assert (supervisor if refused == "rcpt" else "reminders@example.test") not in seen


@pytest.mark.parametrize(
    ("step", "seen"),
    [
        ("ehlo", "it refuses to serve us (550)"),
        ("auth", "it refuses our credentials (550)"),
        ("mail", "it refuses our sender (550)"),
    ],
)
def test_what_a_mail_server_refuses_is_named(healthy, settings, step, seen):
    by_mail = settings.REMINDERS = ReminderConfig(channel="email")
    with_same_rules(by_mail)
    settings.EMAIL_BACKEND = "notifications.channels.email.backend.EmailBackend"
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "worker", "correct horse"
    with SmtpServer(credentials=("worker", "correct horse")) as server:
        server.plan(Fault(step, "answer", "550 no"))
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        assert found(by_mail)["mail server"].seen.startswith(seen)


def with_same_rules(config: ReminderConfig) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reminders_process SET rules = %s", [config.fingerprint])


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server on a free port of 127.0.0.1; yields its URL, without a slash at the end."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


# --- Prometheus ------------------------------------------------------------------------------------------------


@pytest.fixture
def prometheus(settings):
    """Answers as Prometheus does: `known` series of ours, `rules` as (query, health)."""

    class Answers(BaseHTTPRequestHandler):
        known: ClassVar[list[dict[str, str]]] = [{"metric": "reminder_worker_enabled"}]
        rules: ClassVar[list[tuple[str, str, str]]] = [
            *((name, f"max(reminder_{name}) > 0", "ok") for name in shipped_rules()),
            ("Other", "up == 0", "err"),
        ]

        def do_GET(self):
            if self.path == "/api/v1/query?query=reminder_worker_enabled":
                data = {"resultType": "vector", "result": self.known}
            else:
                assert self.path == "/api/v1/rules?type=alert"
                names = ("name", "query", "health")
                rules = [dict(zip(names, rule, strict=True)) for rule in self.rules]
                data = {"groups": [{"name": "ours", "rules": rules}]}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"status": "success", "data": data}).encode())

        def log_message(self, *_):
            pass

    with serving(Answers) as url:
        settings.PROMETHEUS_URL = f"{url}/"
        yield Answers


def test_prometheus_that_reads_and_has_rules_passes(healthy, prometheus):
    assert trouble(healthy) == {}
    assert found(healthy)["alert rules"].seen == f"{len(shipped_rules())} about reminders are loaded"
    assert "ReminderUnaccounted" in shipped_rules()


@pytest.mark.parametrize(
    ("change", "check", "level"),
    [
        ({"known": []}, "Prometheus reads our metrics", Level.FAIL),
        ({"rules": [("Other", "up == 0", "ok")]}, "alert rules", Level.FAIL),
        ({"rules": [("Ours", "max(reminder_unaccounted) > 0", "err")]}, "alert rules", Level.FAIL),
        ({"rules": [("Ours", "max(reminder_unaccounted) > 0", "ok")]}, "alert rules", Level.WARN),
    ],
)
def test_prometheus_without_our_series_or_rules_is_noticed(
    healthy, prometheus, monkeypatch, change, check, level
):
    for name, value in change.items():
        monkeypatch.setattr(prometheus, name, value)
    assert trouble(healthy) == {check: level}


def test_prometheus_that_does_not_answer_fails(healthy, settings):
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"
    assert trouble(healthy) == {"Prometheus": Level.FAIL}


# --- what serves the pages -------------------------------------------------------------------------------------

LIMITS = {"connections": 4000, "idle_seconds": 60, "header_seconds": 20, "request_seconds": 300}


@pytest.fixture
def site(settings):
    """A site at PUBLIC_URL whose /healthz answers what a test puts here."""
    bodies: list[bytes] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            assert self.path == "/healthz"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(bodies[-1])

        def log_message(self, *_):
            pass

    with serving(Answers) as url:
        settings.PUBLIC_URL = url
        yield bodies


@pytest.mark.parametrize(
    ("body", "level", "seen"),
    [
        (
            {"status": "ok", "limits": LIMITS},
            Level.PASS,
            "4000 connections each; closed after 60 s of silence, 20 s for a header, 300 s for a request",
        ),
        ({"limits": {**LIMITS, "connections": 824}}, Level.WARN, "824 connections each"),
        ({"status": "ok", "limits": None}, Level.FAIL, "it has no limits that are known"),
        ({"status": "ok"}, Level.FAIL, "it has no limits that are known"),
        ([], Level.FAIL, "it has no limits that are known"),
        ({"limits": {"connections": "many"}}, Level.WARN, "no answer that can be read from PUBLIC_URL"),
    ],
)
def test_what_serves_the_pages_is_asked_for_its_limits(healthy, site, body, level, seen):
    site.append(json.dumps(body).encode())
    check = found(healthy)["web server"]
    assert (check.level, check.seen[: len(seen)]) == (level, seen)


def test_a_site_that_does_not_answer_is_a_warning(healthy, settings):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        settings.PUBLIC_URL = f"http://127.0.0.1:{closed.getsockname()[1]}"
    assert trouble(healthy) == {"web server": Level.WARN}


# --- the command -----------------------------------------------------------------------------------------------


def test_the_command_ends_well_and_in_words(healthy):
    said = StringIO()
    call_command("reminders_doctor", stdout=said)
    lines = said.getvalue().splitlines()
    assert len(lines) == len(NAMES)
    assert lines[0] == "pass  settings: they fit together"


def test_the_command_fails_when_a_check_does_and_says_how_many(healthy):
    for task in (beat_schedule.SCAN, beat_schedule.DISPATCH):
        schedule.switch(task, on=False, by="ada", reason="the import runs")
    said = StringIO()
    with pytest.raises(CommandError, match=f"2 of {len(NAMES)} checks failed") as failure:
        call_command("reminders_doctor", stdout=said)
    assert failure.value.returncode == 1
    assert (
        "FAIL  switch 3 of 3: beat entry reminders.scan: switched off by ada: the import runs"
        in said.getvalue()
    )
    assert "      Switch reminders.scan on again in the admin" in said.getvalue()


def test_an_erasure_that_does_not_end_is_a_warning(clock):
    def check():
        (found,) = (one for one in texts.checks() if one.name == "erasures")
        return found

    assert (check().level, check().seen) == (Level.PASS, "none under way")
    person = AssigneeFactory()
    Erasure.objects.create(person=person, at=NOON, words={"names": ["Imogen Thrale"]})
    assert check().level is Level.PASS
    clock.advance(texts.ERASED_WITHIN)
    assert check().level is Level.WARN
    assert f"1 under way; of erased-person-{person.pk} texts are still to be looked at" in check().seen
    assert f"`manage.py erase_person {person.pk}`" in check().fix
    Erasure.objects.update(finished_at=NOON)
    assert check().level is Level.PASS


def test_a_warning_alone_does_not_fail_a_deployment(healthy):
    open_pause(by="ada", reason="", until=None)
    said = StringIO()
    call_command("reminders_doctor", "--json", stdout=said)
    answer = json.loads(said.getvalue())
    assert answer["ok"] is True
    assert [check["name"] for check in answer["checks"] if check["level"] == "warn"] == [
        "switch 2 of 3: pause"
    ]
    assert said.getvalue().count("\n") == 1


def test_a_test_mail_takes_the_way_of_the_reminders(healthy, settings, mailoutbox):
    settings.REMINDERS = ReminderConfig(channel="email")
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    said = StringIO()
    call_command("reminders_doctor", "--send-to", "ops@example.test", stdout=said)
    assert [mail.to for mail in mailoutbox] == [["ops@example.test"]]
    assert "pass  test mail: the mail server took it" in said.getvalue()
    with pytest.raises(CommandError):
        call_command("reminders_doctor", "--send-to", "nobody", stdout=said)
    assert "FAIL  test mail: that is not an address" in said.getvalue()
