"""Deliver: a worker begins the rows of its hints, sends, and records how each send ended."""

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from notifications.channels import registry
from notifications.channels.base import Channel
from notifications.message import BUILT_IN, Delivery, Subject, Wording
from reminders.conf import ReminderConfig
from reminders.delivery import refusals, watchdog
from reminders.delivery.dispatch import chunks, release_refused
from reminders.delivery.ends import (
    NOT_SENT,
    Delivered,
    finished,
    record,
    requeue_mistaken,
    with_hindsight,
)
from reminders.delivery.events_turn import post_events
from reminders.delivery.hints import HintBatch, HintSlot
from reminders.delivery.journal import NO_JOURNAL, Journal
from reminders.delivery.log_lines import log_begun, log_finished
from reminders.delivery.send import Send
from reminders.delivery.slots import InTurn
from reminders.ledger import beginning
from reminders.ledger.claims import claim
from reminders.ledger.event_claims import FIRST, claim_events
from reminders.ledger.leases import release
from reminders.ledger.records import Claim, Finished, Hint
from reminders.models import State
from reminders.policy import digests, retries
from reminders.policy.deaths import JournalPhase, phase_after
from reminders.policy.retries import Result, Transition
from reminders.policy.send_times import may_begin, send_times

SLICE_SECONDS = 0.1
"""A worker begins no more rows at once than it sends in about this time: the window of doubt after a kill."""


BUSY_RETRIES = 20


BUSY_WAIT = 0.05


SENDS_BEFORE = 2.0
"""What was believed of the speed counts as so many sends beside those of a slice: a long slice says nearly all."""


CAUTIOUS_SECONDS = 600.0
"""How long after a response that did not come in time rows are begun one by one."""


@dataclass(slots=True)
class SendSpeed:
    """How fast this process sends, and so how many rows it begins at once.

    After a send whose response did not come in time, rows are begun one by one for a while.
    """

    seconds_per_send: float = 0.02
    cautious_until: float = 0.0

    def seconds_for(self, sends: int) -> float:
        return sends * self.seconds_per_send

    def slice_size(self, most: int) -> int:
        if time.monotonic() < self.cautious_until:
            return 1
        return max(1, min(most, int(SLICE_SECONDS / max(self.seconds_per_send, 1e-6))))

    def weigh(self, sends: int, seconds: float) -> None:
        """So many sends took so long."""
        before = SENDS_BEFORE * self.seconds_per_send
        self.seconds_per_send = (before + seconds) / (SENDS_BEFORE + sends)

    def learn(self, ends: Sequence[Finished], seconds: float) -> None:
        """From a slice of sends."""
        sends = len(
            {
                end.claim.row.digest_id or end.claim.row.id
                for end in ends
                if end.result is not Result.HANDED_BACK
            }
        )
        if sends:
            self.weigh(sends, seconds)
        if any(end.result is Result.UNKNOWABLE for end in ends):
            self.cautious_until = time.monotonic() + CAUTIOUS_SECONDS


speed = SendSpeed()


def deliver(
    hints: Sequence[Hint],
    *,
    config: ReminderConfig,
    channel: Callable[[str], Channel] = registry.get,
    speed: SendSpeed = speed,
    journal: Journal = NO_JOURNAL,
    slots: Sequence[HintSlot] = (),
    hand_on: Callable[[list[HintBatch]], object] = release_refused,
) -> Delivered:
    """Begins, sends and finishes each hint's row, a slice at a time; notes in the journal how far it has got.

    With slots the hints of each are begun at its instant; what is not kept up with is handed on.

    A slice is what can be sent in a tenth of a second; it is begun only while there is time to send at least one message.
    What is left when time is up goes back to PLANNED at once. Events begin a turn of their own (`events_turn`).
    """
    done = Delivered()

    def begin(part: Sequence[Hint]) -> None:
        done.add(_deliver(part, config, channel, speed, journal))

    journal.take(hints)
    try:
        if slots:
            InTurn(begin, hand_on, speed.seconds_for, patience=SLICE_SECONDS)(hints, slots)
        else:
            begin(hints)
    finally:
        journal.clear()
    return done


