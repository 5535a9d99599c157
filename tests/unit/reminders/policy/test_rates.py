"""How long a reminder waits for the rate of its person."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from assignments.models import Status
from reminders.conf import ReminderConfig
from reminders.models import Reason
from reminders.policy import gates, rates
from reminders.policy.rates import Due, Hold, RateLimits
from reminders.policy.rows import Action, Plan, Situation
from tests.sample_rows import sample_row

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
USUAL = RateLimits(1, 10)
ROW = sample_row(due_at=NOON)
PLAN = Plan(version=1, status=Status.SCHEDULED, scheduled_start=ROW.planned_start, recipient="assignee:3")
HELD = Situation(now=NOON, held={}, rates={"assignee:3": Hold(NOON - 20 * SECOND, NOON + 40 * SECOND, None)})


@pytest.mark.parametrize(
    ("ago", "limits", "until"),
    [
        ([], USUAL, None),
        ([20], RateLimits(0, 0), None),
        ([20], USUAL, 40),
        ([20], RateLimits(2, 10), None),
        ([50, 20], RateLimits(2, 10), 10),
        ([20], RateLimits(0, 10), None),
        ([3000, 2000, 900], RateLimits(0, 3), 600),
        ([3000, 2000, 900], RateLimits(0, 2), 1600),
    ],
)
def test_the_limits_hold_until_the_oldest_that_counts_is_out_of_their_span(ago, limits, until):
    hold = rates.hold_after([NOON - one * SECOND for one in ago], limits)
    far = NOON + timedelta(days=1)
    held = None if hold is None else rates.held_until(hold, start=far, not_after=far)
    assert held == (None if until is None else NOON + until * SECOND)


@pytest.mark.parametrize(
    ("start", "not_after", "until"),
    [(30, 60, 29), (0, 30, 0.5), (-10, 20, 0.5), (0, 0.5, 20 / 60), (30, None, 29)],
    ids=["before the start", "at the start", "after it", "of use for half a minute", "of use for ever"],
)
def test_nothing_is_held_past_its_use(start, not_after, until):
    """A minute holds for half a minute more, the hour for three quarters of one."""
    hold = Hold(NOON - 30 * SECOND, NOON + 30 * SECOND, NOON + 45 * MINUTE)
    end = None if not_after is None else NOON + not_after * MINUTE
    assert rates.held_until(hold, start=NOON + start * MINUTE, not_after=end) == NOON + until * MINUTE


def test_the_gate_says_how_long_and_after_which_message():
    verdict = gates.judge(ROW, PLAN, HELD)
    assert (verdict.action, verdict.reason) == (Action.WAIT, Reason.TO_BE_JOINED)
    assert verdict.until == NOON + 40 * SECOND
    gate = next(one for one in gates.evaluate_gates(ROW, PLAN, HELD) if not one.passed)
    assert gate.observed == "held 40 s: they had one at 2026-06-15 11:59:40 UTC"


@pytest.mark.parametrize(
    "row",
    [
        replace(ROW, recipient="assignee:4"),
        replace(ROW, ambiguous=1, attempts=1),
        replace(ROW, digest_id=9),
    ],
    ids=["somebody else", "in doubt", "its message is settled"],
)
def test_who_else_is_not_held(row):
    assert gates.judge(row, replace(PLAN, recipient=row.recipient), HELD).action is Action.SEND


def test_the_reminders_of_a_mandatory_rule_are_not_held():
    mandatory = replace(HELD, exempt={"rule:4"})
    assert gates.judge(replace(ROW, rule="rule:4"), PLAN, mandatory).action is Action.SEND


def test_what_waits_leaves_together_and_each_way_by_itself():
    start = NOON + 20 * MINUTE
    due = [
        Due(NOON + at * SECOND, start, start, way) for at, way in [(0, "a"), (5, "a"), (9, "b"), (30, "a")]
    ]
    left = [(one.at, at, number) for one, at, number in rates.departures(due, [], USUAL)]
    assert left == [
        (NOON, NOON, 0),
        (NOON + 5 * SECOND, NOON + MINUTE, 1),
        (NOON + 30 * SECOND, NOON + MINUTE, 1),
        (NOON + 9 * SECOND, NOON + 2 * MINUTE, 2),
    ]


def test_the_limit_of_an_hour_is_no_smaller_than_that_of_a_minute():
    (refusal,) = ReminderConfig(rate_per_minute=5, rate_per_hour=3).contradictions()
    assert refusal == (
        "REMINDER_RATE_PER_HOUR is 3: at least REMINDER_RATE_PER_MINUTE (5), or 0 for no limit, is needed"
    )
    assert ReminderConfig(rate_per_minute=5, rate_per_hour=0).contradictions() == []
