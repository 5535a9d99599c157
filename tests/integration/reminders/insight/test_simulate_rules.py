"""The simulator under the rules in force, and under those of a file."""

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from assignments import teams
from assignments.clock import database_now
from assignments.team_scope import TeamScope
from notifications.addresses import masked
from reminders.delivery import scan
from reminders.insight.simulator.simulator import simulate
from reminders.models import Reminder
from reminders.operations.rule_files import UnreadableRules, read_rules
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.rule_factory import evening, rule
from tests.stage import Stage

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
AN_HOUR = {"name": "An hour", "audience": "assignee", "trigger": {"type": "before_start", "minutes": 60}}


def instants(config, *, until=NOON + 3 * DAY, rules=None) -> list[Any]:
    return [send.at for send in simulate(since=NOON, until=until, config=config, rules=rules).sends]


def file_of(tmp_path: Path, given: Any) -> Path:
    path = tmp_path / "rules.json"
    path.write_text(given if isinstance(given, str) else json.dumps(given))
    return path


def test_each_rule_in_force_is_foreseen_with_and_without_a_row(clock, config):
    rule(minutes=110)
    evening()
    start = NOON + 2 * HOUR
    AssignmentFactory(scheduled_start=start)
    AssignmentFactory(scheduled_start=start + 2 * DAY, assignee__time_zone="UTC")
    assert instants(config) == [
        NOON,  # the evening before has passed: short notice
        start - 110 * MINUTE,
        start - 30 * MINUTE,
        NOON + DAY + 6 * HOUR,
        start + 2 * DAY - 110 * MINUTE,
        start + 2 * DAY - 30 * MINUTE,
    ]


def test_what_is_foreseen_is_what_a_scan_plans(clock, config):
    rule(minutes=90, condition="not_confirmed")
    rule(minutes=95, scope="kind", scope_value="repair")
    evening(scope="kind", scope_value="repair")
    work = [
        AssignmentFactory(
            scheduled_start=NOON + n * HOUR, kind="repair" if n % 2 else "", assignee__time_zone="UTC"
        )
        for n in range(1, 40, 3)
    ]
    foreseen = instants(config)
    assert len(foreseen) > len(work)
    for hour in range(42):
        clock.set(NOON + hour * HOUR)
        scan.scan(trigger="cli", config=config)
    planned = Reminder.objects.exclude(kind="OVERDUE").filter(reason="").values_list("due_at", flat=True)
    assert sorted(foreseen) == sorted(max(NOON, due_at) for due_at in planned)


def test_who_has_confirmed_is_left_out_by_the_rule_that_says_so(clock, config):
    rule(condition="not_confirmed")
    work = AssignmentFactory(scheduled_start=NOON + 3 * HOUR)
    acting.confirm(work)
    found = simulate(since=NOON, until=NOON + DAY, config=config)
    assert [send.at for send in found.sends] == [NOON + 150 * MINUTE]
    assert found.skipped == {"confirmed": 1}


def test_the_rules_of_a_file_take_the_place_of_those_in_force(clock, config, tmp_path):
    rule(minutes=110)
    AssignmentFactory(scheduled_start=NOON + 2 * HOUR)
    others = read_rules(file_of(tmp_path, [AN_HOUR]))
    assert [one.key for one in others] == ["file:1"]
    assert instants(config, rules=others) == [NOON + 60 * MINUTE, NOON + 90 * MINUTE]
    assert instants(config, rules=[]) == [NOON + 90 * MINUTE]
    assert instants(config) == [NOON + 10 * MINUTE, NOON + 90 * MINUTE]


def test_nobody_is_reminded_at_once_because_other_rules_are_tried(clock, config, tmp_path):
    AssignmentFactory(scheduled_start=NOON + 40 * MINUTE)
    others = read_rules(file_of(tmp_path, [AN_HOUR]))
    assert instants(config, rules=others) == [NOON + 10 * MINUTE]


