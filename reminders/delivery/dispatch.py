"""Dispatch: claims what is due, or falls due before the next tick, and hands it to the workers."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from reminders.conf import ReminderConfig
from reminders.delivery import slots
from reminders.delivery.hints import Broker, BrokerDown, HintBatch
from reminders.delivery.journal import NO_JOURNAL, Journal
from reminders.delivery.log_lines import log_ended, log_queued
from reminders.ledger import claims, event_claims, leases, ways
from reminders.ledger.records import Claimed, Ended
from reminders.policy.handover import next_limit

logger = logging.getLogger(__name__)

CLAIMED_AT_ONCE = 1_000
"""A claim of so many rows is followed by another in the same tick. The journal has room for them."""


FAR_LOOK_SECONDS = 10.0
"""A lease that is over behind all that waits in front is found so late: a fraction of the lease itself."""


@dataclass(slots=True)
class Dispatched:
    """What one tick of dispatch did."""

    handed_over: int = 0
    messages: int = 0
    refused: int = 0
    returned: int = 0
    lost: int = 0
    ambiguous_rows: list[Ended] = field(default_factory=list)


@dataclass(slots=True)
class HandoverLimit:
    """How many rows this process hands over: all that the settings allow, until rows come back untouched."""

    rows: int | None = None

    def learn(self, *, returned: int, queued: int, config: ReminderConfig) -> int:
        """The limit for this tick."""
        self.rows = next_limit(
            config.queue_limit if self.rows is None else self.rows,
            returned=returned,
            queued=queued,
            least=min(4 * config.concurrency, config.queue_limit),
            most=config.queue_limit,
        )
        return self.rows


handover = HandoverLimit()


@dataclass(slots=True)
class FarLook:
    """When this process looks at all that is due for rows to take back, and not at the front alone."""

    next_at: float = 0.0

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self.next_at:
            return False
        self.next_at = now + FAR_LOOK_SECONDS
        return True


far = FarLook()


def dispatch(
    *,
    config: ReminderConfig,
    broker: Broker,
    limit: HandoverLimit = handover,
    journal: Journal = NO_JOURNAL,
) -> Dispatched:
    """Claims what is due, or falls due before the next tick, and hands it to the workers.

    First takes back rows whose lease is over. Asks the broker before it claims: without an answer nothing moves, and
    one line says so. Where it has lost what it held, rows that were handed over are due again at once. No more than
    `queue_limit` rows are handed over and not begun, and fewer while the workers do not get round to them. People come
    first, then programs.
    """
    done = Dispatched()
    if not config.enabled:
        return done
    is_anything = claims.is_anything_by(config.soon)
    if is_anything:
        reaped = leases.reap(config, among=leases.ALL_DUE if far.is_due() else leases.IN_FRONT)
        done.returned, done.ambiguous_rows = reaped.returned, reaped.ambiguous_rows
        log_ended(reaped.ambiguous_rows)
    if config.further_channels:
        log_ended(ways.leave_held(config))
    try:
        contents = broker.contents()
        if not contents.is_intact:
            done.lost = release_lost(broker, reason="broker_emptied")
            broker.mark()  # after the rows: a process that dies in between leaves it to the next one
    except BrokerDown as error:
        claims.count_failure("broker")
        logger.error("Failed to queue reminder", extra={"reason": "broker", "detail": str(error)})
        return done
    if contents.messages >= 2 * config.queue_limit // config.batch_size + 8 * config.concurrency:
        return done  # Nobody takes messages: what waits there is worth no more hints.
    if not is_anything:
        limit.learn(returned=0, queued=0, config=config)
        return done
    queued = claims.queued(config)
    room = limit.learn(returned=done.returned, queued=queued, config=config) - queued
    so_far = 0
    while room > 0:
        claimed = claims.claim(config, room=min(room, CLAIMED_AT_ONCE), ahead=timedelta())
        if not claimed:
            break
        room -= len(claimed)
        so_far += len(claimed)
        if not _hand_over(chunks(claimed, config, so_far=so_far), claimed, broker, done, journal):
            return done
    if room <= 0:
        return done  # People come first: programs and what is not due yet wait for the next tick.
    claimed = claims.claim(config, room=min(room, config.batch_size * config.concurrency), ahead=config.soon)
    if claimed and not _hand_over(slots.messages(claimed, config), claimed, broker, done, journal):
        return done
    if events := event_claims.claim_events(event_claims.FIRST, config=config, first=True):
        _hand_over([HintBatch(tuple(row.hint for row in events))], events, broker, done, journal)
    return done


def release_lost(broker: Broker, *, reason: str) -> int:
    """Puts back rows that were handed over and are in no message that waits; returns how many.

    Those that a living worker has just taken are among them: it finds its hints stale, and others send these rows.
    Raises BrokerDown.
    """
    lost = leases.release_all_but(broker.waiting_hints())
    if lost:
        logger.warning("Lost hints are replaced", extra={"reason": reason, "count": lost})
    return lost


def _hand_over(
    batches: list[HintBatch], claimed: Sequence[Claimed], broker: Broker, done: Dispatched, journal: Journal
) -> bool:
    """Publishes; rows whose hint was refused go back at once. False when the broker refused anything."""
    journal.take([row.hint for row in claimed])
    refused = broker.publish(batches)
    journal.clear()
    hints = {hint for batch in refused for hint in batch.hints}
    done.refused += release_refused(refused)
    done.messages += len(batches) - len(refused)
    queued = [row for row in claimed if row.hint not in hints]
    done.handed_over += len(queued)
    log_queued(queued)
    if hints:
        logger.error("Failed to queue reminder", extra={"reason": "enqueue", "count": len(hints)})
    return not hints


def release_refused(batches: Sequence[HintBatch]) -> int:
    """Rows whose message nobody takes are due again at once; returns how many."""
    hints = [hint for batch in batches for hint in batch.hints]
    return leases.release(sorted(hints, key=lambda hint: hint.reminder_id), counted_as="enqueue")


def chunks(claimed: Sequence[Claimed], config: ReminderConfig, *, so_far: int = 0) -> list[HintBatch]:
    """Due rows in chunks; a row that may have arrived already travels alone. `so_far` were claimed in this tick, with these.

    Kinds that the release before does not know travel apart from the others: its workers fail at their whole chunk.
    """
    size = chunk_size(len(claimed), config=config, so_far=so_far)
    batches = []
    for new in (False, True):
        together = [row.hint for row in claimed if not row.alone and slots.is_new(row) is new]
        batches += [HintBatch(tuple(together[i : i + size])) for i in range(0, len(together), size)]
    return batches + [HintBatch((row.hint,)) for row in claimed if row.alone]


def chunk_size(rows: int, *, config: ReminderConfig, so_far: int = 0) -> int:
    """How many hints travel in one message: one while few are due, up to the batch size when many are.

    Of few rows every process gets its share, four times. A full claim is followed by others: the more of them a tick has
    seen, the larger its messages are.
    """
    shared = (
        max(rows, so_far) // (2 * config.concurrency)
        if rows >= CLAIMED_AT_ONCE
        else rows // (4 * config.concurrency)
    )
    return max(1, min(config.batch_size, shared))
