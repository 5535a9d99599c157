"""The morning brief: at a local time supervisors read of which work the assignees are not reached, by cause, once."""

from dataclasses import replace
from datetime import time, timedelta

import pytest
from django.core.exceptions import ValidationError

from assignments import acts, contact_points, people, services, teams
from assignments.history import Actor
from reminders.delivery import scan
from reminders.insight.explain.explain import explain
from reminders.insight.simulator.simulator import simulate
from reminders.models import Kind, Reminder, ReminderRule, State
from reminders.operations import reminder_rules
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.rule_factory import rule
from tests.stage import Stage

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
SEVEN = NOON + 19 * HOUR
"""The next morning, at 07:00 UTC."""


@pytest.fixture
def config(config):
    return replace(config, ops_emails=("ops@example.test",))


@pytest.fixture
def stage(clock, config, outbox, settings):
    settings.PUBLIC_URL = "https://work.example.test"
    return Stage(clock, config, outbox)


@pytest.fixture
def north(stage):
    boss = AssigneeFactory(name="Boss", email="boss@example.test", time_zone="UTC")
    return teams.add_team(name="North", supervisors=[boss.pk])


def brief(**values: object) -> ReminderRule:
    """A rule that tells supervisors at 07:00 on the day of the work of who is not reached."""
    given = {"audience": "supervisors", "trigger": "at_local_time", "days_before": 0, "at": time(7)}
    return rule(**{**given, "condition": "not_reached", **values})


def work(team, **values):
    """Work at 10:00 of the next day."""
    return AssignmentFactory(team_id=team.pk, scheduled_start=SEVEN + 3 * HOUR, **values)


def at(stage, instant):
    """What is sent at this instant, after a scan."""
    stage.clock.set(instant)
    before = len(stage.outbox.messages)
    scan.scan(trigger="cli", config=stage.config)
    stage.tick()
    return stage.outbox.messages[before:]


def rows(*works):
    """State and reason of each row of a brief, in the order of the assignments."""
    of_brief = Reminder.objects.filter(kind=Kind.ESCALATION, rule__startswith="brief:")
    found = of_brief.filter(assignment__in=works).order_by("assignment")
    return [(row.rule.partition(":")[0], row.state, row.reason) for row in found]


def test_one_message_lists_who_is_not_reached_by_cause(stage, north, config):
    brief()
    known = work(north, title="Known")
    nobody = work(north, title="Open", unassigned=True)
    silent = work(north, title="Silent", assignee__unreachable=True, assignee__name="Nemo")
    failing = work(north, title="Failing", assignee__name="Fay")
    out = work(north, title="Out", assignee__name="Otto")
    refused = work(north, title="Refused", assignee__name="Rita")
    contact_points.mark_failing(contact_points.points_of(failing.assignee_id)[0].pk, "550")
    contact_points.opt_out(contact_points.points_of(out.assignee_id)[0].pk)
    acts.decline(refused.pk, actor=Actor.ops("olga"))
    stage.tick()
    assert [message.address for message in at(stage, SEVEN - timedelta(minutes=1))] == []
    (sent,) = at(stage, SEVEN)
    assert sent.address == "boss@example.test"
    assert sent.subject == "Brief: 5 assignments need somebody"
    causes = [
        "Nobody is assigned:", "Open",
        "The assignee can't make it:", "Refused",
        "No address is known to which messages could go:", "Silent",
        "They want no messages:", "Out",
        "Messages to each of their addresses come back:", "Failing",
    ]  # fmt: skip
    lines = [line for line in sent.text.split("\n") if line in causes]
    assert lines == causes
    assert "Known" not in sent.text
    assert f"https://work.example.test/ops/assignments/{silent.pk}" in sent.text
    assert "https://work.example.test/ops/board?hours=48" in sent.text
    assert sent.html.count("<h2") == 5
    told = [nobody, silent, failing, out, refused]
    assert rows(*told) == [("brief", "SENT", "")] * 5
    assert rows(known) == [("brief", "SKIPPED", "reached")]
    assert at(stage, SEVEN + HOUR) == []  # Once.


def test_nothing_is_sent_when_all_is_clear_unless_it_is_asked_for(stage, north):
    brief()
    works = [work(north), work(north)]
    assert at(stage, SEVEN) == []
    assert rows(*works) == [("brief", "SKIPPED", "reached")] * 2


def test_a_brief_of_all_work_says_so_when_all_is_clear(stage, north):
    brief(condition="always")
    works = [work(north, title="Boiler"), work(north, title="Valve")]
    (sent,) = at(stage, SEVEN)
    assert sent.subject == "Brief: all clear"
    assert "Of 2 assignments the assignees know, or will be told." in sent.text
    assert "Boiler" not in sent.text
    assert rows(*works) == [("brief", "SENT", "")] * 2


