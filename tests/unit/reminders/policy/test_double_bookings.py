"""Work that nobody can do at the same time as other work."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.policy.double_bookings import Booking, are_at_once, double_bookings
from tests.factories import NOON

HOUR = timedelta(hours=1)


def work(pk: int, start: float, end: float | None = None) -> Booking:
    """From and to these hours after noon."""
    return Booking(
        id=pk, title=f"Job {pk}", start=NOON + start * HOUR, end=None if end is None else NOON + end * HOUR
    )


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (work(1, 0, 1), work(2, 0.5, 2), True),
        (work(1, 0, 3), work(2, 1, 2), True),
        (work(1, 0, 1), work(2, 1, 2), False),
        (work(1, 0, 1), work(2, 2, 3), False),
        (work(1, 0), work(2, 0), True),
        (work(1, 0), work(2, 0, 1), True),
        (work(1, 0.5), work(2, 0, 1), True),
        (work(1, 1), work(2, 0, 1), False),
        (work(1, 0), work(2, 0.5), False),
    ],
)
def test_work_is_at_once_if_it_starts_together_or_before_the_other_ends(one, other, expected):
    assert are_at_once(one, other) is are_at_once(other, one) is expected


def test_what_is_given_clashes_with_what_is_there_and_with_what_is_given_too():
    given = [work(1, 0, 1), work(2, 0.5, 2), work(3, 5, 6)]
    present = [work(7, 1.5, 3), work(8, 6, 7), work(9, 1.5, 3)]
    pairs = [(one.id, other.id) for one, other in double_bookings(given, present)]
    assert pairs == [(2, 1), (2, 7), (2, 9)]


HOURS = st.integers(0, 6)
BOOKINGS = st.lists(st.tuples(HOURS, st.none() | HOURS), max_size=6)


@given(BOOKINGS, BOOKINGS)
def test_all_pairs_are_found_that_a_look_at_each_finds(given_hours, present_hours):
    def made(hours, first):
        return [work(first + n, start, end) for n, (start, end) in enumerate(hours)]

    given_work, present_work = made(given_hours, 1), made(present_hours, 100)
    found = [frozenset((one.id, other.id)) for one, other in double_bookings(given_work, present_work)]
    everything = given_work + present_work
    expected = {
        frozenset((one.id, other.id))
        for one in given_work
        for other in everything
        if one.id != other.id and are_at_once(one, other)
    }
    assert set(found) == expected
    assert len(found) == len(expected)