def test_what_the_api_answers_is_a_file(clock, config, tmp_path):
    made = rule(minutes=110, name="Early")
    AssignmentFactory(scheduled_start=NOON + 2 * HOUR)
    shown = {
        "results": [
            {
                "id": made.pk,
                "name": "Early",
                "enabled": True,
                "audience": "assignee",
                "trigger": {"type": "before_start", "minutes": 100, "days_before": None, "at": None},
                "condition": "always",
                "scope": {"type": "everyone", "value": ""},
                "quiet_hours": "ignore",
                "when_past": "send",
                "channels": [],
                "mandatory": False,
                "verified_only": False,
                "repeat": None,
                "changed_at": "2026-06-15T12:00:00Z",
                "created_at": "2026-06-15T12:00:00Z",
            },
            {**AN_HOUR, "enabled": False},
        ]
    }
    others = read_rules(file_of(tmp_path, shown))
    assert [one.key for one in others] == [f"rule:{made.pk}"]
    assert instants(config, rules=others) == [NOON + 20 * MINUTE, NOON + 90 * MINUTE]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{", "is not JSON: "),
        ("7", "a list of at most 1,000 rules is needed"),
        ([7], "rule 1: rule: 7 is not an object with the fields of a rule"),
        ([{**AN_HOUR, "minuets": 5}], "rule 1: minuets: this is no field of a rule"),
        (
            [AN_HOUR, {**AN_HOUR, "trigger": {"type": "before_start", "minutes": 0}}],
            "rule 2: minutes: 0: 1 to 43200 minutes are needed for before_start",
        ),
        (
            [{**AN_HOUR, "trigger": 5}],
            "rule 1: trigger: 5: an object with type, minutes, days_before, at is needed",
        ),
        (
            [{**AN_HOUR, "trigger": {"type": "at_local_time", "days_before": 1, "at": "6 pm"}}],
            "rule 1: at: '6 pm' is not a time: one from 00:00 to 23:59 is needed",
        ),
        (
            [{**AN_HOUR, "audience": "everybody"}],
            "rule 1: audience: Value 'everybody' is not a valid choice.",
        ),
        (
            [{**AN_HOUR, "trigger": {"type": "before_start", "minutes": [5]}}],
            "rule 1: minutes: a list is not a whole number",
        ),
        (
            [{**AN_HOUR, "repeat": {"every_minutes": "10", "times": 1}}],
            "rule 1: every_minutes: '10' is not a whole number",
        ),
        (
            [{**AN_HOUR, "audience": "ops", "trigger": {"type": "on_decline"}, "repeat": {"times": 1}}],
            "rule 1: repeat_minutes: nothing: 10 to 10080 minutes are needed between repeats",
        ),
        ([{**AN_HOUR, "repeat": 5}], "rule 1: repeat: 5: an object with every_minutes, times is needed"),
        (
            [{**AN_HOUR, "trigger": {"type": "before_start", "minutes": 10**30}}],
            f"rule 1: minutes: {10**30} is too large: 43200 or less is needed",
        ),
        (
            [{**AN_HOUR, "trigger": {"type": "at_local_time", "days_before": 1, "at": "18:00:30+02:00"}}],
            "rule 1: at: '18:00:30+02:00' is not a time",
        ),
        ([{**AN_HOUR, "name": "a\0"}], "rule 1: name: 'a\\x00' contains a NUL character"),
        ([{**AN_HOUR, "name": "\ud800"}], "rule 1: name: '\\ud800' contains half of a character"),
        ("[" * 100_000, "is not JSON: it is nested too deeply"),
        ('[{"name": "A", "name": "B"}]', "is not JSON: the name 'name' occurs twice"),
        ([{**AN_HOUR, "enabled": "perhaps"}], "rule 1: enabled: 'perhaps': true or false is needed"),
    ],
)
def test_a_file_that_holds_no_rules_says_what_is_wrong_and_where(clock, tmp_path, given, said):
    path = file_of(tmp_path, given)
    with pytest.raises(UnreadableRules) as refused:
        read_rules(path)
    assert said in str(refused.value)
    with pytest.raises(CommandError) as failed:
        call_command("simulate_reminders", "--rules", str(path))
    assert failed.value.returncode == 2
    assert "\n" not in str(failed.value)


def test_a_file_that_is_not_there_is_named(clock, tmp_path):
    with pytest.raises(UnreadableRules, match="No such file"):
        read_rules(tmp_path / "none.json")


def test_the_command_names_the_file(clock, config, tmp_path):
    AssignmentFactory(scheduled_start=NOON + 2 * HOUR)
    path = file_of(tmp_path, [AN_HOUR])
    out = StringIO()
    call_command("simulate_reminders", "--rules", str(path), stdout=out)
    assert f"under the rules of {path}:\n2 messages would be sent" in out.getvalue()


