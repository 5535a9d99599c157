"""Which rows share a slot and a message, and how a worker begins a message slot by slot."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.conf import ReminderConfig
from reminders.delivery import slots
from reminders.delivery.broker import slots_in
from reminders.delivery.hints import HintBatch, HintSlot
from reminders.delivery.slots import EARLY, WIDTH, InTurn, messages
from reminders.ledger.records import Hint
from reminders.models import Kind
from reminders.policy.gates import EARLY_TOLERANCE
from tests.unit.reminders.delivery.claimed_rows import MILLISECOND, NOON, claimed, ids

ONE_PROCESS = ReminderConfig(channel="memory", batch_size=3, concurrency=1)
TWO_PROCESSES = ReminderConfig(channel="memory", batch_size=5, concurrency=2)


def test_what_falls_due_together_shares_a_slot_up_to_the_size_of_a_message_and_a_row_that_goes_alone_does_not():
    soon = [claimed(number, wait=number) for number in (4, 3, 2, 1)]
    rows = [*soon, claimed(5, wait=130), claimed(6, wait=131, alone=True)]
    assert ids(messages(rows, ONE_PROCESS)) == [[1, 2, 3], [4], [5], [6]]


@pytest.mark.parametrize("config", [ONE_PROCESS, TWO_PROCESSES])
@pytest.mark.parametrize("kind", [Kind.CORRECTION, Kind.ESCALATION])
def test_a_kind_that_the_release_before_does_not_know_shares_no_message_with_others(config, kind):
    soon = [claimed(1, wait=10), claimed(2, kind, wait=20), claimed(3, wait=30)]
    assert ids(messages(soon, config)) == [[1], [2], [3]]


def test_a_worker_with_several_processes_gets_the_slots_of_a_tick_in_one_message():
    rows = [claimed(number, wait=200 * number) for number in range(7)]
    first, second = messages(rows, TWO_PROCESSES)
    assert ids([first, second]) == [[0, 1, 2, 3, 4], [5, 6]]
    assert (first.wait, second.wait) == (timedelta(), timedelta(seconds=1))
    assert first.slots == tuple(HintSlot(1, NOON + 200 * number * MILLISECOND) for number in range(5))


def test_a_row_that_may_have_arrived_travels_alone_in_the_midst_of_others():
    rows = [claimed(number, wait=200 * number, alone=number == 1) for number in range(4)]
    assert ids(messages(rows, TWO_PROCESSES)) == [[0], [1], [2, 3]]


@given(st.lists(st.integers(0, 1_250), min_size=1, max_size=60), st.sampled_from([1, 2]))
def test_in_a_slot_nobody_is_early_beyond_what_the_gates_tolerate_or_late_by_much(waits, concurrency):
    config = ReminderConfig(channel="memory", batch_size=10, concurrency=concurrency)
    rows = {number: claimed(number, wait=wait) for number, wait in enumerate(waits)}
    batches = messages(list(rows.values()), config)
    assert sorted(number for batch in ids(batches) for number in batch) == sorted(rows)
    for batch in batches:
        begins = begin_waits(batch)
        assert begins[0] == batch.wait
        assert begins == sorted(begins)
        for hint, begin in zip(batch.hints, begins, strict=True):
            late = begin - rows[hint.reminder_id].wait
            assert -EARLY_TOLERANCE < late <= WIDTH - EARLY


def begin_waits(batch: HintBatch) -> list[timedelta]:
    """How long after noon each hint of a message is begun."""
    if not batch.slots:
        return [batch.wait] * len(batch.hints)
    return [slot.begins_at - NOON for slot in batch.slots for _ in range(slot.size)]


def test_a_slot_of_one_row_begins_when_the_row_is_due():
    (batch,) = messages([claimed(1, wait=700)], TWO_PROCESSES)
    assert batch.wait == timedelta(milliseconds=700)
    assert not batch.slots


HINTS = [Hint(number, 1) for number in range(6)]
THREE_SLOTS = [
    HintSlot(1, NOON + timedelta(seconds=1)),
    HintSlot(2, NOON + timedelta(seconds=2)),
    HintSlot(3, NOON + timedelta(seconds=3)),
]


class Worker:
    """A worker at noon whose sends take a while by a clock that stands still otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, seconds_per_send: float = 0.0) -> None:
        self.clock = 0.0
        self.seconds_per_send = seconds_per_send
        self.begun: list[tuple[float, list[int]]] = []
        self.handed_on: list[HintBatch] = []
        self.fails = False
        monkeypatch.setattr(slots, "database_now", lambda: NOON)
        monkeypatch.setattr(slots.time, "monotonic", lambda: self.clock)

    def take(self, hints: Sequence[Hint] = HINTS, in_slots: Sequence[HintSlot] = THREE_SLOTS) -> None:
        InTurn(self._begin, self.handed_on.extend, self._seconds_for, patience=0.1, sleep=self._sleep)(
            hints, in_slots
        )

    def _begin(self, hints: Sequence[Hint]) -> None:
        self.begun.append((round(self.clock, 3), [hint.reminder_id for hint in hints]))
        self.clock += self._seconds_for(len(hints))
        if self.fails:
            raise ConnectionError

    def _seconds_for(self, sends: int) -> float:
        return sends * self.seconds_per_send

    def _sleep(self, seconds: float) -> None:
        self.clock += seconds


