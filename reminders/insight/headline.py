"""What matters first about an assignment, before what its reminders do: a refusal, work that nobody has started, nobody
assigned."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext

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
            gettext("%(person)s can't make it%(note)s")
            % {"person": person or gettext("The assignee"), "note": note},
            gettext("Said at %(at)s. %(starts)s, and nobody else is assigned.")
            % {"at": moment(work.answered_at), "starts": _starts(work, now)},
            ("reassign", "move", "cancel", "confirm"),
        )
    overdue = timing.overdue_at(work.scheduled_start, expected_start=work.expected_start, config=config)
    if overdue <= now:
        values = {"person": person, "overdue": moment(overdue)}
        return Headline(
            "bad",
            gettext("Not started by %(person)s: overdue since %(overdue)s") % values
            if person
            else gettext("Not started: overdue since %(overdue)s") % values,
            gettext("%(starts)s. Nobody has said that it has begun.") % {"starts": _starts(work, now)},
            ("remind-now", "start", "reassign", "close"),
        )
    if work.assignee_id is None and work.scheduled_start - now <= SOON:
        return Headline(
            "bad", gettext("Nobody is assigned"), f"{_starts(work, now)}.", ("reassign", "cancel")
        )
    if work.expected_start is not None:
        return Headline(
            "warn",
            gettext("%(person)s begins later, at %(at)s")
            % {"person": person or gettext("The assignee"), "at": moment(work.expected_start)},
            gettext("%(starts)s. It is overdue at %(at)s if nobody has started it by then.")
            % {"starts": _starts(work, now), "at": moment(overdue)},
            ("reassign", "start"),
        )
    return None


def _starts(work: Assignment, now: datetime) -> str:
    at = {"at": moment(work.scheduled_start)}
    if work.scheduled_start > now:
        return gettext("It starts at %(at)s") % at
    return gettext("It was to start at %(at)s") % at
