"""A turn of events: for some seconds one process posts what is due for programs, to all their endpoints side by side.

The thread that runs the turn alone talks to the database: it claims, begins, composes and records, while lanes post. An
endpoint that hangs takes one lane, and no more of its events are begun; the others go on meanwhile. The next slice is
claimed before the ends of the last are recorded, so that an event is leased as long as the turn lasts: that is how dispatch
knows that there is one (`ledger.event_claims`).
"""

import heapq
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError

from notifications.channels.base import Channel
from notifications.message import Contact, Delivery, Outcome
from reminders.conf import ReminderConfig
from reminders.content.contacts import contact_for
from reminders.delivery import refusals, watchdog
from reminders.delivery.ends import (
    NOT_SENT,
    Delivered,
    end_gone_subscriptions,
    finished,
    is_gone,
    record,
    requeue_mistaken,
    with_hindsight,
)
from reminders.delivery.journal import CAPACITY, Journal
from reminders.delivery.lanes import EndedPost, Lanes, Post, Run
from reminders.delivery.log_lines import fields_of, log_begun, log_finished
from reminders.delivery.send import Send, Unsendable
from reminders.ledger import beginning
from reminders.ledger.event_claims import Wanted, claim_events
from reminders.ledger.leases import release
from reminders.ledger.records import Claim, Finished, Hint
from reminders.policy import retries
from reminders.policy.deaths import phase_after
from reminders.policy.endpoints import FAST_LANES, SLOW_LANES, EndpointPace
from reminders.policy.retries import Result

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

GLANCE = 0.02
"""Seconds for which the turn waits for results before it looks again at what else there is to do."""
CLAIM_PAUSE = 0.1
"""Seconds after which it asks again for due events, where there were none."""
LINGER = 0.25
"""Seconds for which it waits for the next event after the last one."""
RECORD_AT, RECORD_AFTER = 50, 0.1
"""So many ends, or what has ended so many seconds ago, are recorded together."""
GRACE = 1.0
"""Seconds that a lane has beyond the time of its post, before it is given up."""
BUSY_TRIES, BUSY_WAIT = 20, 0.05
CONTACT_SECONDS = 1.0
"""For so long what is known of an endpoint is not read again."""


@dataclass(slots=True)
class _Endpoint:
    """What is in hand for one endpoint. `is_down`: nothing more goes there before its breaker has been recorded."""

    pace: EndpointPace = field(default_factory=EndpointPace)
    waiting: deque[Post] = field(default_factory=deque)
    runs: list[Run] = field(default_factory=list)
    is_down: bool = False

    @property
    def in_hand(self) -> int:
        return len(self.waiting) + sum(len(run.posts) - run.done for run in self.runs)

    def is_fast(self, now: float) -> bool:
        waits = max((now - run.started for run in self.runs), default=0.0)
        return self.pace.is_fast(waits=waits)


def post_events(
    hints: Sequence[Hint],
    *,
    config: ReminderConfig,
    channel: Callable[[str], Channel],
    journal: Journal,
) -> Delivered:
    """Posts these events, and goes on with what else is due for programs until the turn is over or nothing is."""
    with watchdog.watching(hard=config.lease) as watch:
        turn = _Turn(config, channel, journal, watch)
        try:
            return turn.run(hints)
        finally:
            turn.close()


