"""What machines ask a web process: /healthz, /readyz and /api/metrics, with parts of the system missing."""

import json

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django_celery_beat.models import PeriodicTask

from assignments.clock import database_now
from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule, broker_status, heartbeats, scan
from reminders.delivery.hints import BrokerDown
from reminders.ledger import pauses
from reminders.models import Process
from reminders.operations import schedule
from tests.factories import AssignmentFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _open_metrics(settings):
    settings.METRICS_TOKEN = ""


@pytest.fixture(autouse=True)
def _forget_touches(monkeypatch):
    monkeypatch.setattr(heartbeats, "_touched_at", {})


@pytest.fixture
def no_redis(monkeypatch):
    def waiting():
        raise BrokerDown("the broker does not answer (TimeoutError)")

    monkeypatch.setattr(broker_status, "queue_lengths", waiting)


@pytest.fixture
def no_database(monkeypatch):
    """The server is gone: every question fails as it would then."""

    def refuse(*_args, **_kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "cursor", refuse)
    monkeypatch.setattr(connection, "ensure_connection", refuse)


@pytest.fixture(autouse=True)
def _entries(db, config):
    beat_schedule.set_up(config)


def ready(client) -> tuple[int, dict]:
    answer = client.get("/readyz")
    return answer.status_code, json.loads(answer.content)


def test_alive_needs_nobody_else(client, no_database, no_redis):
    answer = client.get("/healthz")
    assert (answer.status_code, json.loads(answer.content)) == (
        200,
        {"status": "ok", "limits": None},
    )


def test_ready_after_a_scan(client, config):
    scan.scan(trigger="cli", config=config)
    status, said = ready(client)
    assert (status, said["status"], said["reasons"]) == (200, "ok", [])
    assert 0 <= said["last_scan_age_seconds"] <= 5
    assert said["redis"] == "ok"


def test_before_the_first_scan_it_is_degraded_and_says_so(client):
    status, said = ready(client)
    assert (status, said["status"]) == (200, "degraded")
    assert said["reasons"] == ["no scan has ended yet"]


@pytest.mark.parametrize(("ago", "status"), [(900, "ok"), (940, "degraded")])
def test_an_old_scan_is_degraded_after_three_intervals(client, config, ago, status):
    scan.scan(trigger="cli", config=config)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reminders_scanrun SET finished_at = now() - make_interval(secs => %s)", [ago])
    assert ready(client)[1]["status"] == status


def test_without_redis_it_stays_ready_and_says_so(client, config, no_redis):
    scan.scan(trigger="cli", config=config)
    status, said = ready(client)
    assert (status, said["status"], said["redis"]) == (
        200,
        "degraded",
        "the broker does not answer (TimeoutError)",
    )
    assert said["reasons"] == ["Redis does not answer: due reminders wait in the database until it does"]


def test_a_pause_and_the_switch_are_said(client, config, settings):
    scan.scan(trigger="cli", config=config)
    pauses.open_pause(by="ada", reason="not shown here", until=None)
    settings.REMINDERS = ReminderConfig(enabled=False)
    answer = client.get("/readyz")
    assert json.loads(answer.content)["reasons"] == [
        "REMINDER_WORKER_ENABLED is false: nothing is planned or sent",
        "sending is paused",
    ]
    assert b"not shown here" not in answer.content


def test_an_entry_that_was_switched_off_is_said_without_name_or_reason(client, config):
    scan.scan(trigger="cli", config=config)
    schedule.switch(beat_schedule.DISPATCH, on=False, by="ada", reason="not shown here")
    answer = client.get("/readyz")
    assert json.loads(answer.content)["reasons"] == ["reminders.dispatch is switched off by an operator"]
    assert not {b"ada", b"not shown here"} & set(answer.content.split(b'"'))


def test_an_entry_that_a_fault_has_stopped_is_degraded(client, config):
    scan.scan(trigger="cli", config=config)
    PeriodicTask.objects.filter(task=beat_schedule.DISPATCH).update(enabled=False)
    status, said = ready(client)
    assert (status, said["status"], said["reasons"]) == (
        200,
        "degraded",
        ["beat does not run reminders.dispatch: its entry is disabled, by no operator; workers correct it"],
    )


def test_without_database_it_is_not_ready(client, no_database):
    status, said = ready(client)
    assert status == 503
    assert said == {"status": "unavailable", "database": "no answer (OperationalError)"}


def test_an_older_schema_is_not_ready_and_the_missing_migration_is_named(client):
    last = MigrationRecorder.Migration.objects.filter(app="reminders").order_by("name").last()
    MigrationRecorder(connection).record_unapplied("reminders", last.name)
    status, said = ready(client)
    assert status == 503
    assert said["migrations"] == f"not applied: reminders.{last.name}"


def test_metrics_show_this_process_and_the_whole_system(client):
    answer = client.get("/api/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    text = answer.content.decode()
    assert 'reminder_sent_total{status="SCHEDULED"} 0.0' in text
    assert "reminder_database_up 1.0" in text
    assert "reminder_broker_up 1.0" in text
    assert "django_http_requests_before_middlewares_total" in text
    names = [line.split(" ")[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_metrics_without_database_still_answer(client, no_database):
    answer = client.get("/api/metrics")
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "reminder_database_up 0.0" in text
    assert "django_http_requests_before_middlewares_total" in text


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("Bearer", 401),
        ("Bearer wrong", 401),
        ("Basic sesame", 401),
        ("Bearer s\xe9same", 401),
        ("Bearer sesame", 200),
        ("bearer  sesame ", 200),
    ],
)
def test_metrics_ask_for_the_token_where_one_is_set(client, settings, header, status):
    settings.METRICS_TOKEN = "sesame"
    answer = client.get("/api/metrics", **({"HTTP_AUTHORIZATION": header} if header else {}))
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert b"reminder_" not in answer.content


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/metrics"])
def test_they_are_read_and_never_cached(client, path):
    assert client.post(path).status_code == 405
    answer = client.get(path)
    assert "no-store" in answer.headers["Cache-Control"]


def test_they_need_no_https_of_their_own(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert [client.get(path).status_code for path in ("/healthz", "/readyz", "/api/metrics")] == [200] * 3


def test_a_web_process_is_seen_once_somebody_asks(client):
    client.get("/healthz")
    assert not Process.objects.exists()
    client.get("/readyz")
    client.get("/api/metrics")
    assert set(Process.objects.values_list("kind", flat=True)) <= {"web", "scrape"}
    assert set(heartbeats.recent_by_kind()) == {"web"}


def test_no_address_and_no_name_of_a_person_is_shown(client, config):
    made = AssignmentFactory(scheduled_start=database_now())
    scan.scan(trigger="cli", config=config)
    for path in ("/readyz", "/api/metrics"):
        text = client.get(path).content.decode()
        assert made.assignee.email not in text
        assert made.assignee.name not in text
