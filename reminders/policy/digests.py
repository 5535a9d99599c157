"""Which rows are joined in one message, and what becomes of them where it is not accepted.

The first notice to a supervisor leaves at once, with all others that are due; those after it wait a while, at most
REMINDER_DIGEST_SECONDS, and leave together. So do reminders to one person, by their rate (`policy.rates`). Membership is
settled when the message is begun for the first time, and kept as long as it may have arrived: a repeat carries the same
list under the same Message-ID. Reminders whose plan has changed meanwhile leave it: nobody is reminded of what is not so.
"""

from collections.abc import Sequence

from reminders.models import Kind
from reminders.policy import recipients
from reminders.policy.record import record
from reminders.policy.retries import Result
from reminders.policy.rows import Row

MOST_ROWS = 5_000
"""Rows in one message at most. Begin and finish stay within two seconds each, a small part of the lease."""
MOST_LISTED = 200
"""Rows that a message shows in detail; of the others it says how many they are, and where they are listed."""


@record
class Group:
    """Rows that go in one message: those to one recipient over one channel, or, once settled, those of one digest."""

    recipient: str
    channel: str
    digest_id: int | None


def group_of(row: Row) -> Group | None:
    """With which rows this one goes; None where it goes by itself.

    A row that may have arrived by itself is repeated by itself.
    """
    if row.is_marker or not (recipients.is_supervisor(row.recipient) or is_rated(row)):
        return None
    if row.digest_id is None and row.ambiguous:
        return None
    return Group(row.recipient, row.channel, row.digest_id)


def is_rated(row: Row) -> bool:
    """Whether this is a reminder to a person, of which they get only so many."""
    return row.kind is Kind.REMINDER and recipients.assignee_id_of(row.recipient) is not None


def same_nudge(one: Row, other: Row) -> bool:
    """Whether both say the same to one person, over different channels, or are one row."""
    return (one.assignment_id, one.version, one.kind, one.rule, one.recipient) == (
        other.assignment_id,
        other.version,
        other.kind,
        other.rule,
        other.recipient,
    )


def may_wait(row: Row) -> bool:
    """Whether this row may wait to be joined with others; one whose message is settled does not."""
    group = group_of(row)
    return group is not None and group.digest_id is None


def in_order(rows: Sequence[Row]) -> list[Row]:
    """The rows of a message as it lists them: what people did, then what has been overdue for longest. The first leads."""
    return sorted(rows, key=lambda row: (not row.is_escalation, row.due_at, row.id))


def is_about_content(result: Result, *, about_message: bool) -> bool:
    """Whether a message was refused for what it says: then one of its rows is to blame, and the others are not.

    `about_message`: the response is about the message, not about its recipient or the channel.
    """
    return result is Result.TEMPLATE or (result is Result.REJECTED and about_message)


def halves(ids: Sequence[int]) -> dict[int, int]:
    """The digest to which each row of a message belongs that was refused for its content: half of it each.

    A half is refused again if the row to blame is in it, until that row is alone.
    """
    middle = (len(ids) + 1) // 2
    return {**dict.fromkeys(ids[:middle], ids[0]), **dict.fromkeys(ids[middle:], ids[middle])}
