"""Give work to somebody else, or to nobody: the plan of it, and how it is carried out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from accounts.reasons import checked_reason
from assignments import services
from assignments.models import Assignee, Assignment, Status
from assignments.services import Refused
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.insight.reassignment import Reassignment, reassignments
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReassignPlan(ActionPlan):
    """Assignments that somebody else would get; `to` None: nobody. `moves` are the targets, with what becomes of each."""

    to: Assignee | None = None
    moves: tuple[Reassignment, ...] = ()

    def shown(self) -> list[object]:
        """Also who gets it, and what is lost with it, which draws no version: what was told, and an answer."""
        return [
            *ActionPlan.shown(self),
            self.to.pk if self.to else None,
            [
                [
                    move.told.value,
                    move.assignment.status,
                    move.assignment.answer,
                    move.assignment.reminder_status,
                ]
                for move in self.moves
            ],
        ]


def is_open(assignment: Assignment) -> bool:
    """Whether somebody else can be given it."""
    return assignment.status in (Status.SCHEDULED, Status.IN_PROGRESS)


def open_work(ids: Sequence[int], *, scope: TeamScope = EVERYTHING) -> tuple[list[Assignment], list[Skipped]]:
    """Those of these assignments that somebody else can be given, and why the others are left alone."""
    rows = Assignment.objects.visible_to(scope).select_related("assignee__team", "team")
    found = list(rows.filter(pk__in=ids).order_by("pk"))
    ended = [Skipped(one.pk, Why.NOT_POSSIBLE) for one in found if not is_open(one)]
    missing = unknown(Selection(ids=tuple(ids)), found)
    return [one for one in found if is_open(one)], [*ended, *missing]


def plan_reassign(
    ids: Sequence[int], to: Assignee | None, *, config: ReminderConfig, scope: TeamScope = EVERYTHING
) -> ReassignPlan:
    """What giving these assignments to this person would do now. Whether the caller sees them is for the caller to ask."""
    work, skipped = open_work(ids, scope=scope)
    to_id = to.pk if to else None
    meant = [one.pk for one in work if one.assignee_id != to_id]
    moves = reassignments(meant, to, config=config)
    return ReassignPlan(
        selection=Selection(ids=tuple(ids), scope=scope),
        targets=tuple(target_of(move.assignment) for move in moves),
        skipped=(*(Skipped(one.pk, Why.DONE) for one in work if one.assignee_id == to_id), *skipped),
        to=to,
        moves=tuple(moves),
    )


def run_reassign(plan: ReassignPlan, *, by: str, reason: str) -> Done:
    """Gives each target to the person of the plan. Raises Refused where they are not there, or not seen, any more."""
    reason = checked_reason(reason)
    return in_parts(plan, lambda part: _reassign_some(plan, part, by=by, reason=reason), size=ONE_BY_ONE)


@atomically
def _reassign_some(
    plan: ReassignPlan, part: Sequence[Target], *, by: str, reason: str
) -> tuple[list[int], list[Skipped]]:
    scope, to_id = plan.selection.scope, plan.to.pk if plan.to else None
    locked = lock(part, scope=scope)
    if to_id is not None and not Assignee.objects.visible_to(scope).filter(pk=to_id).exists():
        raise Refused(f"there is no person #{to_id} any more")
    ids = [
        target.id
        for target in part
        if (present := locked.get(target.id)) is not None
        and present.version == target.version
        and is_open(present)
    ]
    before = _state(locked[pk] for pk in ids)
    after = _state([services.reassign(pk, assignee_id=to_id, scope=scope) for pk in ids])
    if ids:
        selection = {**plan.selection.as_json(), "to": to_id}
        record("reassign", by=by, reason=reason, selection=selection, before=before, after=after)
    return ids, changed_since(part, ids)


def _state(assignments: Iterable[Assignment]) -> dict[str, object]:
    """The state of each, with whose it is and what they have answered. People are named by id."""
    rows = list(assignments)
    own = {str(one.pk): {"assignee": one.assignee_id, "answer": str(one.answer)} for one in rows}
    return {pk: {**state, **own[pk]} for pk, state in state_of(rows).items()}  # type: ignore[dict-item]
