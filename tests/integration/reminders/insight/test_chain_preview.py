"""What a rule for supervisors or Ops would do is seen before it is saved: to whom, when, and in place of what."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from assignments import services, teams
from assignments.models import Assignment
from reminders.delivery import scan
from reminders.insight.rule_preview import preview_change
from reminders.models import Kind, Reminder, ReminderRule
from reminders.operations import reminder_rules
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.rule_factory import rule
from tests.stage import MINUTE, Stage

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def config(config):
    return replace(config, ops_emails=("ops@example.test",))


@pytest.fixture
def team(clock):
    boss = AssigneeFactory(name="Boss", email="boss@example.test", time_zone="UTC")
    return teams.add_team(name="North", supervisors=[boss.pk])


def chain(trigger: str, **values: object) -> ReminderRule:
    given = {
        "name": "New",
        "audience": "supervisors",
        "trigger": trigger,
        "minutes": 0,
        "quiet_hours": "ignore",
    }
    return reminder_rules.unsaved({**given, **values})


def counts(seen) -> tuple[int, int, int, int]:
    return seen.added, seen.dropped, seen.moved, seen.applies


def instants(seen) -> list[tuple[str, datetime | None, datetime | None]]:
    return [(one.person, one.before, one.after) for one in seen.listed]


def test_unanswered_work_counts_as_if_nobody_answers(team, config):
    AssignmentFactory(team_id=team.pk, scheduled_start=NOON + 3 * HOUR)
    acting.confirm(AssignmentFactory(team_id=team.pk, scheduled_start=NOON + 3 * HOUR))
    AssignmentFactory(scheduled_start=NOON + timedelta(days=9))
    seen = preview_change(
        stored=None,
        changed=chain("unanswered", minutes=60, repeat_minutes=30, repeat_times=5),
        config=config,
    )
    assert counts(seen) == (2, 0, 0, 3)
    assert instants(seen) == [("Boss", None, NOON + 2 * HOUR), ("Boss", None, NOON + 150 * MINUTE)]
    assert (seen.built_in_replaced, seen.built_in_restored) == (0, 0)


def test_declined_and_overdue_work_count_from_what_is_to_come(team, config, clock, outbox):
    stage = Stage(clock, config, outbox).remind()
    services.change(stage.work.pk, {"team_id": team.pk})
    declined = acting.decline(AssignmentFactory(team_id=team.pk, scheduled_start=NOON + 3 * HOUR))
    clock.set(NOON + HOUR)
    scan.scan(trigger="cli", config=config)
    stage.tick()
    assert Assignment.objects.get(pk=stage.work.pk).overdue_at is not None
    seen = preview_change(
        stored=None,
        changed=chain("after_overdue", minutes=5, repeat_minutes=30, repeat_times=1),
        config=config,
    )
    assert instants(seen) == [("Boss", None, NOON + 85 * MINUTE)]
    assert seen.built_in_replaced == seen.applies == 2
    seen = preview_change(stored=None, changed=chain("on_decline", minutes=90, audience="ops"), config=config)
    assert instants(seen) == [("Ops", None, declined.answered_at + 90 * MINUTE)]
    assert (seen.built_in_replaced, seen.soon) == (0, 1)


def test_a_change_moves_and_removing_brings_the_built_in_notice_back(team, config):
    AssignmentFactory(team_id=team.pk, scheduled_start=NOON + 3 * HOUR)
    made = rule(name="No word", audience="supervisors", trigger="unanswered", minutes=60)
    scan.scan(trigger="cli", config=config)
    assert Reminder.objects.filter(kind=Kind.ESCALATION).count() == 1
    moved = preview_change(
        stored=made, changed=reminder_rules.changed_copy(made.pk, {"minutes": 90}), config=config
    )
    assert counts(moved) == (0, 0, 1, 1)
    assert instants(moved) == [("Boss", NOON + 2 * HOUR, NOON + 90 * MINUTE)]
    gone = preview_change(stored=made, changed=None, config=config)
    assert counts(gone) == (0, 1, 0, 0)
    other = rule(name="Declined", audience="supervisors", trigger="on_decline", minutes=0)
    assert preview_change(stored=other, changed=None, config=config).built_in_restored == 1


def test_a_rule_of_the_assignee_changes_nothing_for_supervisors(team, config):
    AssignmentFactory(team_id=team.pk, scheduled_start=NOON + 3 * HOUR)
    rule(name="No word", audience="supervisors", trigger="unanswered", minutes=60)
    early = reminder_rules.unsaved(
        {"name": "Early", "audience": "assignee", "trigger": "before_start", "minutes": 120}
    )
    seen = preview_change(stored=None, changed=early, config=config)
    assert [(one.rule, one.after) for one in seen.listed] == [("rule:new", NOON + HOUR)]


def test_an_assignee_whose_name_reads_like_a_recipient_is_shown_by_that_name(team, config):
    boss = team.supervisors.get()
    AssignmentFactory(assignee__name=f"person:{boss.pk}", scheduled_start=NOON + 3 * HOUR)
    changed = chain("before_start", audience="assignee", minutes=60)
    seen = preview_change(stored=None, changed=changed, config=config)
    assert f"person:{boss.pk}" in {one.person for one in seen.listed}
    assert "Boss" not in {one.person for one in seen.listed}


def test_what_would_come_if_nobody_started_the_work_is_counted_apart(team, config):
    """Nothing is overdue yet, so nothing is added; whoever makes the rule sees all the same what it can come to."""
    AssignmentFactory(team_id=team.pk, scheduled_start=NOON + 3 * HOUR)
    AssignmentFactory(team_id=team.pk, scheduled_start=NOON + timedelta(days=9))
    made = chain("after_overdue", minutes=5, repeat_minutes=30, repeat_times=2)
    seen = preview_change(stored=None, changed=made, config=config)
    assert (seen.added, seen.applies) == (0, 2)
    assert (seen.added_if_not_started, seen.dropped_if_not_started) == (3, 0)
    stored = rule(
        trigger="after_overdue", audience="supervisors", minutes=5, repeat_minutes=30, repeat_times=2
    )
    seen = preview_change(stored=stored, changed=None, config=config)
    assert (seen.dropped, seen.added_if_not_started, seen.dropped_if_not_started) == (0, 0, 3)
