"""What waits for a channel's pace: when each message leaves is said beforehand, and then it does."""

from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from assignments.models import Assignment
from assignments.team_scope import TeamScope
from assignments.teams import add_team
from notifications.message import Delivery, Outcome, Subject
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch
from reminders.insight import statistics
from reminders.insight.doctor.check import Level
from reminders.insight.doctor.system import checks
from reminders.insight.explain.answer import Outlook
from reminders.insight.explain.explain import explain
from reminders.insight.next_steps import outlooks
from reminders.insight.simulator.simulator import simulate
from reminders.models import ChannelPace, Reminder, State
from reminders.operations import pauses
from tests.factories import NOON, AssignmentFactory, overdue_notice
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
FULL = Delivery(Outcome.THROTTLED, "452", "too many messages", subject=Subject.CHANNEL)


def tick(config, channel_of) -> None:
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)
    deliver.deliver(broker.hints(), config=config, channel=channel_of, speed=deliver.SendSpeed(0.0001))


def paced(per_minute: float = 20, *, tokens: float = 0, now: datetime = NOON) -> ChannelPace:
    return ChannelPace.objects.create(
        channel="memory",
        per_minute=per_minute,
        tokens=tokens,
        refilled_at=now,
        raised_at=now,
        throttled_at=now,
        since=now,
        code="452",
    )


def due_now(number: int, *, of_use: timedelta = 30 * MINUTE) -> list[int]:
    """Work whose reminder is due, and of use for so long; as ids of assignments."""
    found = AssignmentFactory.create_batch(number, soon=True)
    Reminder.objects.filter(assignment__in=found, kind="REMINDER").update(not_after=NOON + of_use)
    return [work.pk for work in found]


def sent_at() -> dict[int, datetime]:
    rows = Reminder.objects.filter(state=State.SENT, kind="REMINDER")
    return dict(rows.values_list("assignment_id", "sent_at"))


def run_for(span: timedelta, clock, config, channel_of) -> None:
    end = clock.now() + span
    while clock.now() < end:
        tick(config, channel_of)
        clock.advance(SECOND)


def said(assignment_id: int, config: ReminderConfig):
    return explain(Assignment.objects.get(pk=assignment_id), config=config)


# --- the explanation -------------------------------------------------------------------------------------------


def test_each_reminder_leaves_when_the_explanation_says_it_will(clock, config, outbox, channel_of):
    work = due_now(30)
    outbox.answer_with(*[Delivery(Outcome.ACCEPTED, "250")] * 20, FULL)
    tick(config, channel_of)
    waiting = [pk for pk in work if pk not in sent_at()]
    assert len(waiting) == 10
    expected = {pk: said(pk, config) for pk in waiting}
    assert {one.outlook for one in expected.values()} == {Outlook.COMING}
    run_for(MINUTE, clock, config, channel_of)
    left = sent_at()
    assert [pk for pk in waiting if abs(left[pk] - expected[pk].next_at) > 2 * SECOND] == []


def test_the_explanation_says_the_pace_the_turn_and_when(clock, config):
    paced()
    first, second = due_now(2)
    one, other = said(first, config), said(second, config)
    assert one.summary == (
        "The reminder will be sent at about 2026-06-15 12:00:03 UTC: the channel memory accepts about 20 a minute, and "
        "it is the next to leave."
    )
    assert "12:00:06 UTC" in other.summary
    assert "1 message leaves before it" in other.summary
    gate = other.gates[-1]
    assert (gate.name, gate.passed, gate.consequence) == (
        "its turn has come",
        False,
        "waits until about 2026-06-15 12:00:06 UTC",
    )
    assert other.will_send
    assert other.reminders[0].next_at == NOON + 6 * SECOND
    on_the_board = [line.next for line in outlooks([first, second], config=config)]
    goes = "A reminder goes by memory (the channel memory accepts about 20 a minute, and"
    assert [(step.at, step.summary) for step in on_the_board if step] == [
        (one.next_at, f"{goes} it is the next to leave)"),
        (other.next_at, f"{goes} 1 message leaves before it)"),
    ]


