"""When a row is due, until when it is useful, and what sending it late is still worth."""

from datetime import datetime, timedelta
from enum import Enum

from reminders.conf import ReminderConfig
from reminders.models import Kind
from reminders.policy.rows import Row


class Usefulness(Enum):
    """What good a waiting message still is; the words of a resume's preview."""

    USEFUL = "useful"
    LATE = "late"
    TOO_LATE = "too_late"


def usefulness(row: Row, *, now: datetime) -> Usefulness:
    """What sending this row now would still be worth."""
    if row.not_after is not None and row.not_after < now:
        return Usefulness.TOO_LATE
    return Usefulness.LATE if row.kind is Kind.REMINDER and row.planned_start < now else Usefulness.USEFUL


def due_at(start: datetime, *, lead_minutes: int | None, config: ReminderConfig) -> datetime:
    """When the reminder of work that starts at `start` is due."""
    return start - (config.lead if lead_minutes is None else timedelta(minutes=lead_minutes))


def overdue_base(start: datetime, expected_start: datetime | None) -> datetime:
    """From when the overdue time counts: the later of the planned start and the one that the assignee has named."""
    return start if expected_start is None else max(start, expected_start)


def overdue_base_sql(assignments: str) -> str:
    """The same as an SQL expression; `assignments` is the alias of a row of assignments."""
    return f"greatest({assignments}.scheduled_start, {assignments}.expected_start)"


def overdue_at(start: datetime, *, expected_start: datetime | None, config: ReminderConfig) -> datetime:
    """When work that nobody has started counts as overdue; a reminder is of no use after it either."""
    return overdue_base(start, expected_start) + config.overdue


def planning_horizon(*, now: datetime, lead_minutes: int | None, config: ReminderConfig) -> datetime:
    """Work that starts up to this instant is planned: a long lead is never found late."""
    lead = config.lead if lead_minutes is None else timedelta(minutes=lead_minutes)
    return now + max(config.lookahead, lead + config.poll)
