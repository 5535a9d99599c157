"""Rules for supervisors and Ops: who is told what, when, how often, and what ends it."""

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from django.db import connection

from assignments import acts, people, services, teams
from assignments.models import Assignment
from reminders.delivery import scan
from reminders.ledger import counters, leases, planning, rule_changes
from reminders.models import Kind, Reminder, ReminderRule, RuleSchedule, State
from reminders.operations import pauses, reminder_rules
from reminders.policy.recipients import ops_recipient, person_recipient
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.rule_factory import rule
from tests.stage import MINUTE, Stage

pytestmark = pytest.mark.django_db

OPS = "ops@example.test"
WINDOW = timedelta(seconds=61)
START = NOON + 20 * MINUTE
OVERDUE = START + 30 * MINUTE


@pytest.fixture
def config(config):
    return replace(config, ops_emails=(OPS,))


@pytest.fixture
def stage(clock, config, outbox, settings):
    settings.PUBLIC_URL = "https://work.example.test"
    return Stage(clock, config, outbox).remind()


@pytest.fixture
def boss(stage):
    """Who supervises the team of the work."""
    boss = AssigneeFactory(name="Boss", email="boss@example.test", time_zone="UTC")
    stage.team = teams.add_team(name="North", supervisors=[boss.pk])
    services.change(stage.work.pk, {"team_id": stage.team.pk})
    stage.work.refresh_from_db()
    return boss


def chain(trigger: str, **values: object) -> ReminderRule:
    """A rule for supervisors that has been in force for a long time."""
    return rule(**{"audience": "supervisors", "trigger": trigger, "minutes": 0, **values})


def at(stage: Stage, instant: datetime) -> list[str]:
    """What is told at this instant, after a scan: subjects without their dates."""
    stage.clock.set(instant)
    scan.scan(trigger="cli", config=stage.config)
    return [subject.split(",")[0] for subject in stage.tick()]


def rows(work: Assignment) -> list[tuple[str, str, int, str, str]]:
    """The steps so far: rule, recipient, minutes after the overdue instant, state, reason."""
    found = Reminder.objects.filter(assignment=work, kind=Kind.ESCALATION).order_by("id")
    return [
        (
            row.rule.partition(":rule:")[0] + "#" + (row.rule.partition("#")[2] or "0"),
            row.recipient,
            round((row.due_at - OVERDUE) / MINUTE),
            row.state,
            row.reason,
        )
        for row in found
    ]


def told(stage: Stage) -> list[str]:
    return [message.address for message in stage.outbox.messages[1:]]


def test_overdue_work_is_told_and_told_again_until_it_is_started(stage, boss):
    chain("after_overdue", minutes=5, repeat_minutes=15, repeat_times=3)
    to = person_recipient(boss.pk)
    assert at(stage, OVERDUE) == []
    assert rows(stage.work) == [("overdue#0", to, 5, State.PLANNED, "")]
    assert at(stage, OVERDUE + 5 * MINUTE) == ["Overdue: Pump"]
    first = stage.outbox.messages[-1]
    assert first.address == "boss@example.test"
    assert "Since:  Mon 15 Jun, 12:50 (UTC)" in first.text
    assert "again" not in first.text
    assert rows(stage.work)[1:] == [("overdue#1", to, 20, State.PLANNED, "")]
    assert at(stage, OVERDUE + 20 * MINUTE) == ["Overdue: Pump"]
    assert "Told:   again, repeat 1\n" in stage.outbox.messages[-1].text
    assert "again, repeat 1</td>" in stage.outbox.messages[-1].html
    assert rows(stage.work)[2:] == [("overdue#2", to, 35, State.PLANNED, "")]
    acts.start(stage.work.pk, actor=acting.by_link(stage.work), version=stage.work.version)
    assert rows(stage.work)[2:] == [("overdue#2", to, 35, State.SKIPPED, "started")]
    assert at(stage, OVERDUE + 35 * MINUTE) == []
    assert counters_of("overdue") == 2


def counters_of(trigger: str) -> float:
    with connection.cursor() as cursor:
        return counters.totals(cursor).get((counters.ESCALATIONS, f"trigger={trigger}"), 0)


