"""Which of several reminders of one plan is shown, where there is room for one."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from reminders.models import Reminder, State

T = TypeVar("T")


def foremost(reminders: Sequence[T], *, is_open: Callable[[T], bool], was_sent: Callable[[T], bool]) -> T:
    """Of reminders in the order in which they are due: the next to come, else the one sent last, else the last one."""
    coming = [one for one in reminders if is_open(one)]
    sent = [one for one in reminders if was_sent(one)]
    return (coming or sent[-1:] or reminders[-1:])[0]


def foremost_row(rows: Sequence[Reminder]) -> Reminder:
    """The same of rows of the ledger."""
    return foremost(
        rows, is_open=lambda row: row.closed_at is None, was_sent=lambda row: row.state == State.SENT
    )


def foremost_way(rows: Iterable[Reminder]) -> Reminder:
    """Of the rows of one message, over one address after the other, the one to come, else the one sent, else the last."""
    return foremost_row(sorted(rows, key=lambda row: row.pk))