class _Turn:
    def __init__(
        self,
        config: ReminderConfig,
        channel: Callable[[str], Channel],
        journal: Journal,
        watch: watchdog.Watch,
    ) -> None:
        self._config = config
        self._journal = journal
        self._send = Send(config, channel, watch, contact=self._contact)
        self._lanes = Lanes(config, journal)
        self._channels: set[Channel] = set()
        self._endpoints: dict[str, _Endpoint] = {}
        self._contacts: dict[str, tuple[float, Contact | None]] = {}
        self._places = list(range(CAPACITY))  # a heap: low places first
        self._busy: list[Hint] = []
        self._busy_tries = 0
        self._ends: list[tuple[Finished, Delivery]] = []
        self._ended_places: list[int] = []
        self._oldest_end = self._last_end = 0.0
        self._claim_at = 0.0
        self._until = time.monotonic() + config.events_turn.total_seconds()
        self._fault: Exception | None = None
        self._done = Delivered()

    def run(self, hints: Sequence[Hint]) -> Delivered:
        self._guarded(self._begin, hints)
        while True:
            self._start_runs()
            self._take_results()
            self._retry_busy()
            is_idle = not self._busy and not any(e.in_hand for e in self._endpoints.values())
            claimed = self._guarded(self._claim, is_idle=is_idle) or []
            if claimed:
                self._guarded(self._begin, claimed)
            elif is_idle and not self._lingers():
                self._record()
                break
            elif is_idle:
                time.sleep(GLANCE)
            elif len(self._ends) >= RECORD_AT or (
                self._ends and time.monotonic() - self._oldest_end >= RECORD_AFTER
            ):
                self._record()
        if self._fault is not None:
            raise self._fault
        return self._done

    def close(self) -> None:
        self._lanes.close()
        for channel in self._channels:
            channel.close()

    def _guarded(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Does a step. Where the database fails nothing more is claimed, and what is under way is still recorded."""
        try:
            return step(*args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            self._fault = self._fault or error
            self._busy = []
            return None

    def _lingers(self) -> bool:
        """Whether the turn waits a moment for the next event, which would else wait for the next tick of dispatch.

        It keeps the last ends meanwhile, so that their leases show that there is a turn. Where people's messages wait for
        the same process it does not.
        """
        now = time.monotonic()
        return (
            self._config.concurrency > 1
            and self._fault is None
            and bool(self._ends)
            and now < min(self._until, self._last_end + LINGER)
        )

    # --- claim and begin

    def _claim(self, *, is_idle: bool) -> list[Hint]:
        now = time.monotonic()
        if self._fault is not None or (now < self._claim_at and not (is_idle and not self._lingers())):
            return []
        wanted = self._wanted(now)
        if wanted is None:
            return []
        hints = [row.hint for row in claim_events(wanted, config=self._config, first=False)]
        self._claim_at = now + (0.0 if hints else CLAIM_PAUSE)
        return hints

    def _wanted(self, now: float) -> Wanted | None:
        """How many more events there is room for. Once the turn is over, only for endpoints that answer quickly, and only
        while the process waits for another one anyway.
        """
        is_over = now >= self._until
        if is_over and not any(
            run.started < self._until for endpoint in self._endpoints.values() for run in endpoint.runs
        ):
            return None
        of: dict[str, int] = {}
        room, slow = len(self._places), 0
        for recipient, endpoint in self._endpoints.items():
            in_hand = endpoint.in_hand
            if endpoint.is_fast(now) and not endpoint.is_down:
                most = endpoint.pace.begun_at_once(most=self._config.batch_size)
                more = min(most - in_hand, room)
                of[recipient] = more if more > 0 and 2 * more >= most else 0
                room -= of[recipient]
            elif in_hand or endpoint.is_down or is_over:
                of[recipient] = 0
                slow += bool(in_hand)
        others = 0 if is_over else max(0, min(SLOW_LANES - slow, room))
        return Wanted(of=of, others=others) if others or any(of.values()) else None

    def _begin(self, hints: Sequence[Hint]) -> None:
        size = self._config.batch_size
        for start in range(0, len(hints), size):
            part = hints[start : start + size]
            self._journal.retake([*part, *self._busy])
            begun = beginning.begin(part, config=self._config)
            at = time.monotonic()
            log_begun(begun)
            self._done.count_begun(begun)
            self._busy += begun.busy
            for claim in begun.claims:
                self._prepare(claim, at)

    def _prepare(self, claim: Claim, begun: float) -> None:
        place = heapq.heappop(self._places)
        self._journal.put(place, claim)
        prepared = self._send.prepare(claim)
        endpoint = self._endpoints.setdefault(claim.row.recipient, _Endpoint())
        if isinstance(prepared, Unsendable):
            self._end(claim, prepared.result, prepared.delivery, place, 0.0)
            return
        if prepared.channel not in self._channels:
            self._channels.add(prepared.channel)
            prepared.channel.keep()
        endpoint.waiting.append(Post(claim, prepared.channel, prepared.message, place, begun))

    def _contact(
        self,
        recipient: str,
        person: Contact,
        config: ReminderConfig,
        *,
        way: str,
        verified_only: bool = False,
    ) -> Contact | None:
        """As `contact_for`, which asks the database, once a second for each endpoint."""
        until, contact = self._contacts.get(recipient, (0.0, None))
        now = time.monotonic()
        if now >= until:
            contact = contact_for(recipient, person, config, way=way, verified_only=verified_only)
            self._contacts[recipient] = (now + CONTACT_SECONDS, contact)
        return contact

    def _retry_busy(self) -> None:
        """Somebody changes the assignments of these events right now: a moment later they can be judged."""
        if not self._busy:
            return
        busy, self._busy = self._busy, []
        self._busy_tries += 1
        if self._busy_tries > BUSY_TRIES or self._fault is not None:
            self._done.released += release(busy)
            self._busy_tries = 0
            return
        time.sleep(BUSY_WAIT)
        self._guarded(self._begin, busy)
        if not self._busy:
            self._busy_tries = 0

    # --- post

    def _start_runs(self) -> None:
        now = time.monotonic()
        fast = slow = 0
        for endpoint in self._endpoints.values():
            if endpoint.is_fast(now):
                fast += len(endpoint.runs)
            else:
                slow += len(endpoint.runs)
        for recipient, endpoint in self._endpoints.items():
            is_fast = endpoint.is_fast(now)
            lanes = endpoint.pace.lanes if is_fast else 1
            while endpoint.waiting and len(endpoint.runs) < lanes and not endpoint.is_down:
                if (fast >= FAST_LANES) if is_fast else (slow >= SLOW_LANES):
                    break
                size = min(endpoint.pace.run_size, -(-len(endpoint.waiting) // lanes)) if is_fast else 1
                run = Run(recipient, [endpoint.waiting.popleft() for _ in range(size)])
                self._lanes.start(run, under_way=fast + slow)
                endpoint.runs.append(run)
                fast, slow = fast + is_fast, slow + (not is_fast)

    def _take_results(self) -> None:
        is_anything = any(endpoint.runs for endpoint in self._endpoints.values())
        for ended in self._lanes.results(within=GLANCE) if is_anything else []:
            self._take(ended)
        now = time.monotonic()
        for endpoint in self._endpoints.values():
            for run in [run for run in endpoint.runs if now > run.until + GRACE]:
                self._give_up(endpoint, run, now)

    def _take(self, ended: EndedPost) -> None:
        run, post, delivery = ended.run, ended.post, ended.delivery
        endpoint = self._endpoints[run.recipient]
        run.done += 1
        if run.done == len(run.posts):
            endpoint.runs.remove(run)
        elapsed = ended.at - post.begun
        if delivery is None:
            if endpoint.is_down or elapsed >= self._config.last_start.total_seconds():
                self._end(post.claim, Result.HANDED_BACK, NOT_SENT, post.place, elapsed)
            else:
                endpoint.waiting.appendleft(post)
            return
        result = refusals.tracker.judge(post.claim.row, refusals.result_of(delivery), delivery)
        self._journal.note(post.place, phase_after(result))
        endpoint.pace.learn(result, ended.seconds)
        self._end(post.claim, result, delivery, post.place, elapsed, message_id=post.message.message_id)
        if retries.trips_breaker(post.claim.row, result) or is_gone(post.claim, result, delivery.code):
            endpoint.is_down = True
            while endpoint.waiting:
                rest = endpoint.waiting.popleft()
                self._end(rest.claim, Result.HANDED_BACK, NOT_SENT, rest.place, ended.at - rest.begun)

    def _give_up(self, endpoint: _Endpoint, run: Run, now: float) -> None:
        """A lane whose post does not come back within its time: nobody can know how that ended."""
        self._lanes.abandon(run)
        stuck, *rest = run.posts[run.done :]
        logger.error("Reminder failed", extra={**fields_of(stuck.claim), "reason": "interrupted"})
        run.done += 1 + len(rest)
        endpoint.runs.remove(run)
        endpoint.is_down = True
        delivery = Delivery(Outcome.UNKNOWABLE, "interrupted", "the channel did not come back in time")
        endpoint.pace.learn(Result.UNKNOWABLE, now - run.started)
        # Its place is used no more: the lane may yet write to it.
        self._end(stuck.claim, Result.UNKNOWABLE, delivery, None, now - stuck.begun)
        for post in rest:
            self._end(post.claim, Result.HANDED_BACK, NOT_SENT, post.place, now - post.begun)

    # --- record

    def _end(
        self,
        claim: Claim,
        result: Result,
        delivery: Delivery,
        place: int | None,
        elapsed: float,
        *,
        message_id: str = "",
    ) -> None:
        at = claim.begun_at + timedelta(seconds=elapsed)
        jitter = random.uniform(-1, 1)
        end = finished(claim, result, delivery, message_id, at, self._config, jitter=jitter)
        self._last_end = time.monotonic()
        if not self._ends:
            self._oldest_end = self._last_end
        self._ends.append((end, delivery))
        if place is not None:
            self._ended_places.append(place)

    def _record(self) -> None:
        """Records what has ended; then a breaker that opened holds its endpoint, and its places in the journal are free."""
        ends = with_hindsight(
            [end for end, _ in self._ends], [delivery for _, delivery in self._ends], self._config
        )
        self._ends = []
        if not ends:
            return
        recorded = record(ends, self._config)
        for place in self._ended_places:
            heapq.heappush(self._places, place)
        self._ended_places = []
        log_finished(recorded)
        self._done.count_recorded(recorded)
        end_gone_subscriptions(recorded.landed)
        requeue_mistaken(ends)
        for end in ends:
            self._endpoints[end.claim.row.recipient].is_down = False