def test_the_explanation_says_which_turn_does_not_come_in_time_and_then_it_does_not(
    clock, config, channel_of
):
    paced()
    work = due_now(6, of_use=10 * SECOND)
    answers = {pk: said(pk, config) for pk in work}
    late = [pk for pk, one in answers.items() if one.outlook is Outlook.NOT_SENT]
    assert len(late) == 3
    assert answers[late[0]].summary == (
        "The reminder will not be sent: the channel memory accepts about 20 a minute, and its turn does not come by "
        "2026-06-15 12:00:10 UTC, after which it is of no use."
    )
    assert not answers[late[0]].will_send
    assert answers[late[0]].advice == "Tell the person yourself if it still matters."
    steps = {line.assignment.pk: line.next for line in outlooks(work, config=config)}
    assert [pk for pk, step in steps.items() if step and step.at is None] == late
    assert (
        steps[late[0]].summary == "Nothing more is sent to them: the channel memory accepts about 20 a minute"
    )
    run_for(20 * SECOND, clock, config, channel_of)
    ended = Reminder.objects.filter(kind="REMINDER", state=State.SKIPPED, reason="too_late")
    assert sorted(ended.values_list("assignment_id", flat=True)) == sorted(late)


def test_work_that_no_scan_has_planned_yet_has_its_turn_too(clock, config):
    paced(per_minute=1)
    due_now(3)
    coming = AssignmentFactory(soon=True)
    Reminder.objects.filter(assignment=coming).delete()
    assert said(coming.pk, config).next_at == NOON + 4 * MINUTE


def test_a_pause_that_ends_comes_before_the_turn_and_one_without_end_hides_it(clock, config):
    paced()
    work = due_now(2)[-1]
    pauses.pause(by="ada", reason="storm", until=NOON + 10 * MINUTE)
    assert said(work, config).next_at is not None
    assert said(work, config).next_at >= NOON + 10 * MINUTE
    pauses.resume(by="ada")
    pauses.pause(by="ada", reason="storm")
    assert said(work, config).outlook is Outlook.WAITS


def test_without_a_pace_nothing_is_said_of_it(clock, config):
    work = due_now(2)[-1]
    assert said(work, config).summary == "The reminder will be sent now: every condition is met."


# --- the order -------------------------------------------------------------------------------------------------


def test_what_is_of_use_for_the_shortest_time_leaves_first(clock, config, channel_of):
    paced(tokens=1)
    patient, urgent = due_now(1, of_use=2 * MINUTE * 60), due_now(1, of_use=MINUTE)
    tick(config, channel_of)
    assert list(sent_at()) == urgent
    clock.advance(3 * SECOND)
    tick(config, channel_of)
    assert list(sent_at()) == [*patient, *urgent]


def test_what_is_too_late_takes_nobodys_turn(clock, config, channel_of):
    """Else, with more due than leaves, each turn would fall to one that is too late by then, and nobody would be sent."""
    due_now(50, of_use=-SECOND)
    good = due_now(2)
    paced(tokens=1)
    tick(config, channel_of)
    assert list(sent_at()) == good[:1]
    assert Reminder.objects.filter(kind="REMINDER", reason="too_late").count() == 50
    clock.advance(3 * SECOND)
    tick(config, channel_of)
    assert sorted(sent_at()) == good


# --- figures ---------------------------------------------------------------------------------------------------


def test_the_figures_say_how_many_wait_when_the_last_leaves_and_which_come_too_late(clock, config):
    assert statistics.count(config).paces == ()
    paced()
    due_now(4)
    due_now(2, of_use=SECOND)
    (one,) = statistics.count(config).paces
    assert (one.channel, one.per_minute, one.code, one.waiting, one.too_late) == ("memory", 20, "452", 6, 2)
    assert one.since == NOON.timestamp()
    assert one.last_leaves_at == (NOON + 12 * SECOND).timestamp()
    assert statistics.current(config=config).paces == (one,)
    assert statistics.current(config=config).paces == (one,)


def test_the_figures_of_a_team_are_its_own_turns_among_all(clock, config):
    """Messages of others go first, and are not counted."""
    paced()
    due_now(3, of_use=10 * MINUTE)
    north = add_team(name="North")
    AssignmentFactory.create_batch(2, soon=True, team_id=north.pk)
    (whole,) = statistics.count(config).paces
    (own,) = statistics.count(config, TeamScope(frozenset([north.pk]))).paces
    (none,) = statistics.count(config, TeamScope(frozenset([4711]))).paces
    assert [one.waiting for one in (whole, own, none)] == [5, 2, 0]
    assert own.last_leaves_at == whole.last_leaves_at == (NOON + 15 * SECOND).timestamp()
    assert none.last_leaves_at is None


