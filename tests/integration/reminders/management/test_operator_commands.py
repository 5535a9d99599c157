"""`rescan_reminders` and `reset_reminders` as an operator types them."""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from assignments.models import Assignment, ReminderStatus
from notifications.channels import registry
from reminders.conf import ReminderConfig
from reminders.ledger import scans
from reminders.models import Audit, Reminder, ScanRun, State
from tests.conftest import NOON
from tests.factories import AssignmentFactory

pytestmark = pytest.mark.django_db


def unplanned(**values):
    assignment = AssignmentFactory(**values)
    Reminder.objects.filter(assignment=assignment).delete()
    return assignment


def test_a_rescan_plans_and_says_what_it_did(clock, capsys):
    unplanned()
    call_command("rescan_reminders")
    run = ScanRun.objects.get()
    assert run.trigger == "cli"
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"Scan {run.pk} is finished."
    assert "  planned      1" in out
    assert Reminder.objects.get(kind="REMINDER").state == State.PLANNED
    assert Audit.objects.get().action == "rescan"


def test_a_dry_rescan_changes_nothing(clock, capsys):
    unplanned()
    call_command("rescan_reminders", "--dry-run", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["dry_run"], answer["counts"]["planned"]) == (True, 1)
    assert not Reminder.objects.exists()


def test_a_rescan_with_sync_delivers_here(clock, capsys):
    own = registry.get("memory")
    before = len(own.messages)
    assignment = unplanned(soon=True)
    call_command("rescan_reminders", "--sync", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["counts"]["planned"], answer["delivered"]["sent"]) == (1, 1)
    assert [message.address for message in own.messages[before:]] == [assignment.assignee.email]


def test_a_rescan_beside_a_running_one_names_it(clock, capsys):
    turn = scans.open_scan(trigger="beat", by="")
    call_command("rescan_reminders", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "scan_id": turn.scan_id,
        "running": True,
        "counts": None,
    }


def test_a_rescan_is_refused_in_one_line_while_switched_off(clock, settings):
    settings.REMINDERS = ReminderConfig(enabled=False)
    with pytest.raises(CommandError) as refusal:
        call_command("rescan_reminders")
    assert refusal.value.returncode == 1
    assert str(refusal.value) == "REMINDER_WORKER_ENABLED is false: nothing is planned until it is true"


def test_a_read_only_database_is_said_in_one_line(clock):
    @transaction.atomic
    def rescan() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        call_command("rescan_reminders")

    with pytest.raises(CommandError) as refusal:
        rescan()
    assert refusal.value.returncode == 1
    assert str(refusal.value) == "the database is read-only at present: nothing was changed"
    assert isinstance(refusal.value.__cause__, DatabaseError)


def lost(**values):
    assignment = unplanned(**values)
    Assignment.objects.filter(pk=assignment.pk).update(reminder_status=ReminderStatus.SENT)
    return assignment


def test_a_reset_needs_a_reason(clock, capsys):
    with pytest.raises(CommandError) as refusal:
        call_command("reset_reminders")
    assert "--reason" in str(refusal.value)
    with pytest.raises(CommandError) as refusal:
        call_command("reset_reminders", "--reason", " ")
    assert refusal.value.returncode == 2


def test_a_dry_reset_says_what_a_run_then_does(clock, capsys):
    assignment = lost()
    call_command("reset_reminders", "--reason", "restore", "--dry-run", "--json")
    said = json.loads(capsys.readouterr().out)
    assert Assignment.objects.get().version == 1
    call_command("reset_reminders", "--reason", "restore", "--json")
    done = json.loads(capsys.readouterr().out)
    assert said == {"dry_run": True, "reset": [assignment.pk], "people_nudged_again": 0, "skipped": []}
    assert done == {**said, "dry_run": False}
    assert Assignment.objects.get().version == 2


def test_a_reset_in_words_names_what_it_leaves_alone(clock, capsys):
    assignment = lost()
    call_command("reset_reminders", "--ids", str(assignment.pk), str(2**63 - 1), "--reason", "restore")
    assert capsys.readouterr().out == (
        "1 of 2 reset; 0 people will get a second reminder.\n"
        f"  assignment {2**63 - 1} is left alone: there is no such assignment\n"
    )


