"""What operators are offered: each act with its words, its preview, its form and the one call that does it.

The pages of the admin and those below /ops/ show the same proposals; what they do stands in `operations`.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.reasons import MAX_REASON_LENGTH
from assignments.services import Refused
from reminders import conf
from reminders.delivery import scan
from reminders.delivery.broker import CeleryBroker
from reminders.delivery.hints import BrokerDown
from reminders.insight import queue_status
from reminders.ledger.pauses import pause_in_force
from reminders.models import ScanRun
from reminders.operations import closing, pauses, queue_purge, rescans, resets
from reminders.operations.pauses import BacklogPart
from reminders.operations.plans import WORDS, ActionPlan, Effect, PlanChanged, Selection, Target

MAX_TARGETS = 5_000
"""Assignments that one proposal takes on; more are a matter for `manage.py reset_reminders`."""

SHOWN = 100
"""Rows that a preview lists; the rest is a number."""

PREVIEW_BUDGET = timedelta(seconds=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """Who wants it, and for which assignments; None: for all that is out of sync. `seen` names the plan that was shown."""

    by: str
    ids: tuple[int, ...] | None = ()
    seen: str = ""

    @property
    def selection(self) -> Selection:
        return Selection(ids=self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What it would do if it were done now. `plan` names it; `possible` is false where nothing can be done."""

    summary: str
    facts: Sequence[tuple[str, object]] = ()
    warnings: Sequence[str] = ()
    rows: Sequence[tuple[Target, str]] = ()
    more: int = 0
    left_alone: Sequence[tuple[int, str]] = ()
    plan: str = ""
    possible: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAction:
    """Something that operators do. `run` takes the valid form and says what was done; `destructive`: it stops something."""

    title: str
    look: Callable[[ActionRequest], Preview]
    run: Callable[[ActionRequest, Any], str]
    form: type[forms.Form]
    destructive: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """What came of a confirmation. `again`: it has to be looked at again, above all what the form says about itself."""

    done: bool = False
    says: str = ""
    again: bool = False


def resolve(proposal: OperatorAction, wish: ActionRequest, form: forms.Form) -> Resolved:
    """Does what was confirmed, with a form that is filled in; what is refused is said, at its field where it has one."""
    if not form.is_valid():
        return Resolved(again=True)
    try:
        return Resolved(done=True, says=proposal.run(wish, form))
    except PlanChanged as change:
        return Resolved(says=f"Nothing was done: {change}.", again=True)
    except (Refused, scan.Disabled, BrokerDown) as refusal:
        return Resolved(says=f"Nothing was done: {refusal}.")
    except ValidationError as refusal:
        for name, told in refusal.message_dict.items():
            form.add_error(name if name in form.fields else None, told)
        return Resolved(again=True)


# --- forms -----------------------------------------------------------------------------------------------------


class ReasonForm(forms.Form):
    """Why it is done."""

    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Kept in the audit trail beside your name.",
    )