def test_a_chain_ends_after_its_last_repeat(stage, boss):
    chain("after_overdue", repeat_minutes=10, repeat_times=2)
    found = [at(stage, OVERDUE + minutes * MINUTE) for minutes in range(0, 60, 5)]
    assert [bool(one) for one in found] == [True, False] * 3 + [False] * 6
    assert [row[3] for row in rows(stage.work)] == [State.SENT] * 3


def test_without_such_a_rule_the_built_in_notices_are_as_they_were(stage, boss):
    chain("unanswered", minutes=5)
    rule(audience="ops", trigger="on_decline", minutes=None)
    at(stage, NOON)
    assert at(stage, NOON + 15 * MINUTE) == ["No answer: Pump"]
    assert at(stage, OVERDUE) == ["Overdue: Pump"]
    assert Reminder.objects.filter(kind=Kind.OVERDUE, recipient=person_recipient(boss.pk)).count() == 1


def test_a_rule_for_ops_is_told_to_ops_beside_the_supervisors(stage, boss):
    rule(audience="ops", trigger="after_overdue", minutes=30)
    assert at(stage, OVERDUE) == ["Overdue: Pump"]
    assert at(stage, OVERDUE + 30 * MINUTE) == ["Overdue: Pump"]
    assert told(stage) == ["boss@example.test", OPS]


def test_the_narrower_rule_takes_the_place_of_the_wider_one(stage, boss):
    chain("after_overdue", minutes=0)
    chain("after_overdue", minutes=20, scope="team", scope_value=str(stage.team.pk))
    assert at(stage, OVERDUE) == []
    assert at(stage, OVERDUE + 20 * MINUTE) == ["Overdue: Pump"]


def test_a_decline_is_told_at_once_and_again_until_it_is_taken_back(stage, boss):
    chain("on_decline", minutes=None, repeat_minutes=10, repeat_times=5)
    acting.decline(stage.work, note="No car")
    assert [subject.split(",")[0] for subject in stage.tick()] == ["Declined: Pump"]
    assert "Note:   No car" in stage.outbox.messages[-1].text
    assert "Said:   Mon 15 Jun, 12:00 (UTC)" in stage.outbox.messages[-1].text
    assert at(stage, NOON + 11 * MINUTE) == ["Declined: Pump"]
    assert [row[0] for row in rows(stage.work)] == [f"declined:{last_act(stage)}#{n}" for n in range(3)]
    acting.confirm(stage.work)
    assert rows(stage.work)[2][3:] == (State.SKIPPED, "confirmed")
    assert [subject.split(",")[0] for subject in stage.tick(WINDOW)] == ["Confirmed after all: Pump"]
    assert at(stage, NOON + 15 * MINUTE) == []
    acting.decline(stage.work, note="No car")
    assert [subject.split(",")[0] for subject in stage.tick(WINDOW)] == ["Declined: Pump"]
    assert len({row[0].split("#")[0] for row in rows(stage.work) if row[0].startswith("declined")}) == 2


def last_act(stage: Stage) -> int:
    return stage.work.acts.filter(act="decline").order_by("-id").first().pk


def test_work_without_an_answer_is_told_before_its_start_and_no_longer_once_it_has_one(clock, config, outbox):
    stage = Stage(clock, config, outbox)
    chain("unanswered", minutes=60, repeat_minutes=20, repeat_times=9, scope="kind", scope_value="roof")
    late = AssignmentFactory(
        title="Roof", kind="roof", scheduled_start=NOON + 5 * 60 * MINUTE, assignee__time_zone="UTC"
    )
    assert rows(late) == []
    assert RuleSchedule.objects.get(assignment=late).next_at == NOON + 240 * MINUTE
    due = NOON + 240 * MINUTE
    at(stage, NOON + 130 * MINUTE)
    assert [row[0] for row in rows(late)] == ["unanswered#0"]
    assert at(stage, due) == ["No answer: Roof"]
    for said in (outbox.messages[-1].text, outbox.messages[-1].html):
        assert "has not said whether they will come" in said
        assert "Said" not in said
    acts.confirm(late.pk, actor=acting.by_link(late), version=1)
    assert [row[3:] for row in rows(late)] == [(State.SENT, ""), (State.SKIPPED, "confirmed")]
    assert at(stage, due + 20 * MINUTE) == []


