"""What rules plan: with a change of plan, with a scan, and when they change themselves."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from assignments import services
from assignments.models import Assignment
from reminders.delivery import scan
from reminders.ledger import beginning, claims, rule_changes, rule_planning
from reminders.models import Kind, Reason, Reminder, ReminderRule, RuleChange, RuleSchedule, State
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.rule_factory import evening, key, rule

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def rows(assignment: Assignment) -> list[tuple[str, datetime, str, str]]:
    """The reminders of the present version: rule, due, state, reason."""
    found = Reminder.objects.filter(assignment=assignment, version=assignment.version, kind=Kind.REMINDER)
    return [(row.rule, row.due_at, row.state, row.reason) for row in found.order_by("due_at", "id")]


def test_without_rules_nothing_is_scheduled_and_nothing_more_is_asked(clock, config):
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assignment = AssignmentFactory()
    assert rows(assignment) == [("default", NOON + 30 * MINUTE, State.PLANNED, "")]
    assert not RuleSchedule.objects.exists()
    assert sum("further_lead_minutes <>" in query["sql"] for query in asked) == 1
    assert not any("reminders_ruleschedule AS s" in query["sql"] for query in asked)


def test_new_work_has_a_row_for_each_rule_that_is_near_and_an_instant_for_the_next(clock, config):
    early, late = rule(minutes=3 * 1440), rule(minutes=45)
    assignment = AssignmentFactory(far=True, scheduled_start=NOON + 4 * DAY)
    assert rows(assignment) == []
    assert RuleSchedule.objects.get().next_at == assignment.scheduled_start - 3 * DAY

    clock.set(assignment.scheduled_start - 3 * DAY - HOUR)
    counts = scan.scan(trigger="cli", config=config).counts
    assert (counts.planned, counts.unaccounted) == (1, 0)
    assert rows(assignment) == [(key(early), assignment.scheduled_start - 3 * DAY, State.PLANNED, "")]
    assert RuleSchedule.objects.get().next_at == assignment.scheduled_start - 45 * MINUTE

    clock.set(assignment.scheduled_start - HOUR)
    assert scan.scan(trigger="cli", config=config).counts.planned == 2
    assert [name for name, *_ in rows(assignment)] == [key(early), key(late), "default"]
    assert RuleSchedule.objects.get().next_at is None
    assert scan.scan(trigger="cli", config=config).counts.planned == 0


def test_a_narrower_rule_replaces_the_built_in_one(clock, config):
    own = rule(minutes=20, scope="kind", scope_value="repair")
    repair, other = AssignmentFactory(kind="repair"), AssignmentFactory(kind="care")
    assert rows(repair) == [(key(own), NOON + 40 * MINUTE, State.PLANNED, "")]
    assert rows(other) == [("default", NOON + 30 * MINUTE, State.PLANNED, "")]
    counts = scan.scan(trigger="cli", config=config).counts
    assert (counts.planned, counts.retimed, counts.unaccounted) == (0, 0, 0)


def test_work_that_becomes_known_late_is_reminded_of_once_at_once(clock, config):
    first, second = rule(minutes=120), rule(minutes=90)
    assignment = AssignmentFactory(scheduled_start=NOON + 70 * MINUTE)
    assert rows(assignment) == [
        (key(first), NOON - 50 * MINUTE, State.SKIPPED, Reason.SHORT_NOTICE),
        (key(second), NOON - 20 * MINUTE, State.PLANNED, ""),
        ("default", NOON + 40 * MINUTE, State.PLANNED, ""),
    ]


def test_a_move_plans_the_rules_of_the_new_start_and_what_was_missed_counts_from_the_move(clock, config):
    made = rule(minutes=60)
    assignment = AssignmentFactory(scheduled_start=NOON + 5 * HOUR)
    assert RuleSchedule.objects.get().next_at == NOON + 4 * HOUR
    clock.set(NOON + HOUR)
    services.change(assignment.pk, {"scheduled_start": NOON + 100 * MINUTE})
    assignment.refresh_from_db()
    assert rows(assignment) == [
        (key(made), NOON + 40 * MINUTE, State.PLANNED, ""),
        ("default", NOON + 70 * MINUTE, State.PLANNED, ""),
    ]


def test_a_rule_that_is_made_is_followed_for_open_work_and_only_for_what_comes(clock, config):
    near, far = AssignmentFactory(), AssignmentFactory(scheduled_start=NOON + 100 * MINUTE)
    made = rule(minutes=80, changed_at=NOON)
    counts = scan.scan(trigger="cli", config=config).counts
    assert counts.planned == 1
    assert rows(near) == [("default", NOON + 30 * MINUTE, State.PLANNED, "")]
    assert [name for name, *_ in rows(far)] == [key(made), "default"]
    followed = RuleChange.objects.filter(pk=1).first()
    assert followed is not None
    assert (followed.finished_at is not None, followed.done) == (True, 2)


def test_a_change_of_rules_is_followed_batch_by_batch_from_where_it_stopped(clock, config, monkeypatch):
    monkeypatch.setattr(rule_changes, "BATCH", 2)
    AssignmentFactory.create_batch(5)
    rule(minutes=45)
    assert rule_changes.follow_next_batch(config, scan_id=None).planned == 2
    assert RuleChange.objects.filter(pk=1).first().done == 2
    assert RuleChange.objects.filter(pk=1).first().finished_at is None
    assert scan.scan(trigger="cli", config=config).counts.planned == 3
    assert RuleChange.objects.filter(pk=1).first().done == 5


def test_another_time_moves_what_nobody_has_begun(clock, config):
    made = rule(minutes=50)
    waiting, begun = AssignmentFactory.create_batch(2)
    Reminder.objects.filter(assignment=begun, rule=key(made)).update(attempts=1)
    ReminderRule.objects.update(minutes=45)
    rule_changes.announce_change()
    assert scan.scan(trigger="cli", config=config).counts.retimed == 1
    assert rows(waiting)[0] == (key(made), NOON + 15 * MINUTE, State.PLANNED, "")
    assert rows(begun)[0] == (key(made), NOON + 10 * MINUTE, State.PLANNED, "")


def test_a_rule_that_is_switched_off_ends_its_rows_and_switched_on_again_has_them_back(clock, config):
    made = rule(minutes=45, scope="kind", scope_value="repair")
    assignment = AssignmentFactory(kind="repair")
    ReminderRule.objects.update(enabled=False)
    rule_changes.announce_change()
    scan.scan(trigger="cli", config=config)
    assert rows(assignment) == [
        (key(made), NOON + 15 * MINUTE, State.SKIPPED, Reason.REPLANNED),
        ("default", NOON + 30 * MINUTE, State.PLANNED, ""),
    ]
    assert not RuleSchedule.objects.exists()

    ReminderRule.objects.update(enabled=True)
    rule_changes.announce_change()
    scan.scan(trigger="cli", config=config)
    assert rows(assignment) == [
        (key(made), NOON + 15 * MINUTE, State.PLANNED, ""),
        ("default", NOON + 30 * MINUTE, State.SKIPPED, Reason.REPLANNED),
    ]


def sent(assignment: Assignment, name: str, at: datetime) -> None:
    """As finishing does it."""
    Reminder.objects.filter(assignment=assignment, version=assignment.version, rule=name).update(
        state=State.SENT, attempts=1, begun_at=at, sent_at=at, closed_at=at
    )


def test_what_one_rule_has_sent_does_not_swallow_the_reminder_of_another(clock, config):
    early, late = rule(minutes=110), rule(minutes=45)
    assignment = AssignmentFactory(scheduled_start=NOON + 2 * HOUR)
    sent(assignment, key(early), NOON + 10 * MINUTE)
    clock.set(NOON + 20 * MINUTE)
    services.change(assignment.pk, {"lead_minutes": 15})
    assignment.refresh_from_db()
    assert [(name, reason) for name, _, _, reason in rows(assignment)] == [("default", "")]
    services.change(assignment.pk, {"lead_minutes": None})
    assignment.refresh_from_db()
    assert [(name, reason) for name, _, _, reason in rows(assignment)] == [
        (key(early), Reason.ALREADY_TOLD),
        (key(late), ""),
        ("default", ""),
    ]


def test_who_has_heard_of_another_start_since_is_reminded_again(clock, config):
    early = rule(minutes=110)
    assignment = AssignmentFactory(scheduled_start=NOON + 2 * HOUR)
    sent(assignment, key(early), NOON + 10 * MINUTE)
    clock.set(NOON + 20 * MINUTE)
    services.change(assignment.pk, {"scheduled_start": NOON + 130 * MINUTE})
    assignment.refresh_from_db()
    sent(assignment, key(early), NOON + 21 * MINUTE)
    clock.set(NOON + 30 * MINUTE)
    services.change(assignment.pk, {"scheduled_start": NOON + 2 * HOUR})
    assignment.refresh_from_db()
    assert rows(assignment)[0] == (key(early), NOON + 10 * MINUTE, State.PLANNED, "")


def test_work_that_has_ended_leaves_no_schedule_behind(clock, config):
    rule(minutes=3 * 1440)
    assignment = AssignmentFactory(scheduled_start=NOON + 4 * DAY)
    services.change(assignment.pk, {"status": "CANCELLED"})
    clock.set(NOON + DAY)
    assert scan.scan(trigger="cli", config=config).counts.unaccounted == 0
    assert not RuleSchedule.objects.exists()


def test_the_zone_of_the_person_decides_about_local_times(clock, config):
    made = evening()
    tokyo = AssigneeFactory(time_zone="Asia/Tokyo")
    assignment = AssignmentFactory(assignee=tokyo, scheduled_start=datetime(2026, 6, 17, 1, tzinfo=UTC))
    assert RuleSchedule.objects.get().next_at == datetime(2026, 6, 16, 9, tzinfo=UTC)
    clock.set(datetime(2026, 6, 16, 8, tzinfo=UTC))
    scan.scan(trigger="cli", config=config)
    assert rows(assignment) == [(key(made), datetime(2026, 6, 16, 9, tzinfo=UTC), State.PLANNED, "")]


def test_a_scan_with_nothing_due_reads_nothing_of_the_schedules(clock, config):
    rule(minutes=3 * 1440)
    AssignmentFactory.create_batch(30, scheduled_start=NOON + 10 * DAY)
    scan.scan(trigger="cli", config=config)
    planned, more = rule_planning.plan_due_schedules(config, scan_id=None)
    assert (planned.planned, planned.ended, more) == (0, [], False)


def begun(assignment: Assignment, config: Any) -> list[str]:
    """Hands over what is due of this assignment and begins it; the rules whose rows may be sent."""
    handed = claims.claim(config, room=10, ahead=timedelta(0)) or []
    hints = [one.hint for one in handed if one.assignment_id == assignment.pk]
    return [claim.row.rule for claim in beginning.begin(hints, config=config).claims]


def test_a_row_that_a_changed_rule_does_not_ask_for_is_not_begun_though_the_scan_has_not_come_yet(
    clock, config
):
    made = rule(minutes=60)
    assignment = AssignmentFactory()
    later = rule(minutes=50)
    ReminderRule.objects.filter(pk=made.pk).update(minutes=55)
    assert begun(assignment, config) == []
    assert rows(assignment) == [
        (key(made), NOON + 5 * MINUTE, State.PLANNED, ""),
        (key(later), NOON + 10 * MINUTE, State.SKIPPED, Reason.TOO_CLOSE),
        ("default", NOON + 30 * MINUTE, State.PLANNED, ""),
    ]
    clock.set(NOON + 5 * MINUTE)
    assert begun(assignment, config) == [key(made)]


def test_a_row_that_the_changed_rules_still_ask_for_is_begun_at_once(clock, config):
    made = rule(minutes=60)
    assignment = AssignmentFactory()
    rule(minutes=40)
    assert begun(assignment, config) == [key(made)]


def test_nobody_is_reminded_at_once_because_a_rule_has_changed(clock, config):
    made = rule(minutes=15, scope="kind", scope_value="repair")
    assignment = AssignmentFactory(kind="repair")
    clock.set(NOON + 35 * MINUTE)
    ReminderRule.objects.filter(pk=made.pk).delete()
    rule_changes.announce_change()
    scan.scan(trigger="cli", config=config)
    assert rows(assignment) == [(key(made), NOON + 45 * MINUTE, State.SKIPPED, Reason.REPLANNED)]


def test_what_an_outage_has_kept_from_being_planned_is_planned_though_rules_change_meanwhile(clock, config):
    made = rule(minutes=180)
    assignment = AssignmentFactory(scheduled_start=NOON + 6 * HOUR)
    assert rows(assignment) == []
    clock.set(NOON + 200 * MINUTE)
    rule(minutes=60, scope="kind", scope_value="care")
    scan.scan(trigger="cli", config=config)
    assert rows(assignment)[0] == (key(made), NOON + 3 * HOUR, State.PLANNED, "")
