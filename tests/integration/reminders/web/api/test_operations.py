"""What operators do over HTTP: rescan, reset, pause, resume."""

import re
import time
from datetime import timedelta
from uuid import uuid4

import pytest
import redis
import yaml
from django.core.management import call_command

from assignments.models import Assignment, ReminderStatus
from notifications.message import Outcome
from reminders.conf import ReminderConfig
from reminders.delivery import broker, broker_status, scan
from reminders.delivery.broker import QUEUE, CeleryBroker
from reminders.delivery.hints import BrokerDown
from reminders.ledger import scans
from reminders.models import Audit, Pause, Reminder, ScanRun, State
from reminders.operations import rescans
from tests.conftest import NOON
from tests.factories import AssignmentFactory
from tests.fakes.api_caller import ApiCaller, faults
from tests.integration.reminders.web.test_every_address import NEEDS

pytestmark = pytest.mark.django_db

RESCAN = "/api/admin/reminders/rescan"
RESET = "/api/admin/reminders/reset"
PAUSE = "/api/admin/reminders/pause"
RESUME = "/api/admin/reminders/resume"
SUMMARY = "/api/admin/reminders/summary"


@pytest.fixture
def api(clock):
    return ApiCaller("ops")


def unplanned(**values):
    assignment = AssignmentFactory(**values)
    Reminder.objects.filter(assignment=assignment).delete()
    return assignment


def lost(**values):
    assignment = unplanned(**values)
    Assignment.objects.filter(pk=assignment.pk).update(reminder_status=ReminderStatus.SENT)
    return assignment


# --- rescan ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, {}, {"reason": "after the restore"}])
def test_a_rescan_answers_with_its_scan_and_counts(api, body):
    unplanned()
    done = api.post(RESCAN, body)
    run = ScanRun.objects.get()
    assert (done.status_code, done.json()["scan_id"], done.json()["counts"]["planned"]) == (202, run.pk, 1)
    assert (done.json()["trigger"], done.json()["by"]) == ("api", "token:ops")
    assert done.json()["finished_at"] == "2026-06-15T12:00:00Z"
    assert api.get(f"/api/admin/reminders/scans/{run.pk}").json() == done.json()
    audit = Audit.objects.get()
    assert (audit.actor, audit.action, audit.reason) == (
        "token:ops",
        "rescan",
        (body or {}).get("reason", ""),
    )


@pytest.mark.parametrize("flag", ["1", "true"])
def test_a_dry_rescan_answers_with_the_plan(api, flag):
    unplanned()
    plan = api.post(f"{RESCAN}?dry_run={flag}")
    assert (plan.status_code, plan.json()["dry_run"], plan.json()["complete"]) == (200, True, True)
    assert plan.json()["counts"]["planned"] == 1
    assert not Reminder.objects.exists()
    assert not ScanRun.objects.exists()


def test_a_second_rescan_answers_with_the_running_one(api):
    running = scans.open_scan(trigger="beat", by="")
    done = api.post(RESCAN)
    assert (done.status_code, done.json()["scan_id"], done.json()["counts"]) == (202, running.scan_id, None)
    assert ScanRun.objects.count() == 1


def test_while_switched_off_a_rescan_is_refused_and_its_dry_run_works(api, settings):
    unplanned()
    settings.REMINDERS = ReminderConfig(channel="memory", enabled=False)
    refused = api.post(RESCAN)
    assert (refused.status_code, faults(refused)) == (409, [(None, "disabled")])
    assert api.post(f"{RESCAN}?dry_run=1").json()["counts"]["planned"] == 1
    assert not ScanRun.objects.exists()


def test_a_rescan_needs_no_broker(api, celery_at_a_dead_address):
    unplanned()
    began = time.monotonic()
    assert api.post(RESCAN).status_code == 202
    assert time.monotonic() - began < 15


