"""How fast a channel may be used that takes only so many messages in a time: a token bucket whose rate adapts.

A channel has no pace until it says that it is sent too much (a mail server's 452, for instance). Then its rate becomes
what it accepted in the last minute, and falls again each time it complains. It rises while all of it is used: after a
minute without a complaint by a quarter, and from then on each ten seconds by a half, for of a limit for each second the
first rate is far too low. After an hour without a complaint it is forgotten. A known limit (EMAIL_RATE) is a ceiling from
the beginning.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
SLOWEST = 1.0
"""Messages a minute. Below it nothing would be learnt any more."""
BACK_OFF = 0.8
FIRST_RISE = 1.25
RISE = 1.5
RISE_EVERY = timedelta(seconds=10)
FORGOTTEN_AFTER = timedelta(hours=1)
SAME_COMPLAINT = timedelta(seconds=10)
BURST = timedelta(seconds=10)
"""What was not used in this time may be used at once, and no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`per_minute` is the rate, `tokens` how many messages may be handed over now; both are rates of messages, not of
    attempts. `throttled_at` is the last complaint and `since` the first one that it remembers: None where only a
    configured limit is known.
    """

    per_minute: float
    tokens: float
    refilled_at: datetime
    raised_at: datetime
    throttled_at: datetime | None
    since: datetime | None = None

    @property
    def interval(self) -> timedelta:
        """The time between two messages at this rate."""
        return MINUTE / self.per_minute

    @property
    def capacity(self) -> float:
        """The most tokens that are kept."""
        return max(1.0, self.per_minute * (BURST / MINUTE))


def configured(limit: float, *, now: datetime) -> Pace:
    """The pace of a channel of which nothing but a configured limit is known."""
    return Pace(per_minute=limit, tokens=1.0, refilled_at=now, raised_at=now, throttled_at=None)


def refilled(pace: Pace, *, now: datetime, limit: float) -> Pace | None:
    """The pace at `now`, raised where it is time to; None where it is forgotten. `limit` is configured; 0: none.

    It rises only where the tokens of the last time were used: a rate that nobody asks for proves nothing.
    """
    remembered = pace.throttled_at is not None and now - pace.throttled_at < FORGOTTEN_AFTER
    if not remembered:
        if not limit:
            return None
        pace = replace(pace, per_minute=limit, throttled_at=None, since=None)
    elif pace.tokens < 1 and now - pace.raised_at >= (RISE_EVERY if has_risen(pace) else MINUTE):
        rise = RISE if has_risen(pace) else FIRST_RISE
        pace = replace(pace, per_minute=pace.per_minute * rise, raised_at=now)
    if limit:
        pace = replace(pace, per_minute=min(pace.per_minute, limit))
    elapsed = max(timedelta(), now - pace.refilled_at)
    tokens = min(pace.capacity, pace.tokens + elapsed / pace.interval)
    return replace(pace, tokens=tokens, refilled_at=now)


def has_risen(pace: Pace) -> bool:
    """Whether the rate has risen since the last complaint."""
    return pace.throttled_at is not None and pace.raised_at > pace.throttled_at


def throttled(
    pace: Pace | None, *, accepted: int, since_last: int, now: datetime, limit: float
) -> Pace | None:
    """The pace after a complaint. `accepted` messages were accepted in the last minute, `since_last` of them after the last
    complaint.

    None where nothing was accepted: that says nothing about how much would be. A complaint that only repeats the last one
    leaves the rate as it is, and so does one that several workers hear.
    """
    if not accepted:
        return None
    rate = float(accepted)
    if pace is not None and pace.throttled_at is not None:
        heard = not since_last or now - pace.throttled_at < SAME_COMPLAINT
        rate = pace.per_minute if heard else min(rate, pace.per_minute * BACK_OFF)
    rate = max(SLOWEST, rate)
    if limit:
        rate = min(rate, limit)
    since = now if pace is None or pace.throttled_at is None else pace.since or pace.throttled_at
    return Pace(per_minute=rate, tokens=0.0, refilled_at=now, raised_at=now, throttled_at=now, since=since)


ONE_IN = 10
"""One of so many messages of a channel that has a pace is a notice to a supervisor, while any waits."""


def notices_share(tokens: int, *, draw: int) -> int:
    """Of `tokens` messages: how many notices to supervisors get at least, ahead of people who can still come.

    One in ten, over time and whatever the instants at which tokens come: `draw` is from 0 to 9, each as likely.
    """
    return tokens // ONE_IN + int(draw < tokens % ONE_IN)
