"""Reset and resend: people are reminded again though nothing of their work changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext

from accounts.reasons import checked_reason
from assignments import services
from assignments.clock import database_now
from assignments.models import Answer, Assignment, ReminderStatus, Status
from assignments.services import Refused
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger.audit import record
from reminders.ledger.notified import may_know_start, plan_notified
from reminders.models import Reminder, State
from reminders.operations import plans
from reminders.operations.plans import (
    WORDS,
    ActionPlan,
    Done,
    Effect,
    Selection,
    Skipped,
    Target,
    TooMany,
    Why,
    as_planned,
    in_parts,
    lock,
    state_of,
    target_of,
    unknown,
)
from reminders.policy import timing


class NothingToDo(Refused):
    """The one assignment that was named cannot be reset."""

    code = "refused"


@dataclass(frozen=True, slots=True)
class ResetPlan(ActionPlan):
    """A reset: who would be written to again, and who for the first time."""

    @property
    def again(self) -> tuple[Target, ...]:
        """Those whose person was already notified of this very start."""
        return tuple(target for target in self.targets if target.effect is Effect.AGAIN)

    @property
    def people_again(self) -> int:
        """How many people will be notified again of the same start."""
        return len({target.assignee_id for target in self.again})


def plan_reset(selection: Selection, *, config: ReminderConfig) -> ResetPlan:
    """What a reset of this selection would do now.

    Without ids only what is out of sync: the roll-up says SENT and the ledger knows of no accepted or imported
    message for the current plan. Raises TooMany.
    """
    now = database_now()
    targets, skipped = [], []
    found = _selected(selection, now=now)
    for assignment in found:
        if assignment.status != Status.SCHEDULED:
            skipped.append(Skipped(assignment.pk, Why.NOT_SCHEDULED))
        elif assignment.is_sending:  # type: ignore[attr-defined]  # annotated
            skipped.append(Skipped(assignment.pk, Why.SENDING))
        else:
            targets.append(target_of(assignment, effect=_effect(assignment, now=now, config=config)))
    return ResetPlan(selection, tuple(targets), (*skipped, *unknown(selection, found)))


def run_reset(
    plan: ResetPlan,
    *,
    by: str,
    reason: str,
    action: str = "reset",
    watch: Callable[[int], None] | None = None,
) -> Done:
    """Carries the plan out: people are reminded again though nothing of their work changed.

    A plan that was carried out already finds every target changed, and does nothing.
    """
    reason = checked_reason(reason)
    return in_parts(
        plan,
        lambda part: _reset_some(plan, part, by=by, reason=reason, action=action),
        size=plans.AT_ONCE,
        watch=watch,
    )


def resend(pk: int, *, by: str, reason: str, config: ReminderConfig) -> Done:
    """Sends the reminder of one assignment again: a reset of one. Raises NothingToDo with what stands against it."""
    plan = plan_reset(Selection(ids=(pk,)), config=config)
    done = run_reset(plan, by=by, reason=reason, action="resend")
    if not done.ids:
        raise NothingToDo(
            gettext("assignment %(pk)s: %(words)s") % {"pk": pk, "words": WORDS[done.skipped[0].why]}
        )
    return done


@atomically
def _reset_some(
    plan: ResetPlan, part: Sequence[Target], *, by: str, reason: str, action: str
) -> tuple[list[int], list[Skipped]]:
    locked = lock(part, scope=plan.selection.scope)
    sending = set(
        Reminder.objects.filter(assignment_id__in=locked, state=State.SENDING).values_list(
            "assignment_id", flat=True
        )
    )
    ids, skipped = [], []
    for target in part:
        if target.id in sending:
            skipped.append(Skipped(target.id, Why.SENDING))
        elif not as_planned(target, locked.get(target.id)):
            skipped.append(Skipped(target.id, Why.CHANGED))
        else:
            ids.append(target.id)
    before = state_of(locked[pk] for pk in ids)
    ids = services.remind_again(ids)
    if ids:
        after = state_of(Assignment.objects.filter(pk__in=ids).order_by("pk"))
        record(action, by=by, reason=reason, selection=plan.selection.as_json(), before=before, after=after)
    return ids, skipped


def _effect(assignment: Assignment, *, now: datetime, config: ReminderConfig) -> Effect:
    """Whether the person gets a message, and whether it is the first about this start. Planning says the same."""
    start = assignment.scheduled_start
    if assignment.assignee_id is None or start <= assignment.known_at or assignment.answer == Answer.DECLINED:
        return Effect.NOTHING
    if timing.overdue_at(start, expected_start=assignment.expected_start, config=config) < now:
        return Effect.NOTHING
    return Effect.AGAIN if assignment.may_know_start else Effect.FIRST  # type: ignore[attr-defined]  # annotated


def _selected(selection: Selection, *, now: datetime) -> list[Assignment]:
    rows = _with_ledger(Assignment.objects.visible_to(selection.scope).select_related("assignee"))
    rows = rows.order_by("pk")
    if selection.ids is not None:
        return list(rows.filter(pk__in=selection.ids))
    rows = rows.filter(status=Status.SCHEDULED, reminder_status=ReminderStatus.SENT)
    if selection.future:
        rows = rows.filter(scheduled_start__gt=now)
    else:
        rows = rows.exclude(plan_notified())
    if selection.starts_after:
        rows = rows.filter(scheduled_start__gte=selection.starts_after)
    if selection.starts_before:
        rows = rows.filter(scheduled_start__lt=selection.starts_before)
    found = list(rows[: plans.MAX_PLAN_TARGETS + 1])
    if len(found) > plans.MAX_PLAN_TARGETS:
        raise TooMany(
            gettext("more than %(MAX_PLAN_TARGETS)s assignments: narrow the range of starts down")
            % {"MAX_PLAN_TARGETS": plans.MAX_PLAN_TARGETS}
        )
    return found


def _with_ledger(rows: QuerySet[Assignment]) -> QuerySet[Assignment]:
    """Adds what the ledger knows: is a message being sent, and may the person know of this start already?"""
    sending = Reminder.objects.filter(assignment=OuterRef("pk"), state=State.SENDING)
    return rows.annotate(is_sending=Exists(sending), may_know_start=may_know_start())
