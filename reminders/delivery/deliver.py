"""Deliver: a worker begins the rows of its hints, sends, and records how each send ended."""

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from django.db import DatabaseError, InterfaceError, connection

from assignments.transactions import is_transient
from notifications.channels import registry
from notifications.channels.base import Channel
from notifications.channels.webhook.channel import GONE
from notifications.message import Delivery, Outcome, Subject
from reminders.conf import ReminderConfig
from reminders.delivery import refusals, watchdog
from reminders.delivery.dispatch import chunks, one_batch
from reminders.delivery.journal import NO_JOURNAL, Journal
from reminders.delivery.log_lines import fields_of, log_begun, log_ended, log_finished
from reminders.delivery.send import Send
from reminders.ledger import beginning, finishing, replanning
from reminders.ledger.claims import claim, claim_events
from reminders.ledger.leases import release
from reminders.ledger.records import Begun, Claim, Finished, Hint, Recorded
from reminders.ledger.subscriptions import end_subscription
from reminders.models import State
from reminders.policy import digests, recipients, retries
from reminders.policy.deaths import Phase, phase_after
from reminders.policy.retries import Result, Transition
from reminders.policy.send_times import may_begin, send_times

logger = logging.getLogger(__name__)

SLICE_SECONDS = 0.1
"""A worker begins no more rows at once than it sends in about this time: the window of doubt after a kill."""


FINISH_RETRY_FOR = timedelta(minutes=5)


BUSY_RETRIES = 20


BUSY_WAIT = 0.05


CAUTIOUS_SECONDS = 600.0
"""How long after a response that did not come in time rows are begun one by one."""

NOT_SENT = Delivery(Outcome.CHANNEL_DOWN, "", "not sent in this turn")


@dataclass(slots=True)
class Delivered:
    """What became of the hints of one message."""

    sent: int = 0
    marked: int = 0
    settled: int = 0
    failed: int = 0
    again: int = 0
    stale: int = 0
    released: int = 0

    def count_begun(self, begun: Begun) -> None:
        self.marked += len(begun.marked)
        self.settled += len(begun.settled)
        self.stale += len(begun.stale)

    def count_recorded(self, recorded: Recorded) -> None:
        self.settled += len(recorded.ended)
        outdated = recorded.outdated
        for end in recorded.landed:
            match end.transition.state:
                case State.SENT:
                    self.sent += 1
                case State.PLANNED if end.claim.row.id in outdated:
                    pass
                case State.PLANNED:
                    self.again += 1
                case State.SKIPPED:
                    self.settled += 1
                case _:
                    self.failed += 1


@dataclass(slots=True)
class SendSpeed:
    """How fast this process sends, and so how many rows it begins at once.

    After a send whose response did not come in time, rows are begun one by one for a while.
    """

    seconds_per_send: float = 0.02
    cautious_until: float = 0.0

    def slice_size(self, most: int) -> int:
        if time.monotonic() < self.cautious_until:
            return 1
        return max(1, min(most, int(SLICE_SECONDS / max(self.seconds_per_send, 1e-6))))

    def learn(self, ends: Sequence[Finished], seconds: float) -> None:
        """From a slice of sends to people; the speed of a webhook's endpoint says nothing about the mail server's."""
        if any(end.claim.row.is_webhook for end in ends):
            return
        sends = len(
            {
                end.claim.row.digest_id or end.claim.row.id
                for end in ends
                if end.result is not Result.HANDED_BACK
            }
        )
        if sends:
            self.seconds_per_send += 0.3 * (seconds / sends - self.seconds_per_send)
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
) -> Delivered:
    """Begins, sends and finishes each hint's row, a slice at a time; notes in the journal how far it has got.

    A slice is what can be sent in a tenth of a second, or one event; it is begun only while there is time to send at
    least one message. What is left when time is up goes back to PLANNED at once.
    """
    journal.take(hints)
    try:
        return _deliver(hints, config, channel, speed, journal)
    finally:
        journal.clear()


