"""Rules for supervisors and Ops are explained step by step before anything happens, and what is told is what comes."""

from dataclasses import replace
from datetime import time

import pytest

from assignments import services, teams
from reminders.delivery import scan
from reminders.insight.explain.explain import explain
from reminders.models import Kind, Reminder, ReminderRule, State
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory
from tests.rule_factory import rule
from tests.stage import MINUTE, Stage

pytestmark = pytest.mark.django_db

START = NOON + 20 * MINUTE


@pytest.fixture
def config(config):
    return replace(config, ops_emails=("ops@example.test", "desk@example.test"))


@pytest.fixture
def boss(clock):
    return AssigneeFactory(name="Boss", email="boss@example.test", time_zone="UTC")


@pytest.fixture
def stage(clock, config, outbox, boss):
    stage = Stage(clock, config, outbox)
    team = teams.add_team(name="North", supervisors=[boss.pk])
    services.change(stage.work.pk, {"team_id": team.pk})
    stage.work.refresh_from_db()
    stage.team = team
    return stage


def chain(trigger: str, **values: object) -> ReminderRule:
    return rule(**{"audience": "supervisors", "trigger": trigger, "minutes": 0, **values})


def summaries(stage: Stage) -> dict[str, str]:
    return {one.name: one.summary for one in explain(stage.work, config=stage.config).rules}


def steps(stage: Stage, name: str) -> list[str]:
    return [
        one.summary for one in explain(stage.work, config=stage.config).upcoming if f'"{name}"' in one.summary
    ]


def boss_of(boss) -> str:
    return f"Boss (supervisor, person {boss.pk})"


def test_steps_are_told_before_they_happen_with_who_and_when(stage, boss):
    chain("unanswered", minutes=15, name="No word", repeat_minutes=10, repeat_times=4)
    hears, until = f"{boss_of(boss)} hears at 2026-06-15", "unless the assignee has answered by then."
    what = "that the assignee has not answered"
    assert steps(stage, "No word") == [
        f'{hears} 12:05:00 UTC {what} (the rule "No word"), {until}',
        f'{hears} 12:15:00 UTC {what} (the rule "No word", repeat 1), {until}',
    ]
    assert summaries(stage)["No word"] == (
        f"tells {boss_of(boss)} at 2026-06-15 12:05:00 UTC, then every 10 minutes, 4 more times at most, "
        "unless the assignee has answered by then"
    )


def test_many_repeats_are_told_in_one_line(stage, boss):
    chain("after_overdue", minutes=5, name="Overdue", repeat_minutes=30, repeat_times=6)
    told = steps(stage, "Overdue")
    assert len(told) == 4
    assert told[0].startswith(f"{boss_of(boss)} hears at 2026-06-15 12:55:00 UTC that the work is overdue")
    assert told[3] == (
        'The rule "Overdue" is due 4 more times from then on, the last time at 2026-06-15 15:55:00 UTC, '
        "unless somebody has started the work by then."
    )


def test_the_built_in_notice_is_replaced_by_the_rule_of_the_team(stage, boss):
    chain("on_decline", name="Wide", minutes=10)
    chain("on_decline", name="Narrow", minutes=20, scope="team", scope_value=str(stage.team.pk))
    assert summaries(stage) == {
        "when the assignee declines (built-in)": 'is replaced by the team\'s rule "Narrow"',
        "when the work becomes overdue (built-in)": "tells the supervisors at once",
        "Wide": 'is replaced by the team\'s rule "Narrow"',
        "Narrow": f"tells {boss_of(boss)} 20 minutes after the assignee declines",
    }


def test_ops_hear_in_place_of_supervisors_who_cannot_be_reached(stage, boss):
    chain("on_decline", name="Boss hears", minutes=10)
    chain("on_decline", name="Ops hear", audience="ops", minutes=15)
    boss.email = ""
    boss.save()
    acting.decline(stage.work)
    shown = summaries(stage)
    until = "unless the assignee can make it after all, or somebody else gets it"
    assert shown["Boss hears"] == f"tells Ops at 2026-06-15 12:10:00 UTC, {until}"
    assert shown["Ops hear"] == f"tells Ops at 2026-06-15 12:15:00 UTC, {until}"
    nobody = replace(stage.config, ops_emails=())
    told = {one.name: one.summary for one in explain(stage.work, config=nobody).rules}
    assert told["Ops hear"] == "tells nobody: no supervisor can be reached, and there is no address of Ops"


def test_quiet_hours_of_the_supervisor_are_told(stage, boss):
    boss.quiet_from, boss.quiet_until = time(12), time(13)
    boss.save()
    chain("after_overdue", name="Overdue", quiet_hours="respect")
    (told,) = steps(stage, "Overdue")
    assert (
        "hears at 2026-06-15 13:00:00 UTC (at the end of quiet hours, not at 2026-06-15 12:50:00 UTC)" in told
    )


@pytest.mark.parametrize("trigger", ["after_overdue", "unanswered"])
def test_what_was_foreseen_is_what_is_sent(stage, boss, trigger):
    made = chain(trigger, minutes=5, name="Rule", repeat_minutes=10, repeat_times=2)
    scan.scan(trigger="cli", config=stage.config)
    stage.remind()
    (foreseen,) = [
        one for one in explain(stage.work, config=stage.config).rules if one.rule == f"rule:{made.pk}"
    ]
    assert foreseen.due_at == (START + 35 * MINUTE if trigger == "after_overdue" else START - 5 * MINUTE)
    ahead = {one.at for one in explain(stage.work, config=stage.config).upcoming if '"Rule"' in one.summary}
    sent = set()
    for _ in range(200):
        stage.clock.advance(MINUTE / 2)
        scan.scan(trigger="cli", config=stage.config)
        stage.tick()
    rows = Reminder.objects.filter(kind=Kind.ESCALATION, state=State.SENT)
    sent = {row.due_at for row in rows}
    assert sent == ahead
    assert len(sent) == (3 if trigger == "after_overdue" else 1)


def test_without_rules_for_others_nothing_is_said_of_the_built_in_notices(stage):
    assert summaries(stage) == {}
    rule(name="Early", minutes=60)
    assert "when the assignee declines (built-in)" not in summaries(stage)