def test_a_long_rescan_with_a_dead_broker_says_so_and_does_not_hang(
    api, celery_at_a_dead_address, monkeypatch
):
    monkeypatch.setattr(rescans, "REQUEST_BUDGET", timedelta())
    began = time.monotonic()
    done = api.post(RESCAN)
    assert time.monotonic() - began < 15
    assert (done.status_code, done.json()["counts"]) == (202, None)
    assert done.json()["error"].startswith("Time was over and the broker took no message")


@pytest.fixture
def celery_at_a_dead_address():
    """The broker is at an address where nobody listens."""
    from config.celery import app

    before = app.conf.broker_write_url
    app.conf.broker_write_url = "redis://127.0.0.1:1/0"
    app.amqp._producer_pool = None
    yield
    app.conf.broker_write_url = before
    app.amqp._producer_pool = None


def test_a_scan_is_handed_to_the_scanner_over_the_real_broker(clock, monkeypatch):
    from config.celery import app

    own = f"test.scan.{uuid4().hex}"  # The scanner of a running system must not take it.
    monkeypatch.setattr(broker, "SCAN_QUEUE", own)
    assert CeleryBroker().resume_scan_elsewhere(7) is True
    with app.connection_for_read() as line:
        message = line.SimpleQueue(own).get(timeout=5)
        message.ack()
        line.default_channel.queue_delete(own)
    assert (message.headers["task"], message.payload[1]) == ("reminders.go_on_with_scan", {"scan_id": 7})


@pytest.mark.parametrize("pk", [1, 2**63, 10**40])
def test_a_scan_that_never_was(api, pk):
    answer = api.get(f"/api/admin/reminders/scans/{pk}")
    assert (answer.status_code, faults(answer)) == (404, [(None, "not_found")])


@pytest.mark.parametrize(
    ("call", "field", "code"),
    [
        ((RESCAN + "?dry_run=yes", None), "dry_run", "invalid"),
        ((RESCAN + "?dry_run=1&dry_run=1", None), "dry_run", "invalid"),
        ((RESCAN + "?force=1", None), "force", "unknown_field"),
        ((RESCAN, {"force": True}), "force", "unknown_field"),
        ((RESCAN, {"reason": 7}), "reason", "invalid"),
        ((RESET, {}), "reason", "required"),
        ((RESET, {"reason": " "}), "reason", "blank"),
        ((RESET, {"reason": "x" * 501}), "reason", "max_length"),
        ((RESET, {"reason": "x", "ids": []}), "ids", "min_length"),
        ((RESET, {"reason": "x", "ids": ["7"]}), "ids.0", "invalid"),
        ((RESET, {"reason": "x", "ids": [True]}), "ids.0", "invalid"),
        ((RESET, {"reason": "x", "ids": [1, 0]}), "ids.1", "min_value"),
        ((RESET, {"reason": "x", "ids": [-1]}), "ids.0", "min_value"),
        ((RESET, {"reason": "x", "ids": [2**63]}), "ids.0", "max_value"),
        ((RESET, {"reason": "x", "ids": 7}), "ids", "not_a_list"),
        ((RESET, {"reason": "x", "ids": [1] * 10_001}), "ids", "max_length"),
        ((RESET, {"reason": "x", "ids": [1], "future": True}), None, "contradiction"),
        ((RESET, {"reason": "x", "future": "yes"}), "future", "invalid"),
        ((RESET, {"reason": "x", "all": True}), "all", "unknown_field"),
        ((RESET, {"reason": "x", "starts_after": "2026-06-15T12:00:00"}), "starts_after", "naive"),
        ((PAUSE, {}), "reason", "required"),
        ((PAUSE, {"reason": "x", "until": "2026-06-15T12:00:00Z"}), "until", "invalid"),
        ((PAUSE, {"reason": "x", "until": "2026-06-15T13:00:00"}), "until", "naive"),
        ((RESUME, {"skip": ["all"]}), "skip.0", "invalid_choice"),
    ],
)
def test_what_is_not_understood_is_refused_and_changes_nothing(api, call, field, code):
    refused = api.post(*call)
    assert (refused.status_code, faults(refused)) == (400, [(field, code)])
    assert not Audit.objects.exists()