def test_a_missing_answer_is_not_told_once_the_work_should_have_begun(clock, config, outbox):
    stage = Stage(clock, config, outbox)
    chain("unanswered", minutes=15, repeat_minutes=10, repeat_times=9)
    assert [at(stage, NOON + minutes * MINUTE) for minutes in (0, 5, 15, 25)][1:] == [
        ["No answer: Pump"],
        ["No answer: Pump"],
        [],
    ]
    assert [row[0] for row in rows(stage.work)] == ["unanswered#0", "unanswered#1"]


def test_a_decline_ends_the_missing_answer_and_starts_its_own_chain(clock, config, outbox):
    stage = Stage(clock, config, outbox)
    chain("unanswered", minutes=15, repeat_minutes=10, repeat_times=9)
    chain("on_decline", minutes=None)
    at(stage, NOON)
    at(stage, NOON + 5 * MINUTE)
    acting.decline(stage.work)
    assert [row[3:] for row in rows(stage.work)] == [
        (State.SENT, ""),
        (State.SKIPPED, "declined"),
        (State.PLANNED, ""),
    ]


def test_who_knew_of_the_work_too_late_to_answer_is_not_told_of(clock, config, outbox):
    chain("unanswered", minutes=60, repeat_minutes=30, repeat_times=1)
    stage = Stage(clock, config, outbox)  # 20 minutes before its start
    assert rows(stage.work) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "CANCELLED"}, "cancelled"),
        ({"scheduled_start": START + 60 * MINUTE}, "moved"),
        ({"lead_minutes": 15}, "replanned"),
    ],
)
def test_a_changed_plan_ends_the_open_step(stage, boss, change, reason):
    chain("after_overdue", repeat_minutes=20, repeat_times=3)
    at(stage, OVERDUE)
    services.change(stage.work.pk, change)
    assert [row[3:] for row in rows(stage.work)[:2]] == [(State.SENT, ""), (State.SKIPPED, reason)]


def test_another_lead_leaves_the_chain_where_it_is(stage, boss):
    chain("after_overdue", repeat_minutes=20, repeat_times=3)
    at(stage, OVERDUE)
    services.change(stage.work.pk, {"lead_minutes": 15})
    to = person_recipient(boss.pk)
    assert rows(stage.work)[2:] == [("overdue#1", to, 20, State.PLANNED, "")]
    assert at(stage, OVERDUE + 20 * MINUTE) == ["Overdue: Pump"]


def test_another_assignee_ends_the_open_step_and_gets_the_later_ones_alone(stage, boss):
    chain("after_overdue", repeat_minutes=20, repeat_times=3)
    at(stage, OVERDUE)
    pauses.pause(by="test", reason="so that a step is due")
    at(stage, OVERDUE + 21 * MINUTE)
    services.change(stage.work.pk, {"assignee_id": AssigneeFactory().pk})
    to = person_recipient(boss.pk)
    assert rows(stage.work)[1:] == [
        ("overdue#1", to, 20, State.SKIPPED, "reassigned"),
        ("overdue#2", to, 40, State.PLANNED, ""),
    ]
    pauses.resume(by="test")
    assert at(stage, OVERDUE + 30 * MINUTE) == []
    assert at(stage, OVERDUE + 40 * MINUTE) == ["Overdue: Pump"]


def test_another_supervisor_gets_the_step_that_was_not_sent_and_goes_on(stage, boss):
    chain("after_overdue", repeat_minutes=20, repeat_times=3)
    at(stage, OVERDUE)
    ann = AssigneeFactory(name="Ann", email="ann@example.test", time_zone="UTC")
    teams.change_team(stage.team.pk, {"supervisors": [ann.pk]})
    assert rows(stage.work)[1:] == [
        ("overdue#1", person_recipient(boss.pk), 20, State.SKIPPED, "reassigned"),
        ("overdue#1", person_recipient(ann.pk), 20, State.PLANNED, ""),
    ]
    assert at(stage, OVERDUE + 20 * MINUTE) == ["Overdue: Pump"]
    assert told(stage) == ["boss@example.test", "ann@example.test"]
    teams.change_team(stage.team.pk, {"supervisors": [boss.pk]})
    assert rows(stage.work)[-1] == ("overdue#2", person_recipient(boss.pk), 40, State.PLANNED, "")


