"""The rate of a channel that says that it is sent too much: it falls at once, rises slowly, and is forgotten."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reminders.policy import pace
from reminders.policy.pace import Pace
from tests.factories import NOON

SECOND = timedelta(seconds=1)
PACE = Pace(per_minute=20, tokens=0, refilled_at=NOON, raised_at=NOON, throttled_at=NOON)


def after(span: timedelta, known: Pace = PACE, *, limit: float = 0) -> Pace | None:
    return pace.refilled(known, now=NOON + span, limit=limit)


def complaint(
    known: Pace | None, *, accepted: int, since_last: int = 1, at: timedelta = timedelta(), limit=0
):
    return pace.throttled(known, accepted=accepted, since_last=since_last, now=NOON + at, limit=limit)


def test_the_first_complaint_sets_the_rate_to_what_was_accepted_in_the_last_minute():
    first = complaint(None, accepted=20)
    assert (first.per_minute, first.tokens, first.interval) == (20, 0, timedelta(seconds=3))


def test_a_channel_that_has_accepted_nothing_has_said_nothing_about_its_pace():
    assert complaint(None, accepted=0) is None
    assert complaint(PACE, accepted=0, at=60 * SECOND) is None


def test_each_further_complaint_lowers_the_rate_but_several_workers_count_once():
    assert complaint(PACE, accepted=20, at=5 * SECOND).per_minute == 20
    assert complaint(PACE, accepted=20, at=60 * SECOND).per_minute == 16


def test_a_complaint_before_anything_was_accepted_again_is_the_same_complaint():
    same = complaint(PACE, accepted=20, since_last=0, at=59 * SECOND)
    assert (same.per_minute, same.throttled_at) == (20, NOON + 59 * SECOND)


def test_a_rate_that_has_risen_far_too_high_falls_to_what_was_accepted():
    high = replace(PACE, per_minute=200, raised_at=NOON + 90 * SECOND)
    assert complaint(high, accepted=25, at=100 * SECOND).per_minute == 25


def test_tokens_come_at_the_rate_and_no_more_than_ten_seconds_of_them_are_kept():
    assert after(3 * SECOND).tokens == pytest.approx(1)
    assert after(9 * SECOND).tokens == pytest.approx(3)
    assert after(50 * SECOND).tokens == pytest.approx(20 / 6)


def test_the_rate_rises_by_a_quarter_after_a_minute_without_a_complaint():
    raised = after(60 * SECOND)
    assert (raised.per_minute, raised.raised_at) == (25, NOON + 60 * SECOND)
    assert after(59 * SECOND).per_minute == 20


def test_a_rate_that_nobody_complains_about_rises_ever_faster():
    """A limit of 14 each second lets 14 through before the first complaint; it is found within three minutes."""
    known = complaint(None, accepted=14)
    for seconds in range(180):
        known = after(seconds * SECOND, known)
        if known.per_minute >= 14 * 60:
            break
    assert 60 < seconds < 180


def test_a_configured_limit_does_not_rise():
    configured = replace(PACE, throttled_at=None)
    assert after(60 * SECOND, configured, limit=20).per_minute == 20


def test_an_hour_without_a_complaint_and_it_is_forgotten():
    assert after(timedelta(hours=1)) is None


def test_a_configured_limit_is_a_ceiling_and_outlives_every_complaint():
    assert after(timedelta(minutes=1), limit=22).per_minute == 22
    assert after(timedelta(hours=1), limit=30).per_minute == 30
    assert complaint(None, accepted=500, limit=30).per_minute == 30
    configured = replace(PACE, throttled_at=None)
    assert after(timedelta(hours=2), configured, limit=20).per_minute == 20


def test_a_clock_that_goes_back_gives_no_tokens():
    assert after(-60 * SECOND).tokens == 0


def test_a_rate_that_nobody_asks_for_does_not_rise():
    """Else an hour of silence would make 20 a minute 13 million, and the next complaint would not bring it back."""
    idle = replace(PACE, tokens=3)
    assert after(timedelta(minutes=30), idle).per_minute == 20
    assert after(timedelta(minutes=30), replace(PACE, tokens=0.9)).per_minute == 25


def test_a_limit_that_is_configured_no_more_is_forgotten():
    configured = pace.configured(20, now=NOON)
    assert after(SECOND, configured, limit=20).per_minute == 20
    assert after(SECOND, configured, limit=40).per_minute == 40
    assert after(SECOND, configured) is None


def test_it_is_known_since_when_the_channel_complains():
    first = pace.throttled(None, accepted=20, since_last=20, now=NOON, limit=0)
    again = pace.throttled(first, accepted=10, since_last=10, now=NOON + 60 * SECOND, limit=0)
    assert (again.since, again.throttled_at) == (NOON, NOON + 60 * SECOND)
    known = pace.throttled(pace.configured(20, now=NOON), accepted=1, since_last=1, now=NOON, limit=20)
    assert known.since == NOON
    forgotten = after(timedelta(hours=1), again, limit=30)
    assert (after(timedelta(hours=2), again, limit=30).since, forgotten.since) == (None, NOON)


@pytest.mark.parametrize(("tokens", "notices"), [(0, 0), (1, 1), (3, 3), (10, 10), (25, 25), (100, 100)])
def test_notices_get_a_tenth_over_time_and_never_all(tokens: int, notices: int):
    """Whatever the rate: tokens that come every ten seconds must not all fall to one class."""
    assert sum(pace.notices_share(tokens, draw=draw) for draw in range(10)) == notices
