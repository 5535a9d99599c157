"""A row of the ledger as tests of decisions and texts start from it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from reminders.models import Kind, State
from reminders.policy.rows import Row


def sample_row(*, due_at: datetime, **values: Any) -> Row:
    """The first reminder of assignment 7 to person 3, due half an hour before the start and handed over."""
    start = due_at + timedelta(minutes=30)
    row = Row(
        id=1,
        assignment_id=7,
        version=1,
        kind=Kind.REMINDER,
        rule="default",
        recipient="assignee:3",
        channel="email",
        planned_start=start,
        planned_at=due_at - timedelta(hours=1),
        due_at=due_at,
        not_after=start + timedelta(minutes=30),
        next_attempt_at=due_at,
        state=State.QUEUED,
        ticket=1,
        attempts=0,
        failures=0,
        ambiguous=0,
    )
    return replace(row, **values)
