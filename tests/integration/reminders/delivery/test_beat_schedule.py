"""What `setup_reminders` makes, corrects and leaves alone: beat entries and roles."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from celery import current_app
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks
from django_celery_beat.schedulers import ModelEntry

from accounts import roles
from assignments.clock import database_now
from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule
from reminders.models import Audit
from reminders.operations import schedule

pytestmark = pytest.mark.django_db

CONFIG = ReminderConfig(poll=timedelta(seconds=300), tick=timedelta(milliseconds=1500))


def entry(task: str) -> PeriodicTask:
    return PeriodicTask.objects.get(task=task)


def beat_waits(task: str) -> float:
    """How many seconds beat itself would wait before it runs this entry."""
    return ModelEntry(entry(task), app=current_app).is_due().next


def test_both_entries_are_made_with_interval_queue_and_expiry():
    assert beat_schedule.set_up(CONFIG) == [
        "reminders.scan: made, every 300 s",
        "reminders.dispatch: made, every 1.5 s",
    ]
    scan, dispatch = entry(beat_schedule.SCAN), entry(beat_schedule.DISPATCH)
    assert (scan.interval.every, scan.interval.period) == (300, IntervalSchedule.SECONDS)
    assert (dispatch.interval.every, dispatch.interval.period) == (1_500_000, IntervalSchedule.MICROSECONDS)
    assert {scan.queue, dispatch.queue} == {"reminders.scan"}
    assert (scan.expire_seconds, dispatch.expire_seconds) == (900, 900)
    assert scan.enabled
    assert dispatch.enabled


def test_a_second_time_changes_nothing_and_does_not_disturb_a_running_beat():
    beat_schedule.set_up(CONFIG)
    told = PeriodicTasks.last_change()
    assert beat_schedule.set_up(CONFIG) == []
    assert PeriodicTasks.last_change() == told
    assert (PeriodicTask.objects.count(), IntervalSchedule.objects.count()) == (2, 2)


def test_a_new_interval_is_followed_and_beat_is_told():
    beat_schedule.set_up(CONFIG)
    told = PeriodicTasks.last_change()
    slower = ReminderConfig(poll=timedelta(hours=1), tick=timedelta(milliseconds=1500))
    assert beat_schedule.set_up(slower) == [
        "reminders.scan: runs every 3600 s now",
        "reminders.scan: corrected expire_seconds",
    ]
    assert entry(beat_schedule.SCAN).interval.schedule.run_every == timedelta(hours=1)
    assert entry(beat_schedule.SCAN).expire_seconds == 3600
    assert PeriodicTasks.last_change() > told


def test_an_entry_that_an_operator_switched_off_with_a_reason_stays_off():
    beat_schedule.set_up(CONFIG)
    schedule.switch(beat_schedule.SCAN, on=False, by="ada", reason="the import runs")
    beat_schedule.set_up(ReminderConfig(poll=timedelta(seconds=60)))
    found = entry(beat_schedule.SCAN)
    assert (found.enabled, found.interval.every) == (False, 60)
    status = beat_schedule.check_entries(ReminderConfig(poll=timedelta(seconds=60), tick=CONFIG.tick))[0]
    assert (status.right, status.problem) == (True, "switched off by ada: the import runs")


def test_an_entry_that_was_renamed_and_switched_off_is_not_made_again():
    beat_schedule.set_up(CONFIG)
    PeriodicTask.objects.filter(task=beat_schedule.SCAN).update(name="Nightly quiet")
    schedule.switch(beat_schedule.SCAN, on=False, by="ada", reason="at night")
    assert beat_schedule.set_up(CONFIG) == []
    assert PeriodicTask.objects.filter(task=beat_schedule.SCAN).count() == 1


def test_an_entry_that_was_switched_off_and_deleted_is_made_again_and_stays_off():
    beat_schedule.set_up(CONFIG)
    schedule.switch(beat_schedule.SCAN, on=False, by="ada", reason="the import runs")
    PeriodicTask.objects.filter(task=beat_schedule.SCAN).delete()
    beat_schedule.set_up(CONFIG)
    assert entry(beat_schedule.SCAN).enabled is False


def test_a_decision_is_over_once_the_entry_was_switched_on_by_whatever_means():
    """What disables it afterwards is a fault, and no decision of the operator of old."""
    beat_schedule.set_up(CONFIG)
    schedule.switch(beat_schedule.SCAN, on=False, by="ada", reason="the import runs")
    PeriodicTask.objects.filter(task=beat_schedule.SCAN).update(enabled=True)
    beat_schedule.set_up(CONFIG)
    PeriodicTask.objects.filter(task=beat_schedule.SCAN).update(enabled=False)
    assert beat_schedule.set_up(CONFIG) == ["reminders.scan: enabled again: no operator had switched it off"]
    assert entry(beat_schedule.SCAN).enabled


FAULTS = {
    "disabled by nobody": ({"enabled": False}, "its entry is disabled, by no operator"),
    "one-off": ({"one_off": True, "total_run_count": 1}, "its entry was altered: one_off"),
    "expired": (
        {"expires": datetime(2020, 1, 1, tzinfo=UTC), "expire_seconds": None},
        "its entry was altered: expires",
    ),
    "kwargs are no JSON": ({"kwargs": "{broken"}, "its entry was altered: kwargs"),
    "args are no JSON": ({"args": "[broken"}, "its entry was altered: args"),
    "an argument too many": ({"args": "[1, 2, 3]"}, "its entry was altered: args"),
    "headers are no JSON": ({"headers": "{broken"}, "its entry was altered: headers"),
    "starts in the future": (
        {"start_time": datetime(2100, 1, 1, tzinfo=UTC)},
        "its entry was altered: start_time",
    ),
    "another task": ({"task": "reminders.dispach"}, "its entry was altered: task"),
    "another queue": ({"queue": "nobody"}, "its entry was altered: queue"),
    "another exchange": ({"exchange": "nobody", "routing_key": "x"}, "its entry was altered: exchange, routing_key"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "problem"), FAULTS.values(), ids=FAULTS)
def test_whatever_else_stops_an_entry_is_seen_corrected_and_recorded(change, problem):
    beat_schedule.set_up(CONFIG)
    PeriodicTask.objects.filter(name=beat_schedule.DISPATCH).update(**change)
    assert [found.problem for found in beat_schedule.check_entries(CONFIG)] == ["", problem]
    assert len(beat_schedule.set_up(CONFIG)) >= 1
    assert [found.right for found in beat_schedule.check_entries(CONFIG)] == [True, True]
    found = entry(beat_schedule.DISPATCH)
    assert (found.enabled, found.name) == (True, beat_schedule.DISPATCH)
    assert beat_waits(beat_schedule.DISPATCH) <= 1.5
    record = Audit.objects.get()
    assert (record.actor, record.action, record.selection) == (
        "system",
        "correct_schedule",
        {"task": "reminders.dispatch"},
    )


@pytest.mark.parametrize(
    "change",
    [{"one_off": True, "total_run_count": 1}, {"expires": datetime(2020, 1, 1, tzinfo=UTC), "expire_seconds": None}],
    ids=["one-off", "expired"],
)  # fmt: skip
def test_an_entry_that_beat_itself_has_disabled_is_enabled_again(change):
    beat_schedule.set_up(CONFIG)
    PeriodicTask.objects.filter(task=beat_schedule.DISPATCH).update(**change)
    beat_waits(beat_schedule.DISPATCH)
    assert entry(beat_schedule.DISPATCH).enabled is False
    beat_schedule.set_up(CONFIG)
    assert entry(beat_schedule.DISPATCH).enabled
    assert beat_waits(beat_schedule.DISPATCH) <= 1.5
    assert entry(beat_schedule.DISPATCH).enabled


@pytest.mark.parametrize("broken", [{"every": 1, "period": "days"}, {"every": 2_147_483_647, "period": "days"},
                                    {"every": 1, "period": "fortnights"}])  # fmt: skip
def test_an_interval_that_was_changed_in_place_is_corrected(broken):
    beat_schedule.set_up(CONFIG)
    IntervalSchedule.objects.filter(pk=entry(beat_schedule.DISPATCH).interval_id).update(**broken)
    assert beat_schedule.check_entries(CONFIG)[1].problem.startswith("it runs ")
    assert beat_schedule.set_up(CONFIG) == ["reminders.dispatch: runs every 1.5 s now"]


def test_an_interval_that_was_deleted_takes_its_entry_along_and_both_come_back():
    beat_schedule.set_up(CONFIG)
    entry(beat_schedule.DISPATCH).interval.delete()
    assert beat_schedule.check_entries(CONFIG)[1].problem == "its entry is missing"
    assert beat_schedule.set_up(CONFIG) == ["reminders.dispatch: made, every 1.5 s"]


def test_a_deleted_entry_is_made_again():
    beat_schedule.set_up(CONFIG)
    PeriodicTask.objects.filter(task=beat_schedule.DISPATCH).delete()
    assert beat_schedule.set_up(CONFIG) == ["reminders.dispatch: made, every 1.5 s"]


def test_a_crontab_in_place_of_the_interval_is_put_right():
    beat_schedule.set_up(CONFIG)
    PeriodicTask.objects.filter(task=beat_schedule.SCAN).update(
        interval=None, crontab=CrontabSchedule.objects.create(minute="0")
    )
    assert beat_schedule.set_up(CONFIG) == [
        "reminders.scan: corrected crontab_id",
        "reminders.scan: runs every 300 s now",
    ]
    assert entry(beat_schedule.SCAN).crontab is None


def test_a_last_run_in_the_future_is_put_back_so_that_beat_does_not_wait_for_it():
    beat_schedule.set_up(CONFIG)
    PeriodicTask.objects.update(last_run_at=database_now() + timedelta(days=2))
    assert [found.runs_in_future for found in beat_schedule.check_entries(CONFIG)] == [True, True]
    assert beat_waits(beat_schedule.SCAN) > 86_400

    assert beat_schedule.set_up(CONFIG) == [
        "reminders.scan: its last run lay in the future",
        "reminders.dispatch: its last run lay in the future",
    ]
    assert 290 < beat_waits(beat_schedule.SCAN) <= 300


def test_entries_that_are_missing_or_wrong_are_seen():
    assert [found.exists for found in beat_schedule.check_entries(CONFIG)] == [False, False]
    beat_schedule.set_up(CONFIG)
    assert [found.right for found in beat_schedule.check_entries(CONFIG)] == [True, True]
    assert [found.right for found in beat_schedule.check_entries(ReminderConfig())] == [True, False]


def test_viewers_see_everything_and_change_nothing():
    roles.set_up()
    names = set(Group.objects.get(name=roles.VIEWERS).permissions.values_list("codename", flat=True))
    assert {"view_assignment", "view_assignee", "view_reminder", "view_attempt", "view_audit"} <= names
    assert {name for name in names if not name.startswith("view_")} == set()


def test_operators_also_change_assignments_and_operate():
    roles.set_up()
    viewers = set(Group.objects.get(name=roles.VIEWERS).permissions.values_list("codename", flat=True))
    operators = set(Group.objects.get(name=roles.OPERATORS).permissions.values_list("codename", flat=True))
    rules = {"add_reminderrule", "change_reminderrule", "delete_reminderrule"}
    calendars = {"add_calendarsource", "change_calendarsource", "delete_calendarsource"}
    assert operators - viewers == {
        *("add_assignment", "change_assignment"),
        *("add_assignee", "change_assignee"),
        *("add_team", "change_team", "delete_team"),
        "operate",
        *rules,
        *calendars,
    }


def test_roles_keep_what_an_administrator_added_and_get_back_what_they_lack():
    roles.set_up()
    viewers = Group.objects.get(name=roles.VIEWERS)
    viewers.permissions.add(Permission.objects.get(codename="add_user"))
    viewers.permissions.remove(Permission.objects.get(codename="view_reminder"))
    assert roles.set_up() == ["Reminder viewers: 1 permissions added"]
    names = set(viewers.permissions.values_list("codename", flat=True))
    assert {"add_user", "view_reminder"} <= names


def test_the_command_says_what_it_did_and_then_that_all_is_right():
    first, second = StringIO(), StringIO()
    call_command("setup_reminders", stdout=first)
    call_command("setup_reminders", stdout=second)
    assert first.getvalue().splitlines() == [
        "reminders.scan: made, every 300 s",
        "reminders.dispatch: made, every 1 s",
        "Reminder viewers: made",
        "Reminder privacy officers: made",
        "Reminder operators: made",
    ]
    assert second.getvalue() == "Beat entries and roles are as they should be.\n"


def test_the_command_says_what_to_do_when_permissions_are_missing():
    Permission.objects.filter(codename="operate").delete()
    with pytest.raises(CommandError, match=r"manage\.py migrate"):
        call_command("setup_reminders")
