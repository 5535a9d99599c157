"""The doctor: each thing that can be wrong is said, with the fix, and decides the exit code."""

import json
import socket
import time
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from celery import Celery
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django_celery_beat.models import PeriodicTask

from notifications.message import Outcome
from reminders import broker_state, doctor, ledger, lifecycle, operations, schedule
from reminders.broker_state import BrokerState
from reminders.conf import ReminderConfig
from reminders.doctor import Level
from reminders.lifecycle import BrokerDown
from reminders.models import Reminder
from tests.conftest import NOON
from tests.desk import Desk
from tests.factories import AssignmentFactory

pytestmark = pytest.mark.django_db

NAMES = [
    "settings",
    "switch 1 of 3: REMINDER_WORKER_ENABLED",
    "database",
    "clock of the database",
    "migrations",
    "switch 2 of 3: pause",
    "switch 3 of 3: beat entry reminders.scan",
    "switch 3 of 3: beat entry reminders.dispatch",
    "beat",
    "scanner",
    "worker",
    "last scan",
    "unaccounted",
    "unknown",
    "due and unsent",
    "channels",
    "Redis",
    "Redis takes writes",
    "Redis eviction policy",
    "clock of Redis",
]


def at_work(*kinds: str, pid: int = 1) -> None:
    """Processes that were seen just now."""
    with connection.cursor() as cursor:
        for kind in kinds:
            cursor.execute(
                "INSERT INTO reminders_process (kind, host, pid, started_at, seen_at)"
                " VALUES (%s, 'here', %s, statement_timestamp() - interval '1 hour', statement_timestamp())",
                [kind, pid],
            )


@pytest.fixture
def redis(monkeypatch):
    """What Redis says about itself; a BrokerDown where it says nothing."""

    def says(state: BrokerState | BrokerDown) -> None:
        def look():
            if isinstance(state, BrokerDown):
                raise state
            return state

        monkeypatch.setattr(broker_state, "look", look)

    return says


@pytest.fixture
def healthy(config, redis):
    """A system with nothing wrong."""
    redis(BrokerState(writable=True, policy="noeviction", clock=datetime.now(UTC)))
    schedule.set_up(config)
    at_work("beat", "scanner", "worker")
    lifecycle.scan(trigger="cli", config=config)
    return config


def found(config: ReminderConfig) -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.examine(config)}


def trouble(config: ReminderConfig) -> dict[str, Level]:
    return {check.name: check.level for check in doctor.examine(config) if check.level is not Level.PASS}


def test_a_healthy_system_passes_every_check_of_the_list(healthy):
    said = list(doctor.examine(healthy))
    assert [check.name for check in said] == NAMES
    assert {check.level for check in said} == {Level.PASS}
    assert {check.fix for check in said} == {""}


def test_whatever_does_not_pass_comes_with_a_fix(config, redis):
    redis(BrokerDown("the broker does not answer (TimeoutError)"))
    said = [check for check in doctor.examine(config) if check.level is not Level.PASS]
    assert {check.name for check in said} == {
        "switch 3 of 3: beat entry reminders.scan",
        "switch 3 of 3: beat entry reminders.dispatch",
        "beat",
        "scanner",
        "worker",
        "last scan",
        "Redis",
    }
    assert all(check.fix for check in said)


def test_the_first_switch(healthy):
    off = ReminderConfig(channel="memory", enabled=False)
    assert trouble(off) == {"switch 1 of 3: REMINDER_WORKER_ENABLED": Level.FAIL}


def test_the_second_switch_names_who_and_until_when(healthy):
    until = datetime(2100, 1, 1, tzinfo=UTC)
    operations.pause(by="ada", reason="mail server moves", until=until)
    assert trouble(healthy) == {"switch 2 of 3: pause": Level.WARN}
    seen = found(healthy)["switch 2 of 3: pause"].seen
    assert seen.startswith("paused by ada since ")
    assert seen.endswith("until 2100-01-01T00:00+00:00: mail server moves")


@pytest.mark.parametrize(
    ("change", "level", "seen"),
    [
        ({"enabled": False}, Level.FAIL, "switched off by an operator"),
        (
            {"last_run_at": NOON + timedelta(days=40_000)},
            Level.FAIL,
            "its last run lies in the future: beat waits until then",
        ),
        ({"interval": None}, Level.WARN, "runs not at an interval where the settings say 300 s"),
    ],
)
def test_the_third_switch(healthy, change, level, seen):
    PeriodicTask.objects.filter(task=schedule.SCAN).update(**change)
    name = "switch 3 of 3: beat entry reminders.scan"
    assert trouble(healthy) == {name: level}
    assert found(healthy)[name].seen == seen


