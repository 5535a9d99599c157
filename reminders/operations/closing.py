"""Close as not done: forgotten work is cancelled, so that it no longer counts as overdue."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.reasons import checked_reason
from assignments import services
from assignments.history import Actor
from assignments.models import Assignment, ReminderStatus, Status
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from reminders.ledger.audit import record
from reminders.operations.plans import (
    ONE_BY_ONE,
    ActionPlan,
    Done,
    Selection,
    Skipped,
    Target,
    Why,
    as_planned,
    changed_since,
    in_parts,
    lock,
    state_of,
    target_of,
    unknown,
)


@dataclass(frozen=True, slots=True)
class ClosePlan(ActionPlan):
    """Forgotten work that is to be closed as not done."""


def plan_close(ids: Sequence[int], *, scope: TeamScope = EVERYTHING) -> ClosePlan:
    """What closing these assignments as not done would do: only forgotten work, SCHEDULED and OVERDUE."""
    selection = Selection(ids=tuple(ids), scope=scope)
    rows = Assignment.objects.visible_to(scope).select_related("assignee")
    found = list(rows.filter(pk__in=ids).order_by("pk"))
    targets, skipped = [], []
    for assignment in found:
        if assignment.status != Status.SCHEDULED:
            skipped.append(Skipped(assignment.pk, Why.NOT_SCHEDULED))
        elif assignment.reminder_status != ReminderStatus.OVERDUE:
            skipped.append(Skipped(assignment.pk, Why.NOT_OVERDUE))
        else:
            targets.append(target_of(assignment))
    return ClosePlan(selection, tuple(targets), (*skipped, *unknown(selection, found)))


def run_close(plan: ClosePlan, *, by: str, reason: str) -> Done:
    """Cancels each target, so that forgotten work does not keep the overdue alert firing."""
    reason = checked_reason(reason)
    return in_parts(plan, lambda part: _close_some(plan, part, by=by, reason=reason), size=ONE_BY_ONE)


@atomically
def _close_some(
    plan: ClosePlan, part: Sequence[Target], *, by: str, reason: str
) -> tuple[list[int], list[Skipped]]:
    locked = lock(part, scope=plan.selection.scope)
    ids = [target.id for target in part if as_planned(target, locked.get(target.id))]
    before = state_of(locked[pk] for pk in ids)
    after = state_of([services.cancel(pk, actor=Actor.ops(by)) for pk in ids])
    if ids:
        record(
            "close_as_not_done",
            by=by,
            reason=reason,
            selection=plan.selection.as_json(),
            before=before,
            after=after,
        )
    return ids, changed_since(part, ids)
