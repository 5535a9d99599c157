"""How dispatch puts claimed rows into messages."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.conf import ReminderConfig
from reminders.delivery.dispatch import EARLY, SLOT, _slots, chunks
from reminders.ledger.records import Claimed, Hint
from reminders.models import Kind
from reminders.policy.gates import EARLY_TOLERANCE

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
CONFIG = ReminderConfig(channel="memory", batch_size=3, concurrency=1)
MILLISECOND = timedelta(milliseconds=1)


def claimed(number: int, kind: Kind = Kind.REMINDER, *, wait: int = 0, alone: bool = False) -> Claimed:
    return Claimed(
        hint=Hint(number, 1),
        assignment_id=number,
        version=1,
        kind=kind.value,
        due_at=NOON,
        wait=wait * MILLISECOND,
        alone=alone,
        scan_id=None,
    )


def ids(batches) -> list[list[int]]:
    return [[hint.reminder_id for hint in batch.hints] for batch in batches]


@pytest.mark.parametrize("kind", [Kind.CORRECTION, Kind.ESCALATION])
def test_a_kind_that_the_release_before_does_not_know_shares_no_message_with_others(kind):
    due = [claimed(number, kind if number == 2 else Kind.REMINDER) for number in range(1, 13)]
    assert [batch for batch in ids(chunks(due, CONFIG)) if 2 in batch] == [[2]]
    soon = [claimed(1, wait=10), claimed(2, kind, wait=20), claimed(3, wait=30)]
    assert ids(_slots(soon, CONFIG)) == [[1], [2], [3]]


def test_what_falls_due_together_shares_a_message_up_to_its_size_and_a_row_that_goes_alone_does_not():
    soon = [claimed(number, wait=number) for number in (4, 3, 2, 1)]
    assert ids(_slots([*soon, claimed(5, wait=110), claimed(6, wait=111, alone=True)], CONFIG)) == [
        [1, 2, 3],
        [4],
        [5],
        [6],
    ]


@given(st.lists(st.integers(0, 1_250), min_size=1, max_size=60))
def test_in_a_message_for_later_nobody_is_early_beyond_what_the_gates_tolerate_or_late_by_much(waits):
    rows = {number: claimed(number, wait=wait) for number, wait in enumerate(waits)}
    batches = _slots(list(rows.values()), CONFIG)
    assert sorted(number for batch in ids(batches) for number in batch) == sorted(rows)
    for batch in batches:
        for hint in batch.hints:
            late = batch.wait - rows[hint.reminder_id].wait
            assert -EARLY_TOLERANCE < late <= SLOT - EARLY <= 60 * MILLISECOND


def test_a_message_for_one_row_is_due_when_the_row_is():
    (batch,) = _slots([claimed(1, wait=700)], CONFIG)
    assert batch.wait == timedelta(milliseconds=700)