def _deliver(
    hints: Sequence[Hint],
    config: ReminderConfig,
    channel: Callable[[str], Channel],
    speed: SendSpeed,
    journal: Journal,
) -> Delivered:
    done = Delivered()
    waiting = deque(hints)
    busy_tries = 0
    began = time.monotonic()
    of_events = False
    while waiting:
        first = waiting.popleft()
        size = 1 if of_events else speed.slice_size(config.batch_size)
        part = [first, *(waiting.popleft() for _ in range(min(size - 1, len(waiting))))]
        begun = beginning.begin(part, config=config)
        log_begun(begun)
        done.count_begun(begun)
        waiting.extendleft(reversed(begun.later))
        of_events = of_events or any(claim.row.is_webhook for claim in begun.claims)
        if begun.claims:
            started = time.monotonic()
            ends = _send_all(begun.claims, config, channel, journal)
            speed.learn(ends, time.monotonic() - started)
            recorded = _record(ends, config)
            journal.finish()
            log_finished(recorded)
            done.count_recorded(recorded)
            _end_gone_subscriptions(recorded.landed)
            _requeue_mistaken(ends)
        if begun.busy and busy_tries < BUSY_RETRIES:
            # Somebody changes these assignments right now: a moment later their rows can be judged.
            busy_tries += 1
            waiting.extend(begun.busy)
            if not begun.claims:
                time.sleep(BUSY_WAIT)
        elif begun.busy:
            done.released += release(begun.busy)
        last_start = config.events_last_start if of_events else config.last_start
        if waiting and time.monotonic() >= began + last_start.total_seconds():
            done.released += release(list(waiting))
            break
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
                result, delivery, message_id = Result.HANDED_BACK, NOT_SENT, ""
            else:
                journal.note(place, Phase.STARTED)
                result, delivery, message_id = send(
                    claim,
                    times=send_times(claim.row, elapsed=elapsed, config=config),
                    before_last_octet=partial(journal.note, place, Phase.COMPLETE),
                )
                journal.note(place, phase_after(result))
                result = refusals.tracker.judge(claim.row, result, delivery)
                if retries.trips_breaker(claim.row, result) or _is_gone(claim, result, delivery.code):
                    down.add(claim.row.route)
            elapsed = timedelta(seconds=time.monotonic() - started)
            of_message = _ends_of(claim, result, delivery, message_id, claim.begun_at + elapsed, config)
            deliveries += [delivery] * len(of_message)
            ends += of_message
    return _with_hindsight(ends, deliveries, config)


def _ends_of(
    claim: Claim, result: Result, delivery: Delivery, message_id: str, at: datetime, config: ReminderConfig
) -> list[Finished]:
    """The ends of all rows that were in one message: each goes its own way from here, at the same instant."""
    jitter = random.uniform(-1, 1)
    ends = [_finished(one, result, delivery, message_id, at, config, jitter=jitter) for one in claim.message]
    about_message = delivery.subject is Subject.MESSAGE
    if len(ends) == 1 or not digests.is_about_content(result, about_message=about_message):
        return ends
    half = digests.halves([end.claim.row.id for end in ends])
    again = Transition(State.PLANNED, retry_at=at, counted=True)
    return [replace(end, transition=again, half=half[end.claim.row.id]) for end in ends]


def _finished(
    claim: Claim,
    result: Result,
    delivery: Delivery,
    message_id: str,
    at: datetime,
    config: ReminderConfig,
    *,
    jitter: float,
) -> Finished:
    transition = retries.transition_after(
        claim.row,
        result,
        now=at,
        config=config,
        jitter=jitter,
        retry_after=delivery.retry_after,
    )
    return Finished(
        claim=claim,
        result=result,
        transition=transition,
        code=delivery.code,
        detail=delivery.detail,
        finished_at=at,
        message_id=message_id,
        retry_after=delivery.retry_after,
    )