# --- reset -----------------------------------------------------------------------------------------------------


def test_a_reset_of_what_is_out_of_sync_shown_and_done(api):
    assignment = lost()
    shown = api.post(f"{RESET}?dry_run=1", {"reason": "restore"})
    assert shown.status_code == 200
    assert shown.json() == {
        "dry_run": True,
        "plan": shown.json()["plan"],
        "reset": 1,
        "people_nudged_again": 0,
        "targets": [
            {
                "id": assignment.pk,
                "title": assignment.title,
                "scheduled_start": "2026-06-15T13:00:00Z",
                "reminder_status": "SENT",
                "effect": "first",
            }
        ],
        "skipped": [],
    }
    assert not Audit.objects.exists()
    done = api.post(RESET, {"reason": "restore", "plan": shown.json()["plan"]})
    assert done.json() == {**shown.json(), "dry_run": False}
    assert Reminder.objects.get(kind="REMINDER").state == State.PLANNED
    again = api.post(RESET, {"reason": "restore"})
    assert (again.status_code, again.json()["reset"]) == (200, 0)
    assert Audit.objects.count() == 1


def test_a_reset_that_is_not_what_was_shown_is_refused(api):
    lost()
    refused = api.post(RESET, {"reason": "restore", "plan": "0123456789abcdef"})
    assert (refused.status_code, faults(refused)) == (409, [(None, "plan_changed")])
    assert not Audit.objects.exists()


def test_a_reset_by_ids_says_what_it_leaves_alone(api):
    assignment = AssignmentFactory()
    done = api.post(RESET, {"reason": "x", "ids": [assignment.pk, 2**62, assignment.pk]})
    assert (done.json()["reset"], done.json()["skipped"]) == (1, [{"id": 2**62, "why": "not_found"}])


def test_the_literal_scope_says_how_many_are_nudged_again(api, run):
    AssignmentFactory.create_batch(2, soon=True)
    run()
    shown = api.post(RESET, {"reason": "old runbook", "future": True, "dry_run": True})
    assert (shown.json()["reset"], shown.json()["people_nudged_again"]) == (2, 2)
    assert {target["effect"] for target in shown.json()["targets"]} == {"again"}
    window = {"starts_after": "2026-06-15T12:11:00Z", "starts_before": "2026-06-15T13:00:00Z"}
    assert api.post(RESET, {"reason": "x", "future": True, "dry_run": True, **window}).json()["reset"] == 0


# --- pause and resume ------------------------------------------------------------------------------------------


def test_pause_preview_resume(api, run):
    AssignmentFactory(soon=True)
    paused = api.post(PAUSE, {"reason": "wrong template", "until": "2026-06-15T14:00:00+01:00"})
    assert paused.status_code == 200
    assert paused.json() == {
        "id": Pause.objects.get().pk,
        "by": "token:ops",
        "reason": "wrong template",
        "since": "2026-06-15T12:00:00Z",
        "until": "2026-06-15T13:00:00Z",
        "ended_at": None,
        "ended_by": "",
    }
    second = api.post(PAUSE, {"reason": "again"})
    assert (second.status_code, faults(second)) == (409, [(None, "already_paused")])
    assert run().sent == 0
    shown = api.post(f"{RESUME}?dry_run=1")
    waits = {
        "useful": 1,
        "late": 0,
        "too_late": 0,
        "overdue_notices": 0,
        "corrections": 0,
        "escalations": 0,
        "unplanned": 0,
    }
    assert shown.json() == {"dry_run": True, "pause": paused.json(), "backlog": waits, "skipped": 0}
    assert run().sent == 0
    done = api.post(RESUME)
    assert (done.json()["backlog"], done.json()["pause"]["ended_by"]) == (waits, "token:ops")
    assert run().sent == 1
    third = api.post(RESUME)
    assert (third.status_code, faults(third)) == (409, [(None, "not_paused")])


