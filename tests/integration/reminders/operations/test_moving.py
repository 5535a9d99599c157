"""Work is moved, cancelled and made by operators: what is foreseen is what happens, and whoever was told is told anew."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError

from assignments import services
from assignments.models import Assignment
from assignments.services import NewAssignment
from assignments.team_scope import EVERYTHING
from reminders.delivery import deliver, dispatch, scan
from reminders.insight.changed_plans import Told, new_plan
from reminders.models import Audit, Kind, Reminder, State
from reminders.operations.plan_changes import Offset, plan_cancel, plan_move, run_change
from reminders.operations.plans import Why
from reminders.operations.time_choice import MoveForm, instant_of
from reminders.policy.rows import Action
from tests import acting
from tests.factories import NOON, AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker
from tests.rule_factory import evening, rule

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def turn(config, channel_of, outbox):
    """Sends what is due; to whom it went."""

    def go() -> list[str]:
        before = len(outbox.messages)
        desk = MemoryBroker()
        dispatch.dispatch(config=config, broker=desk)
        deliver.deliver(desk.hints(), config=config, channel=channel_of)
        return [message.address for message in outbox.messages[before:]]

    return go


def test_it_is_moved_with_its_length_and_the_trail_says_from_when(clock, config):
    work = AssignmentFactory(scheduled_end=NOON + 3 * HOUR)
    plan = plan_move([work.pk], NOON + 5 * HOUR, config=config)
    assert run_change(plan, by="olga", reason="flood").ids == (work.pk,)
    work.refresh_from_db()
    assert (work.scheduled_start, work.scheduled_end) == (NOON + 5 * HOUR, NOON + 7 * HOUR)
    (line,) = Audit.objects.all()
    assert (line.action, line.reason, line.selection) == ("move", "flood", {"ids": [work.pk]})
    assert line.before[str(work.pk)]["start"] == "2026-06-15T13:00:00+00:00"
    assert line.after[str(work.pk)]["start"] == "2026-06-15T17:00:00+00:00"
    again = run_change(plan, by="olga", reason="flood")
    assert [(one.id, one.why) for one in again.skipped] == [(work.pk, Why.CHANGED)]


def test_whoever_was_told_hears_of_the_move_when_it_was_foreseen(clock, config, turn):
    told, silent = AssignmentFactory(soon=True), AssignmentFactory(scheduled_start=NOON + 3 * HOUR)
    assert turn() == [told.assignee.email]
    plan = plan_move([told.pk, silent.pk], Offset(minutes=120), config=config)
    heard = [(move.told, move.correction) for move in plan.moves]
    assert heard == [(Told.YES, config.correction_grace), (Told.NO, None)]
    foreseen = {move.assignment.pk: move.reminders[0].forecast.at for move in plan.moves}
    assert foreseen == {told.pk: NOON + 100 * MINUTE, silent.pk: NOON + 270 * MINUTE}
    run_change(plan, by="olga", reason="x")
    clock.advance(config.correction_grace)
    assert turn() == [told.assignee.email]
    assert Reminder.objects.get(kind=Kind.CORRECTION).state == State.SENT
    clock.set(NOON + 99 * MINUTE)
    scan.scan(trigger="beat", config=config)
    clock.set(NOON + 269 * MINUTE)
    scan.scan(trigger="beat", config=config)
    rows = Reminder.objects.filter(kind=Kind.REMINDER, version=2)
    assert {row.assignment_id: row.due_at for row in rows} == foreseen


def test_moved_back_before_anybody_heard_of_it_nobody_hears(clock, config, turn):
    work = AssignmentFactory(soon=True)
    turn()
    run_change(plan_move([work.pk], Offset(minutes=120), config=config), by="olga", reason="x")
    (back,) = plan_move([work.pk], work.scheduled_start, config=config).moves
    assert (back.told, back.as_told, back.correction) == (Told.YES, True, None)
    assert back.reminders[0].forecast.verdict.action is not Action.SEND
    run_change(plan_move([work.pk], work.scheduled_start, config=config), by="olga", reason="x")
    clock.advance(config.correction_grace)
    assert turn() == []


@pytest.mark.parametrize("by", [Offset(minutes=-30), Offset(minutes=150), Offset(days=1), Offset(days=3)])
@pytest.mark.parametrize("own", [None, [300, 45, 20]])
def test_the_reminders_of_several_rules_are_those_that_were_foreseen(clock, config, own, by):
    evening(), rule(minutes=120), rule(minutes=60, condition="not_confirmed")
    person = AssigneeFactory(time_zone="Asia/Kolkata", quiet_from=time(20), quiet_until=time(6))
    work = AssignmentFactory(assignee=person, scheduled_start=NOON + 4 * HOUR, lead_minutes=own)
    scan.scan(trigger="beat", config=config)
    acting.confirm(work)
    (move,) = plan_move([work.pk], by, config=config).moves
    assert move.ended == ()
    run_change(plan_move([work.pk], by, config=config), by="olga", reason="x")
    leaves, skipped = set(), []
    for one in move.reminders:
        if one.forecast.verdict.action is Action.SEND:
            leaves.add(one.forecast.at)
        else:
            skipped.append(one.forecast.verdict.reason)
    work.refresh_from_db()
    clock.set(work.scheduled_start - MINUTE)
    scan.scan(trigger="beat", config=config)
    rows = Reminder.objects.filter(assignment=work, version=2, kind=Kind.REMINDER)
    assert {max(row.due_at, NOON) for row in rows if row.state == State.PLANNED} == leaves
    assert sorted(row.reason for row in rows if row.state == State.SKIPPED) == sorted(skipped)


def test_days_keep_the_time_of_day_of_each_assignee(clock, config):
    """Clocks of Berlin go back on 25 October 2026, those of Sydney went forward on the 4th; nobody's work shifts."""
    berlin, sydney = (AssigneeFactory(time_zone=zone) for zone in ("Europe/Berlin", "Australia/Sydney"))
    saturday = datetime(2026, 10, 24, 9, tzinfo=ZoneInfo("Europe/Berlin"))
    friday = datetime(2026, 10, 2, 9, tzinfo=ZoneInfo("Australia/Sydney"))
    work = [
        AssignmentFactory(assignee=berlin, scheduled_start=saturday),
        AssignmentFactory(assignee=sydney, scheduled_start=friday),
        AssignmentFactory(unassigned=True, scheduled_start=saturday),
    ]
    run_change(
        plan_move([one.pk for one in work], Offset(days=2, minutes=15), config=config), by="o", reason="x"
    )
    starts = list(Assignment.objects.order_by("pk").values_list("scheduled_start", flat=True))
    assert starts == [
        datetime(2026, 10, 26, 9, 15, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2026, 10, 4, 9, 15, tzinfo=ZoneInfo("Australia/Sydney")),
        saturday.astimezone(UTC) + timedelta(days=2, minutes=15),
    ]