def test_a_supervisor_who_comes_back_gets_their_step_back(stage, boss):
    chain("after_overdue", repeat_minutes=20, repeat_times=3)
    at(stage, OVERDUE)
    ann = AssigneeFactory(name="Ann", email="ann@example.test", time_zone="UTC")
    teams.change_team(stage.team.pk, {"supervisors": [ann.pk]})
    teams.change_team(stage.team.pk, {"supervisors": [boss.pk]})
    assert [(row[1], row[3]) for row in rows(stage.work)[1:]] == [
        (person_recipient(boss.pk), State.PLANNED),
        (person_recipient(ann.pk), State.SKIPPED),
    ]


def test_two_supervisors_are_told_each_and_go_on_each(stage, boss):
    ann = AssigneeFactory(name="Ann", email="ann@example.test", time_zone="UTC")
    teams.change_team(stage.team.pk, {"supervisors": [ann.pk, boss.pk]})
    chain("after_overdue", repeat_minutes=20, repeat_times=1)
    assert len(at(stage, OVERDUE)) == 2
    assert len(at(stage, OVERDUE + 20 * MINUTE)) == 2
    assert sorted(told(stage)) == ["ann@example.test"] * 2 + ["boss@example.test"] * 2


def test_without_a_supervisor_who_can_be_reached_ops_are_told(stage):
    chain("after_overdue", repeat_minutes=20, repeat_times=1)
    at(stage, OVERDUE)
    at(stage, OVERDUE + 20 * MINUTE)
    assert told(stage) == [OPS, OPS]
    assert {row[1] for row in rows(stage.work)} == {ops_recipient(OPS)}


def test_a_supervisor_is_not_told_that_they_have_not_answered_themselves(clock, config, outbox):
    chain("unanswered", minutes=15)
    chain("after_overdue")
    stage = Stage(clock, config, outbox)
    team = teams.add_team(name="Alone", supervisors=[stage.work.assignee_id])
    services.change(stage.work.pk, {"team_id": team.pk})
    at(stage, NOON)
    at(stage, NOON + 5 * MINUTE)
    at(stage, OVERDUE)
    assert told(stage) == [OPS, stage.work.assignee.email]


def test_what_falls_into_the_quiet_hours_of_a_supervisor_waits_for_their_end(stage, boss):
    people.change_assignee(boss.pk, {"quiet_from": time(12, 45), "quiet_until": time(14)})
    chain("after_overdue", quiet_hours="respect", repeat_minutes=20, repeat_times=6)
    assert at(stage, OVERDUE) == []
    assert rows(stage.work)[0][2] == 70
    assert at(stage, NOON + 120 * MINUTE) == ["Overdue: Pump"]
    assert rows(stage.work)[1][:3] == ("overdue#4", person_recipient(boss.pk), 80)
    people.change_assignee(boss.pk, {"quiet_from": time(14, 5), "quiet_until": time(14, 20)})
    assert rows(stage.work)[1][:3] == ("overdue#4", person_recipient(boss.pk), 90)


def test_an_outage_is_followed_by_one_message_and_not_by_all_that_were_missed(stage, boss):
    chain("after_overdue", repeat_minutes=10, repeat_times=20)
    assert at(stage, OVERDUE + 54 * MINUTE) == ["Overdue: Pump"]
    assert [row[0] for row in rows(stage.work)] == ["overdue#5", "overdue#6"]
    assert [at(stage, OVERDUE + minutes * MINUTE) for minutes in (56, 58)] == [[], []]


def test_a_step_that_comes_too_late_is_followed_by_the_latest_that_does_not(stage, boss):
    chain("after_overdue", repeat_minutes=150, repeat_times=3)
    at(stage, OVERDUE)
    pauses.pause(by="test", reason="for hours")
    at(stage, OVERDUE + 150 * MINUTE)
    stage.clock.set(OVERDUE + (150 + 241) * MINUTE)
    pauses.resume(by="test")
    assert [subject.split(",")[0] for subject in stage.tick()] == ["Overdue: Pump"]
    to = person_recipient(boss.pk)
    assert rows(stage.work)[1:] == [
        ("overdue#1", to, 150, State.SKIPPED, "too_late"),
        ("overdue#2", to, 300, State.SENT, ""),
    ]


