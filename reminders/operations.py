"""What operators do on purpose: rescan, reset, resend, pause, resume, close; each with an actor and a reason on record.

What changes many rows comes in two steps that share one frozen plan: `plan_...` says what would happen and to
whom, `run_...` does exactly that. A target that has changed in between is left alone and named. Every action
writes its line of the audit trail in the transaction that makes it true.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.core.exceptions import ValidationError
from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat

from assignments import services
from assignments.clock import database_now
from assignments.models import Assignment, ReminderStatus, Status
from assignments.services import Refused
from assignments.transactions import atomically
from reminders import ledger, lifecycle, policy
from reminders.conf import ReminderConfig
from reminders.lifecycle import ScanCounts, ScanPreview
from reminders.models import PAUSE_IN_FORCE, Audit, Kind, Pause, Reason, Reminder, State
from reminders.policy import Use

REQUEST_BUDGET = timedelta(seconds=10)
"""How long a scan may keep a request waiting; after it the scanner goes on (RULES, 28)."""

AT_ONCE = 1_000
"""Assignments changed per transaction, so that workers never wait long for their rows."""

LONGEST_REASON = 500


class PlanChanged(Refused):
    """What would happen now is not what the operator was shown."""

    code = "plan_changed"


class AlreadyPaused(Refused):
    """A pause is in force: never two at a time."""

    code = "already_paused"


class NotPaused(Refused):
    """There is no pause to end."""

    code = "not_paused"


class NothingToDo(Refused):
    """The one assignment that was named cannot be reset."""

    code = "refused"


# --- rescan ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rescan:
    """A rescan's answer. `counts` is None while the scan runs on: another one's, or this one in the scanner."""

    scan_id: int
    counts: ScanCounts | None
    mine: bool
    handed_over: bool = False


def rescan(
    *,
    trigger: str,
    by: str,
    config: ReminderConfig,
    reason: str = "",
    budget: timedelta | None = None,
    hand_over: Callable[[int], bool] | None = None,
) -> Rescan:
    """Scans now, behind every entrance: API, admin and command. A second one answers with the running scan's id.

    Needs no broker. Only a scan that takes longer than `budget` is handed over, to `hand_over`; where nobody
    takes it, its record says so and the next scan does the rest. Raises lifecycle.Disabled.
    """
    if not config.enabled:
        raise lifecycle.Disabled("REMINDER_WORKER_ENABLED is false: nothing is planned until it is true")
    scan_id, mine = _open_scan(trigger, by, _reason(reason, needed=False))
    if not mine:
        return Rescan(scan_id, None, mine=False)
    done = lifecycle.carry_out_scan(scan_id, config=config, budget=budget)
    if not done.unfinished:
        return Rescan(scan_id, done.counts, mine=True)
    if hand_over is not None and hand_over(scan_id):
        return Rescan(scan_id, None, mine=True, handed_over=True)
    ledger.close_scan(
        scan_id,
        counts="null",
        error="Time was over and the broker took no message: the next scan does the rest.",
    )
    return Rescan(scan_id, None, mine=True)


def preview_rescan(*, config: ReminderConfig, budget: timedelta | None = None) -> ScanPreview:
    """What a rescan would do; also while reminders are switched off."""
    return lifecycle.preview_scan(config=config, budget=budget)


@atomically
def _open_scan(trigger: str, by: str, reason: str) -> tuple[int, bool]:
    turn = ledger.open_scan(trigger=trigger, by=by)
    if turn.mine:
        _note("rescan", by=by, reason=reason, after={"scan_id": turn.scan_id})
    return turn.scan_id, turn.mine


# --- plans -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which assignments are meant: these ids; or what is out of sync; or, with `future`, every future SENT one.

    The window narrows the last two to starts in [starts_after, starts_before).
    """

    ids: tuple[int, ...] | None = None
    future: bool = False
    starts_after: datetime | None = None
    starts_before: datetime | None = None

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


