"""When each act is possible: states bind everybody, windows those who act for themselves."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assignments.act_rules import refusal
from assignments.models import ActKind, Answer, Assignment, Status

START = datetime(2026, 6, 15, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
ALWAYS, NEVER = timedelta(days=-400), timedelta(days=400)


def work(**more: Any) -> Assignment:
    return Assignment(pk=7, title="x", scheduled_start=START, assignee_id=3, **more)


def possible(
    act: ActKind, assignment: Assignment, after_start: timedelta, *, by_assignee: bool = True
) -> bool:
    return not refusal(act, assignment, now=START + after_start, by_assignee=by_assignee)


@pytest.mark.parametrize(
    ("act", "first", "last"),
    [
        (ActKind.CONFIRM, ALWAYS, -SECOND),
        (ActKind.DECLINE, ALWAYS, -SECOND),
        (ActKind.ON_MY_WAY, -4 * HOUR, NEVER),
        (ActKind.LATE, -4 * HOUR, NEVER),
        (ActKind.START, -HOUR, NEVER),
    ],
)
def test_each_window_opens_and_closes_to_the_second_for_a_person_and_never_for_ops(act, first, last):
    for bound in (first, last):
        assert possible(act, work(), bound)
        assert possible(act, work(), bound - SECOND, by_assignee=False)
        assert possible(act, work(), bound + SECOND, by_assignee=False)
    assert possible(act, work(), first - SECOND) == (first == ALWAYS)
    assert possible(act, work(), last + SECOND) == (last == NEVER)


@pytest.mark.parametrize(
    ("act", "statuses"),
    [
        (ActKind.CONFIRM, {Status.SCHEDULED}),
        (ActKind.DECLINE, {Status.SCHEDULED}),
        (ActKind.ON_MY_WAY, {Status.SCHEDULED}),
        (ActKind.LATE, {Status.SCHEDULED}),
        (ActKind.START, {Status.SCHEDULED}),
        (ActKind.COMPLETE, {Status.SCHEDULED, Status.IN_PROGRESS}),
    ],
)
def test_each_state_allows_the_same_to_everybody(act, statuses):
    for status in Status:
        assert possible(act, work(status=status), -SECOND, by_assignee=False) == (status in statuses)
        personal = status in statuses and (act, status) != (ActKind.COMPLETE, Status.SCHEDULED)
        assert possible(act, work(status=status), -SECOND) == personal


def test_late_is_possible_twice_until_the_work_is_marked_and_not_after_a_decline():
    for by_assignee in (True, False):
        late = {"act": ActKind.LATE, "after_start": 5 * SECOND, "by_assignee": by_assignee}
        assert possible(assignment=work(times_late=1), **late)
        assert not possible(assignment=work(times_late=2), **late)
        assert not possible(assignment=work(overdue_at=START), **late)
        assert not possible(assignment=work(answer=Answer.DECLINED), **late)


def test_who_has_declined_may_come_all_the_same():
    declined = work(answer=Answer.DECLINED)
    assert possible(ActKind.START, declined, timedelta())
    assert possible(ActKind.CONFIRM, declined, -SECOND)
    assert not possible(ActKind.ON_MY_WAY, declined, -SECOND)


@pytest.mark.parametrize("act", [ActKind.CONFIRM, ActKind.DECLINE, ActKind.ON_MY_WAY, ActKind.LATE])
def test_what_an_assignee_says_needs_an_assignee(act):
    nobody = Assignment(pk=7, title="x", scheduled_start=START)
    said = refusal(act, nobody, now=START - SECOND, by_assignee=False)
    assert said == "nobody is assigned to assignment 7: assign somebody first"


def test_a_refusal_names_the_thing_its_value_and_what_is_accepted():
    assert refusal(ActKind.START, work(), now=START - 2 * HOUR, by_assignee=True) == (
        "assignment 7 starts at 2026-06-15T09:00:00Z: it can be started from 60 minutes before on"
    )
    assert refusal(ActKind.CONFIRM, work(status=Status.CANCELLED), now=START, by_assignee=True) == (
        "assignment 7 is CANCELLED: an answer is taken while it is SCHEDULED"
    )
