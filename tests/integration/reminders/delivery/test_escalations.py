"""What assignees do about their work reaches their supervisors: once, while it is so, and nobody who need not know."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from assignments import acts, services, teams
from assignments.history import Actor
from notifications.message import Outcome
from reminders.insight.explain.explain import explain
from reminders.ledger import counters
from reminders.ledger.escalations import Heard, heard_of
from reminders.ledger.replanning import follow_supervision
from reminders.models import Kind, Reminder, State
from reminders.operations import pauses
from reminders.policy.escalation import EscalationTrigger
from reminders.policy.recipients import ops_recipient, person_recipient
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.stage import MINUTE, Stage

pytestmark = pytest.mark.django_db

OPS = "ops@example.test"
WINDOW = timedelta(seconds=61)


@pytest.fixture
def config(config):
    return replace(config, ops_emails=(OPS,))


@pytest.fixture
def stage(clock, config, outbox, settings):
    settings.PUBLIC_URL = "https://work.example.test"
    return Stage(clock, config, outbox).remind()


@pytest.fixture
def supervisor(stage):
    """Who supervises the team of the work."""
    boss = AssigneeFactory(name="Boss", email="boss@example.test", time_zone="UTC")
    team = teams.add_team(name="North", supervisors=[boss.pk])
    stage.work.assignee.phone = "+49 30 1234567"
    stage.work.assignee.save()
    services.change(stage.work.pk, {"team_id": team.pk})
    stage.work.refresh_from_db()
    stage.team = team
    return boss


def late(stage: Stage, minutes: int) -> None:
    acts.run_late(
        stage.work.pk, minutes=minutes, actor=acting.by_link(stage.work), version=stage.work.version
    )


def ends(stage: Stage) -> list[tuple[str, str]]:
    return stage.ends(Kind.ESCALATION)


def addresses(stage: Stage) -> list[str]:
    return [message.address for message in stage.outbox.messages[1:]]


def test_a_decline_reaches_the_supervisors_at_once_with_all_they_need(stage, supervisor):
    acting.decline(stage.work, note="My car is broken")
    (subject,) = stage.tick()
    assert subject == "Declined: Pump, Mon 15 Jun, 12:20 (UTC)"
    message = stage.outbox.messages[-1]
    assert message.address == "boss@example.test"
    for said in (
        f"{stage.work.assignee.name} can't make it",
        "tel:+49301234567",
        "My car is broken",
        "Said:   Mon 15 Jun, 12:00 (UTC)",
        f"https://work.example.test/ops/assignments/{stage.work.pk}",
        f"https://work.example.test/ops/act/reassign?ids={stage.work.pk}",
    ):
        assert said.replace("'", "&#x27;") in message.html or said in message.html or said.startswith("Said")
        assert said in message.text
    assert ends(stage) == [(State.SENT, "")]


def test_without_a_supervisor_who_can_be_reached_ops_hear_of_it(stage):
    acting.decline(stage.work)
    stage.tick()
    assert addresses(stage) == [OPS]


def test_a_supervisor_who_declines_is_not_told_what_they_said_themselves(stage):
    team = teams.add_team(name="Alone", supervisors=[stage.work.assignee_id])
    services.change(stage.work.pk, {"team_id": team.pk})
    acting.decline(stage.work)
    stage.tick()
    assert addresses(stage) == [OPS]


def test_the_same_decline_again_tells_nobody_twice(stage, supervisor):
    acting.decline(stage.work)
    acting.decline(stage.work)
    assert len(stage.tick()) == 1
    assert stage.tick(WINDOW) == []


def test_who_confirms_before_it_has_left_leaves_no_message(stage, supervisor):
    pauses.pause(by="test", reason="so that nothing leaves")
    acting.decline(stage.work)
    acting.confirm(stage.work)
    pauses.resume(by="test")
    assert stage.tick(WINDOW) == []
    assert ends(stage) == [(State.SKIPPED, "confirmed")]


def test_who_was_told_of_a_decline_is_told_that_it_was_taken_back_and_of_the_next_one(stage, supervisor):
    acting.decline(stage.work)
    stage.tick()
    acting.confirm(stage.work)
    assert stage.tick(WINDOW) == ["Confirmed after all: Pump, Mon 15 Jun, 12:20 (UTC)"]
    acting.decline(stage.work)
    assert stage.tick(WINDOW) == ["Declined: Pump, Mon 15 Jun, 12:20 (UTC)"]
    assert set(addresses(stage)) == {"boss@example.test"}


@pytest.mark.parametrize(
    ("ended", "end"),
    [
        ({"state": State.FAILED, "reason": "rejected"}, (State.SKIPPED, "as_told")),
        ({"state": State.UNKNOWN, "reason": "ambiguous", "ambiguous": 1}, (State.SENT, "")),
        ({"state": State.SENT, "sent_at": NOON}, (State.SENT, "")),
    ],
)
def test_who_was_not_told_of_a_decline_after_all_is_not_told_that_it_was_taken_back(
    stage, supervisor, ended, end
):
    acting.decline(stage.work)
    notice = Reminder.objects.filter(kind=Kind.ESCALATION)
    sending = {"begun_at": NOON, "attempts": 1, "lease_until": NOON + MINUTE}
    notice.update(state=State.SENDING, **sending)
    acting.confirm(stage.work)
    notice.filter(state=State.SENDING).update(lease_until=None, closed_at=NOON, **ended)
    explained = explain(stage.work, config=stage.config)
    assert any("can make it after all will be sent" in one.summary for one in explained.upcoming) == (
        end[0] == State.SENT
    )
    assert stage.tick() == (
        ["Confirmed after all: Pump, Mon 15 Jun, 12:20 (UTC)"] if end[0] == State.SENT else []
    )
    withdrawal = notice.get(rule__startswith="confirmed_after_all:")
    assert (withdrawal.state, withdrawal.reason) == end


def test_a_first_confirmation_tells_no_supervisor(stage, supervisor):
    acting.confirm(stage.work)
    assert stage.tick(WINDOW) == []
    assert ends(stage) == []


def test_a_decline_that_nobody_heard_of_is_not_taken_back_to_who_knew_only_an_older_one(stage, supervisor):
    acting.decline(stage.work)
    stage.tick()
    acting.confirm(stage.work)
    stage.tick(WINDOW)
    pauses.pause(by="test", reason="so that nothing leaves")
    acting.decline(stage.work)
    acting.confirm(stage.work)
    pauses.resume(by="test")
    assert stage.tick(WINDOW) == []


def test_running_late_tells_the_supervisors_each_time(stage, supervisor):
    late(stage, 15)
    assert stage.tick() == ["Late: Pump, Mon 15 Jun, 12:20 (UTC)"]
    assert "Begins: Mon 15 Jun, 12:35 (UTC)" in stage.outbox.messages[-1].text
    late(stage, 30)
    assert stage.tick(WINDOW) == ["Late: Pump, Mon 15 Jun, 12:20 (UTC)"]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (lambda work: acting.start(work.pk), "started"),
        (lambda work: services.cancel(work.pk), "cancelled"),
        (lambda work: services.reschedule(work.pk, start=NOON + 400 * MINUTE), "moved"),
        (lambda work: services.reassign(work.pk, assignee_id=AssigneeFactory().pk), "replanned"),
    ],
    ids=["start", "cancel", "move", "reassign"],
)
def test_what_makes_it_pointless_ends_it_in_the_same_transaction(stage, supervisor, what, reason):
    acting.decline(stage.work)
    what(stage.work)
    assert ends(stage) == [(State.SKIPPED, reason)]


def test_a_notice_that_waits_goes_to_the_supervisors_of_now(stage, supervisor):
    pauses.pause(by="test", reason="so that nothing leaves")
    acting.decline(stage.work)
    other = AssigneeFactory(name="Other", email="other@example.test")
    teams.change_team(stage.team.pk, {"supervisors": [other.pk]})
    follow_supervision(stage.config)
    pauses.resume(by="test")
    stage.tick()
    assert addresses(stage) == ["other@example.test"]
    assert sorted(ends(stage)) == [(State.SENT, ""), (State.SKIPPED, "reassigned")]


def test_where_the_supervisor_cannot_be_reached_ops_are_told(stage, supervisor):
    acting.decline(stage.work)
    stage.outbox.answer_with(Outcome.REJECTED)
    stage.tick()
    stage.outbox.answer_with(Outcome.ACCEPTED)
    stage.tick(WINDOW)
    told = {row.recipient: row.state for row in Reminder.objects.filter(kind=Kind.ESCALATION)}
    assert told == {person_recipient(supervisor.pk): State.FAILED, ops_recipient(OPS): State.SENT}


def test_several_within_a_minute_are_one_message_and_declines_come_first(stage, supervisor):
    others = [
        AssignmentFactory(title=f"Roof {n}", scheduled_start=NOON + 50 * MINUTE, team_id=stage.team.pk)
        for n in range(3)
    ]
    acting.decline(stage.work)
    assert len(stage.tick()) == 1
    acts.run_late(others[0].pk, minutes=10, actor=acting.by_link(others[0]), version=1)
    acting.decline(others[1], note="Ill")
    acting.decline(others[2])
    assert [one for one in stage.tick() if not one.startswith("Reminder")] == []
    assert [one for one in stage.tick(WINDOW) if not one.startswith("Reminder")] == [
        "3 notices, 2 declined, 1 late"
    ]
    text = next(one.text for one in stage.outbox.messages if one.subject.startswith("3 notices"))
    assert "Note:    Ill" in text
    assert "Begins:" in text


def test_explain_says_what_comes_and_what_came(stage, supervisor):
    acting.decline(stage.work)
    coming = explain(stage.work, config=stage.config)
    assert "that the assignee can't make it will be sent" in str(coming.upcoming)
    stage.tick()
    came = str(explain(stage.work, config=stage.config).history)
    assert "ESCALATION (the assignee can't make it) of version" in came
    assert "Boss" in came


def test_what_was_told_is_counted_and_known_to_the_page(stage, supervisor):
    assert heard_of(stage.work, EscalationTrigger.DECLINED) is Heard.NO
    acting.decline(stage.work)
    assert heard_of(stage.work, EscalationTrigger.DECLINED) is Heard.BEING_TOLD
    stage.tick()
    assert heard_of(stage.work, EscalationTrigger.DECLINED) is Heard.TOLD
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(value) FROM reminders_counter WHERE name = %s AND labels = %s",
            [counters.ESCALATIONS, "trigger=declined"],
        )
        assert cursor.fetchone() == (1,)


def test_acts_of_operators_are_told_too(stage, supervisor):
    acts.decline(stage.work.pk, actor=Actor.ops("olga"))
    assert len(stage.tick()) == 1