def test_moving_many_asks_no_more_of_the_database(clock, config, django_assert_max_num_queries):
    work = AssignmentFactory.create_batch(60)
    with django_assert_max_num_queries(25):
        plan = plan_move([one.pk for one in work], Offset(days=1), config=config)
    assert len(plan.moves) == 60


def test_overdue_work_that_is_moved_is_no_longer_overdue(clock, config, turn):
    work = AssignmentFactory(soon=True)
    turn()
    clock.advance(config.overdue + 11 * MINUTE)
    scan.scan(trigger="beat", config=config)
    turn()
    (stays,) = plan_move([work.pk], Offset(minutes=-5), config=config).moves
    (ahead,) = plan_move([work.pk], Offset(minutes=180), config=config).moves
    assert (stays.overdue, ahead.overdue) == (True, False)
    assert ahead.reminders[0].forecast.verdict.action is Action.SEND
    run_change(plan_move([work.pk], Offset(minutes=180), config=config), by="olga", reason="x")
    work.refresh_from_db()
    assert (work.reminder_status, work.overdue_at) == ("NONE", None)


def test_a_move_into_the_past_makes_it_overdue_at_once(clock, config):
    work = AssignmentFactory()
    (move,) = plan_move([work.pk], NOON - 3 * HOUR, config=config).moves
    assert (move.overdue, move.overdue_at_once) == (False, True)
    assert move.reminders[0].forecast.verdict.action is not Action.SEND


