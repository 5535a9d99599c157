"""Rules as operators make them: what is accepted, what is recorded, and what a change would do."""

from datetime import datetime, time, timedelta

import pytest
from django.core.exceptions import ValidationError

from assignments import teams
from reminders.delivery import scan
from reminders.insight.rule_preview import Difference, preview_change
from reminders.models import Audit, Reminder, ReminderRule
from reminders.operations import reminder_rules
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HOUR_BEFORE = {"name": "An hour before", "audience": "assignee", "trigger": "before_start", "minutes": 60}
EVENING = {
    "name": "The evening before",
    "audience": "assignee",
    "trigger": "at_local_time",
    "days_before": 1,
    "at": time(18),
}


@pytest.mark.parametrize(
    ("values", "quiet_hours"),
    [
        (HOUR_BEFORE, "ignore"),
        ({**HOUR_BEFORE, "minutes": 240}, "ignore"),
        ({**HOUR_BEFORE, "minutes": 241}, "respect"),
        (EVENING, "respect"),
        ({**EVENING, "days_before": 0}, "ignore"),
        ({**HOUR_BEFORE, "minutes": 1440, "quiet_hours": "ignore"}, "ignore"),
    ],
)
def test_quiet_hours_are_kept_by_what_comes_long_before_the_start(clock, values, quiet_hours):
    assert reminder_rules.add_rule(values, by="ops").quiet_hours == quiet_hours


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"minutes": 0}, "minutes", "0: 1 to 43200 minutes are needed for before_start"),
        ({"minutes": 43_201}, "minutes", "43201: 1 to 43200 minutes are needed for before_start"),
        ({"minutes": None}, "minutes", "nothing: 1 to 43200 minutes are needed for before_start"),
        ({"at": time(18)}, "at", "before_start takes no local time"),
        ({"days_before": 1}, "days_before", "before_start takes no local time"),
        ({**EVENING, "at": None, "minutes": None}, "at", "a local time is needed, such as 18:00"),
        (
            {**EVENING, "days_before": 31, "minutes": None},
            "days_before",
            "31: 0 to 30 days are needed for at_local_time",
        ),
        (EVENING, "minutes", "60: at_local_time takes no minutes"),
        ({"trigger": "on_decline"}, "trigger", "on_decline"),
        ({"trigger": "soon"}, "trigger", "soon"),
        ({"audience": "everybody"}, "audience", "everybody"),
        ({"name": ""}, "name", "blank"),
        ({"scope": "team", "scope_value": "north"}, "scope_value", "north"),
        ({"scope": "team", "scope_value": "77"}, "scope_value", "77"),
        ({"scope": "person", "scope_value": "9" * 30}, "scope_value", "9999"),
        ({"scope": "assignment", "scope_value": ""}, "scope_value", "the id of a known assignment"),
        ({"scope": "kind"}, "scope_value", "a kind of work is needed"),
        ({"scope_value": "x"}, "scope_value", "a rule for everyone names nothing"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name_and_value(clock, values, field, message):
    with pytest.raises(ValidationError) as refusal:
        reminder_rules.add_rule({**HOUR_BEFORE, **values}, by="ops")
    assert message in " ".join(refusal.value.message_dict[field])
    assert not ReminderRule.objects.exists()
    assert not Audit.objects.exists()


def test_a_name_is_given_once(clock):
    reminder_rules.add_rule(HOUR_BEFORE, by="ops")
    with pytest.raises(ValidationError) as refusal:
        reminder_rules.add_rule(HOUR_BEFORE, by="ops")
    assert "name" in refusal.value.message_dict


def test_a_rule_may_be_made_for_a_team_a_person_and_an_assignment(clock):
    made = {
        "team": teams.add_team(name="North").pk,
        "person": AssigneeFactory().pk,
        "assignment": AssignmentFactory().pk,
    }
    for scope, pk in made.items():
        values = {**HOUR_BEFORE, "name": scope, "scope": scope, "scope_value": str(pk)}
        assert reminder_rules.add_rule(values, by="ops").scope_value == str(pk)


def test_every_change_is_in_the_audit_trail_with_what_was_before(clock):
    made = reminder_rules.add_rule(HOUR_BEFORE, by="ada", reason="crews asked for it")
    reminder_rules.change_rule(made.pk, {"minutes": 90}, by="bob")
    reminder_rules.change_rule(made.pk, {"minutes": 90}, by="bob")
    reminder_rules.remove_rule(made.pk, by="cy", reason="not needed")
    lines = [
        (line.actor, line.action, line.reason, line.before.get("minutes"), line.after.get("minutes"))
        for line in Audit.objects.order_by("id")
    ]
    assert lines == [
        ("ada", "add_rule", "crews asked for it", None, 60),
        ("bob", "change_rule", "", 60, 90),
        ("cy", "remove_rule", "not needed", 90, None),
    ]


def test_a_rule_that_is_made_changed_and_removed_is_followed_by_the_next_scan(clock, config):
    assignment = AssignmentFactory(scheduled_start=NOON + 2 * HOUR)

    def due() -> list[tuple[str, datetime, str]]:
        scan.scan(trigger="cli", config=config)
        rows = Reminder.objects.filter(assignment=assignment, kind="REMINDER").order_by("due_at")
        return [(row.rule, row.due_at, row.state) for row in rows]

    made = reminder_rules.add_rule(HOUR_BEFORE, by="ops")
    builtin = ("default", NOON + 90 * MINUTE, "PLANNED")
    assert due() == [(f"rule:{made.pk}", NOON + HOUR, "PLANNED"), builtin]
    reminder_rules.change_rule(made.pk, {"minutes": 75}, by="ops")
    assert due() == [(f"rule:{made.pk}", NOON + 45 * MINUTE, "PLANNED"), builtin]
    reminder_rules.remove_rule(made.pk, by="ops")
    assert due() == [(f"rule:{made.pk}", NOON + 45 * MINUTE, "SKIPPED"), builtin]


def test_a_new_name_leaves_the_rule_in_force_as_it_was(clock, config):
    made = reminder_rules.add_rule(HOUR_BEFORE, by="ops")
    clock.set(NOON + HOUR)
    assert reminder_rules.change_rule(made.pk, {"name": "Sixty"}, by="ops").changed_at == NOON
    assert reminder_rules.change_rule(made.pk, {"minutes": 61}, by="ops").changed_at == NOON + HOUR


def test_there_is_no_rule_with_an_unknown_id(clock):
    for act in (
        lambda: reminder_rules.change_rule(7, {}, by="ops"),
        lambda: reminder_rules.remove_rule(7, by="ops"),
        lambda: reminder_rules.changed_copy(7, {}),
    ):
        with pytest.raises(reminder_rules.UnknownRule, match="there is no rule 7"):
            act()


def test_the_preview_of_a_new_rule_says_what_it_would_add_for_whom(clock, config):
    ada = AssigneeFactory(name="Ada")
    assignment = AssignmentFactory(assignee=ada, title="Boiler", scheduled_start=NOON + 90 * MINUTE)
    AssignmentFactory(scheduled_start=NOON + 20 * DAY)
    AssignmentFactory(scheduled_start=NOON + 30 * MINUTE)
    seen = preview_change(stored=None, changed=reminder_rules.unsaved(HOUR_BEFORE), config=config)
    assert (seen.added, seen.dropped, seen.moved, seen.soon, seen.complete) == (1, 0, 0, 1, True)
    assert seen.listed == (
        Difference(
            assignment_id=assignment.pk,
            title="Boiler",
            person="Ada",
            rule="rule:new",
            before=None,
            after=NOON + 30 * MINUTE,
        ),
    )
    assert not ReminderRule.objects.exists()


def test_the_preview_of_a_change_says_what_moves_and_what_goes(clock, config):
    made = reminder_rules.add_rule({**HOUR_BEFORE, "minutes": 120}, by="ops")
    AssignmentFactory(kind="repair", scheduled_start=NOON + DAY)
    AssignmentFactory(kind="care", scheduled_start=NOON + 2 * DAY)
    moved = preview_change(
        stored=made, changed=reminder_rules.changed_copy(made.pk, {"minutes": 90}), config=config
    )
    assert (moved.added, moved.dropped, moved.moved, moved.soon) == (0, 0, 2, 0)
    narrowed = preview_change(
        stored=made,
        changed=reminder_rules.changed_copy(made.pk, {"scope": "kind", "scope_value": "repair"}),
        config=config,
    )
    # For repairs it takes the place of the built-in rule.
    assert (narrowed.added, narrowed.dropped, narrowed.moved) == (0, 2, 0)
    removed = preview_change(stored=made, changed=None, config=config)
    assert (removed.added, removed.dropped, removed.moved) == (0, 2, 0)
    disabled = preview_change(
        stored=made, changed=reminder_rules.changed_copy(made.pk, {"enabled": False}), config=config
    )
    assert (disabled.added, disabled.dropped, disabled.moved) == (0, 2, 0)


def test_a_preview_whose_time_is_over_says_so(clock, config):
    AssignmentFactory.create_batch(3, scheduled_start=NOON + DAY)
    seen = preview_change(
        stored=None, changed=reminder_rules.unsaved(HOUR_BEFORE), config=config, budget=timedelta(0)
    )
    assert (seen.added, seen.complete) == (0, False)