class PauseForm(ReasonForm):
    """Why, and for how long."""

    field_order = ("length", "until", "reason")
    LENGTHS = (
        ("15", "15 minutes"),
        ("60", "1 hour"),
        ("240", "4 hours"),
        ("", "until somebody resumes"),
        ("at", "until the instant below"),
    )
    length = forms.ChoiceField(
        choices=LENGTHS,
        required=False,
        initial="60",
        label="For how long",
        widget=forms.RadioSelect,
        help_text="Sending goes on by itself at its end.",
    )
    until = forms.DateTimeField(
        required=False,
        label="Until",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = timezone.get_current_timezone_name()
        self.fields["until"].help_text = f"Only with “until the instant below”. In {zone}."

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("length") == "at" and not values.get("until") and "until" not in self.errors:
            self.add_error("until", "Say until when.")
        return values

    def end(self) -> datetime | None:
        """When the pause ends by itself."""
        length = self.cleaned_data["length"]
        if length == "at":
            until: datetime = self.cleaned_data["until"]
            return until
        return timezone.now() + timedelta(minutes=int(length)) if length else None


class ResumeForm(ReasonForm):
    """What becomes of each part of the backlog. What is stale floods out only where somebody asks for it."""

    field_order = ("useful", "late", "notices", "reason")
    useful, late, notices = (
        forms.ChoiceField(
            label=label,
            required=False,
            choices=(("send", "send"), ("skip", "skip: never sent")),
            initial=initial,
            widget=forms.RadioSelect,
        )
        for label, initial in (
            ("Reminders that are still useful", "send"),
            ("Late reminders: the work has begun by the clock", "skip"),
            ("Notices of overdue work", "send"),
        )
    )

    def skipped(self) -> list[BacklogPart]:
        """The parts that are not to be sent."""
        parts = {"useful": BacklogPart.USEFUL, "late": BacklogPart.LATE, "notices": BacklogPart.NOTICES}
        return [part for name, part in parts.items() if self.cleaned_data[name] == "skip"]


# --- reset, resend, close --------------------------------------------------------------------------------------

SAYS = {
    Effect.AGAIN: "told already: nudged a second time",
    Effect.FIRST: "reminded for the first time",
    Effect.NOTHING: "nobody is written to",
}


def _look_at_reset(wish: ActionRequest) -> Preview:
    plan = resets.plan_reset(wish.selection, config=conf.current())
    again = plan.people_again
    found = counted(len(plan.targets), "assignment")
    if wish.ids is None:
        found = f"{found} out of sync: the roll-up says SENT, and the ledger knows of no sent reminder"
    return _preview(
        plan,
        summary=(
            f"{found}. The reminder status goes back to NONE, and the reminder is planned anew for whom it is "
            "still of use."
        ),
        warnings=[f"Already notified: {counted(again, 'person', 'people')}. They get a second message."]
        if again
        else [],
        effects=True,
    )


def _run_reset(action: str) -> Callable[[ActionRequest, Any], str]:
    def run(wish: ActionRequest, form: Any) -> str:
        plan = resets.plan_reset(wish.selection, config=conf.current())
        plan.confirm(wish.seen)
        done = resets.run_reset(plan, by=wish.by, reason=form.cleaned_data["reason"], action=action)
        return f"{len(done.ids)} reset, {len(done.skipped)} left alone."

    return run


def _look_at_close(wish: ActionRequest) -> Preview:
    plan = closing.plan_close(wish.ids or ())
    return _preview(
        plan,
        summary=(
            f"{counted(len(plan.targets), 'assignment')}. Work that nobody has started is cancelled, so that it no "
            "longer counts as overdue. Its history stays, and it can be put back with status SCHEDULED."
        ),
    )


def _run_close(wish: ActionRequest, form: Any) -> str:
    plan = closing.plan_close(wish.ids or ())
    plan.confirm(wish.seen)
    done = closing.run_close(plan, by=wish.by, reason=form.cleaned_data["reason"])
    return f"{len(done.ids)} closed, {len(done.skipped)} left alone."


def _preview(
    plan: ActionPlan, *, summary: str, warnings: Sequence[str] = (), effects: bool = False
) -> Preview:
    return Preview(
        summary=summary,
        warnings=warnings,
        rows=[(target, SAYS[target.effect] if effects else "") for target in plan.targets[:SHOWN]],
        more=max(0, len(plan.targets) - SHOWN),
        left_alone=[(one.id, WORDS[one.why]) for one in plan.skipped[:SHOWN]],
        plan=plan.fingerprint,
        possible=bool(plan.targets),
    )


def counted(number: int, thing: str, things: str = "") -> str:
    """1 assignment, 2 assignments; 1 person, 2 people."""
    return f"{number} {thing}" if number == 1 else f"{number} {things or thing + 's'}"


# --- rescan, pause, resume, purge ------------------------------------------------------------------------------


SCANNED = {
    "planned": "reminders planned",
    "markers": "work looked out for, to be marked OVERDUE when its time comes",
    "skipped": "planned and skipped at once: too late, past, or told already",
    "voided": "ended, because their plan no longer holds",
    "retimed": "moved, because the rules have changed",
    "synced": "reminder statuses corrected",
    "returned": "taken back from workers or queue, to be handed over again",
    "ambiguous": "taken back in the middle of a send, may have arrived",
    "unaccounted": "due work that would still have no reminder: must be 0",
}


def _look_at_rescan(_wish: ActionRequest) -> Preview:
    config = conf.current()
    seen = rescans.preview_rescan(config=config, budget=PREVIEW_BUDGET)
    warnings = []
    if not config.enabled:
        warnings.append("Reminders are switched off (REMINDER_WORKER_ENABLED=false): a rescan is refused.")
    if not seen.complete:
        warnings.append(
            "There is more than could be counted just now: the figures are the least a scan would do."
        )
    return Preview(
        summary=(
            "A scan plans the reminders that are missing, and ends those whose plan no longer holds. "
            "It sends nothing twice, however often it runs. It would do this now:"
        ),
        facts=[(SCANNED[name], value) for name, value in asdict(seen.counts).items()],
        warnings=warnings,
        possible=config.enabled,
    )


def _run_rescan(wish: ActionRequest, form: Any) -> str:
    done = rescans.rescan(
        trigger=ScanRun.Trigger.ADMIN,
        by=wish.by,
        reason=form.cleaned_data["reason"],
        config=conf.current(),
        budget=rescans.REQUEST_BUDGET,
        hand_over=CeleryBroker().resume_scan_elsewhere,
    )
    if done.counts is not None:
        return f"Scan {done.scan_id} is finished: {counted(done.counts.planned, 'reminder')} planned."
    if not done.is_new:
        return f"Scan {done.scan_id} is running already: it does the same work."
    return f"Scan {done.scan_id} takes longer and goes on by itself: its record says how it ends."


def _look_at_pause(_wish: ActionRequest) -> Preview:
    waits = pauses.backlog(config=conf.current())
    return Preview(
        summary=(
            "Nothing is sent to anybody until sending is resumed. Reminders go on being planned and wait; "
            "work that nobody has started is still marked OVERDUE."
        ),
        facts=[("messages due at this moment, which would wait", waits.useful + waits.late + waits.notices)],
        possible=pause_in_force() is None,
        warnings=["Sending is paused already."] if pause_in_force() else [],
    )


def _run_pause(wish: ActionRequest, form: Any) -> str:
    pauses.pause(by=wish.by, reason=form.cleaned_data["reason"], until=form.end())
    return "Sending is paused."


def _look_at_resume(_wish: ActionRequest) -> Preview:
    pause, waits = pause_in_force(), pauses.backlog(config=conf.current())
    if pause is None:
        return Preview(summary="Sending is not paused: there is nothing to end.", possible=False)
    unseen = f"Not planned yet: {counted(waits.unplanned, 'due assignment')}. After a rescan they are counted below."
    return Preview(
        summary="Choose what becomes of the messages that have become due meanwhile:",
        warnings=[unseen] if waits.unplanned else [],
        facts=[
            ("reminders that are still useful", waits.useful),
            ("late reminders: the work has begun by the clock", waits.late),
            ("reminders that are too late: skipped by themselves", waits.too_late),
            ("notices of overdue work", waits.notices),
        ],
    )


def _run_resume(wish: ActionRequest, form: Any) -> str:
    done = pauses.resume(by=wish.by, reason=form.cleaned_data["reason"], skip=form.skipped())
    return f"Sending goes on. Skipped: {counted(done.skipped, 'message')}."


def _look_at_purge(_wish: ActionRequest) -> Preview:
    seen = queue_status.read_queue_status()
    if seen.redis is None:
        return Preview(summary=f"Redis cannot be emptied: {seen.error}.", possible=False)
    return Preview(
        summary=(
            "The queues in Redis are emptied, and every reminder that was handed over and not begun goes back to the "
            "ledger. Nothing is lost: a scan follows, and all is handed over again within seconds. What a worker is sending "
            "is left alone."
        ),
        facts=[
            *((f"messages in {queue}", number) for queue, number in seen.redis.items()),
            ("reminders handed over", seen.queued),
            ("reminders being sent, left alone", seen.sending),
        ],
    )


def _run_purge(wish: ActionRequest, form: Any) -> str:
    done = queue_purge.purge(
        by=wish.by,
        reason=form.cleaned_data["reason"],
        trigger=ScanRun.Trigger.ADMIN,
        config=conf.current(),
        budget=rescans.REQUEST_BUDGET,
    )
    return (
        f"Deleted from Redis: {counted(sum(done.redis.values()), 'message')}. "
        f"Returned to the ledger: {counted(done.returned, 'reminder')}."
    )


ACTIONS = {
    "reset": OperatorAction(
        title="Reset reminder status", look=_look_at_reset, run=_run_reset("reset"), form=ReasonForm
    ),
    "resend": OperatorAction(
        title="Send the reminder again", look=_look_at_reset, run=_run_reset("resend"), form=ReasonForm
    ),
    "close": OperatorAction(
        title="Close as not done", look=_look_at_close, run=_run_close, form=ReasonForm, destructive=True
    ),
    "rescan": OperatorAction(title="Rescan now", look=_look_at_rescan, run=_run_rescan, form=ReasonForm),
    "pause": OperatorAction(
        title="Pause all sending", look=_look_at_pause, run=_run_pause, form=PauseForm, destructive=True
    ),
    "resume": OperatorAction(title="Resume sending", look=_look_at_resume, run=_run_resume, form=ResumeForm),
    "purge": OperatorAction(
        title="Empty the queue", look=_look_at_purge, run=_run_purge, form=ReasonForm, destructive=True
    ),
}