def test_a_worker_begins_each_slot_at_its_instant_by_the_clock_of_the_database(monkeypatch):
    worker = Worker(monkeypatch)
    worker.take()
    assert worker.begun == [(1, [0]), (2, [1, 2]), (3, [3, 4, 5])]
    assert not worker.handed_on


def test_a_worker_that_comes_late_begins_all_that_is_due_at_once_when_its_sends_are_quick(monkeypatch):
    worker = Worker(monkeypatch, seconds_per_send=0.01)
    monkeypatch.setattr(slots, "database_now", lambda: NOON + timedelta(seconds=2.5))
    worker.take()
    assert worker.begun == [(0, [0, 1, 2]), (0.5, [3, 4, 5])]
    assert not worker.handed_on


def test_a_worker_whose_sends_take_long_hands_on_a_message_for_each_slot_that_would_be_late(monkeypatch):
    worker = Worker(monkeypatch, seconds_per_send=0.6)
    worker.take()
    assert worker.begun == [(1, [0]), (2, [1, 2])]
    assert ids(worker.handed_on) == [[3, 4, 5]]
    assert [batch.wait for batch in worker.handed_on] == [timedelta(seconds=1)]


def test_a_worker_that_comes_late_hands_on_what_it_cannot_send_quickly(monkeypatch):
    worker = Worker(monkeypatch, seconds_per_send=0.05)
    monkeypatch.setattr(slots, "database_now", lambda: NOON + timedelta(seconds=2.5))
    worker.take()
    assert worker.begun == [(0, [0])]
    assert ids(worker.handed_on) == [[1, 2], [3, 4, 5]]
    assert [batch.wait for batch in worker.handed_on] == [timedelta(), timedelta(seconds=0.5)]
    assert not any(batch.slots for batch in worker.handed_on)


def test_no_message_occupies_a_worker_for_long_however_far_apart_the_ticks_are():
    rows = [claimed(number, wait=600 * number) for number in range(100)]
    batches = messages(rows, ReminderConfig(channel="memory", concurrency=2))
    assert ids(batches)[:2] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert all(begin_waits(batch)[-1] - batch.wait <= slots.SPAN for batch in batches)


def test_a_clock_that_has_jumped_keeps_no_worker_waiting(monkeypatch):
    worker = Worker(monkeypatch)
    monkeypatch.setattr(slots, "database_now", lambda: NOON - timedelta(minutes=5))
    worker.take()
    assert worker.begun == [(2, [0])]
    assert ids(worker.handed_on) == [[1, 2], [3, 4, 5]]
    assert [batch.wait.total_seconds() for batch in worker.handed_on] == [300, 301]


def test_what_follows_a_slot_that_fails_is_handed_on(monkeypatch):
    worker = Worker(monkeypatch)
    worker.fails = True
    with pytest.raises(ConnectionError):
        worker.take()
    assert worker.begun == [(1, [0])]
    assert ids(worker.handed_on) == [[1, 2], [3, 4, 5]]


def test_where_the_last_slot_fails_nobody_asks_the_broker(monkeypatch):
    worker = Worker(monkeypatch)
    worker.fails = True
    monkeypatch.setattr(worker, "handed_on", None)
    with pytest.raises(ConnectionError):
        InTurn(worker._begin, worker.handed_on, worker._seconds_for, patience=0.1, sleep=worker._sleep)(
            HINTS[:1], THREE_SLOTS[:1]
        )


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        7,
        [],
        [[1]],
        [["a", 1.0]],
        [[2, None]],
        [[1, 1e30], [1, 2.0]],
        [[1, 5.0]],
        [[3, 5.0], [-1, 6.0]],
    ],
)
def test_a_header_that_fits_no_message_of_two_hints_is_no_header(header):
    assert slots_in(header, hints=2) == ()


def test_slots_survive_the_way_through_a_header():
    sent = [[slot.size, slot.begins_at.timestamp()] for slot in THREE_SLOTS]
    assert list(slots_in(sent, hints=6)) == THREE_SLOTS
