"""Which notices go in one message, and what becomes of them where it is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assignments.models import Status
from reminders.models import Kind, Reason
from reminders.policy import digests, gates
from reminders.policy.digests import Group
from reminders.policy.retries import Result
from reminders.policy.rows import SEND, Action, Plan, Situation, Verdict
from tests.sample_rows import sample_row

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
NOTICE = sample_row(
    due_at=NOON, kind=Kind.OVERDUE, recipient="ops:1", planned_start=NOON, not_after=NOON + timedelta(hours=4)
)
PLAN = Plan(version=1, status=Status.SCHEDULED, scheduled_start=NOON, recipient="assignee:3")
LATER = NOON + timedelta(seconds=40)
WINDOW = Situation(now=NOON, held={}, windows={("ops:1", "email"): LATER})


@pytest.mark.parametrize(
    ("row", "group"),
    [
        (NOTICE, Group("ops:1", "email", None)),
        (replace(NOTICE, digest_id=5), Group("ops:1", "email", 5)),
        (replace(NOTICE, digest_id=5, ambiguous=1), Group("ops:1", "email", 5)),
        (replace(NOTICE, ambiguous=1), None),
        (replace(NOTICE, recipient="assignee:3", kind=Kind.REMINDER), Group("assignee:3", "email", None)),
        (replace(NOTICE, recipient="assignee:3", kind=Kind.CORRECTION), None),
        (replace(NOTICE, recipient="", channel="none"), None),
        (replace(NOTICE, recipient="subscription:1", kind=Kind.EVENT), None),
    ],
    ids=[
        "notice",
        "settled",
        "settled, in doubt",
        "alone, in doubt",
        "to a person",
        "correction",
        "marker",
        "event",
    ],
)
def test_what_goes_to_one_goes_together_unless_it_may_have_arrived_alone(row, group):
    assert digests.group_of(row) == group


def test_a_notice_waits_while_one_has_just_left_to_the_same_supervisor():
    assert gates.judge(NOTICE, PLAN, WINDOW) == Verdict(Action.WAIT, Reason.TO_BE_JOINED, until=LATER)
    assert gates.judge(NOTICE, PLAN, replace(WINDOW, now=LATER)) == SEND


@pytest.mark.parametrize(
    "row",
    [
        replace(NOTICE, digest_id=5, ambiguous=1),
        replace(NOTICE, ambiguous=1),
        replace(NOTICE, recipient="ops:2"),
        replace(NOTICE, channel="sms"),
    ],
    ids=["repeat of a digest", "repeat", "another supervisor", "another channel"],
)
def test_what_need_not_be_joined_does_not_wait(row):
    assert gates.judge(row, PLAN, WINDOW) == SEND


def test_the_longest_overdue_comes_first():
    rows = [replace(NOTICE, id=3), replace(NOTICE, id=2), replace(NOTICE, id=9, due_at=NOON - timedelta(1))]
    assert [row.id for row in digests.in_order(rows)] == [9, 2, 3]


@pytest.mark.parametrize(
    ("result", "about_message", "expected"),
    [
        (Result.REJECTED, True, True),
        (Result.REJECTED, False, False),
        (Result.TEMPLATE, False, True),
        (Result.NO_CONTACT, False, False),
        (Result.CHANNEL_REFUSED, True, False),
    ],
)
def test_only_a_refusal_of_the_content_is_one_rows_fault(result, about_message, expected):
    assert digests.is_about_content(result, about_message=about_message) is expected


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=300, unique=True))
def test_halves_lead_to_single_rows(ids):
    """Whichever row is to blame, it is alone after as many rounds as the number of rows has binary digits."""
    rounds = 0
    while len(ids) > 1:
        half = digests.halves(ids)
        assert list(half) == ids
        parts = [[one for one in ids if half[one] == lead] for lead in dict.fromkeys(half.values())]
        assert len(parts) == 2
        assert [part[0] for part in parts] == list(dict.fromkeys(half.values()))
        ids = max(parts, key=len)
        rounds += 1
    assert rounds <= 9