def test_what_an_operator_skips_is_followed_by_the_next(stage, boss):
    chain("after_overdue", repeat_minutes=20, repeat_times=3)
    at(stage, OVERDUE)
    pauses.pause(by="test", reason="for a while")
    at(stage, OVERDUE + 21 * MINUTE)
    pauses.resume(by="test", skip=[pauses.BacklogPart.ESCALATIONS], reason="nobody needs them")
    assert at(stage, OVERDUE + 22 * MINUTE) == []
    assert [row[::3] for row in rows(stage.work)[1:]] == [
        ("overdue#1", State.SKIPPED),
        ("overdue#2", State.PLANNED),
    ]


def test_a_rule_with_a_condition_leaves_who_has_confirmed(stage, boss):
    chain("after_overdue", condition="not_confirmed", repeat_minutes=20, repeat_times=3)
    at(stage, OVERDUE)
    acts.confirm(stage.work.pk, actor=acting.OLGA, version=stage.work.version)
    assert at(stage, OVERDUE + 20 * MINUTE) == []
    assert [row[::3] for row in rows(stage.work)[1:]] == [("overdue#1", State.SKIPPED)]
    assert rows(stage.work)[1][4] == "confirmed"
    assert at(stage, OVERDUE + 40 * MINUTE) == []


def test_a_new_rule_is_told_for_what_is_overdue_already_from_now_on(stage, boss):
    at(stage, OVERDUE)
    stage.clock.set(OVERDUE + 30 * MINUTE)
    values = {"name": "Late", "audience": "supervisors", "trigger": "after_overdue", "minutes": 0}
    reminder_rules.add_rule({**values, "repeat_minutes": 20, "repeat_times": 3}, by="ops")
    assert at(stage, OVERDUE + 31 * MINUTE) == []
    assert rows(stage.work) == [("overdue#2", person_recipient(boss.pk), 40, State.PLANNED, "")]


def test_a_changed_rule_moves_its_step_and_a_removed_one_ends_it(stage, boss):
    made = chain("after_overdue", minutes=60)
    at(stage, OVERDUE)
    reminder_rules.change_rule(made.pk, {"minutes": 40}, by="ops")
    at(stage, OVERDUE + MINUTE)
    to = person_recipient(boss.pk)
    assert rows(stage.work) == [("overdue#0", to, 40, State.PLANNED, "")]
    reminder_rules.remove_rule(made.pk, by="ops")
    at(stage, OVERDUE + 2 * MINUTE)
    assert rows(stage.work) == [("overdue#0", to, 40, State.SKIPPED, "replanned")]
    assert not RuleSchedule.objects.exists()


def test_a_step_of_a_changed_rule_is_not_sent_though_the_scan_has_not_come_yet(stage, boss):
    made = chain("after_overdue", minutes=10)
    at(stage, OVERDUE)
    ReminderRule.objects.filter(pk=made.pk).update(minutes=30, changed_at=OVERDUE)
    rule_changes.announce_change()
    stage.clock.set(OVERDUE + 10 * MINUTE)
    assert stage.tick() == []
    assert rows(stage.work) == [("overdue#0", person_recipient(boss.pk), 30, State.PLANNED, "")]


def test_running_late_moves_what_comes_after_the_overdue_instant(stage, boss):
    chain("after_overdue", minutes=10)
    acts.run_late(stage.work.pk, minutes=15, actor=acting.by_link(stage.work), version=stage.work.version)
    stage.tick(WINDOW)
    assert at(stage, OVERDUE + 10 * MINUTE) == []
    assert at(stage, OVERDUE + 15 * MINUTE) == []
    assert at(stage, OVERDUE + 25 * MINUTE) == ["Overdue: Pump"]


def test_steps_of_several_assignments_go_in_one_message(stage, boss):
    AssignmentFactory(title="Roof", scheduled_start=START, team_id=stage.team.pk, assignee__time_zone="UTC")
    chain("after_overdue", repeat_minutes=20, repeat_times=1)
    stage.tick()
    assert at(stage, OVERDUE) == ["Overdue: 2 assignments that nobody has started"]
    assert at(stage, OVERDUE + 20 * MINUTE) == ["Overdue: 2 assignments that nobody has started"]
    for said in (stage.outbox.messages[-1].text, stage.outbox.messages[-1].html):
        assert said.count("again, repeat 1") == 2


