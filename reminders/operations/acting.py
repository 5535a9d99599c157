"""Acts of assignees that operators carry out for them, as after a call: confirm, decline, on my way, late, start, done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.reasons import checked_reason
from assignments import act_rules, acts
from assignments.clock import database_now
from assignments.history import Actor
from assignments.models import ActKind, Assignment
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
    changed_since,
    in_parts,
    lock,
    state_of,
    target_of,
    unknown,
)


@dataclass(frozen=True, slots=True)
class ActPlan(ActionPlan):
    """Assignments on which an act would be carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the assignee has said with the act: minutes with `on_my_way` and `late`, a note with `decline`."""

    minutes: int | None = None
    note: str = ""


def left_alone(act: ActKind, assignment: Assignment, *, now: datetime) -> Why | None:
    """Why the act would change nothing about this assignment; None where it would."""
    if act_rules.refusal(act, assignment, now=now, by_assignee=False):
        return Why.NOT_POSSIBLE
    return Why.DONE if act_rules.is_done(act, assignment) and act is not ActKind.LATE else None


def plan_act(act: ActKind, ids: Sequence[int], *, scope: TeamScope = EVERYTHING) -> ActPlan:
    """On which of these assignments the act would change something now."""
    selection, now = Selection(ids=tuple(ids), scope=scope), database_now()
    rows = Assignment.objects.visible_to(scope).select_related("assignee")
    found = list(rows.filter(pk__in=ids).order_by("pk"))
    targets, skipped = [], []
    for assignment in found:
        if (why := left_alone(act, assignment, now=now)) is not None:
            skipped.append(Skipped(assignment.pk, why))
        else:
            targets.append(target_of(assignment))
    return ActPlan(selection, tuple(targets), (*skipped, *unknown(selection, found)))


def run_act(act: ActKind, plan: ActPlan, said: Said, *, by: str, reason: str) -> Done:
    """Carries the act out on each target, in the operator's name. Raises ValidationError where `said` is not accepted."""
    reason = checked_reason(reason)
    return in_parts(
        plan, lambda part: _act_on_some(act, plan, part, said, by=by, reason=reason), size=ONE_BY_ONE
    )


@atomically
def _act_on_some(
    act: ActKind, plan: ActPlan, part: Sequence[Target], said: Said, *, by: str, reason: str
) -> tuple[list[int], list[Skipped]]:
    scope = plan.selection.scope
    locked, now = lock(part, scope=scope), database_now()
    ids = [
        target.id
        for target in part
        if (present := locked.get(target.id)) is not None
        and present.version == target.version
        and not act_rules.refusal(act, present, now=now, by_assignee=False)
    ]
    before = state_of(locked[pk] for pk in ids)
    actor = Actor.ops(by)
    after = state_of(
        [
            acts.carry_out(act, pk, actor=actor, minutes=said.minutes, note=said.note, scope=scope)
            for pk in ids
        ]
    )
    if ids:
        record(act, by=by, reason=reason, selection=plan.selection.as_json(), before=before, after=after)
    return ids, changed_since(part, ids)
