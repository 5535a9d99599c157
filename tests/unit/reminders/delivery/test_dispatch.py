"""How dispatch puts claimed rows into messages."""

import pytest

from reminders.conf import ReminderConfig
from reminders.delivery.dispatch import chunks
from reminders.models import Kind
from tests.unit.reminders.delivery.claimed_rows import claimed, ids

CONFIG = ReminderConfig(channel="memory", batch_size=3, concurrency=1)


@pytest.mark.parametrize("kind", [Kind.CORRECTION, Kind.ESCALATION])
def test_a_kind_that_the_release_before_does_not_know_shares_no_message_with_others(kind):
    due = [claimed(number, kind if number == 2 else Kind.REMINDER) for number in range(1, 13)]
    assert [batch for batch in ids(chunks(due, CONFIG)) if 2 in batch] == [[2]]
