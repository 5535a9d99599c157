"""Lanes: threads that post messages side by side. They talk to no database; whoever runs the turn does."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from notifications.channels.base import Channel
from notifications.message import Delivery, Message, Outcome
from reminders.conf import ReminderConfig
from reminders.delivery.journal import Journal
from reminders.delivery.log_lines import fields_of
from reminders.ledger.records import Claim
from reminders.models import Reason
from reminders.policy.deaths import JournalPhase
from reminders.policy.send_times import may_begin, send_times

logger = logging.getLogger(__name__)

GOES_ON = (Outcome.ACCEPTED, Outcome.REFUSED_FOR_NOW)
"""After these the next post to the same endpoint is worth its try at once."""


@dataclass(frozen=True, slots=True)
class Post:
    """An event that was begun at the instant `begun` (of time.monotonic), and its place in the journal."""

    claim: Claim
    channel: Channel
    message: Message
    place: int
    begun: float


@dataclass(slots=True, eq=False)
class Run:
    """Posts to one endpoint that a lane does one after the other.

    `started` and `until` are when the post under way began, and when it must be back. The one who waits for it sets
    `is_abandoned`, and takes no result of it any more.
    """

    recipient: str
    posts: Sequence[Post]
    started: float = field(default_factory=time.monotonic)
    until: float = float("inf")
    is_abandoned: bool = False
    done: int = 0


@dataclass(frozen=True, slots=True)
class EndedPost:
    """How a post of a run has ended. Without a delivery it was not tried; `seconds` is how long it took."""

    run: Run
    post: Post
    delivery: Delivery | None
    at: float
    seconds: float = 0.0


class Lanes:
    """Threads, made as they are needed, each of which does one run after the other."""

    def __init__(self, config: ReminderConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._runs: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[EndedPost] = queue.SimpleQueue()
        self._threads = 0

    def start(self, run: Run, *, under_way: int) -> None:
        """Begins a run; so many others are under way."""
        if under_way >= self._threads:
            self._threads += 1
            threading.Thread(target=self._work, name="post events", daemon=True).start()
        self._runs.put(run)

    def abandon(self, run: Run) -> None:
        """Its thread does not come back: it is counted no more, and ends with the process."""
        run.is_abandoned = True
        self._threads -= 1

    def results(self, *, within: float) -> list[EndedPost]:
        """What has ended; waits so many seconds for the first of it."""
        try:
            found = [self._ended.get(timeout=within)]
        except queue.Empty:
            return []
        while not self._ended.empty():
            found.append(self._ended.get())
        return [one for one in found if not one.run.is_abandoned]

    def close(self) -> None:
        """The threads end once their runs have."""
        for _ in range(self._threads):
            self._runs.put(None)

    def _work(self) -> None:
        while (run := self._runs.get()) is not None:
            goes_on = True
            for post in run.posts:
                ended = self._one(run, post) if goes_on else EndedPost(run, post, None, time.monotonic())
                goes_on = goes_on and ended.delivery is not None and ended.delivery.outcome in GOES_ON
                self._ended.put(ended)
            if run.is_abandoned:
                return

    def _one(self, run: Run, post: Post) -> EndedPost:
        config, row = self._config, post.claim.row
        started = time.monotonic()
        elapsed = timedelta(seconds=started - post.begun)
        if run.is_abandoned or not may_begin(row, elapsed=elapsed, config=config):
            return EndedPost(run, post, None, started)
        times = send_times(row, elapsed=elapsed, config=config)
        run.started, run.until = started, started + times.interrupt_after.total_seconds()
        self._journal.note(post.place, JournalPhase.STARTED)
        try:
            delivery = post.channel.send_announcing(
                post.message,
                timeout=config.event_timeout,
                final_reply_timeout=times.final_reply_timeout,
                before_last_octet=self._completing(run, post),
            )
        except Exception as error:
            logger.exception(
                "Reminder failed", extra={**fields_of(post.claim), "reason": Reason.INTERNAL.value}
            )
            delivery = Delivery(Outcome.UNKNOWABLE, "internal", type(error).__name__)
        at = time.monotonic()
        return EndedPost(run, post, delivery, at, at - started)

    def _completing(self, run: Run, post: Post) -> Callable[[], None]:
        def note() -> None:
            if run.is_abandoned:
                raise ConnectionAbortedError("this post was given up")
            self._journal.note(post.place, JournalPhase.COMPLETE)

        return note