def test_cancelled_work_is_taken_back_from_whoever_was_told(clock, config, turn):
    told, silent, done = AssignmentFactory(soon=True), AssignmentFactory(), AssignmentFactory()
    turn()
    acting.complete(done.pk)
    plan = plan_cancel([told.pk, silent.pk, done.pk], config=config)
    assert [(one.told, one.correction) for one in plan.moves] == [
        (Told.YES, config.correction_grace),
        (Told.NO, None),
    ]
    assert [(one.id, one.why) for one in plan.skipped] == [(done.pk, Why.NOT_POSSIBLE)]
    run_change(plan, by="olga", reason="no access")
    assert list(Assignment.objects.order_by("pk").values_list("status", flat=True)) == [
        "CANCELLED",
        "CANCELLED",
        "COMPLETED",
    ]
    assert Audit.objects.get().action == "cancel"
    clock.advance(config.correction_grace)
    assert turn() == [told.assignee.email]


def test_it_is_moved_and_given_away_in_one_change(clock, config):
    work, other = AssignmentFactory(), AssigneeFactory()
    plan = plan_move([work.pk], NOON + 4 * HOUR, gives=True, to=other, config=config)
    run_change(plan, by="olga", reason="x")
    work.refresh_from_db()
    assert (work.assignee_id, work.scheduled_start, work.version) == (other.pk, NOON + 4 * HOUR, 2)
    assert Audit.objects.get().selection == {"ids": [work.pk], "to": other.pk}


def test_new_work_is_foreseen_as_it_comes(clock, config):
    evening(), rule(minutes=120)
    person = AssigneeFactory(time_zone="Australia/Sydney")
    new = NewAssignment(title="Pump", scheduled_start=NOON + 3 * HOUR, assignee_id=person.pk)
    work = services.unsaved(new, now=NOON)
    work.assignee = person
    foreseen = new_plan(work, config=config)
    assert not Assignment.objects.exists()
    leaves = {one.forecast.at for one in foreseen.reminders if one.forecast.verdict.action is Action.SEND}
    made = services.create(new)
    clock.set(made.scheduled_start - MINUTE)
    scan.scan(trigger="beat", config=config)
    rows = Reminder.objects.filter(assignment=made, kind=Kind.REMINDER, state=State.PLANNED)
    assert {max(row.due_at, NOON) for row in rows} == leaves
    assert leaves


# --- times as operators give them --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "zone", "instant"),
    [
        ("2026-06-16T20:00", None, "2026-06-16T20:00:00+00:00"),
        ("2026-06-16T20:00", "Australia/Sydney", "2026-06-16T10:00:00+00:00"),
        ("2026-06-16T10:00:00Z", "Australia/Sydney", "2026-06-16T10:00:00+00:00"),
        # Skipped, and twice: the end of the gap, and the first of both.
        ("2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:00:00+00:00"),
        ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00+00:00"),
    ],
)
def test_a_local_time_is_one_instant(given, zone, instant):
    assert instant_of(given, zone=zone).isoformat() == instant


@pytest.mark.parametrize(
    "given", ["", "soon", "2026-13-01T00:00", "0001-01-01T00:00", "9999-12-31T23:59", "\0"]
)
def test_what_is_no_time_is_refused(given):
    with pytest.raises(ValidationError):
        instant_of(given, zone=None)


def test_the_question_offers_the_assignees_time_only_where_it_is_another(clock):
    far = AssignmentFactory(assignee=AssigneeFactory(time_zone="Australia/Sydney"))
    near = AssignmentFactory(assignee=AssigneeFactory(time_zone="UTC"))
    asked = MoveForm({}, [far], EVERYTHING)
    assert [label for _, label in asked.fields["zone"].choices] == [
        "the office's time (UTC)",
        "the assignee's time (Sydney)",
    ]
    assert "Mon 15 Jun 2026, 23:00 in Sydney (13:00 UTC here)" in asked.fields["start"].help_text
    assert len(MoveForm({}, [near], EVERYTHING).fields["zone"].choices) == 1
    assert list(MoveForm({}, [far, near], EVERYTHING).fields) == ["days", "minutes"]
    assert not MoveForm({"days": "0", "minutes": "0"}, [far, near], EVERYTHING).is_valid()