def test_what_falls_due_later_and_will_be_too_late_is_counted_before(clock, config):
    paced(per_minute=1)
    work = AssignmentFactory.create_batch(5, scheduled_start=NOON + 40 * MINUTE)
    Reminder.objects.filter(assignment__in=work).update(not_after=NOON + 12 * MINUTE)
    (one,) = statistics.count(config).paces
    assert (one.waiting, one.too_late, one.last_leaves_at) == (0, 2, None)


def test_a_configured_limit_is_a_pace_without_a_beginning(clock, config):
    limited = replace(config, channel="email", email_rate=30.0)
    (one,) = statistics.count(limited).paces
    assert (one.channel, one.per_minute, one.since, one.waiting) == ("email", 30, None, 0)


def test_the_doctor_says_the_pace_and_warns_where_it_is_too_slow(clock, config):
    def found() -> list[tuple[str, Level, str]]:
        lines = [check for check in checks(config) if check.name.startswith("pace")]
        return [(check.name, check.level, check.seen) for check in lines]

    assert found() == [("pace", Level.PASS, "no channel limits how many messages it accepts")]
    paced()
    due_now(1)
    seen = "the channel memory accepts about 20 a minute: 1 due messages wait, the last leaves at about"
    assert found() == [("pace of memory", Level.PASS, f"{seen} 2026-06-15T12:00:03+00:00")]
    due_now(3, of_use=SECOND)
    assert found() == [
        (
            "pace of memory",
            Level.WARN,
            f"{seen.replace('1 due', '4 due')} 2026-06-15T12:00:03+00:00; 3 cannot leave in time",
        )
    ]


# --- the simulator ---------------------------------------------------------------------------------------------


def test_the_simulator_gives_each_reminder_its_turn(clock, config, channel_of):
    paced()
    work = due_now(3)
    found = simulate(since=NOON, until=NOON + MINUTE, config=config)
    assert [(one.at - NOON) / SECOND for one in found.sends] == [3, 6, 9]
    assert {one.due for one in found.sends} == {NOON}
    assert found.paces == {"memory": 20}
    expected = {one.assignment_id: one.at for one in found.sends}
    assert {pk: said(pk, config).next_at for pk in work} == expected
    run_for(12 * SECOND, clock, config, channel_of)
    assert [pk for pk, at in sent_at().items() if abs(at - expected[pk]) > SECOND] == []
    assert sorted(sent_at()) == work


def test_the_simulator_says_what_comes_too_late_and_leaves_it_out_of_the_sum(clock, config):
    paced(per_minute=1)
    work = AssignmentFactory.create_batch(3, scheduled_start=NOON + 90 * MINUTE)
    Assignment.objects.update(scheduled_start=NOON - 28 * MINUTE, known_at=NOON - 60 * MINUTE)
    Reminder.objects.filter(assignment__in=work).delete()
    found = simulate(since=NOON, until=NOON + 24 * 60 * MINUTE, config=config)
    assert [(one.too_late, (one.at - NOON) / MINUTE) for one in found.sends] == [
        (False, 1),
        (False, 2),
        (True, 2),
    ]
    assert (found.total, dict(found.skipped)) == (2, {"too_late": 1})
    out = StringIO()
    call_command("simulate_reminders", stdout=out)
    assert "accepts about 1 a minute" in out.getvalue()
    assert "waits 60 s for its turn" in out.getvalue()
    assert "not in time" in out.getvalue()


def test_what_leaves_after_the_range_is_not_counted_in_it(clock, config):
    paced(per_minute=1)
    due_now(5)
    found = simulate(since=NOON, until=NOON + 3 * MINUTE, config=config)
    assert found.total == 2


def test_notices_that_wait_take_their_share_in_the_simulator_too(clock, config):
    paced(per_minute=60)
    due_now(20)
    work = AssignmentFactory.create_batch(5, scheduled_start=NOON + 600 * MINUTE)
    for one in work:
        overdue_notice(one, due_at=NOON)
    found = simulate(since=NOON, until=NOON + MINUTE, config=config)
    assert [(one.at - NOON) / SECOND for one in found.sends][8:10] == [9, 11]