def test_it_comes_by_the_clock_of_who_reads_it_and_of_today_and_tomorrow_together(stage, north):
    brief()
    brief(days_before=1)
    people.change_assignee(north.supervisors.get().pk, {"time_zone": "Asia/Tokyo"})
    seven_in_tokyo = SEVEN - 9 * HOUR
    works = [
        AssignmentFactory(
            team_id=north.pk, unassigned=True, title=title, scheduled_start=seven_in_tokyo + ahead
        )
        for title, ahead in (("Today", 2 * HOUR), ("Tomorrow", 26 * HOUR), ("Later", 50 * HOUR))
    ]
    assert at(stage, seven_in_tokyo - timedelta(minutes=1)) == []
    (sent,) = at(stage, seven_in_tokyo)
    assert sent.subject == "Brief: 2 assignments need somebody"
    assert "Later" not in sent.text
    (second,) = at(stage, seven_in_tokyo + 24 * HOUR)
    assert second.subject == "Brief: 2 assignments need somebody"
    assert [line for line in second.text.split("\n") if line in ("Today", "Tomorrow", "Later")] == [
        "Tomorrow",
        "Later",
    ]
    assert len(rows(*works)) == 4


def test_what_becomes_known_afterwards_waits_for_no_brief(stage, north):
    brief()
    at(stage, SEVEN)
    late = work(north, unassigned=True)
    assert at(stage, SEVEN + timedelta(minutes=5)) == []
    assert rows(late) == []


def test_one_row_alone_is_a_brief_too_and_ops_get_it_where_nobody_supervises(stage):
    brief()
    lonely = AssignmentFactory(unassigned=True, title="Lonely", scheduled_start=SEVEN + 3 * HOUR)
    (sent,) = at(stage, SEVEN)
    assert (sent.address, sent.subject) == (
        "ops@example.test",
        "Brief: 1 assignment needs somebody",
    )
    assert "Lonely" in sent.text
    assert rows(lonely) == [("brief", "SENT", "")]


def test_a_move_takes_its_row_along_and_a_start_ends_it(stage, north):
    brief()
    moved, started = work(north, unassigned=True), work(north)
    services.reschedule(moved.pk, start=SEVEN + 27 * HOUR)
    stage.clock.set(SEVEN - HOUR / 2)
    scan.scan(trigger="cli", config=stage.config)
    acts.start(started.pk, actor=Actor.ops("olga"))
    assert at(stage, SEVEN) == []
    assert rows(started) == [("brief", "SKIPPED", "started")]
    (sent,) = at(stage, SEVEN + 24 * HOUR)
    assert sent.subject == "Brief: 1 assignment needs somebody"


def test_who_is_given_an_address_before_it_is_due_is_not_in_it(stage, north):
    brief()
    silent = work(north, assignee__unreachable=True)
    stage.clock.set(SEVEN - HOUR / 2)
    scan.scan(trigger="cli", config=stage.config)
    said = [step.summary for step in explain(silent, config=stage.config).upcoming]
    assert any("the assignee is not reached" in one for one in said)
    contact_points.add_point(silent.assignee_id, "email", "nemo@example.test")
    row = next(one for one in explain(silent, config=stage.config).reminders if one.rule.startswith("brief"))
    assert row.state == State.PLANNED
    assert at(stage, SEVEN) == []
    said = explain(silent, config=stage.config)
    row = next(one for one in said.reminders if one.rule.startswith("brief"))
    assert "the assignee knows of the work, or a message will tell them" in row.summary


def test_the_simulator_foresees_it_as_things_are_now(stage, north):
    brief()
    work(north)
    silent = work(north, assignee__unreachable=True)
    found = simulate(since=NOON, until=SEVEN + HOUR, config=stage.config)
    assert [one.assignment_id for one in found.sends if one.contact.startswith("b...")] == [silent.pk], (
        found.sends
    )


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"condition": "not_confirmed"}, "condition"),
        ({"repeat_minutes": 60, "repeat_times": 2}, "repeat_minutes"),
        ({"audience": "assignee"}, "condition"),
        ({"trigger": "unanswered", "minutes": 60, "at": None, "days_before": None}, "condition"),
    ],
)
def test_a_rule_that_makes_no_brief_is_refused(clock, values, field):
    given = {
        "name": "Morning brief",
        "audience": "supervisors",
        "trigger": "at_local_time",
        "days_before": 0,
        "at": time(7),
        "condition": "not_reached",
    }
    reminder_rules.add_rule(given, by="olga")
    with pytest.raises(ValidationError) as refused:
        reminder_rules.add_rule({**given, "name": "Other", **values}, by="olga")
    assert field in refused.value.message_dict
