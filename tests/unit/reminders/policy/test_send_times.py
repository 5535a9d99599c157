"""How long a send may take: all of the lease for people, and never more than that."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reminders.models import Kind
from reminders.policy.send_times import may_begin, send_times
from tests.unit.reminders.policy.test_policy import CONFIG, ROW

SECOND = timedelta(seconds=1)
EVENT = replace(ROW, kind=Kind.EVENT)


def test_a_response_that_takes_longer_than_a_send_is_waited_for():
    """By default a lease is 25 s and a send 10 s."""
    times = send_times(ROW, elapsed=timedelta(), config=CONFIG)
    assert times.final_reply_timeout == 14 * SECOND


@pytest.mark.parametrize("elapsed", [0, 0.3, 1])
@pytest.mark.parametrize(("lease", "send"), [(25, 10), (6, 2), (20, 10), (600, 30)])
def test_a_send_ends_within_its_lease(elapsed, lease, send):
    config = replace(CONFIG, lease=lease * SECOND, send_timeout=send * SECOND)
    times = send_times(ROW, elapsed=elapsed * SECOND, config=config)
    assert may_begin(ROW, elapsed=elapsed * SECOND, config=config)
    longest = elapsed * SECOND + config.send_timeout + times.final_reply_timeout
    assert longest <= max(config.lease - SECOND, elapsed * SECOND + config.send_timeout)
    assert longest < elapsed * SECOND + times.interrupt_after < config.lease


def test_what_would_wait_behind_a_slow_message_is_handed_back():
    assert not may_begin(ROW, elapsed=1.01 * SECOND, config=CONFIG)


def test_events_wait_no_longer_than_a_send_unless_they_are_repeated():
    assert send_times(EVENT, elapsed=timedelta(), config=CONFIG).final_reply_timeout == timedelta()
    assert may_begin(EVENT, elapsed=CONFIG.last_start, config=CONFIG)
    assert not may_begin(EVENT, elapsed=CONFIG.last_start + SECOND, config=CONFIG)
    repeated = replace(EVENT, ambiguous=1)
    assert send_times(repeated, elapsed=timedelta(), config=CONFIG).final_reply_timeout == 14 * SECOND
