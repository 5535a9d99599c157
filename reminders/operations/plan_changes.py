"""Give work to somebody else or to nobody, move it, cancel it: the plan of that, and how it is carried out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from django.utils import timezone
from django.utils.translation import gettext

from accounts.reasons import checked_reason
from assignments import services
from assignments.history import Actor
from assignments.instants import known_zone
from assignments.models import Assignee, Assignment, Status
from assignments.services import Refused
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.insight.changed_plans import ChangedPlan, PlanChange, changed_plans
from reminders.ledger.audit import record
from reminders.operations.plans import (
    ONE_BY_ONE,
    ActionPlan,
    Done,
    Selection,
    Skipped,
    Target,
    Why,
    changed_since,
    in_parts,
    lock,
    state_of,
    target_of,
    unknown,
)
from reminders.policy.wall_clock import at_local_time


class Change(Enum):
    """What is done to work; the value is the action's name in addresses and in the audit trail."""

    REASSIGN = "reassign"
    MOVE = "move"
    CANCEL = "cancel"


POSSIBLE = {
    Change.REASSIGN: (Status.SCHEDULED, Status.IN_PROGRESS),
    Change.MOVE: (Status.SCHEDULED,),
    Change.CANCEL: (Status.SCHEDULED, Status.IN_PROGRESS),
}
"""In which states work can be changed so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """By how much work is moved: by days of the assignee's calendar, at the same time of day, then by minutes."""

    days: int = 0
    minutes: int = 0

    def __bool__(self) -> bool:
        return bool(self.days or self.minutes)

    def start_of(self, work: Assignment) -> datetime:
        """The new start; work of nobody goes by the installation's own zone."""
        start = work.scheduled_start
        if self.days:
            zone = work.assignee and known_zone(work.assignee.time_zone)
            zone = zone or timezone.get_default_timezone()
            at = start.astimezone(zone).time()
            start = at_local_time(start, days_before=-self.days, at=at, zone=zone)
        return start + timedelta(minutes=self.minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePlan(ActionPlan):
    """Assignments whose plan would be another. `moves` are the targets, with what becomes of each."""

    kind: Change
    change: PlanChange = field(default_factory=PlanChange)
    moves: tuple[ChangedPlan, ...] = ()

    @property
    def to(self) -> Assignee | None:
        """Who gets it; None: nobody, or whoever has it."""
        return self.change.to

    def shown(self) -> list[object]:
        """Also who gets it and when it starts, and what is lost with it, which draws no version: what was told, and an
        answer.
        """
        return [
            *ActionPlan.shown(self),
            [self.kind.value, self.change.gives, self.to.pk if self.to else None],
            [
                [
                    move.told.value,
                    move.assignment.status,
                    move.assignment.answer,
                    move.assignment.reminder_status,
                    move.after.scheduled_start.isoformat(),
                ]
                for move in self.moves
            ],
        ]


def can(kind: Change, assignment: Assignment) -> bool:
    """Whether work of this state can be changed so."""
    return assignment.status in POSSIBLE[kind]


def changeable(
    kind: Change, ids: Sequence[int], *, scope: TeamScope = EVERYTHING
) -> tuple[list[Assignment], list[Skipped]]:
    """Those of these assignments that can be changed so, and why the others are left alone."""
    rows = Assignment.objects.visible_to(scope).select_related("assignee__team", "team")
    found = list(rows.filter(pk__in=ids).order_by("pk"))
    ended = [Skipped(one.pk, Why.NOT_POSSIBLE) for one in found if not can(kind, one)]
    missing = unknown(Selection(ids=tuple(ids)), found)
    return [one for one in found if can(kind, one)], [*ended, *missing]


def plan_reassign(
    ids: Sequence[int], to: Assignee | None, *, config: ReminderConfig, scope: TeamScope = EVERYTHING
) -> ChangePlan:
    """What giving these assignments to this person would do now. Whether the caller sees them is for the caller to ask."""
    work, skipped = changeable(Change.REASSIGN, ids, scope=scope)
    change = PlanChange(gives=True, to=to)
    return _plan(Change.REASSIGN, ids, work, skipped, change, config=config, scope=scope)


def plan_move(
    ids: Sequence[int],
    by: Offset | datetime | None,
    *,
    config: ReminderConfig,
    gives: bool = False,
    to: Assignee | None = None,
    scope: TeamScope = EVERYTHING,
) -> ChangePlan:
    """What moving these assignments to an instant, or by an offset, would do now; each keeps its length. With `gives` they
    are given to `to` too.
    """
    work, skipped = changeable(Change.MOVE, ids, scope=scope)
    starts = {}
    if by is not None:
        starts = {one.pk: by.start_of(one) if isinstance(by, Offset) else by for one in work}
    change = PlanChange(starts=starts, gives=gives, to=to)
    return _plan(Change.MOVE, ids, work, skipped, change, config=config, scope=scope)


def plan_cancel(ids: Sequence[int], *, config: ReminderConfig, scope: TeamScope = EVERYTHING) -> ChangePlan:
    """What cancelling these assignments would do now."""
    work, skipped = changeable(Change.CANCEL, ids, scope=scope)
    return _plan(Change.CANCEL, ids, work, skipped, PlanChange(cancels=True), config=config, scope=scope)


def _plan(
    kind: Change,
    ids: Sequence[int],
    work: Sequence[Assignment],
    skipped: Sequence[Skipped],
    change: PlanChange,
    *,
    config: ReminderConfig,
    scope: TeamScope,
) -> ChangePlan:
    meant = [one for one in work if not change.is_so(one)]
    moves = changed_plans(meant, change, config=config)
    return ChangePlan(
        selection=Selection(ids=tuple(ids), scope=scope),
        targets=tuple(target_of(move.assignment) for move in moves),
        skipped=(*(Skipped(one.pk, Why.DONE) for one in work if change.is_so(one)), *skipped),
        kind=kind,
        change=change,
        moves=tuple(moves),
    )


def run_change(plan: ChangePlan, *, by: str, reason: str) -> Done:
    """Changes each target as planned. Raises Refused where the person of the plan is not there, or not seen, any more."""
    reason = checked_reason(reason)
    return in_parts(plan, lambda part: _change_some(plan, part, by=by, reason=reason), size=ONE_BY_ONE)


@atomically
def _change_some(
    plan: ChangePlan, part: Sequence[Target], *, by: str, reason: str
) -> tuple[list[int], list[Skipped]]:
    scope, to = plan.selection.scope, plan.to
    locked = lock(part, scope=scope)
    if to is not None and not Assignee.objects.visible_to(scope).filter(pk=to.pk).exists():
        raise Refused(gettext("there is no person #%(pk)s any more") % {"pk": to.pk})
    ids = [
        target.id
        for target in part
        if (present := locked.get(target.id)) is not None
        and present.version == target.version
        and can(plan.kind, present)
    ]
    before = _state(plan, (locked[pk] for pk in ids))
    actor = Actor.ops(by)
    after = _state(
        plan,
        [services.change(pk, plan.change.values_for(locked[pk]), scope=scope, actor=actor) for pk in ids],
    )
    if ids:
        selection = plan.selection.as_json()
        if plan.change.gives:
            selection["to"] = to.pk if to else None
        record(plan.kind.value, by=by, reason=reason, selection=selection, before=before, after=after)
    return ids, changed_since(part, ids)


def _state(plan: ChangePlan, assignments: Iterable[Assignment]) -> dict[str, object]:
    """The state of each, with whose it is and what they have answered, and when it starts where that changes. People are
    named by id.
    """
    rows = list(assignments)
    own: dict[str, dict[str, object]] = {
        str(one.pk): {"assignee": one.assignee_id, "answer": str(one.answer)} for one in rows
    }
    if plan.change.starts:
        for one in rows:
            own[str(one.pk)]["start"] = one.scheduled_start.isoformat()
    return {pk: {**state, **own[pk]} for pk, state in state_of(rows).items()}  # type: ignore[dict-item]
