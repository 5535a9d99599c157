"""Every decision about a reminder, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assignments.models import Status
from reminders.conf import ReminderConfig
from reminders.delivery import dispatch
from reminders.models import Kind, Reason, State
from reminders.policy import gates as policy_gates
from reminders.policy import retries, timing
from reminders.policy import rows as policy_rows
from reminders.policy.gates import Gate
from reminders.policy.retries import Result
from reminders.policy.rows import Action, Plan, Situation, Verdict
from tests.sample_rows import sample_row

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
START = NOON + timedelta(minutes=30)
CONFIG = ReminderConfig()

ROW = sample_row(due_at=NOON, version=2, ticket=4)
MARKER = replace(ROW, kind=Kind.OVERDUE, recipient="", channel="none", not_after=None)
PLAN = Plan(version=2, status=Status.SCHEDULED, scheduled_start=START, recipient="assignee:3")
HERE = Situation(now=NOON, held={})


def test_what_is_due_and_still_planned_is_sent():
    assert policy_gates.judge(ROW, PLAN, HERE) == Verdict(Action.SEND)


def test_a_marker_marks():
    assert policy_gates.judge(MARKER, PLAN, HERE) == Verdict(Action.MARK)


@pytest.mark.parametrize(
    ("row", "plan", "situation", "action", "reason"),
    [
        (ROW, PLAN, replace(HERE, enabled=False), Action.WAIT, Reason.DISABLED),
        (ROW, PLAN, replace(HERE, paused=True), Action.WAIT, Reason.PAUSED),
        (
            ROW,
            PLAN,
            replace(HERE, held={"email": NOON + timedelta(seconds=1)}),
            Action.WAIT,
            Reason.CHANNEL_HELD,
        ),
        (
            replace(ROW, next_attempt_at=NOON + timedelta(seconds=1)),
            PLAN,
            HERE,
            Action.WAIT,
            Reason.TOO_EARLY,
        ),
        (ROW, replace(PLAN, status=Status.CANCELLED), HERE, Action.END, Reason.CANCELLED),
        (ROW, replace(PLAN, status=Status.IN_PROGRESS), HERE, Action.END, Reason.STARTED),
        (ROW, replace(PLAN, status=Status.COMPLETED), HERE, Action.END, Reason.STARTED),
        (ROW, replace(PLAN, scheduled_start=NOON), HERE, Action.END, Reason.MOVED),
        (ROW, replace(PLAN, version=3, recipient="assignee:4"), HERE, Action.END, Reason.REASSIGNED),
        (ROW, replace(PLAN, version=3), HERE, Action.END, Reason.REPLANNED),
        (ROW, PLAN, replace(HERE, now=ROW.not_after + timedelta(seconds=1)), Action.END, Reason.TOO_LATE),
        (MARKER, PLAN, replace(HERE, enabled=False), Action.WAIT, Reason.DISABLED),
        (MARKER, replace(PLAN, status=Status.IN_PROGRESS), HERE, Action.END, Reason.STARTED),
    ],
)
def test_the_first_gate_that_is_shut_decides(row, plan, situation, action, reason):
    verdict = policy_gates.judge(row, plan, situation)
    assert (verdict.action, verdict.reason) == (action, reason)


def test_a_pause_holds_no_marker():
    assert policy_gates.judge(MARKER, PLAN, replace(HERE, paused=True)).action is Action.MARK


def test_fifty_milliseconds_early_is_early_enough():
    assert (
        policy_gates.judge(replace(ROW, next_attempt_at=NOON + timedelta(milliseconds=50)), PLAN, HERE)
        == policy_rows.SEND
    )


def test_what_may_have_arrived_is_never_called_skipped():
    verdict = policy_gates.judge(
        replace(ROW, ambiguous=1, attempts=1), replace(PLAN, status=Status.CANCELLED), HERE
    )
    assert (verdict.state, verdict.reason) == (State.UNKNOWN, Reason.AMBIGUOUS)


@pytest.mark.parametrize(
    ("result", "state", "reason"),
    [
        (Result.ACCEPTED, State.SENT, None),
        (Result.REJECTED, State.FAILED, Reason.REJECTED),
        (Result.NO_CONTACT, State.FAILED, Reason.NO_CONTACT),
        (Result.TEMPLATE, State.FAILED, Reason.TEMPLATE),
        (Result.INTERNAL, State.FAILED, Reason.INTERNAL),
        (Result.HANDED_BACK, State.PLANNED, None),
        (Result.CHANNEL_DOWN, State.PLANNED, None),
        (Result.CHANNEL_REFUSED, State.PLANNED, None),
        (Result.THROTTLED, State.PLANNED, None),
        (Result.UNKNOWABLE, State.PLANNED, None),
        (Result.REFUSED_FOR_NOW, State.PLANNED, None),
    ],
)
def test_each_result_leads_to_one_state(result, state, reason):
    onward = retries.transition_after(ROW, result, now=NOON, config=CONFIG, jitter=0)
    assert (onward.state, onward.reason) == (state, reason)


def test_an_unknowable_send_is_repeated_once_only():
    again = retries.transition_after(
        replace(ROW, ambiguous=1, attempts=1), Result.UNKNOWABLE, now=NOON, config=CONFIG, jitter=0
    )
    assert (again.state, again.reason) == (State.UNKNOWN, Reason.AMBIGUOUS)


def test_a_retry_that_would_come_too_late_is_not_waited_for():
    last = replace(ROW, not_after=NOON + timedelta(seconds=10))
    onward = retries.transition_after(last, Result.REFUSED_FOR_NOW, now=NOON, config=CONFIG, jitter=0)
    assert (onward.state, onward.reason) == (State.FAILED, Reason.EXHAUSTED)


def test_the_last_attempt_ends_it():
    tired = replace(ROW, failures=4, attempts=4)
    five = replace(CONFIG, max_attempts=5)
    onward = retries.transition_after(tired, Result.REFUSED_FOR_NOW, now=NOON, config=five, jitter=0)
    assert (onward.state, onward.reason) == (State.FAILED, Reason.EXHAUSTED)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 15), (2, 30), (3, 60), (6, 480), (7, 600), (60_000, 600)]
)
def test_backoff_doubles_up_to_ten_minutes(failures, seconds):
    assert retries.backoff(failures, jitter=0) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 5), (2, 10), (4, 40), (5, 60), (60_000, 60)])
def test_a_channel_is_held_longer_each_time_up_to_a_minute(failures, seconds):
    assert retries.breaker_delay(failures) == timedelta(seconds=seconds)


def test_a_long_lead_is_never_found_late():
    horizon = timing.planning_horizon(now=NOON, lead_minutes=1440, config=CONFIG)
    assert horizon == NOON + timedelta(days=1, minutes=5)
    assert timing.planning_horizon(now=NOON, lead_minutes=None, config=CONFIG) == NOON + timedelta(hours=2)


def test_one_row_has_one_message_id_for_ever():
    assert policy_rows.message_uuid(ROW) == policy_rows.message_uuid(
        replace(ROW, ticket=9, attempts=3, ambiguous=1)
    )
    assert policy_rows.message_uuid(ROW) != policy_rows.message_uuid(replace(ROW, version=3))
    assert policy_rows.message_uuid(ROW) == "aeb06205-fc0e-5d9b-9ae6-102de05e4a7c"


@pytest.mark.parametrize(
    ("rows", "so_far", "size"),
    [
        *((0, 0, 1), (1, 1, 1), (8, 8, 1), (16, 16, 2), (799, 799, 99), (999, 9_999, 124)),
        *((1_000, 1_000, 250), (1_000, 1_500, 375), (1_000, 2_000, 500), (1_000, 10_000, 500)),
    ],
)
def test_hints_travel_alone_until_there_are_many(rows, so_far, size):
    assert dispatch.chunk_size(rows, config=CONFIG, so_far=so_far) == size


@pytest.mark.parametrize(("so_far", "size"), [(1_000, 31), (4_000, 125), (10_000, 312)])
def test_many_processes_get_their_share_of_much(so_far, size):
    config = replace(CONFIG, concurrency=16)
    assert dispatch.chunk_size(1_000, config=config, so_far=so_far) == size


# --- properties ------------------------------------------------------------------------------------------

instants = st.integers(-200_000, 200_000).map(lambda seconds: NOON + timedelta(seconds=seconds))
rows = st.builds(
    lambda version, marks, due, life, next_at, attempts, ambiguous, start: replace(
        MARKER if marks else ROW,
        version=version,
        due_at=due,
        not_after=None if marks else due + life,
        next_attempt_at=next_at,
        attempts=attempts + ambiguous,
        failures=attempts,
        ambiguous=ambiguous,
        planned_start=start,
    ),
    st.integers(1, 3),
    st.booleans(),
    instants,
    st.integers(0, 100_000).map(lambda s: timedelta(seconds=s)),
    instants,
    st.integers(0, 5),
    st.integers(0, 1),
    st.sampled_from([START, NOON]),
)
plans = st.builds(
    Plan,
    version=st.integers(1, 3),
    status=st.sampled_from(list(Status)),
    scheduled_start=st.sampled_from([START, NOON]),
    recipient=st.sampled_from(["", "assignee:3", "assignee:4"]),
)
situations = st.builds(
    Situation,
    now=instants,
    enabled=st.booleans(),
    paused=st.booleans(),
    held=st.one_of(st.just({}), instants.map(lambda at: {"email": at})),
)


@given(rows, plans, situations)
def test_only_what_passes_every_gate_goes_out(row, plan, situation):
    verdict = policy_gates.judge(row, plan, situation)
    open_gates = all(gate.passed for gate in policy_gates.evaluate_gates(row, plan, situation))
    assert (verdict.action in (Action.SEND, Action.MARK)) == open_gates
    if verdict.action is Action.SEND:
        assert row.version == plan.version
        assert plan.status is Status.SCHEDULED
        assert situation.enabled
        assert not situation.paused
        assert row.next_attempt_at <= situation.now + policy_gates.EARLY_TOLERANCE
        assert row.not_after is None or situation.now <= row.not_after


@given(rows, plans, situations)
def test_a_verdict_that_ends_a_row_names_a_final_state_and_a_reason(row, plan, situation):
    verdict = policy_gates.judge(row, plan, situation)
    if verdict.action is Action.END:
        assert verdict.reason is not None
        assert verdict.state is (State.UNKNOWN if row.ambiguous else State.SKIPPED)


@given(rows, plans, situations)
def test_every_gate_says_what_was_seen(row, plan, situation):
    gates = list(policy_gates.evaluate_gates(row, plan, situation))
    assert all(isinstance(gate, Gate) and gate.observed for gate in gates)
    assert len({gate.name for gate in gates}) == len(gates)


@given(rows, st.sampled_from(list(Result)), instants, st.floats(-1, 1))
def test_a_retry_lies_in_the_future_and_before_it_is_too_late(row, result, now, jitter):
    onward = retries.transition_after(row, result, now=now, config=CONFIG, jitter=jitter)
    if onward.state is State.PLANNED:
        assert onward.retry_at is not None
        assert onward.retry_at >= now
        if result is Result.REFUSED_FOR_NOW and row.not_after is not None:
            assert onward.retry_at < row.not_after
    else:
        assert onward.state is State.SENT or onward.reason is not None


@given(st.integers(1, 1000), st.floats(-1, 1))
def test_backoff_is_bounded(failures, jitter):
    assert timedelta(seconds=12) <= retries.backoff(failures, jitter=jitter) <= timedelta(minutes=12)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_chunk_is_never_empty_and_never_larger_than_a_batch(rows_due, before):
    size = dispatch.chunk_size(rows_due, config=CONFIG, so_far=before + rows_due)
    assert 1 <= size <= CONFIG.batch_size


@pytest.mark.parametrize("result", [Result.CHANNEL_DOWN, Result.CHANNEL_REFUSED, Result.THROTTLED])
def test_what_is_about_the_channel_trips_the_breaker_and_is_not_counted(result):
    assert retries.trips_breaker(ROW, result)
    assert not retries.transition_after(ROW, result, now=NOON, config=CONFIG, jitter=0).counted
