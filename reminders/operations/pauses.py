"""Pause and resume: all sending is held, and what waits is shown before it goes on."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from django.core.exceptions import ValidationError
from django.db.models import BooleanField, ExpressionWrapper, QuerySet
from django.utils.translation import gettext

from accounts.reasons import checked_reason
from assignments.clock import database_now
from assignments.services import Refused
from assignments.transactions import atomically
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.delivery import log_lines
from reminders.ledger import pauses as ledger_pauses
from reminders.ledger import planning, records
from reminders.ledger.audit import record
from reminders.models import PAUSE_IN_FORCE, Kind, Pause
from reminders.policy.timing import Usefulness


class AlreadyPaused(Refused):
    """A pause is in force: never two at a time."""

    code = "already_paused"


class NotPaused(Refused):
    """There is no pause to end."""

    code = "not_paused"


class BacklogPart(Enum):
    """A part of the backlog that an operator may skip instead of sending it. What is too late is skipped anyway."""

    USEFUL = "useful"
    LATE = "late"
    NOTICES = "overdue_notices"
    CORRECTIONS = "corrections"
    ESCALATIONS = "escalations"


BACKLOG_PARTS = {
    BacklogPart.USEFUL: (Kind.REMINDER, Usefulness.USEFUL),
    BacklogPart.LATE: (Kind.REMINDER, Usefulness.LATE),
    BacklogPart.NOTICES: (Kind.OVERDUE, Usefulness.USEFUL),
    BacklogPart.CORRECTIONS: (Kind.CORRECTION, Usefulness.USEFUL),
    BacklogPart.ESCALATIONS: (Kind.ESCALATION, Usefulness.USEFUL),
}


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is due and waits at this moment, and what sending it would still be worth.

    `unplanned` is due work that no scan has seen, as after an outage: a rescan sorts it into the other figures.
    """

    useful: int = 0
    late: int = 0
    too_late: int = 0
    notices: int = 0
    corrections: int = 0
    escalations: int = 0
    unplanned: int = 0

    def as_json(self) -> dict[str, object]:
        return {
            "useful": self.useful,
            "late": self.late,
            "too_late": self.too_late,
            "overdue_notices": self.notices,
            "corrections": self.corrections,
            "escalations": self.escalations,
            "unplanned": self.unplanned,
        }


@dataclass(frozen=True, slots=True)
class Resumed:
    """A pause that has ended, what waited at its end, and how many messages were skipped instead of sent."""

    pause: Pause
    backlog: Backlog
    skipped: int


def pauses() -> QuerySet[Pause]:
    """All pauses, newest first, each with `is_in_force`."""
    return Pause.objects.annotate(is_in_force=ExpressionWrapper(PAUSE_IN_FORCE, output_field=BooleanField()))


@atomically
def pause(*, by: str, reason: str, until: datetime | None = None) -> Pause:
    """Holds every send until `until`, or until somebody resumes. Overdue work is still marked.

    Raises AlreadyPaused, or ValidationError where the reason is missing or `until` is not ahead.
    """
    reason = checked_reason(reason)
    if until is not None and until <= database_now():
        raise ValidationError({"until": gettext("an instant in the future is needed, or none at all")})
    made = ledger_pauses.open_pause(by=by, reason=reason, until=until)
    if made is None:
        raise AlreadyPaused(gettext("sending is paused already: resume first, to pause on other terms"))
    begun = Pause.objects.get(pk=made)
    record(
        "pause", by=by, reason=reason, after={"pause": made, "until": until.isoformat() if until else None}
    )
    return begun


def backlog(*, config: ReminderConfig) -> Backlog:
    """What would be sent, and what would be skipped, if sending went on at this moment."""
    waiting = ledger_pauses.backlog()
    return Backlog(
        useful=waiting.get(BACKLOG_PARTS[BacklogPart.USEFUL], 0),
        late=waiting.get(BACKLOG_PARTS[BacklogPart.LATE], 0),
        too_late=sum(count for (_, use), count in waiting.items() if use is Usefulness.TOO_LATE),
        notices=waiting.get(BACKLOG_PARTS[BacklogPart.NOTICES], 0),
        corrections=waiting.get(BACKLOG_PARTS[BacklogPart.CORRECTIONS], 0),
        escalations=waiting.get(BACKLOG_PARTS[BacklogPart.ESCALATIONS], 0),
        unplanned=planning.unaccounted(config),
    )


def resume(
    *, by: str, reason: str = "", skip: Collection[BacklogPart] = (), config: ReminderConfig | None = None
) -> Resumed:
    """Ends the pause. What is of no use any more is skipped by itself; late reminders are sent and say so.

    The parts in `skip` end as SKIPPED(operator) instead, and need a reason. Raises NotPaused, or ValidationError.
    """
    reason = checked_reason(reason, needed=bool(skip))
    resumed, ended = _resume(by, reason, frozenset(skip), config or conf.current())
    log_lines.log_ended(ended)
    return resumed


@atomically
def _resume(
    by: str, reason: str, skip: frozenset[BacklogPart], config: ReminderConfig
) -> tuple[Resumed, list[records.Ended]]:
    waiting = backlog(config=config)
    ended = ledger_pauses.end_pause(by=by)
    if ended is None:
        raise NotPaused(gettext("sending is not paused"))
    skipped = ledger_pauses.skip_waiting([BACKLOG_PARTS[part] for part in skip]) if skip else []
    record(
        "resume",
        by=by,
        reason=reason,
        before={"pause": ended, "backlog": waiting.as_json()},
        after={"skip": sorted(part.value for part in skip), "skipped": len(skipped)},
    )
    return Resumed(Pause.objects.get(pk=ended), waiting, len(skipped)), skipped