def _with_hindsight(
    ends: Sequence[Finished], deliveries: Sequence[Delivery], config: ReminderConfig
) -> list[Finished]:
    """The ends of a slice, with those judged anew that met a refusal before it was known to be the channel's."""
    about_the_channel = {
        (end.claim.row.route, end.code)
        for end in ends
        if end.result in (Result.CHANNEL_REFUSED, Result.THROTTLED)
    }
    if not about_the_channel:
        return [*ends]
    judged = []
    for end, delivery in zip(ends, deliveries, strict=True):
        result = refusals.result_if_the_channels(end.result, delivery)
        if (
            result is not None
            and delivery.subject is Subject.UNSTATED
            and (end.claim.row.route, end.code) in about_the_channel
        ):
            end = _finished(end.claim, result, delivery, end.message_id, end.finished_at, config, jitter=0.0)
        judged.append(end)
    return judged


def _record(ends: Sequence[Finished], config: ReminderConfig) -> Recorded:
    """Records how sends ended, through a database that may be away for minutes.

    Every acceptance that is not recorded would be repeated. A row that the database refuses is tried
    alone, so that it costs its neighbours nothing.
    """
    patience = time.monotonic() + FINISH_RETRY_FOR.total_seconds()
    pause = 0.1
    while True:
        try:
            return finishing.finish(ends, config=config)
        except (DatabaseError, InterfaceError, ValueError) as error:
            if not is_transient(error):
                if len(ends) > 1:
                    alone = [_record([end], config) for end in ends]
                    return Recorded(
                        [end for recorded in alone for end in recorded.landed],
                        [row for recorded in alone for row in recorded.ended],
                    )
                logger.critical(
                    "Reminder failed",
                    extra={**fields_of(ends[0].claim), "reason": "not_recorded"},
                    exc_info=error,
                )
                return Recorded([], [])
            if time.monotonic() >= patience:
                logger.critical(
                    "Reminder failed",
                    extra={"reason": "not_recorded", "reminder_ids": [end.claim.row.id for end in ends]},
                )
                return Recorded([], [])
            if not connection.in_atomic_block:
                connection.close()
            time.sleep(pause)
            pause = min(pause * 2, 1.0)  # shorter than LATE_ANSWER: the row waits for us


def _is_gone(claim: Claim, result: Result, code: str) -> bool:
    """Whether a webhook endpoint has answered 410: nothing more is sent to it."""
    return result is Result.REJECTED and code == GONE and claim.row.is_webhook


def _requeue_mistaken(ends: Sequence[Finished]) -> None:
    """Rows that failed for good by a refusal that has turned out to be the channel's are due again."""
    for end in ends:
        if end.result in (Result.CHANNEL_REFUSED, Result.THROTTLED):
            ids = refusals.tracker.mistaken(end.claim.row, end.code)
            if requeued := replanning.requeue_mistaken(ids):
                logger.warning("Refused reminders are due again", extra={"count": requeued, "code": end.code})


def _end_gone_subscriptions(landed: Sequence[Finished]) -> None:
    """An endpoint that says 410 wants no more, ever: its subscription ends."""
    gone = {
        subscription_id
        for end in landed
        if _is_gone(end.claim, end.result, end.code)
        if (subscription_id := recipients.subscription_id_of(end.claim.row.recipient)) is not None
    }
    for subscription_id in sorted(gone):
        log_ended(end_subscription(subscription_id, why="its endpoint has answered 410: gone"))
        logger.warning("Subscription ended", extra={"subscription_id": subscription_id, "reason": "gone"})


def deliver_due(*, config: ReminderConfig) -> Delivered:
    """Delivers everything that is due in this process, without the broker: `rescan_reminders --sync`."""
    total = Delivered()
    while True:
        claimed = claim(config, room=config.batch_size, ahead=timedelta())
        if claimed is None:
            time.sleep(BUSY_WAIT)  # A dispatcher claims right now: it is done in a moment.
            continue
        batches = chunks(claimed, config) or [one_batch(events) for events in claim_events(config)]
        if not batches:
            return total
        for batch in batches:
            done = deliver(batch.hints, config=config)
            for name, value in asdict(done).items():
                setattr(total, name, getattr(total, name) + value)
