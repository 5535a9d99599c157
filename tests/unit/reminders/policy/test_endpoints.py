"""How many events are posted to an endpoint at a time."""

import pytest

from reminders.policy.endpoints import LANES_EACH, MOST_IN_RUN, EndpointPace
from reminders.policy.retries import Result


def pace(seconds: float, number: int = 1) -> EndpointPace:
    learnt = EndpointPace()
    for _ in range(number):
        learnt.learn(Result.ACCEPTED, seconds)
    return learnt


def test_one_that_has_not_answered_gets_one_at_a_time() -> None:
    new = EndpointPace()
    assert (new.is_fast(waits=0.0), new.lanes) == (False, 1)


def test_each_response_gives_it_one_more_up_to_a_bound() -> None:
    assert [pace(0.01, number).lanes for number in (1, 2, 3, 20)] == [1, 2, 3, LANES_EACH]
    assert pace(0.01).is_fast(waits=0.5)


@pytest.mark.parametrize(
    "result", [Result.UNKNOWABLE, Result.CHANNEL_DOWN, Result.THROTTLED, Result.CHANNEL_REFUSED]
)
def test_a_failure_of_the_whole_endpoint_begins_anew(result: Result) -> None:
    learnt = pace(0.01, 20)
    learnt.learn(result, 10.0)
    assert (learnt.is_fast(waits=0.0), learnt.lanes) == (False, 1)


@pytest.mark.parametrize("result", [Result.REFUSED_FOR_NOW, Result.REJECTED])
def test_a_response_about_one_event_shows_that_it_works(result: Result) -> None:
    learnt = EndpointPace()
    learnt.learn(result, 0.01)
    assert learnt.is_fast(waits=0.0)


def test_slow_is_who_takes_a_second_or_is_silent_for_one() -> None:
    assert not pace(8.0, 5).is_fast(waits=0.0)
    assert not pace(0.01, 5).is_fast(waits=1.0)


@pytest.mark.parametrize(
    ("seconds", "run", "begun"),
    [(0.001, MOST_IN_RUN, 100), (0.005, 4, 100), (0.05, 1, 80), (0.5, 1, 16)],
)
def test_what_is_begun_is_posted_soon(seconds: float, run: int, begun: int) -> None:
    learnt = pace(seconds, 20)
    assert (learnt.run_size, learnt.begun_at_once(most=100)) == (run, begun)
    assert pace(seconds).begun_at_once(most=1) == 1
