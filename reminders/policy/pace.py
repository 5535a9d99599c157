"""How fast a channel may be used that takes only so many messages in a time: a token bucket whose rate adapts.

A channel has no pace until it says that it is sent too much (a mail server's 452, for instance). Then its rate becomes
what it accepted in the last minute, falls again each time it complains, and rises while it does not; after an hour
without a complaint it is forgotten. A known limit (EMAIL_RATE) is a ceiling from the beginning.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
SLOWEST = 1.0
"""Messages a minute. Below it nothing would be learnt any more."""
BACK_OFF = 0.8
RISE = 1.25
FORGOTTEN_AFTER = timedelta(hours=1)
BURST = timedelta(seconds=10)
"""What was not used in this time may be used at once, and no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`per_minute` is the rate, `tokens` how many messages may be handed over now; both are rates of messages, not of
    attempts. `throttled_at` is None where only a configured limit is known.
    """

    per_minute: float
    tokens: float
    refilled_at: datetime
    raised_at: datetime
    throttled_at: datetime | None

    @property
    def interval(self) -> timedelta:
        """The time between two messages at this rate."""
        return MINUTE / self.per_minute


def refilled(pace: Pace, *, now: datetime, limit: float) -> Pace | None:
    """The pace at `now`, raised where it is time to; None where it is forgotten. `limit` is configured; 0: none."""
    rate, raised_at = pace.per_minute, pace.raised_at
    if pace.throttled_at is not None and now - pace.throttled_at >= FORGOTTEN_AFTER:
        if not limit:
            return None
        rate = limit
    elif now - raised_at >= MINUTE:
        rate, raised_at = rate * RISE, now
    if limit:
        rate = min(rate, limit)
    elapsed = max(timedelta(), now - pace.refilled_at)
    tokens = min(max(1.0, rate * (BURST / MINUTE)), pace.tokens + rate * (elapsed / MINUTE))
    return replace(pace, per_minute=rate, tokens=tokens, refilled_at=now, raised_at=raised_at)


def throttled(pace: Pace | None, *, accepted: int, now: datetime, limit: float) -> Pace:
    """The pace after a complaint. `accepted` messages were accepted in the last minute."""
    rate = float(accepted) if pace is None or pace.throttled_at is None else pace.per_minute * BACK_OFF
    if pace is not None and pace.throttled_at is not None and now - pace.throttled_at < timedelta(seconds=10):
        rate = pace.per_minute  # Several workers that hear the same complaint slow down once.
    rate = max(SLOWEST, rate)
    if limit:
        rate = min(rate, limit)
    return Pace(per_minute=rate, tokens=0.0, refilled_at=now, raised_at=now, throttled_at=now)


def notices_share(tokens: int, *, turn: int) -> int:
    """Of `tokens` messages: how many notices to supervisors get at least, ahead of people who can still come.

    A tenth, over time: `turn` is any number that goes on by one with each dispatch.
    """
    return tokens // 10 if tokens >= 10 else int(tokens > 0 and turn % 10 == 0)