def test_an_entry_that_is_missing_and_one_that_follows_older_settings(healthy):
    PeriodicTask.objects.filter(task=schedule.DISPATCH).delete()
    hourly = ReminderConfig(channel="memory", poll=timedelta(hours=1), lookahead=timedelta(hours=2))
    assert trouble(hourly) == {
        "switch 3 of 3: beat entry reminders.scan": Level.WARN,
        "switch 3 of 3: beat entry reminders.dispatch": Level.FAIL,
    }


@pytest.mark.parametrize("kind", ["beat", "scanner", "worker"])
def test_a_process_that_was_not_seen_lately(healthy, kind):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE reminders_process SET seen_at = seen_at - interval '31 seconds' WHERE kind = %s", [kind]
        )
    assert trouble(healthy) == {kind: Level.FAIL}


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
    ledger.open_pause(by="ada", reason="", until=None)
    assert trouble(healthy) == {"switch 2 of 3: pause": Level.WARN, "due and unsent": Level.WARN}


def test_what_nobody_can_know_and_a_held_channel_are_warnings(healthy, outbox):
    AssignmentFactory(scheduled_start=datetime.now(UTC) + timedelta(minutes=5))
    outbox.answer_with(Outcome.UNKNOWABLE, Outcome.UNKNOWABLE)
    for _ in range(2):
        deliver(healthy, outbox)
    AssignmentFactory(scheduled_start=datetime.now(UTC) + timedelta(minutes=5))
    outbox.answer_with(Outcome.CHANNEL_DOWN)
    deliver(healthy, outbox)
    assert trouble(healthy) == {"unknown": Level.WARN, "channel memory": Level.WARN}


def deliver(config, outbox) -> None:
    desk = Desk()
    lifecycle.dispatch(config=config, broker=desk)
    lifecycle.deliver(desk.hints(), config=config, channel=lambda _: outbox)


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
        BrokerState(
            writable=state.get("writable", True),
            policy=state.get("policy", "noeviction"),
            clock=datetime.now(UTC) + timedelta(seconds=state.get("ahead", 0)),
        )
    )
    assert trouble(healthy) == expected


def test_a_real_redis_is_looked_at():
    state = broker_state.look()
    assert (state.writable, state.policy) == (True, "noeviction")
    assert abs(state.clock - datetime.now(UTC)) < timedelta(seconds=2)


@pytest.mark.parametrize("listens", [True, False], ids=["stalled", "gone"])
def test_a_redis_that_does_not_answer_is_given_up_quickly(monkeypatch, listens):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not listens:
            server.close()
        elsewhere = Celery(broker=f"redis://127.0.0.1:{port}/0", set_as_current=False)
        monkeypatch.setattr(broker_state, "current_app", elsewhere)
        started = time.monotonic()
        for question in (broker_state.waiting, broker_state.look, broker_state.purge):
            with pytest.raises(BrokerDown, match="the broker does not answer"):
                question()
        assert time.monotonic() - started < 3 * 2


def test_without_database_everything_else_is_still_asked(healthy, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "cursor", refuse)
    assert [(check.name, check.level) for check in doctor.examine(healthy)] == [
        ("settings", Level.PASS),
        ("switch 1 of 3: REMINDER_WORKER_ENABLED", Level.PASS),
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


def test_a_mail_server_that_cannot_be_reached_fails(healthy, settings):
    settings.EMAIL_BACKEND = "notifications.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    by_mail = ReminderConfig(channel="email")
    assert trouble(by_mail) == {"mail server": Level.FAIL}
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert trouble(by_mail) == {}


# --- the command -----------------------------------------------------------------------------------------------


def test_the_command_ends_well_and_in_words(healthy):
    said = StringIO()
    call_command("reminders_doctor", stdout=said)
    lines = said.getvalue().splitlines()
    assert len(lines) == len(NAMES)
    assert lines[0] == "pass  settings: they fit together"


def test_the_command_fails_when_a_check_does_and_says_how_many(healthy):
    PeriodicTask.objects.update(enabled=False)
    said = StringIO()
    with pytest.raises(CommandError, match="2 of 20 checks failed") as failure:
        call_command("reminders_doctor", stdout=said)
    assert failure.value.returncode == 1
    assert (
        "FAIL  switch 3 of 3: beat entry reminders.scan: switched off by an operator\n"
        "      Switch reminders.scan on again in the admin" in said.getvalue()
    )


def test_a_warning_alone_does_not_fail_a_deployment(healthy):
    ledger.open_pause(by="ada", reason="", until=None)
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
    call_command("reminders_doctor", "--mail-to", "ops@example.test", stdout=said)
    assert [mail.to for mail in mailoutbox] == [["ops@example.test"]]
    assert "pass  test mail: the mail server took it" in said.getvalue()
    with pytest.raises(CommandError):
        call_command("reminders_doctor", "--mail-to", "nobody", stdout=said)
    assert "FAIL  test mail: that is not an address" in said.getvalue()