def test_what_rules_tell_supervisors_is_simulated_with_who_hears_it(clock, config, tmp_path):
    config = replace(config, ops_emails=("ops@example.test",))
    boss = AssigneeFactory(name="Boss", email="boss@example.test", time_zone="UTC")
    team = teams.add_team(name="North", supervisors=[boss.pk])
    work = AssignmentFactory(team_id=team.pk, scheduled_start=NOON + 2 * HOUR)
    acting.decline(AssignmentFactory(scheduled_start=NOON + 3 * HOUR))
    unanswered = {
        "name": "No word",
        "audience": "supervisors",
        "trigger": {"type": "unanswered", "minutes": 60},
        "repeat": {"every_minutes": 20, "times": 5},
    }
    declined = {"name": "Declined", "audience": "ops", "trigger": {"type": "on_decline", "minutes": 30}}
    others = read_rules(file_of(tmp_path, [unanswered, declined]))
    found = simulate(since=NOON, until=NOON + DAY, config=config, rules=others)
    told = [(send.at, send.to, send.contact) for send in found.sends if send.kind == "ESCALATION"]
    named = f"Boss (supervisor, person {boss.pk})"
    assert told == [
        (NOON + 30 * MINUTE, "Ops", masked("ops@example.test")),
        (NOON + 60 * MINUTE, named, masked("boss@example.test")),
        (NOON + 80 * MINUTE, named, masked("boss@example.test")),
        (NOON + 100 * MINUTE, named, masked("boss@example.test")),
    ]
    inside = simulate(
        since=NOON, until=NOON + DAY, config=config, rules=others, scope=TeamScope(frozenset([team.pk]))
    )
    assert {send.assignment_id for send in inside.sends} == {work.pk}
    off = simulate(since=NOON, until=NOON + DAY, config=replace(config, enabled=False), rules=others)
    assert off.total == 0


def test_steps_of_rules_in_force_are_simulated_once(clock, config):
    config = replace(config, ops_emails=("ops@example.test",))
    rule(audience="ops", trigger="unanswered", minutes=60)
    AssignmentFactory(scheduled_start=NOON + 2 * HOUR)
    scan.scan(trigger="cli", config=config)
    assert Reminder.objects.filter(kind="ESCALATION").count() == 1
    found = simulate(since=NOON, until=NOON + DAY, config=config)
    assert [send.at for send in found.sends if send.kind == "ESCALATION"] == [NOON + HOUR]


def test_what_comes_if_nobody_starts_any_work_is_simulated_on_request(clock, config):
    config = replace(config, ops_emails=("ops@example.test",))
    boss = AssigneeFactory(name="Boss", email="boss@example.test", time_zone="UTC")
    north = teams.add_team(name="North", supervisors=[boss.pk])
    by_rule = AssignmentFactory(team_id=north.pk, scheduled_start=NOON + 2 * HOUR, kind="repair")
    built_in = AssignmentFactory(team_id=north.pk, scheduled_start=NOON + 3 * HOUR)
    ops = AssignmentFactory(scheduled_start=NOON + 4 * HOUR)
    late = {"audience": "supervisors", "trigger": "after_overdue", "quiet_hours": "ignore"}
    rule(**late, minutes=10, repeat_minutes=30, repeat_times=1, scope="kind", scope_value="repair")
    scan.scan(trigger="cli", config=config)

    def notices(**more: bool) -> list[tuple[int, str, Any]]:
        found = simulate(since=NOON, until=NOON + DAY, config=config, **more)
        return sorted(
            (send.assignment_id, send.to.split(" (")[0], send.at - send.start)
            for send in found.sends
            if send.kind in ("ESCALATION", "OVERDUE")
        )

    assert notices() == []
    assert notices(if_not_started=True) == [
        (by_rule.pk, "Boss", config.overdue + 10 * MINUTE),
        (by_rule.pk, "Boss", config.overdue + 40 * MINUTE),
        (built_in.pk, "Boss", config.overdue),
        (ops.pk, "Ops", config.overdue),
    ]


def test_what_is_simulated_if_nobody_starts_any_work_is_what_then_comes(clock, config, outbox):
    config = replace(config, ops_emails=("ops@example.test",))
    stage = Stage(clock, config, outbox)
    late = {"audience": "ops", "trigger": "after_overdue", "quiet_hours": "ignore"}
    rule(**late, minutes=0, repeat_minutes=30, repeat_times=1)
    stage.remind()
    begun = database_now()
    found = simulate(since=begun, until=begun + DAY, config=config, if_not_started=True)
    foreseen = sorted({send.at for send in found.sends if send.to == "Ops"})
    told = []
    for _ in range(36):
        before = len(outbox.messages)
        scan.scan(trigger="cli", config=config)
        stage.tick()
        if any(message.address == "ops@example.test" for message in outbox.messages[before:]):
            told.append(database_now())
        clock.advance(5 * MINUTE)
    # The built-in notice goes to Ops where there are no supervisors, in one message with the first step.
    assert len(told) == 2
    assert all(
        at <= left < at + 10 * MINUTE for at, left in zip(foreseen, told, strict=True)
    )  # looked at every 5 minutes
