"""Slots: rows that fall due before the next tick share messages, and close instants share a begin.

A message holds the slots of one tick; the worker that takes it begins each at its instant. So a lone reminder does not cost
a message. A worker that cannot keep up hands on what is left, a message for each slot.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from assignments.clock import database_now
from reminders.conf import ReminderConfig
from reminders.delivery.hints import HintBatch, HintSlot
from reminders.ledger.records import Claimed, Hint
from reminders.models import Kind

WIDTH = timedelta(milliseconds=125)
"""Hints whose instants lie no further apart than this may share a slot."""

EARLY = timedelta(milliseconds=45)
"""A slot begins by so much before the last of its instants (the gates tolerate 50 ms), so that none is late by more than the
rest of its width."""

SPAN = timedelta(seconds=2)
"""The last slot of a message is due no later than this after the first: for so long a worker's process may be occupied."""

NEW_KINDS = (Kind.CORRECTION, Kind.ESCALATION)


def is_new(row: Claimed) -> bool:
    """Whether the release before does not know its kind: its workers fail at the whole message."""
    return row.kind in NEW_KINDS


def _may_share(one: Claimed, other: Claimed) -> bool:
    """Whether they may travel in one message."""
    return not one.alone and not other.alone and is_new(one) is is_new(other)


def messages(claimed: Sequence[Claimed], config: ReminderConfig) -> list[HintBatch]:
    """Messages for rows that fall due before the next tick, with as many slots each as the batch size allows.

    Kinds that the release before does not know travel apart, and so does a row that may have arrived already. A worker with
    one process gets a message for each slot: it would else be occupied by waiting.
    """
    batches: list[HintBatch] = []
    together: list[list[Claimed]] = []
    for slot in _slots(claimed, config):
        if together and (
            config.concurrency == 1
            or not _may_share(together[0][0], slot[0])
            or sum(map(len, together)) + len(slot) > config.batch_size
            or slot[-1].wait - together[0][0].wait > SPAN
        ):
            batches.append(_message(together))
            together = []
        together.append(slot)
    if together:
        batches.append(_message(together))
    return batches


def _slots(claimed: Iterable[Claimed], config: ReminderConfig) -> Iterator[list[Claimed]]:
    """Rows in the order of their instants, as many together as share a slot."""
    slot: list[Claimed] = []
    for row in sorted(claimed, key=lambda row: row.wait):
        if slot and (
            not _may_share(slot[0], row) or row.wait - slot[0].wait > WIDTH or len(slot) == config.batch_size
        ):
            yield slot
            slot = []
        slot.append(row)
    if slot:
        yield slot


def _message(together: Sequence[Sequence[Claimed]]) -> HintBatch:
    waits = [max(slot[0].wait, slot[-1].wait - EARLY) for slot in together]
    slots = [
        HintSlot(len(slot), slot[0].claimed_at + wait) for slot, wait in zip(together, waits, strict=True)
    ]
    hints = tuple(row.hint for slot in together for row in slot)
    return HintBatch(hints, waits[0], tuple(slots) if len(slots) > 1 else ())


@dataclass(slots=True)
class InTurn:
    """Begins the slots of a message at their instants; `seconds_for` says how long so many sends take.

    Slots that are due already are begun together if they take no longer than `patience` seconds. What follows hints that
    take so long that it would be late by more than that is handed on, a message for each slot; so is what is left when one
    fails.
    """

    begin: Callable[[Sequence[Hint]], None]
    hand_on: Callable[[list[HintBatch]], object]
    seconds_for: Callable[[int], float]
    patience: float
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, hints: Sequence[Hint], slots: Sequence[HintSlot]) -> None:
        left = deque(_split(hints, slots))
        clock = _Clock()
        while left:
            # A clock that has jumped, as that of another database server may, keeps nobody waiting.
            self.sleep(min(max(0.0, clock.seconds_until(left[0][1])), SPAN.total_seconds()))
            due, _ = left.popleft()
            while (
                left and clock.seconds_until(left[0][1]) <= 0 and self._is_quick(len(due) + len(left[0][0]))
            ):
                due = [*due, *left.popleft()[0]]
            if left and not self._keeps_up(len(due), clock.seconds_until(left[0][1])):
                self._hand_on(left, clock)
                left.clear()
            try:
                self.begin(due)
            except BaseException:
                if left:
                    self._hand_on(left, clock)
                raise

    def _is_quick(self, sends: int) -> bool:
        return self.seconds_for(sends) <= self.patience

    def _keeps_up(self, sends: int, seconds_to_next: float) -> bool:
        """Whether the slot after these sends, which is due in so many seconds, can be begun here about in time."""
        expected = self.seconds_for(sends)
        return 0 < seconds_to_next <= SPAN.total_seconds() and expected <= seconds_to_next + self.patience

    def _hand_on(self, left: Iterable[tuple[Sequence[Hint], datetime]], clock: "_Clock") -> None:
        self.hand_on(
            [
                HintBatch(tuple(part), timedelta(seconds=max(0.0, clock.seconds_until(begins_at))))
                for part, begins_at in left
            ]
        )


def _split(hints: Sequence[Hint], slots: Iterable[HintSlot]) -> Iterator[tuple[Sequence[Hint], datetime]]:
    place = 0
    for slot in slots:
        yield hints[place : place + slot.size], slot.begins_at
        place += slot.size


class _Clock:
    """The database's clock, asked once."""

    def __init__(self) -> None:
        self._database, self._own = database_now(), time.monotonic()

    def seconds_until(self, instant: datetime) -> float:
        return (instant - self._database).total_seconds() - (time.monotonic() - self._own)