def test_notices_of_several_kinds_go_in_one_message_that_counts_them(stage, boss):
    for title, minutes in (("Roof", 40), ("Gate", 45)):
        AssignmentFactory(
            title=title,
            scheduled_start=NOON + minutes * MINUTE,
            team_id=stage.team.pk,
            assignee__time_zone="UTC",
        )
    chain("unanswered", minutes=25)
    chain("on_decline", minutes=20)
    acting.decline(stage.work)
    at(stage, NOON + 21 * MINUTE)
    (message,) = [one for one in stage.outbox.messages if one.address == "boss@example.test"]
    assert message.subject == "3 notices, 1 declined, 2 without an answer"
    for said in (message.text, message.html):
        assert said.count("No answer yet") == 2
        assert said.count("Declined") == 1


def test_what_happens_while_reminders_are_switched_off_is_planned_by_the_next_scan(stage, boss, settings):
    chain("on_decline", minutes=None)
    settings.REMINDERS = replace(stage.config, enabled=False)
    acting.decline(stage.work)
    assert rows(stage.work) == []
    settings.REMINDERS = stage.config
    assert at(stage, NOON + 5 * MINUTE) == ["Declined: Pump"]


def test_supervisors_who_change_while_reminders_are_switched_off_are_followed_by_the_next_scan(
    stage, boss, settings
):
    chain("after_overdue", repeat_minutes=20, repeat_times=3)
    at(stage, OVERDUE)
    settings.REMINDERS = replace(stage.config, enabled=False)
    ann = AssigneeFactory(name="Ann", email="ann@example.test", time_zone="UTC")
    teams.change_team(stage.team.pk, {"supervisors": [ann.pk]})
    assert [row[3] for row in rows(stage.work)] == [State.SENT, State.SKIPPED]
    settings.REMINDERS = stage.config
    at(stage, OVERDUE + MINUTE)
    assert rows(stage.work)[2:] == [("overdue#1", person_recipient(ann.pk), 20, State.PLANNED, "")]


def test_a_supervisor_whose_removal_nobody_was_told_of_is_found_by_the_scan(stage, boss):
    chain("after_overdue", repeat_minutes=20, repeat_times=3)
    at(stage, OVERDUE)
    ann = AssigneeFactory(name="Ann", email="ann@example.test", time_zone="UTC")
    stage.team.supervisors.set([ann.pk])
    at(stage, OVERDUE + MINUTE)
    assert [(row[1], row[3], row[4]) for row in rows(stage.work)[1:]] == [
        (person_recipient(boss.pk), State.SKIPPED, "reassigned"),
        (person_recipient(ann.pk), State.PLANNED, ""),
    ]


def test_a_step_whose_end_nobody_knows_is_followed_by_the_next_and_is_no_gap_meanwhile(stage, boss):
    chain("after_overdue", repeat_minutes=20, repeat_times=3)
    at(stage, OVERDUE)
    step = Reminder.objects.get(kind=Kind.ESCALATION, closed_at=None)
    stage.clock.set(step.due_at)
    Reminder.objects.filter(pk=step.pk).update(
        state=State.SENDING, lease_until=step.due_at, attempts=2, ambiguous=1, begun_at=step.due_at
    )
    leases.reap(stage.config)
    step.refresh_from_db()
    assert (step.state, step.reason) == (State.UNKNOWN, "ambiguous")
    assert planning.unaccounted(stage.config) == 0
    scan.scan(trigger="cli", config=stage.config)
    assert [(row[0], row[3]) for row in rows(stage.work)[1:]] == [
        ("overdue#1", State.UNKNOWN),
        ("overdue#2", State.PLANNED),
    ]


def test_a_reset_begins_the_chain_anew(stage, boss):
    chain("after_overdue", repeat_minutes=20, repeat_times=3)
    at(stage, OVERDUE)
    stage.clock.set(OVERDUE + 5 * MINUTE)
    services.remind_again([stage.work.pk])
    at(stage, OVERDUE + 6 * MINUTE)
    assert [(row[0], row[3]) for row in rows(stage.work)] == [
        ("overdue#0", State.SENT),
        ("overdue#1", State.SKIPPED),
        ("overdue#1", State.PLANNED),
    ]
