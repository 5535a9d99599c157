"""What is logged of rows that end, or are put back, without a send."""

from datetime import UTC, datetime

import pytest

from reminders.delivery.log_lines import log_ended
from reminders.ledger.records import Ended
from reminders.models import Kind, State

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "state", "text"),
    [
        (Kind.REMINDER, State.UNKNOWN, "Reminder failed"),
        (Kind.OVERDUE, State.UNKNOWN, "Reminder failed"),
        (Kind.EVENT, State.UNKNOWN, "Webhook failed"),
        (Kind.REMINDER, State.PLANNED, "Reminder will be tried again"),
        (Kind.EVENT, State.PLANNED, "Webhook will be tried again"),
    ],
)
def test_an_event_is_not_called_a_reminder(kind, state, text, caplog):
    ended = Ended(
        reminder_id=1,
        assignment_id=2,
        version=1,
        kind=kind.value,
        due_at=NOON,
        state=state.value,
        reason="ambiguous",
    )
    log_ended([ended])
    (line,) = caplog.records
    assert (line.getMessage(), line.kind) == (text, kind.value)
