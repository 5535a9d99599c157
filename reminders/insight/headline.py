"""What matters first about an assignment, before what its reminders do: a refusal, work that nobody has started, nobody
assigned."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from assignments.direction import isolated
from assignments.models import Answer, Assignment, Status
from reminders.conf import ReminderConfig
from reminders.insight.explain.wording import moment
from reminders.policy import timing


@dataclass(frozen=True, slots=True)
class Headline:
    """`tone` is good, warn or bad. `acts` are the actions of operators that help, by their names, the first one first."""

    tone: str
    summary: str
    detail: str
    acts: tuple[str, ...]


SOON = timedelta(hours=24)
"""Nobody being assigned matters first from here on."""


def headline(work: Assignment, *, now: datetime, config: ReminderConfig) -> Headline | None:
    """What must be said before what becomes of the reminder; None where that is what matters."""
    if work.status != Status.SCHEDULED:
        return None
    person = isolated(work.assignee.name) if work.assignee else ""
    if work.answer == Answer.DECLINED:
        note = f": “{isolated(work.answer_note)}”" if work.answer_note else ""
        return Headline(
            "bad",
            f"{person or 'The assignee'} can't make it{note}",
            f"Said at {moment(work.answered_at)}. {_starts(work, now)}, and nobody else is assigned.",
            ("reassign", "move", "cancel", "confirm"),
        )
    overdue = timing.overdue_at(work.scheduled_start, expected_start=work.expected_start, config=config)
    if overdue <= now:
        by = f" by {person}" if person else ""
        return Headline(
            "bad",
            f"Not started{by}: overdue since {moment(overdue)}",
            f"{_starts(work, now)}. Nobody has said that it has begun.",
            ("remind-now", "start", "reassign", "close"),
        )
    if work.assignee_id is None and work.scheduled_start - now <= SOON:
        return Headline("bad", "Nobody is assigned", f"{_starts(work, now)}.", ("reassign", "cancel"))
    if work.expected_start is not None:
        return Headline(
            "warn",
            f"{person or 'The assignee'} begins later, at {moment(work.expected_start)}",
            f"{_starts(work, now)}. It is overdue at {moment(overdue)} if nobody has started it by then.",
            ("reassign", "start"),
        )
    return None


def _starts(work: Assignment, now: datetime) -> str:
    verb = "It starts" if work.scheduled_start > now else "It was to start"
    return f"{verb} at {moment(work.scheduled_start)}"
