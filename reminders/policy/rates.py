"""How often one person is reminded, over all channels: what is over the rate waits, and leaves in one message.

The first reminder leaves at once. What falls due while the rate is used up waits until the next message is allowed, and is
joined in it. No reminder waits until it is of no use: at most to a few seconds before `not_after`, and for the limit of an
hour at most to a minute before the work starts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
BEFORE_START = timedelta(minutes=1)
"""So long before the work starts a reminder leaves, whatever the limit of an hour says."""
BEFORE_USELESS = timedelta(seconds=10)
"""So long before it is of no use any more a reminder leaves, whatever the rate says."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How many messages with reminders one person gets in a minute and in an hour at most; 0: any number."""

    per_minute: int
    per_hour: int

    def __bool__(self) -> bool:
        return bool(self.per_minute or self.per_hour)


@dataclass(frozen=True, slots=True)
class Hold:
    """Until when the limit of a minute, and that of an hour, keep back what is for one person; `after` is when the last
    message to them was begun."""

    after: datetime
    minute_over: datetime | None
    hour_over: datetime | None


def hold_after(begun: Sequence[datetime], limits: RateLimits) -> Hold | None:
    """What the messages that one person had within the last hour, by the instants at which they were begun, keep back."""
    if not begun or not limits:
        return None
    instants = sorted(begun)
    minute_over = _over(instants, limits.per_minute, MINUTE)
    hour_over = _over(instants, limits.per_hour, HOUR)
    return Hold(instants[-1], minute_over, hour_over) if minute_over or hour_over else None


def _over(instants: Sequence[datetime], limit: int, span: timedelta) -> datetime | None:
    return instants[-limit] + span if limit and len(instants) >= limit else None


def held_until(hold: Hold, *, start: datetime, not_after: datetime | None) -> datetime:
    """Until when this keeps back a reminder of work with this start."""
    useful = datetime.max.replace(tzinfo=start.tzinfo) if not_after is None else not_after - BEFORE_USELESS
    waits = [hold.after]
    if hold.minute_over is not None:
        waits.append(min(hold.minute_over, useful))
    if hold.hour_over is not None:
        waits.append(min(hold.hour_over, useful, start - BEFORE_START))
    return max(waits)


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """A reminder that is foreseen: when it is due, the start and the last use of it, and its way. `nudge` is the same for
    reminders that a rule sends over several channels: they do not hold each other."""

    at: datetime
    start: datetime
    not_after: datetime
    way: str
    nudge: str = ""


def departures(
    due: Sequence[Due], begun: Sequence[datetime], limits: RateLimits
) -> Iterator[tuple[Due, datetime, int]]:
    """When each of one person's reminders leaves, who had messages at the instants of `begun`: with the number of its
    message, from 0 on.
    """
    waiting = sorted(due)
    had: list[tuple[datetime, frozenset[str]]] = [(at, frozenset()) for at in begun]
    number = 0
    while waiting:
        first, at = min(
            ((one, _leaves_at(one, had, limits)) for one in waiting), key=lambda pair: (pair[1], pair[0])
        )
        together = [one for one in waiting if one.way == first.way and one.at <= at] if limits else [first]
        for one in together:
            waiting.remove(one)
            yield one, at, number
        had.append((at, frozenset(other.nudge for other in together if other.nudge)))
        number += 1


def _leaves_at(one: Due, had: Sequence[tuple[datetime, frozenset[str]]], limits: RateLimits) -> datetime:
    at = one.at
    while True:
        hold = hold_after(
            [instant for instant, nudges in had if instant > at - HOUR and one.nudge not in nudges], limits
        )
        until = at if hold is None else held_until(hold, start=one.start, not_after=one.not_after)
        if until <= at:
            return at
        at = until
