"""How many rows are handed over: as many as the workers get round to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.policy.handover import next_limit

BOUNDS = {"least": 8, "most": 10_000}


@pytest.mark.parametrize(
    ("limit", "returned", "queued", "expected"),
    [
        (10_000, 0, 10_000, 10_000),
        (10_000, 0, 0, 10_000),
        (10_000, 9_995, 0, 1_249),
        (10_000, 150, 0, 18),
        (1_249, 600, 600, 150),
        (18, 16, 0, 8),
        (8, 8, 0, 8),
        (8, 0, 8, 8),
        (8, 0, 5, 8),
        (8, 0, 4, 16),
        (8_000, 0, 0, 10_000),
    ],
)
def test_it_shrinks_by_what_came_back_and_doubles_with_what_is_begun(limit, returned, queued, expected):
    assert next_limit(limit, returned=returned, queued=queued, **BOUNDS) == expected


@given(st.integers(8, 10_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_it_stays_within_its_bounds(limit, returned, queued):
    assert 8 <= next_limit(limit, returned=returned, queued=queued, **BOUNDS) <= 10_000


def test_workers_that_are_fast_again_have_everything_after_eleven_ticks():
    limit, ticks = 8, 0
    while limit < 10_000:
        limit, ticks = next_limit(limit, returned=0, queued=0, **BOUNDS), ticks + 1
    assert ticks == 11
