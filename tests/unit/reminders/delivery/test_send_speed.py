"""How many rows a process begins at once: what it sends in about a tenth of a second."""

import pytest

from reminders.delivery.deliver import SLICE_SECONDS, SendSpeed

FAST = 0.0004
"""Seconds for a send."""


def slices(speed: SendSpeed, seconds_per_send: float, *, number: int) -> list[int]:
    """The sizes of so many slices after each other, of sends that take so long."""
    sizes = []
    for _ in range(number):
        sizes.append(speed.slice_size(250))
        speed.weigh(sizes[-1], sizes[-1] * seconds_per_send)
    return sizes


def test_a_process_that_knows_nothing_begins_with_few_rows_and_soon_takes_many():
    sizes = slices(SendSpeed(), FAST, number=5)
    assert sizes[0] == 5
    assert sizes == sorted(sizes)
    assert sizes[-1] > 0.8 * SLICE_SECONDS / FAST


def test_a_slice_of_slow_sends_makes_the_next_one_short():
    speed = SendSpeed(FAST)
    speed.weigh(250, 250 * 0.05)
    assert speed.slice_size(250) <= 2


@pytest.mark.parametrize("before", [0.00005, 0.0004, 0.01, 0.2, 10.0])
def test_however_fast_it_was_before_it_comes_to_what_it_is(before):
    assert slices(SendSpeed(before), 0.002, number=30)[-1] in range(45, 51)
