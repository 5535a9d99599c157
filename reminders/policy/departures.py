"""When messages leave that wait for a channel with a pace: the order and the rate at which they are claimed, played on.

`ledger.claims` hands messages over in this order. What falls due meanwhile is part of it: more urgent messages go first
though they fall due later. The rate is taken to stay as it is.
"""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from reminders.policy.pace import ONE_IN, Pace

NEVER_TOO_LATE = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A message that leaves from `at` on; `id` is its row's, or 0 where it has none yet, and then it comes after those.

    `urgent`: to somebody who can still come; else a notice to a supervisor.
    """

    id: int
    at: datetime
    not_after: datetime | None
    urgent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """When a message leaves, and how many do so before it; `at` is None where its turn does not come in time."""

    message: Waiting
    at: datetime | None
    ahead: int


def departures(waiting: Iterable[Waiting], pace: Pace, *, opens_at: datetime) -> Iterator[Departure]:
    """The departure of each message, in the order in which they leave or are given up; none before `opens_at`.

    First those of people who can still come, and of these first what is of use for the shortest time; one message in
    ten is a notice while any waits.
    """
    coming = deque(sorted(waiting, key=lambda message: message.at))
    queue = _Queue()
    # The generic cell rate algorithm (ITU-T I.371), which is a token bucket: `slot` is when the next token is there.
    slot = pace.refilled_at + (1 - pace.tokens) * pace.interval
    kept = (pace.capacity - 1) * pace.interval
    now, ahead = opens_at, 0
    while coming or queue:
        now = max(slot, now)
        if not queue and coming:
            now = max(now, coming[0].at)
        while coming and coming[0].at <= now:
            queue.add(coming.popleft())
        yield from (Departure(message=message, at=None, ahead=ahead) for message in queue.too_late(now))
        message = queue.take()
        if message is not None:
            yield Departure(message=message, at=now, ahead=ahead)
            ahead += 1
            slot = max(slot, now - kept) + pace.interval


class _Queue:
    """What is due: the most urgent of each class first."""

    def __init__(self) -> None:
        self._classes: tuple[list[tuple[datetime, datetime, float, int, Waiting]], ...] = ([], [])
        self._since_notice = 0
        self._added = itertools.count()

    def __bool__(self) -> bool:
        return any(self._classes)

    def add(self, message: Waiting) -> None:
        urgency = (message.not_after or NEVER_TOO_LATE, message.at, message.id or math.inf)
        entry = (*urgency, next(self._added), message)
        heapq.heappush(self._classes[message.urgent], entry)

    def too_late(self, now: datetime) -> Iterator[Waiting]:
        for entries in self._classes:
            while entries and entries[0][0] < now:
                yield heapq.heappop(entries)[-1]

    def take(self) -> Waiting | None:
        notices, urgent = self._classes
        if notices and (not urgent or self._since_notice >= ONE_IN - 1):
            self._since_notice = 0
            return heapq.heappop(notices)[-1]
        if not urgent:
            return None
        self._since_notice += 1
        return heapq.heappop(urgent)[-1]
