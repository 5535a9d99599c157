"""What a person was told against what is planned, and when that is worth a message."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assignments.models import Status
from reminders.conf import ReminderConfig
from reminders.policy import announcements, corrections
from reminders.policy.announcements import Announcement, HeardMessage, PlanDifference
from tests.factories import NOON

CONFIG = ReminderConfig(channel="memory")
MINUTE = timedelta(minutes=1)
A = Announcement(start=NOON, place="Hall 1", title="Pump")
B = replace(A, start=NOON + 60 * MINUTE)
ANNOUNCED = st.builds(
    Announcement,
    start=st.sampled_from([NOON, NOON + MINUTE]),
    place=st.sampled_from([None, "", "Hall 1"]),
    title=st.sampled_from([None, "Pump", "Turbine"]),
    theirs=st.booleans(),
)


@given(ANNOUNCED)
def test_an_announcement_comes_back_from_its_row_as_it_was(one):
    assert Announcement.from_json(one.as_json()) == one
    assert announcements.changes(one, one, cancelled=False) == ()


@given(ANNOUNCED, ANNOUNCED)
def test_something_differs_in_both_directions_or_in_none(one, other):
    there = announcements.changes(one, other, cancelled=False)
    back = announcements.changes(other, one, cancelled=False)
    assert bool(there) == bool(back)


@pytest.mark.parametrize(
    ("told", "present", "cancelled", "changes"),
    [
        (A, B, False, (PlanDifference.MOVED,)),
        (
            A,
            replace(B, place="Hall 2", title="Fan"),
            False,
            (PlanDifference.MOVED, PlanDifference.PLACE, PlanDifference.TITLE),
        ),
        (A, replace(B, theirs=False), True, (PlanDifference.CANCELLED,)),
        (A, replace(B, theirs=False), False, (PlanDifference.REASSIGNED,)),
        (replace(A, theirs=False), A, False, (PlanDifference.RESTORED,)),
        (replace(A, theirs=False), replace(B, theirs=False), True, ()),
        (Announcement(start=NOON), replace(A, place="Hall 9", title="Fan"), False, ()),
    ],
)
def test_what_has_changed(told, present, cancelled, changes):
    assert announcements.changes(told, present, cancelled=cancelled) == changes


def message(*stated: Announcement, certain: bool = True) -> HeardMessage:
    return HeardMessage(stated=stated, certain=certain)


def test_the_last_certain_message_and_all_after_it_may_be_what_a_person_knows():
    assert announcements.known([]) == ()
    assert announcements.known([message(A), message(B)]) == (B,)
    assert announcements.known([message(A), message(B, certain=False)]) == (A, B)
    assert announcements.known([message(A, certain=False), message(B)]) == (B,)
    assert announcements.known([message(A, B)]) == (B,)  # sent twice, the second time accepted


def planned(told, present, *, now, status=Status.SCHEDULED, config=CONFIG):
    return corrections.correction(told, present, status=status, now=now, config=config)


def test_a_correction_waits_for_the_grace_and_is_useful_until_the_later_start():
    now = NOON - 30 * MINUTE
    later = planned((A,), B, now=now)
    assert (later.due_at, later.not_after) == (now + MINUTE, B.start)
    assert planned((B,), A, now=now).not_after == B.start


def test_that_work_is_not_to_be_done_is_useful_until_it_would_be_overdue():
    for status in (Status.SCHEDULED, Status.CANCELLED):
        gone = planned((A,), replace(B, theirs=False), now=NOON, status=status)
        assert gone.not_after == NOON + CONFIG.overdue


@pytest.mark.parametrize(("left", "grace"), [(119, 0), (120, 60), (150, 60), (600, 60)])
def test_with_less_than_two_minutes_left_there_is_no_grace(left, grace):
    now = NOON - timedelta(seconds=left)
    assert planned((A,), replace(A, place="Hall 2"), now=now).due_at == now + timedelta(seconds=grace)


def test_a_long_grace_never_outlasts_the_use_of_the_message():
    config = replace(CONFIG, correction_grace=timedelta(hours=1))
    now = NOON - 4 * MINUTE
    assert planned((A,), replace(A, place="Hall 2"), now=now, config=config).due_at == now + 2 * MINUTE


@pytest.mark.parametrize(
    ("told", "present", "now", "status"),
    [
        ((), B, NOON - 30 * MINUTE, Status.SCHEDULED),
        ((A,), A, NOON - 30 * MINUTE, Status.SCHEDULED),
        ((A,), replace(A, place="Hall 2"), NOON + MINUTE, Status.SCHEDULED),
        ((A,), replace(A, theirs=False), NOON + 31 * MINUTE, Status.CANCELLED),
        ((A,), B, NOON - 30 * MINUTE, Status.IN_PROGRESS),
    ],
    ids=["told nothing", "as told", "after the start", "cancelled long after", "started"],
)
def test_no_correction(told, present, now, status):
    assert planned(told, present, now=now, status=status) is None


def test_who_lost_the_work_hears_so_though_another_has_begun_it():
    assert planned((A,), replace(A, theirs=False), now=NOON, status=Status.IN_PROGRESS) is not None