def test_resuming_can_skip_what_is_late(api, clock, run):
    AssignmentFactory(soon=True)
    api.post(PAUSE, {"reason": "x"})
    clock.set(NOON + timedelta(minutes=15))
    assert api.post(RESUME, {"skip": ["late"], "reason": "stale"}).json()["skipped"] == 1
    assert run().sent == 0


def test_nothing_waits_while_nothing_is_paused(api):
    shown = api.post(f"{RESUME}?dry_run=1").json()
    assert (shown["pause"], shown["backlog"]["useful"]) == (None, 0)


# --- the summary -----------------------------------------------------------------------------------------------


def test_the_summary_has_the_figures_of_the_ops_page(api, clock, run, outbox, config, settings):
    with redis.Redis.from_url(settings.CELERY_BROKER_URL) as client:
        client.delete(QUEUE)  # what other tests have left there
    scan.scan(trigger="cli", by="olga", config=config)
    AssignmentFactory(soon=True)
    run()
    outbox.answer_with(Outcome.REJECTED)
    AssignmentFactory(soon=True)
    run()
    AssignmentFactory(soon=True)
    AssignmentFactory()
    paused = api.post(PAUSE, {"reason": "storm"}).json()
    clock.advance(timedelta(seconds=20))
    shown = api.get(SUMMARY).json()
    assert shown["pause"] == paused
    assert (shown["enabled"], shown["due_unsent"], shown["oldest_due_age_seconds"]) == (True, 1, 20.0)
    assert (shown["ledger"]["SENT"], shown["failed"]) == (1, {"rejected": 1})
    assert {"status": "SCHEDULED", "reminder_status": "SENT", "count": 1} in shown["assignments"]
    assert (shown["taken_at"], shown["unaccounted"], shown["queue_depth"]) == ("2026-06-15T12:00:20Z", 0, 0)
    assert shown["last_scan"] == {"at": "2026-06-15T12:00:00Z", "by": "olga"}
    assert {"at": "2026-06-15T12:00:00Z", "state": "SENT", "count": 1} in shown["messages"]


def test_the_summary_stays_there_while_redis_is_away(api, monkeypatch):
    def refuse():
        raise BrokerDown("the broker does not answer")

    monkeypatch.setattr(broker_status, "queue_lengths", refuse)
    shown = api.get(SUMMARY).json()
    assert (shown["queue_depth"], shown["scan_queue_depth"], shown["switched_off"]) == (None, None, [])


# --- the description -------------------------------------------------------------------------------------------


def test_the_description_is_valid_and_complete(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))
    schema = yaml.safe_load((tmp_path / "schema.yml").read_text())
    operations_of = {
        f"{method} {path}": call
        for path, calls in schema["paths"].items()
        for method, call in calls.items()
        if method != "parameters"
    }
    not_for_programs = ("api/metrics", "api/schema", "api/docs", "api/inbound/")
    own = [route for route in NEEDS if route.startswith("api/") and not route.startswith(not_for_programs)]
    assert len(operations_of) == sum(len(NEEDS[route]) for route in own)
    for name, call in operations_of.items():
        assert {"400", "401", "403", "503"} <= call["responses"].keys(), name
        summary = call["summary"]
        assert re.fullmatch(r"[A-Z][a-z]+s [^`]{3,85}\.", summary), f"{name}: {summary}"
    assert {tag["name"] for tag in schema["tags"]} == {
        tag for call in operations_of.values() for tag in call["tags"]
    }
    assert len({call["summary"] for call in operations_of.values()}) == len(operations_of)
    assert schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_the_description_is_served_from_here(client, db):
    docs = client.get("/api/docs")
    assert docs.status_code == 200
    page = docs.content.decode()
    assert "/static/drf_spectacular_sidecar/" in page
    assert "http://" not in page
    assert "https://" not in page
    assert client.get("/api/schema").status_code == 200