def test_the_literal_scope_says_who_is_nudged_again(clock, capsys):
    assignment = AssignmentFactory(soon=True)
    Reminder.objects.filter(kind="REMINDER").update(
        state=State.SENT, sent_at=NOON - timedelta(minutes=5), closed_at=NOON
    )
    Assignment.objects.update(reminder_status=ReminderStatus.SENT)
    call_command("reset_reminders", "--future", "--reason", "old runbook", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["reset"], answer["people_nudged_again"]) == ([assignment.pk], 1)


@pytest.mark.parametrize("text", ["x", "0", "1.5", str(2**63), "9" * 5000, "\u0661"])
def test_what_is_not_an_id_is_refused(clock, text):
    with pytest.raises(CommandError, match="is not the number of an assignment"):
        call_command("reset_reminders", "--ids", text, "--reason", "x")


def test_ids_and_future_exclude_each_other(clock):
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("reset_reminders", "--ids", "1", "--future", "--reason", "x")


# --- pause and resume ------------------------------------------------------------------------------------------


def test_pausing_looking_and_resuming(clock, capsys):
    AssignmentFactory(soon=True)
    call_command("pause_reminders", "--reason", "wrong template", "--minutes", "30")
    assert capsys.readouterr().out == "Sending is paused until 2026-06-15 12:30:00 UTC.\n"
    clock.advance(timedelta(minutes=15))
    unplanned(scheduled_start=clock.now() + timedelta(minutes=5))
    call_command("resume_reminders", "--dry-run")
    assert capsys.readouterr().out.splitlines() == [
        "Sending is paused. This waits:",
        "       1 reminders whose work has begun by the clock: sent, and say that they are late",
        "       1 due assignments that no scan has seen: `manage.py rescan_reminders` sorts them in",
    ]
    call_command("resume_reminders", "--skip", "late", "--reason", "told by phone", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["skipped"], answer["backlog"]["late"], answer["backlog"]["unplanned"]) == (1, 1, 1)
    assert list(Audit.objects.order_by("id").values_list("action", "reason")) == [
        ("pause", "wrong template"),
        ("resume", "told by phone"),
    ]
    call_command("resume_reminders", "--dry-run")
    assert capsys.readouterr().out.startswith("Sending is not paused. This waits:")


@pytest.mark.parametrize(
    ("words", "returncode", "told"),
    [
        (["pause_reminders", "--reason", " "], 2, "a reason is needed"),
        (["pause_reminders", "--reason", "x", "--minutes", "0"], 1, "a whole number from 1 to 10080"),
        (["resume_reminders"], 1, "sending is not paused"),
        (["resume_reminders", "--skip", "all"], 1, "invalid choice: 'all'"),
    ],
)
def test_what_cannot_be_paused_or_resumed_is_said_in_one_line(clock, words, returncode, told):
    with pytest.raises(CommandError, match=told) as refusal:
        call_command(*words)
    assert refusal.value.returncode == returncode


# --- the scope of a reset --------------------------------------------------------------------------------------


def test_a_reset_can_be_narrowed_down_to_a_range_of_starts(clock, capsys):
    early, late = (AssignmentFactory(scheduled_start=NOON + timedelta(hours=hours)) for hours in (1, 3))
    Assignment.objects.update(reminder_status=ReminderStatus.SENT)
    words = ["reset_reminders", "--future", "--reason", "x", "--dry-run", "--json"]
    call_command(*words, "--starts-before", "2026-06-15T14:00:00Z")
    assert json.loads(capsys.readouterr().out)["reset"] == [early.pk]
    call_command(*words, "--starts-after", "2026-06-15T14:00:00Z")
    assert json.loads(capsys.readouterr().out)["reset"] == [late.pk]
    with pytest.raises(CommandError, match="--ids stand alone") as refusal:
        call_command(
            "reset_reminders", "--ids", "1", "--reason", "x", "--starts-after", "2026-06-15T14:00:00Z"
        )
    assert refusal.value.returncode == 2


def test_more_than_anybody_can_look_at_is_refused(clock, monkeypatch):
    AssignmentFactory.create_batch(3)
    Assignment.objects.update(reminder_status=ReminderStatus.SENT)
    monkeypatch.setattr("reminders.operations.plans.MAX_PLAN_TARGETS", 2)
    with pytest.raises(CommandError, match="more than 2 assignments: narrow the range"):
        call_command("reset_reminders", "--future", "--reason", "x", "--dry-run")