def _deliver(
    hints: Sequence[Hint],
    config: ReminderConfig,
    channel: Callable[[str], Channel],
    speed: SendSpeed,
    journal: Journal,
) -> Delivered:
    done = Delivered()
    waiting = deque(hints)
    events: list[Hint] = []
    busy_tries = 0
    began = time.monotonic()
    while waiting:
        size = speed.slice_size(config.batch_size)
        part = [waiting.popleft() for _ in range(min(size, len(waiting)))]
        begun = beginning.begin(part, config=config, with_events=False)
        log_begun(begun)
        done.count_begun(begun)
        events += begun.later
        if begun.claims:
            started = time.monotonic()
            ends = _send_all(begun.claims, config, channel, journal)
            speed.learn(ends, time.monotonic() - started)
            recorded = record(ends, config)
            journal.finish()
            log_finished(recorded)
            done.count_recorded(recorded)
            requeue_mistaken(ends)
        if begun.busy and busy_tries < BUSY_RETRIES:
            # Somebody changes these assignments right now: a moment later their rows can be judged.
            busy_tries += 1
            waiting.extend(begun.busy)
            if not begun.claims:
                time.sleep(BUSY_WAIT)
        elif begun.busy:
            done.released += release(begun.busy)
        if waiting and time.monotonic() >= began + config.last_start.total_seconds():
            done.released += release(list(waiting))
            break
    if events:
        done.add(post_events(events, config=config, channel=channel, journal=journal))
    return done


def _send_all(
    claims: Sequence[Claim],
    config: ReminderConfig,
    channel: Callable[[str], Channel],
    journal: Journal = NO_JOURNAL,
) -> list[Finished]:
    """Sends claim after claim, outside any transaction; each has its own end, and so has each member of a digest.

    Once a channel is down, or time is up, the rest is handed back unsent.
    """
    ends: list[Finished] = []
    deliveries: list[Delivery] = []
    down: set[str] = set()
    started = time.monotonic()
    elapsed = timedelta()
    journal.begin(claims)
    with watchdog.watching(hard=config.lease) as watch:
        send = Send(config, channel, watch)
        for place, claim in enumerate(claims):
            if (down and claim.row.route in down) or (
                ends and not may_begin(claim.row, elapsed=elapsed, config=config)
            ):
                result, delivery, message_id, wording = Result.HANDED_BACK, NOT_SENT, "", BUILT_IN
            else:
                journal.note(place, JournalPhase.STARTED)
                result, delivery, message_id, wording = send(
                    claim,
                    times=send_times(claim.row, elapsed=elapsed, config=config),
                    before_last_octet=partial(journal.note, place, JournalPhase.COMPLETE),
                )
                journal.note(place, phase_after(result))
                result = refusals.tracker.judge(claim.row, result, delivery)
                if retries.trips_breaker(claim.row, result):
                    down.add(claim.row.route)
            elapsed = timedelta(seconds=time.monotonic() - started)
            at = claim.begun_at + elapsed
            of_message = _ends_of(claim, result, delivery, message_id, at, config, wording)
            deliveries += [delivery] * len(of_message)
            ends += of_message
    return with_hindsight(ends, deliveries, config)


def _ends_of(
    claim: Claim,
    result: Result,
    delivery: Delivery,
    message_id: str,
    at: datetime,
    config: ReminderConfig,
    wording: Wording,
) -> list[Finished]:
    """The ends of all rows that were in one message: each goes its own way from here, at the same instant."""
    jitter = random.uniform(-1, 1)
    ends = [
        finished(one, result, delivery, message_id, at, config, jitter=jitter, wording=wording)
        for one in claim.message
    ]
    about_message = delivery.subject is Subject.MESSAGE
    if len(ends) == 1 or not digests.is_about_content(result, about_message=about_message):
        return ends
    half = digests.halves([end.claim.row.id for end in ends])
    again = Transition(State.PLANNED, retry_at=at, counted=True)
    return [replace(end, transition=again, half=half[end.claim.row.id]) for end in ends]


def deliver_due(*, config: ReminderConfig, watch: Callable[[int], None] | None = None) -> Delivered:
    """Delivers everything that is due in this process, without the broker: `rescan_reminders --sync`.

    `watch` hears of each message group how many rows it was.
    """
    total = Delivered()
    while True:
        claimed = claim(config, room=config.batch_size, ahead=timedelta())
        if claimed is None:
            time.sleep(BUSY_WAIT)  # A dispatcher claims right now: it is done in a moment.
            continue
        if not claimed:
            claimed = claim_events(FIRST, config=config, first=True)
        if not claimed:
            return total
        for batch in chunks(claimed, config):
            total.add(deliver(batch.hints, config=config))
            if watch is not None:
                watch(len(batch.hints))
