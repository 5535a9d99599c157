"""What sending a row that waits would still be worth, without a database."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reminders.models import Kind
from reminders.policy import timing
from reminders.policy.timing import Usefulness
from tests.unit.reminders.policy.test_policy import ROW, START

NOTICE = replace(ROW, kind=Kind.OVERDUE, recipient="ops:1", not_after=START + timedelta(hours=4))


@pytest.mark.parametrize(
    ("row", "minutes_after_start", "expected"),
    [
        (ROW, -30, Usefulness.USEFUL),
        (ROW, 0, Usefulness.USEFUL),
        (ROW, 1, Usefulness.LATE),
        (ROW, 30, Usefulness.LATE),
        (ROW, 31, Usefulness.TOO_LATE),
        (NOTICE, 31, Usefulness.USEFUL),
        (NOTICE, 241, Usefulness.TOO_LATE),
        (replace(ROW, not_after=None), 31, Usefulness.LATE),
    ],
)
def test_what_a_waiting_row_is_still_worth(row, minutes_after_start, expected):
    assert timing.usefulness(row, now=START + timedelta(minutes=minutes_after_start)) is expected