WORDS = {
    Why.NOT_FOUND: "there is no such assignment",
    Why.NOT_SCHEDULED: "it is not SCHEDULED any more, so nobody is to be reminded",
    Why.NOT_OVERDUE: "it is not marked OVERDUE",
    Why.SENDING: "a message is being sent at this moment: try again in a minute",
    Why.CHANGED: "it has changed since the preview",
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
class Plan:
    """What would happen, to whom, and what is left alone."""

    selection: Selection
    targets: tuple[Target, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def fingerprint(self) -> str:
        """The same for the same plan. An operator's confirmation names the plan that was shown."""
        shown = [
            [[target.id, target.version, target.effect.value] for target in self.targets],
            [[skipped.id, skipped.why.value] for skipped in self.skipped],
        ]
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]

    def confirm(self, seen: str | None) -> None:
        """Raises PlanChanged where this is not the plan that was shown; None: it was not shown to anybody."""
        if seen is not None and seen != self.fingerprint:
            raise PlanChanged("this is not what the preview showed any more: look at it again, then confirm")


@dataclass(frozen=True, slots=True)
class ResetPlan(Plan):
    """A reset: who would be written to again, and who for the first time."""

    @property
    def again(self) -> tuple[Target, ...]:
        """Those whose person was told of this very start already."""
        return tuple(target for target in self.targets if target.effect is Effect.AGAIN)

    @property
    def people_again(self) -> int:
        """How many people will be nudged again."""
        return len({target.assignee_id for target in self.again})


@dataclass(frozen=True, slots=True)
class ClosePlan(Plan):
    """Forgotten work that is to be closed as not done."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was changed, and what was left alone in the end."""

    ids: tuple[int, ...]
    skipped: tuple[Skipped, ...]


# --- reset -----------------------------------------------------------------------------------------------------


def plan_reset(selection: Selection, *, config: ReminderConfig) -> ResetPlan:
    """What a reset of this selection would do now.

    Without ids only what is out of sync: the roll-up says SENT and the ledger knows of no accepted or imported
    message for the current plan (RULES, 24).
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
            targets.append(_target(assignment, effect=_effect(assignment, now=now, config=config)))
    return ResetPlan(selection, tuple(targets), (*skipped, *_unknown(selection, found)))


def run_reset(plan: ResetPlan, *, by: str, reason: str, action: str = "reset") -> Done:
    """Carries the plan out: people are reminded again though nothing of their work changed.

    A plan that was carried out already finds every target changed, and does nothing.
    """
    reason = _reason(reason)
    return _in_parts(plan, lambda part: _reset_some(plan, part, by=by, reason=reason, action=action))


def resend(pk: int, *, by: str, reason: str, config: ReminderConfig) -> Done:
    """Sends the reminder of one assignment again: a reset of one. Raises NothingToDo with what stands against it."""
    plan = plan_reset(Selection(ids=(pk,)), config=config)
    done = run_reset(plan, by=by, reason=reason, action="resend")
    if not done.ids:
        raise NothingToDo(f"assignment {pk}: {WORDS[done.skipped[0].why]}")
    return done


@atomically
def _reset_some(
    plan: ResetPlan, part: Sequence[Target], *, by: str, reason: str, action: str
) -> tuple[list[int], list[Skipped]]:
    locked = _lock(part)
    sending = set(
        Reminder.objects.filter(assignment_id__in=locked, state=State.SENDING).values_list(
            "assignment_id", flat=True
        )
    )
    ids, skipped = [], []
    for target in part:
        if target.id in sending:
            skipped.append(Skipped(target.id, Why.SENDING))
        elif not _as_planned(target, locked.get(target.id)):
            skipped.append(Skipped(target.id, Why.CHANGED))
        else:
            ids.append(target.id)
    before = _state_of(locked[pk] for pk in ids)
    ids = services.renudge(ids)
    if ids:
        after = _state_of(Assignment.objects.filter(pk__in=ids).order_by("pk"))
        _note(action, by=by, reason=reason, selection=plan.selection, before=before, after=after)
    return ids, skipped


def _effect(assignment: Assignment, *, now: datetime, config: ReminderConfig) -> Effect:
    """Whether the person gets a message, and whether it is the first about this start. Planning says the same."""
    start = assignment.scheduled_start
    if assignment.assignee_id is None or start <= assignment.known_at:
        return Effect.NOTHING
    if policy.overdue_at(start, config=config) < now:
        return Effect.NOTHING
    return Effect.AGAIN if assignment.is_told else Effect.FIRST  # type: ignore[attr-defined]  # annotated


def _selected(selection: Selection, *, now: datetime) -> list[Assignment]:
    rows = _with_ledger(Assignment.objects.select_related("assignee")).order_by("pk")
    if selection.ids is not None:
        return list(rows.filter(pk__in=selection.ids))
    rows = rows.filter(status=Status.SCHEDULED, reminder_status=ReminderStatus.SENT)
    if selection.future:
        rows = rows.filter(scheduled_start__gt=now)
    else:
        current = Reminder.objects.filter(
            assignment=OuterRef("pk"), version=OuterRef("version"), kind=Kind.REMINDER
        )
        told = Q(state=State.SENT) | Q(reason__in=(Reason.ALREADY_TOLD, Reason.IMPORTED))
        rows = rows.exclude(Exists(current.filter(told)))
    if selection.starts_after:
        rows = rows.filter(scheduled_start__gte=selection.starts_after)
    if selection.starts_before:
        rows = rows.filter(scheduled_start__lt=selection.starts_before)
    return list(rows)


def _with_ledger(rows: QuerySet[Assignment]) -> QuerySet[Assignment]:
    """Adds what the ledger knows: is a message on its way, was the person told of this start (for all we know)?"""
    own = Reminder.objects.filter(assignment=OuterRef("pk"))
    told = own.filter(
        Q(state__in=(State.SENT, State.UNKNOWN)) | Q(reason=Reason.IMPORTED),
        kind=Kind.REMINDER,
        planned_start=OuterRef("scheduled_start"),
        recipient=Concat(Value("assignee:"), Cast(OuterRef("assignee_id"), TextField())),
    )
    return rows.annotate(is_sending=Exists(own.filter(state=State.SENDING)), is_told=Exists(told))


# --- close as not done -----------------------------------------------------------------------------------------


def plan_close(ids: Sequence[int]) -> ClosePlan:
    """What closing these assignments as not done would do: only forgotten work, SCHEDULED and OVERDUE."""
    selection = Selection(ids=tuple(ids))
    found = list(Assignment.objects.select_related("assignee").filter(pk__in=ids).order_by("pk"))
    targets, skipped = [], []
    for assignment in found:
        if assignment.status != Status.SCHEDULED:
            skipped.append(Skipped(assignment.pk, Why.NOT_SCHEDULED))
        elif assignment.reminder_status != ReminderStatus.OVERDUE:
            skipped.append(Skipped(assignment.pk, Why.NOT_OVERDUE))
        else:
            targets.append(_target(assignment))
    return ClosePlan(selection, tuple(targets), (*skipped, *_unknown(selection, found)))


def run_close(plan: ClosePlan, *, by: str, reason: str) -> Done:
    """Cancels each target, so that forgotten work does not keep the overdue alert firing (RULES, 34)."""
    reason = _reason(reason)
    return _in_parts(plan, lambda part: _close_some(plan, part, by=by, reason=reason))


@atomically
def _close_some(
    plan: ClosePlan, part: Sequence[Target], *, by: str, reason: str
) -> tuple[list[int], list[Skipped]]:
    locked = _lock(part)
    ids = [target.id for target in part if _as_planned(target, locked.get(target.id))]
    before = _state_of(locked[pk] for pk in ids)
    after = _state_of([services.cancel(pk) for pk in ids])
    if ids:
        _note("close_as_not_done", by=by, reason=reason, selection=plan.selection, before=before, after=after)
    return ids, [Skipped(target.id, Why.CHANGED) for target in part if target.id not in set(ids)]


# --- pause and resume ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be sent at this moment, and what sending it would still be worth."""

    useful: int = 0
    late: int = 0
    too_late: int = 0
    notices: int = 0

    def as_json(self) -> dict[str, object]:
        return {
            "useful": self.useful,
            "late": self.late,
            "too_late": self.too_late,
            "overdue_notices": self.notices,
        }


@dataclass(frozen=True, slots=True)
class Resumed:
    """A pause that has ended, what waited at its end, and how many late reminders were skipped instead of sent."""

    pause: Pause
    backlog: Backlog
    skipped: int


def pause_in_force() -> Pause | None:
    """The pause that holds sending now; None while nothing does."""
    return Pause.objects.filter(PAUSE_IN_FORCE).first()


def pauses() -> QuerySet[Pause]:
    """All pauses, newest first, each with `is_in_force`."""
    return Pause.objects.annotate(is_in_force=ExpressionWrapper(PAUSE_IN_FORCE, output_field=BooleanField()))


@atomically
def pause(*, by: str, reason: str, until: datetime | None = None) -> Pause:
    """Holds every send until `until`, or until somebody resumes. Overdue work is still marked.

    Raises AlreadyPaused, or ValidationError where the reason is missing or `until` is not ahead.
    """
    reason = _reason(reason)
    if until is not None and until <= database_now():
        raise ValidationError({"until": "an instant in the future is needed, or none at all"})
    made = ledger.open_pause(by=by, reason=reason, until=until)
    if made is None:
        raise AlreadyPaused("sending is paused already: resume first, to pause on other terms")
    begun = Pause.objects.get(pk=made)
    _note("pause", by=by, reason=reason, after={"pause": made, "until": until.isoformat() if until else None})
    return begun


def backlog() -> Backlog:
    """What would be sent, and what would be skipped, if sending went on at this moment."""
    waiting = ledger.backlog()
    return Backlog(
        useful=waiting.get((Kind.REMINDER, Use.USEFUL), 0),
        late=waiting.get((Kind.REMINDER, Use.LATE), 0),
        too_late=sum(count for (_, use), count in waiting.items() if use is Use.TOO_LATE),
        notices=waiting.get((Kind.OVERDUE, Use.USEFUL), 0),
    )


def resume(*, by: str, reason: str = "", skip_late: bool = False) -> Resumed:
    """Ends the pause. What is of no use any more is skipped by itself; late reminders are sent and say so.

    With `skip_late` reminders whose work has begun by the clock are ended as SKIPPED(operator) instead.
    Raises NotPaused.
    """
    resumed, ended = _resume(by, _reason(reason, needed=False), skip_late)
    lifecycle.log_ended(ended)
    return resumed


@atomically
def _resume(by: str, reason: str, skip_late: bool) -> tuple[Resumed, list[ledger.Ended]]:
    waiting = backlog()
    ended = ledger.end_pause(by=by)
    if ended is None:
        raise NotPaused("sending is not paused")
    skipped = ledger.skip_late() if skip_late else []
    _note(
        "resume",
        by=by,
        reason=reason,
        before={"pause": ended, "backlog": waiting.as_json()},
        after={"skipped": len(skipped)},
    )
    return Resumed(Pause.objects.get(pk=ended), waiting, len(skipped)), skipped


# --- what they share -------------------------------------------------------------------------------------------


def _in_parts(plan: Plan, change: Callable[[Sequence[Target]], tuple[list[int], list[Skipped]]]) -> Done:
    """Carries a plan out part by part; each part is one transaction with its own line in the audit trail."""
    ids: list[int] = []
    skipped = list(plan.skipped)
    for part in _parts(plan.targets):
        changed, left = change(part)
        ids += changed
        skipped += left
    return Done(tuple(ids), tuple(skipped))


def _parts(targets: Sequence[Target]) -> Iterator[Sequence[Target]]:
    for first in range(0, len(targets), AT_ONCE):
        yield targets[first : first + AT_ONCE]


def _lock(targets: Sequence[Target]) -> dict[int, Assignment]:
    """The assignments as they are, locked in the order of their ids (RULES, 2). Nobody begins their rows now."""
    rows = Assignment.objects.select_for_update(no_key=True).filter(pk__in=[target.id for target in targets])
    return {assignment.pk: assignment for assignment in rows.order_by("pk")}


def _as_planned(target: Target, present: Assignment | None) -> bool:
    return (
        present is not None
        and present.status == Status.SCHEDULED
        and present.version == target.version
        and present.reminder_status == target.reminder_status
    )


def _target(assignment: Assignment, *, effect: Effect = Effect.NOTHING) -> Target:
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


def _unknown(selection: Selection, found: Iterable[Assignment]) -> list[Skipped]:
    missing = set(selection.ids or ()) - {assignment.pk for assignment in found}
    return [Skipped(pk, Why.NOT_FOUND) for pk in sorted(missing)]


def _state_of(assignments: Iterable[Assignment]) -> dict[str, object]:
    return {
        str(assignment.pk): {
            "version": assignment.version,
            "status": str(assignment.status),
            "reminder_status": str(assignment.reminder_status),
        }
        for assignment in assignments
    }


def _reason(text: str, *, needed: bool = True) -> str:
    """The reason as it is kept. Raises ValidationError where it is missing, too long or not text."""
    text = text.strip()
    if needed and not text:
        raise ValidationError({"reason": "a reason is needed: it is kept in the audit trail"})
    if len(text) > LONGEST_REASON:
        raise ValidationError({"reason": f"no more than {LONGEST_REASON} characters are accepted"})
    if "\x00" in text:
        raise ValidationError({"reason": "a NUL character is not accepted"})
    return text


def _note(
    action: str,
    *,
    by: str,
    reason: str,
    selection: Selection | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    Audit.objects.create(
        actor=by,
        action=action,
        reason=reason,
        selection=selection.as_json() if selection else {},
        before=dict(before or {}),
        after=dict(after or {}),
    )
