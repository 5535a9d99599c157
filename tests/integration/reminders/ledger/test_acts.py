"""What acts mean for the ledger: declined work reminds nobody, late work is overdue later, started work ends its rows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from assignments import acts, people, services
from assignments.models import Assignment
from notifications.message import Outcome
from reminders.delivery import deliver, dispatch, scan
from reminders.insight import selections, statistics
from reminders.insight.explain.explain import explain
from reminders.insight.simulator.simulator import simulate
from reminders.ledger import beginning, finishing, replanning
from reminders.ledger.records import Finished
from reminders.models import Kind, Reason, Reminder, State
from reminders.operations import resets
from reminders.operations.plans import Effect, Selection
from reminders.policy import retries, timing
from reminders.policy.retries import Result
from tests import acting
from tests.factories import NOON, AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
OVERDUE = 30 * MINUTE


@pytest.fixture
def desk() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
def run(config, desk, channel_of) -> Callable[[], None]:
    """A scan, one tick of dispatch, and workers that take what was handed over."""

    def turn() -> None:
        scan.scan(trigger="cli", config=config)
        dispatch.dispatch(config=config, broker=desk)
        batches, desk.batches = desk.batches, []
        for batch in batches:
            deliver.deliver(batch.hints, config=config, channel=channel_of)

    return turn


@pytest.fixture
def work(clock) -> Assignment:
    return AssignmentFactory()


def reminder(work: Assignment) -> Reminder:
    work.refresh_from_db()
    return Reminder.objects.get(assignment=work, kind=Kind.REMINDER, version=work.version)


def marker(work: Assignment) -> Reminder:
    return Reminder.objects.get(assignment=work, kind=Kind.OVERDUE, version=work.version, channel="none")


def late(work: Assignment, minutes: int) -> None:
    acts.run_late(work.pk, actor=acting.by_link(work), minutes=minutes)


# --- declined --------------------------------------------------------------------------------------------------


def test_who_has_declined_is_not_reminded_and_the_work_still_becomes_overdue(work, clock, run, outbox):
    acting.decline(work)
    row = reminder(work)
    assert (row.state, row.reason, row.closed_at) == (State.SKIPPED, Reason.DECLINED, NOON)
    for minutes in (30, 61, 91):
        clock.set(NOON + minutes * MINUTE)
        run()
    assert outbox.messages == []
    work.refresh_from_db()
    assert (work.reminder_status, work.overdue_at) == ("OVERDUE", NOON + 91 * MINUTE)
    assert Reminder.objects.filter(assignment=work, kind=Kind.REMINDER).count() == 1


def test_who_confirms_again_before_it_is_due_is_reminded_in_time_and_once(work, clock, run, outbox):
    acting.decline(work)
    acting.confirm(work)
    row = reminder(work)
    assert (row.state, row.reason, row.closed_at, row.due_at) == (State.PLANNED, "", None, NOON + 30 * MINUTE)
    for minutes in (29, 30, 31):
        clock.set(NOON + minutes * MINUTE)
        run()
    assert len(outbox.messages) == 1
    assert reminder(work).state == State.SENT


def test_what_was_due_meanwhile_is_not_brought_back(work, clock, run, outbox):
    acting.decline(work)
    clock.set(NOON + 30 * MINUTE)
    acting.confirm(work)
    run()
    assert (reminder(work).state, reminder(work).reason) == (State.SKIPPED, Reason.DECLINED)
    assert outbox.messages == []


def test_a_decline_between_claim_and_begin_is_not_sent(work, clock, config, desk, outbox, channel_of):
    clock.set(NOON + 30 * MINUTE)
    dispatch.dispatch(config=config, broker=desk)
    acting.decline(work)
    deliver.deliver(desk.hints(), config=config, channel=channel_of)
    assert (reminder(work).reason, outbox.messages) == (Reason.DECLINED, [])


def test_a_decline_that_the_ledger_has_missed_is_seen_at_begin_and_by_a_scan(work, clock, config, desk):
    """As when the release before takes the answer."""
    clock.set(NOON + 30 * MINUTE)
    dispatch.dispatch(config=config, broker=desk)
    Assignment.objects.filter(pk=work.pk).update(answer="DECLINED", answered_at=NOON)
    begun = beginning.begin(desk.hints(), config=config)
    assert (begun.claims, [row.reason for row in begun.settled]) == ([], ["declined"])
    other = AssignmentFactory(scheduled_start=NOON + 120 * MINUTE)
    Assignment.objects.filter(pk=other.pk).update(answer="DECLINED", answered_at=NOON)
    scan.scan(trigger="cli", config=config)
    assert reminder(other).reason == Reason.DECLINED


@pytest.mark.parametrize(
    ("result", "state", "reason"),
    [
        (Result.ACCEPTED, State.SENT, ""),
        (Result.REFUSED_FOR_NOW, State.SKIPPED, Reason.DECLINED),
        (Result.UNKNOWABLE, State.UNKNOWN, Reason.AMBIGUOUS),
        (Result.REJECTED, State.FAILED, Reason.REJECTED),
    ],
)
def test_a_row_in_sending_lands_and_is_not_tried_again(work, clock, config, desk, result, state, reason):
    clock.set(NOON + 30 * MINUTE)
    dispatch.dispatch(config=config, broker=desk)
    (claim,) = beginning.begin(desk.hints(), config=config).claims
    acting.decline(work)
    assert reminder(work).state == State.SENDING
    transition = retries.transition_after(claim.row, result, now=clock.now(), config=config, jitter=0)
    end = Finished(
        claim=claim,
        result=result,
        transition=transition,
        code="",
        detail="",
        finished_at=clock.now(),
        message_id="<x>",
    )
    finishing.finish([end], config=config)
    assert (reminder(work).state, reminder(work).reason) == (state, reason)
    acting.confirm(work)
    assert (reminder(work).state, reminder(work).reason) == (state, reason)


def test_another_version_of_declined_work_is_not_sent_either(work, config):
    acting.decline(work)
    services.change(work.pk, {"lead_minutes": 45})
    assert (reminder(work).version, reminder(work).reason) == (2, Reason.DECLINED)
    plan = resets.plan_reset(Selection(ids=(work.pk,)), config=config)
    assert [target.effect for target in plan.targets] == [Effect.NOTHING]
    resets.run_reset(plan, by="olga", reason="x")
    assert (reminder(work).version, reminder(work).reason) == (3, Reason.DECLINED)
    services.reschedule(work.pk, start=NOON + 90 * MINUTE)
    assert (reminder(work).version, reminder(work).state) == (4, State.PLANNED)


def test_a_corrected_address_brings_nothing_back_for_who_has_declined(clock, config, run):
    work = AssignmentFactory(soon=True, assignee__email="")
    run()
    assert reminder(work).reason == Reason.NO_CONTACT
    acting.decline(work)
    people.change_assignee(work.assignee_id, {"email": "a@example.test"})
    assert reminder(work).reason == Reason.NO_CONTACT


# --- running late ----------------------------------------------------------------------------------------------


def test_late_work_is_overdue_later_and_nobody_is_reminded_again(work, clock, run, outbox, config):
    clock.set(NOON + 58 * MINUTE)
    run()
    assert (marker(work).due_at, len(outbox.messages)) == (NOON + 60 * MINUTE + OVERDUE, 1)
    late(work, 45)
    moved = NOON + 60 * MINUTE + 45 * MINUTE + OVERDUE
    assert (marker(work).due_at, marker(work).next_attempt_at, marker(work).state) == (
        moved,
        moved,
        "PLANNED",
    )
    work.refresh_from_db()
    assert (work.version, work.scheduled_start) == (1, NOON + 60 * MINUTE)
    for instant, status in ((moved - timedelta(seconds=1), "SENT"), (moved, "OVERDUE")):
        clock.set(instant)
        run()
        work.refresh_from_db()
        assert work.reminder_status == status
        assert statistics.count(config).overdue == (status == "OVERDUE")
        assert selections.overdue(now=instant, config=config).count() == (status == "OVERDUE")
    assert len(outbox.messages) == 1
    with pytest.raises(services.Refused, match="marked OVERDUE"):
        late(work, 60)


def test_a_marker_that_is_planned_after_the_word_is_planned_later(work, clock, config):
    clock.set(NOON + 10 * MINUTE)
    late(work, 240)
    clock.set(NOON + 59 * MINUTE)
    scan.scan(trigger="cli", config=config)
    assert marker(work).due_at == NOON + 60 * MINUTE + 240 * MINUTE + OVERDUE
    assert scan.scan(trigger="cli", config=config).counts.retimed == 0


def test_a_queued_marker_goes_back_and_its_hint_finds_nothing(work, clock, config, desk):
    clock.set(NOON + 58 * MINUTE)
    scan.scan(trigger="cli", config=config)
    clock.set(NOON + 60 * MINUTE + OVERDUE)
    dispatch.dispatch(config=config, broker=desk)
    assert marker(work).state == State.QUEUED
    late(work, 60)
    assert (marker(work).state, marker(work).lease_until) == (State.PLANNED, None)
    begun = beginning.begin(desk.hints(), config=config)
    assert (begun.marked, [hint.reminder_id for hint in begun.stale]) == ([], [marker(work).pk])
    work.refresh_from_db()
    assert work.overdue_at is None


def test_a_changed_setting_and_a_changed_lead_keep_the_word(work, clock, config):
    clock.set(NOON + 10 * MINUTE)
    late(work, 60)
    base = NOON + 120 * MINUTE
    assert reminder(work).not_after == base + OVERDUE
    replanning.retime(replace(config, overdue=10 * MINUTE))
    assert reminder(work).not_after == base + 10 * MINUTE
    services.change(work.pk, {"lead_minutes": 5})
    assert reminder(work).not_after == base + OVERDUE
    assert explain(work, config=config).expected_start == base
    (step,) = [step for step in explain(work, config=config).upcoming if "OVERDUE" in step.summary]
    assert step.at == base + OVERDUE


def test_the_simulator_still_sees_the_reminder_of_late_work(clock, config):
    work = AssignmentFactory(soon=True)
    late(work, 120)
    clock.set(NOON + 100 * MINUTE)
    seen = simulate(since=clock.now(), until=clock.now() + 60 * MINUTE, config=config)
    assert [send.assignment_id for send in seen.sends] == [work.pk]


instants = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1))


@given(start=instants, expected=st.none() | instants)
def test_the_function_and_the_fragment_agree_about_the_overdue_base(start, expected):
    base = timing.overdue_base_sql("a")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {base} FROM (SELECT %s::timestamp, %s::timestamp) AS a(scheduled_start, expected_start)",
            [start, expected],
        )
        assert cursor.fetchone()[0] == timing.overdue_base(start, expected)


# --- started ---------------------------------------------------------------------------------------------------


def test_a_start_ends_everything_open_in_its_transaction_also_after_overdue(work, clock, run, config):
    with_ops = replace(config, ops_emails=("ops@example.test",))
    clock.set(NOON + 60 * MINUTE + OVERDUE + timedelta(seconds=1))
    scan.scan(trigger="cli", config=with_ops)
    desk = MemoryBroker()
    dispatch.dispatch(config=with_ops, broker=desk)
    beginning.begin(desk.hints(), config=with_ops)
    work.refresh_from_db()
    notice = Reminder.objects.get(assignment=work, kind=Kind.OVERDUE, channel="memory")
    assert (work.reminder_status, notice.state) == ("OVERDUE", State.PLANNED)
    marked = work.overdue_at
    acts.start(work.pk, actor=acting.by_link(work))
    work.refresh_from_db()
    assert (work.status, work.reminder_status, work.overdue_at) == ("IN_PROGRESS", "OVERDUE", marked)
    notice.refresh_from_db()
    assert (notice.state, notice.reason) == (State.SKIPPED, Reason.STARTED)
    assert not Reminder.objects.filter(assignment=work, closed_at__isnull=True).exists()
    assert statistics.count(config).overdue == 0
    assert not selections.overdue(now=clock.now(), config=config).exists()


def test_a_failed_send_of_started_work_is_not_tried_again(work, clock, config, desk, outbox, channel_of):
    outbox.answer_with(Outcome.REFUSED_FOR_NOW)
    clock.set(NOON + 30 * MINUTE)
    dispatch.dispatch(config=config, broker=desk)
    (claim,) = beginning.begin(desk.hints(), config=config).claims
    acting.start(work.pk)
    assert reminder(work).state == State.SENDING
    transition = retries.transition_after(
        claim.row, Result.REFUSED_FOR_NOW, now=clock.now(), config=config, jitter=0
    )
    finishing.finish(
        [
            Finished(
                claim=claim,
                result=Result.REFUSED_FOR_NOW,
                transition=transition,
                code="",
                detail="",
                finished_at=clock.now(),
                message_id="<x>",
            )
        ],
        config=config,
    )
    assert reminder(work).reason == Reason.STARTED
