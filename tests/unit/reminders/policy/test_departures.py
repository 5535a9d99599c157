"""When messages leave at a channel's pace: most urgent first, a tenth for notices, and nothing after it is of use."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reminders.policy.departures import Departure, Waiting, departures
from reminders.policy.pace import Pace
from tests.factories import NOON

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def pace(per_minute: float = 20, tokens: float = 1) -> Pace:
    return Pace(per_minute=per_minute, tokens=tokens, refilled_at=NOON, raised_at=NOON, throttled_at=NOON)


def waiting(number: int, *, at: float = 0, minutes: float | None = None, urgent: bool = True) -> Waiting:
    """Due `at` seconds after noon, of use for so many minutes after it."""
    not_after = None if minutes is None else NOON + minutes * MINUTE
    return Waiting(id=number + 1, at=NOON + at * SECOND, not_after=not_after, urgent=urgent)


def played(messages: list[Waiting], known: Pace | None = None, *, opens: float = 0) -> list[Departure]:
    return list(departures(messages, known or pace(), opens_at=NOON + opens * SECOND))


def seconds(found: list[Departure]) -> list[tuple[int, float | None]]:
    return [(one.message.id - 1, one.at and (one.at - NOON) / SECOND) for one in found]


def test_messages_leave_one_after_the_other_at_the_rate():
    found = played([waiting(number) for number in range(4)])
    assert seconds(found) == [(0, 0), (1, 3), (2, 6), (3, 9)]
    assert [one.ahead for one in found] == [0, 1, 2, 3]


def test_without_a_token_the_first_one_waits_for_it():
    assert seconds(played([waiting(0)], pace(tokens=0))) == [(0, 3)]
    assert seconds(played([waiting(0)], pace(tokens=0.5))) == [(0, 1.5)]


def test_what_was_not_used_for_ten_seconds_leaves_at_once():
    found = played([waiting(number, at=60) for number in range(5)], pace(per_minute=60))
    assert seconds(found) == [(number, 60) for number in range(5)]
    found = played([waiting(number, at=60) for number in range(12)], pace(per_minute=60))
    assert seconds(found)[9:] == [(9, 60), (10, 61), (11, 62)]


def test_what_is_of_use_for_the_shortest_time_goes_first_though_it_fell_due_later():
    found = played([waiting(0, minutes=60), waiting(1, minutes=60), waiting(2, at=2, minutes=5)])
    assert seconds(found) == [(0, 0), (2, 3), (1, 6)]


def test_what_cannot_leave_in_time_does_not_leave_and_holds_up_nobody():
    found = played(
        [waiting(0, minutes=0.05), waiting(1, minutes=0.01), waiting(2, minutes=9)], pace(tokens=0)
    )
    assert seconds(found) == [(1, None), (0, 3), (2, 6)]


def test_people_who_can_still_come_go_first_and_one_in_ten_is_a_notice():
    notices = [waiting(100 + number, urgent=False) for number in range(3)]
    found = played([waiting(number) for number in range(19)] + notices)
    assert [one.message.id - 1 for one in found] == [*range(9), 100, *range(9, 18), 101, 18, 102]


def test_a_breaker_that_is_open_holds_all():
    found = played([waiting(number) for number in range(5)], opens=30)
    assert seconds(found) == [(0, 30), (1, 30), (2, 30), (3, 32), (4, 35)]


def test_what_has_no_row_yet_comes_after_what_has_one():
    planned = Waiting(id=7, at=NOON, not_after=None)
    coming = [Waiting(id=0, at=NOON, not_after=None) for _ in range(2)]
    found = list(departures([*coming, planned], pace(), opens_at=NOON))
    assert [one.message.id for one in found] == [7, 0, 0]


messages = st.lists(
    st.builds(
        waiting,
        st.integers(0, 10_000),
        at=st.floats(0, 600),
        minutes=st.none() | st.floats(0, 30),
        urgent=st.booleans(),
    ),
    max_size=60,
    unique_by=lambda message: message.id,
)


@given(messages, st.floats(1, 600), st.floats(0, 100))
def test_each_message_has_one_departure_not_too_early_not_too_late_and_never_above_the_rate(
    found, per_minute, opens
):
    played_on = played(found, pace(per_minute), opens=opens)
    assert sorted(one.message.id for one in played_on) == sorted(message.id for message in found)
    left = [one for one in played_on if one.at is not None]
    for one in left:
        assert one.at >= max(one.message.at, NOON + opens * SECOND)
        assert one.message.not_after is None or one.at <= one.message.not_after
    assert [one.at for one in left] == sorted(one.at for one in left)
    burst = max(1.0, per_minute / 6)
    for first, last in pairwise(left):
        assert last.ahead == first.ahead + 1
    if left:
        span = (left[-1].at - left[0].at) / MINUTE
        assert len(left) <= burst + span * per_minute + 1
