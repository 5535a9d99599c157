"""A plan: what an action would do, and to whom. What was shown and what is done are the same object.

A plan is carried out in parts, each a transaction with its own line in the audit trail. A target that has
changed since the plan was made is left alone and named: so a plan that was carried out already does nothing.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.models import Assignment, Status
from assignments.services import Refused
from assignments.team_scope import EVERYTHING, TeamScope

AT_ONCE = 1_000
"""Assignments changed per transaction by statements for many, so that workers never wait long for their rows."""

ONE_BY_ONE = 100
"""The same where each is changed by itself, which takes some 30 ms: a worker waits for a row for 15 seconds at most."""


MAX_PLAN_TARGETS = 50_000
"""Assignments that one plan may take on: it is kept in memory, and somebody is to read it."""


class TooMany(Refused):
    """More than one plan may take on."""

    code = "too_many"


class PlanChanged(Refused):
    """What would happen now is not what the operator was shown."""

    code = "plan_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which assignments are meant: these ids; or what is out of sync; or, with `future`, every future SENT one.

    The window narrows the last two to starts in [starts_after, starts_before). Of all that only what is in `scope`.
    """

    ids: tuple[int, ...] | None = None
    future: bool = False
    starts_after: datetime | None = None
    starts_before: datetime | None = None
    scope: TeamScope = EVERYTHING

    def as_json(self) -> dict[str, object]:
        if self.ids is not None:
            return {"ids": list(self.ids)}
        window = {"starts_after": self.starts_after, "starts_before": self.starts_before}
        return {
            "scope": "future" if self.future else "out of sync",
            **{name: instant.isoformat() for name, instant in window.items() if instant},
        }


class Effect(Enum):
    """What a reset means for the person who is assigned."""

    AGAIN = "again"
    FIRST = "first"
    NOTHING = "nothing"


class Why(Enum):
    """Why an assignment is left alone."""

    NOT_FOUND = "not_found"
    NOT_SCHEDULED = "not_scheduled"
    NOT_OVERDUE = "not_overdue"
    SENDING = "sending"
    CHANGED = "changed"
    NOT_POSSIBLE = "not_possible"
    DONE = "done"
    NOT_OPTED_OUT = "not_opted_out"
    NOBODY = "nobody"
    UNREACHABLE = "unreachable"
    DECLINED = "declined"
    OPTED_OUT = "opted_out"
    JUST_REMINDED = "just_reminded"


WORDS = {
    Why.NOT_FOUND: _("there is no such assignment"),
    Why.NOT_SCHEDULED: _("it is not SCHEDULED any more, so nobody is to be reminded"),
    Why.NOT_OVERDUE: _("it is not marked OVERDUE"),
    Why.SENDING: _("a message is being sent at this moment: try again in a minute"),
    Why.CHANGED: _("it has changed since the preview"),
    Why.NOT_POSSIBLE: _("its state does not allow this"),
    Why.DONE: _("it is so already"),
    Why.NOT_OPTED_OUT: _("its assignee, if there is one, has not opted out of reminders"),
    Why.NOBODY: _("nobody is assigned: give it to somebody first"),
    Why.UNREACHABLE: _("its assignee has no usable address"),
    Why.DECLINED: _("its assignee can't make it: give it to somebody else"),
    Why.OPTED_OUT: _("its assignee has opted out of reminders"),
    Why.JUST_REMINDED: _("a reminder has just been asked for: it is on its way, or has left"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One assignment that is to be changed, as it was when the plan was made."""

    id: int
    version: int
    title: str
    start: datetime
    reminder_status: str
    assignee_id: int | None
    person: str
    effect: Effect = Effect.NOTHING


@dataclass(frozen=True, slots=True)
class Skipped:
    """One assignment that is left alone."""

    id: int
    why: Why


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """What would happen, to whom, and what is left alone."""

    selection: Selection
    targets: tuple[Target, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def fingerprint(self) -> str:
        """The same for the same plan. An operator's confirmation names the plan that was shown."""
        return hashlib.sha256(json.dumps(self.shown()).encode()).hexdigest()[:16]

    def shown(self) -> list[object]:
        """What a preview shows of the plan, as JSON: when it differs, the plan is another one."""
        return [
            [[target.id, target.version, target.effect.value] for target in self.targets],
            [[skipped.id, skipped.why.value] for skipped in self.skipped],
        ]

    def confirm(self, seen: str | None) -> None:
        """Raises PlanChanged where this is not the plan that was shown; None: it was not shown to anybody."""
        if seen is not None and seen != self.fingerprint:
            raise PlanChanged(
                gettext("this is not what the preview showed any more: read the new one, then confirm")
            )


@dataclass(frozen=True, slots=True)
class Done:
    """What was changed, and what was left alone in the end."""

    ids: tuple[int, ...]
    skipped: tuple[Skipped, ...]


def in_parts(
    plan: ActionPlan,
    change: Callable[[Sequence[Target]], tuple[list[int], list[Skipped]]],
    *,
    size: int,
    watch: Callable[[int], None] | None = None,
) -> Done:
    """Carries a plan out part by part; each part is one transaction with its own line in the audit trail.

    `watch` hears of each part how many targets it had.
    """
    ids: list[int] = []
    skipped = list(plan.skipped)
    for part in _parts(plan.targets, size):
        changed, left = change(part)
        ids += changed
        skipped += left
        if watch is not None:
            watch(len(part))
    return Done(tuple(ids), tuple(skipped))


def _parts(targets: Sequence[Target], size: int) -> Iterator[Sequence[Target]]:
    for first in range(0, len(targets), size):
        yield targets[first : first + size]


def lock(targets: Sequence[Target], *, scope: TeamScope) -> dict[int, Assignment]:
    """The assignments as they are, locked in the order of their ids. Nobody begins their rows now."""
    rows = Assignment.objects.visible_to(scope).filter(pk__in=[target.id for target in targets])
    rows = rows.select_for_update(no_key=True)
    return {assignment.pk: assignment for assignment in rows.order_by("pk")}


def as_planned(target: Target, present: Assignment | None) -> bool:
    return (
        present is not None
        and present.status == Status.SCHEDULED
        and present.version == target.version
        and present.reminder_status == target.reminder_status
    )


def changed_since(part: Sequence[Target], ids: Iterable[int]) -> list[Skipped]:
    """The targets that are not among `ids`, which were carried out: each has changed since the preview."""
    done = set(ids)
    return [Skipped(target.id, Why.CHANGED) for target in part if target.id not in done]


def target_of(assignment: Assignment, *, effect: Effect = Effect.NOTHING) -> Target:
    return Target(
        id=assignment.pk,
        version=assignment.version,
        title=assignment.title,
        start=assignment.scheduled_start,
        reminder_status=assignment.reminder_status,
        assignee_id=assignment.assignee_id,
        person=assignment.assignee.name if assignment.assignee else "",
        effect=effect,
    )


def unknown(selection: Selection, found: Iterable[Assignment]) -> list[Skipped]:
    missing = set(selection.ids or ()) - {assignment.pk for assignment in found}
    return [Skipped(pk, Why.NOT_FOUND) for pk in sorted(missing)]


def state_of(assignments: Iterable[Assignment]) -> dict[str, object]:
    return {
        str(assignment.pk): {
            "version": assignment.version,
            "status": str(assignment.status),
            "reminder_status": str(assignment.reminder_status),
        }
        for assignment in assignments
    }
