"""What operators are offered: each action with its title, its preview, its form and the one call that runs it.

The admin and the pages below /ops/ offer the same actions; the other modules of `operations` carry them out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from assignments.services import Refused
from assignments.team_scope import EVERYTHING, TeamScope
from reminders import conf
from reminders.delivery import scan
from reminders.delivery.broker import CeleryBroker
from reminders.delivery.hints import BrokerDown
from reminders.insight import queue_status
from reminders.ledger.pauses import pause_in_force
from reminders.models import ScanRun
from reminders.operations import closing, pauses, queue_purge, rescans, resets
from reminders.operations.counts import counted, outcome
from reminders.operations.forms import PauseForm, QuestionForm, ReasonForm, ResumeForm, Text
from reminders.operations.plans import WORDS, ActionPlan, Effect, PlanChanged, Selection, Skipped, Target

MAX_TARGETS = 5_000
"""Assignments that one action takes on; more are a matter for `manage.py reset_reminders`."""

SHOWN = 100
"""Rows that a preview lists; the rest is a number."""

PREVIEW_BUDGET = timedelta(seconds=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """Who asks, and for which assignments (None: for all that are out of sync). `plan` is the fingerprint of the
    plan that the preview showed. `answers` are those to an action's `question`, by name; none as long as it is open.
    """

    by: str
    ids: tuple[int, ...] | None = ()
    plan: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    scope: TeamScope = EVERYTHING

    @property
    def selection(self) -> Selection:
        return Selection(ids=self.ids, scope=self.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What it would do if it were done now. `plan` names it; `possible` is false where nothing can be done. `button`:
    the words on the button, if they are others than the title of the action.
    """

    summary: str
    facts: Sequence[tuple[Text, object]] = ()
    warnings: Sequence[str] = ()
    rows: Sequence[tuple[Target, str]] = ()
    more: int = 0
    left_alone: Sequence[tuple[int, str]] = ()
    plan: str = ""
    possible: bool = True
    button: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAction:
    """Something that operators do. `run` takes the valid form and returns what was done; `destructive`: it stops work.

    `question`: a form that must be valid before there is anything to confirm; `asks` names its fields.
    """

    title: Text
    preview: Callable[[ActionRequest], Preview]
    run: Callable[[ActionRequest, Any], str]
    form: type[forms.Form]
    destructive: bool = False
    question: Callable[[ActionRequest], QuestionForm] | None = None
    asks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """What came of a confirmation. `again`: the page is shown again, with the errors of the form."""

    done: bool = False
    message: str = ""
    again: bool = False


def resolve(action: OperatorAction, request: ActionRequest, form: forms.Form) -> Resolved:
    """Runs what was confirmed, with the form as filled in. A refusal is shown, at its field where it concerns one."""
    if not form.is_valid():
        return Resolved(again=True)
    try:
        return Resolved(done=True, message=action.run(request, form))
    except PlanChanged as change:
        return Resolved(message=gettext("Nothing was done: %(change)s.") % {"change": change}, again=True)
    except (Refused, scan.Disabled, BrokerDown) as refusal:
        return Resolved(message=gettext("Nothing was done: %(refusal)s.") % {"refusal": refusal})
    except ValidationError as refusal:
        for name, errors in refusal.message_dict.items():
            form.add_error(name if name in form.fields else None, errors)
        return Resolved(again=True)


# --- reset, resend, close --------------------------------------------------------------------------------------

EFFECT_WORDING = {
    Effect.AGAIN: _("already notified: gets a second reminder"),
    Effect.FIRST: _("reminded for the first time"),
    Effect.NOTHING: _("nobody is written to"),
}


def _preview_reset(request: ActionRequest) -> Preview:
    plan = resets.plan_reset(request.selection, config=conf.current())
    again = plan.people_again
    found = counted(len(plan.targets), "assignment")
    if request.ids is None and not plan.targets and not plan.skipped:
        return Preview(
            summary=gettext(
                "Nothing is to be done: no assignment is out of sync. Where the roll-up says SENT, the ledger knows "
                "of a sent reminder."
            ),
            possible=False,
        )
    if request.ids is None:
        found = gettext(
            "%(count)s out of sync: the roll-up says SENT, and the ledger knows of no sent reminder"
        ) % {"count": found}
    return preview_of(
        plan,
        summary=(
            gettext(
                "%(found)s. The reminder status goes back to NONE, and the reminder is planned anew for whom it "
                "is still of use: it leaves when the plan says, at once where that has passed. To remind "
                "somebody at once and change nothing, use Remind now instead."
            )
            % {"found": found}
        ),
        warnings=[
            gettext("Already notified: %(count)s. They get a second message.")
            % {"count": counted(again, "person")}
        ]
        if again
        else [],
        effect=lambda target: str(EFFECT_WORDING[target.effect]),
    )


def _run_reset(action: str) -> Callable[[ActionRequest, Any], str]:
    def run(request: ActionRequest, form: Any) -> str:
        plan = resets.plan_reset(request.selection, config=conf.current())
        plan.confirm(request.plan)
        done = resets.run_reset(plan, by=request.by, reason=form.cleaned_data["reason"], action=action)
        return outcome(
            ngettext("%(number)s reset", "%(number)s reset", len(done.ids)) % {"number": len(done.ids)},
            len(done.skipped),
        )

    return run


def _preview_close(request: ActionRequest) -> Preview:
    plan = closing.plan_close(request.ids or (), scope=request.scope)
    return preview_of(
        plan,
        summary=(
            gettext(
                "%(count)s. Work that nobody has started is cancelled, so that it no longer counts as overdue. "
                "Its history stays, and it can be put back with status SCHEDULED."
            )
            % {"count": counted(len(plan.targets), "assignment")}
        ),
    )


def _run_close(request: ActionRequest, form: Any) -> str:
    plan = closing.plan_close(request.ids or (), scope=request.scope)
    plan.confirm(request.plan)
    done = closing.run_close(plan, by=request.by, reason=form.cleaned_data["reason"])
    return outcome(
        ngettext("%(number)s closed", "%(number)s closed", len(done.ids)) % {"number": len(done.ids)},
        len(done.skipped),
    )


def nothing_to_do(skipped: Sequence[Skipped]) -> str:
    """Why nothing is to be done, where everything that was selected is left alone."""
    reasons = {one.why for one in skipped}
    if len(reasons) == 1:
        return gettext("Nothing is to be done: %(why)s.") % {"why": WORDS[reasons.pop()]}
    return gettext("Nothing is to be done: each of these assignments is skipped, for the reason below.")


def preview_of(
    plan: ActionPlan,
    *,
    summary: str,
    warnings: Sequence[str] = (),
    effect: Callable[[Target], str] = lambda target: "",
) -> Preview:
    """The preview of a plan; `effect` says what becomes of a target. Where all is left alone the summary says why."""
    return Preview(
        summary=summary if plan.targets or not plan.skipped else nothing_to_do(plan.skipped),
        warnings=warnings,
        rows=[(target, effect(target)) for target in plan.targets[:SHOWN]],
        more=max(0, len(plan.targets) - SHOWN),
        left_alone=[(one.id, str(WORDS[one.why])) for one in plan.skipped[:SHOWN]],
        plan=plan.fingerprint,
        possible=bool(plan.targets),
    )


# --- rescan, pause, resume, purge ------------------------------------------------------------------------------


SCANNED = {
    "planned": _("reminders planned"),
    "markers": _("markers planned: the work is marked OVERDUE if nobody has started it by then"),
    "skipped": _("planned and skipped at once: too late, past, or already notified"),
    "voided": _("ended, because their plan no longer holds"),
    "retimed": _("moved, because the rules have changed"),
    "synced": _("reminder statuses corrected"),
    "returned": _("taken back from workers or queue, to be handed over again"),
    "ambiguous": _("taken back in the middle of a send, may have arrived"),
    "unaccounted": _("due work that would still have no reminder: must be 0"),
}


def _preview_rescan(_request: ActionRequest) -> Preview:
    config = conf.current()
    preview = rescans.preview_rescan(config=config, budget=PREVIEW_BUDGET)
    warnings = []
    if not config.enabled:
        warnings.append(
            gettext("Reminders are switched off (REMINDER_WORKER_ENABLED=false): a rescan is refused.")
        )
    if not preview.complete:
        warnings.append(
            gettext(
                "There is more than could be counted just now: the figures are the least a scan would do."
            )
        )
    return Preview(
        summary=(
            gettext(
                "A scan plans the reminders that are missing, and ends those whose plan no longer holds. "
                "It sends nothing twice, however often it runs. It would do this now:"
            )
        ),
        facts=[(SCANNED[name], value) for name, value in asdict(preview.counts).items()],
        warnings=warnings,
        possible=config.enabled,
    )


def _run_rescan(request: ActionRequest, form: Any) -> str:
    done = rescans.rescan(
        trigger=ScanRun.Trigger.ADMIN,
        by=request.by,
        reason=form.cleaned_data["reason"],
        config=conf.current(),
        budget=rescans.REQUEST_BUDGET,
        hand_over=CeleryBroker().resume_scan_elsewhere,
    )
    if done.counts is not None:
        return gettext("Scan %(scan_id)s is finished: %(count)s planned.") % {
            "scan_id": done.scan_id,
            "count": counted(done.counts.planned, "reminder"),
        }
    if not done.is_new:
        return gettext("Scan %(scan_id)s is running already: it does the same work.") % {
            "scan_id": done.scan_id
        }
    return gettext("Scan %(scan_id)s takes longer and goes on by itself: its record says how it ends.") % {
        "scan_id": done.scan_id
    }


def _preview_pause(_request: ActionRequest) -> Preview:
    waits = pauses.backlog(config=conf.current())
    return Preview(
        summary=(
            gettext(
                "Nothing is sent to anybody until sending is resumed. Reminders go on being planned and wait; "
                "work that nobody has started is still marked OVERDUE."
            )
        ),
        facts=[
            (
                gettext("messages due at this moment, which would wait"),
                waits.useful + waits.late + waits.notices + waits.corrections + waits.escalations,
            )
        ],
        possible=pause_in_force() is None,
        warnings=[gettext("Sending is paused already.")] if pause_in_force() else [],
    )


def _run_pause(request: ActionRequest, form: Any) -> str:
    pauses.pause(by=request.by, reason=form.cleaned_data["reason"], until=form.end())
    return gettext("Sending is paused.")


def _preview_resume(_request: ActionRequest) -> Preview:
    pause, waits = pause_in_force(), pauses.backlog(config=conf.current())
    if pause is None:
        return Preview(summary=gettext("Sending is not paused: there is nothing to end."), possible=False)
    unplanned = gettext("Not planned yet: %(count)s. After a rescan they are counted below.") % {
        "count": counted(waits.unplanned, "due assignment")
    }
    return Preview(
        summary=gettext("Choose what becomes of the messages that have become due meanwhile:"),
        warnings=[unplanned] if waits.unplanned else [],
        facts=[
            (gettext("reminders that are still useful"), waits.useful),
            (gettext("late reminders: the work has begun by the clock"), waits.late),
            (gettext("reminders that are too late: skipped by themselves"), waits.too_late),
            (gettext("notices of overdue work"), waits.notices),
            (gettext("corrections to who was told otherwise"), waits.corrections),
            (gettext("notices of what assignees did"), waits.escalations),
        ],
    )


def _run_resume(request: ActionRequest, form: Any) -> str:
    done = pauses.resume(by=request.by, reason=form.cleaned_data["reason"], skip=form.skipped())
    return gettext("Sending goes on. Skipped: %(count)s.") % {"count": counted(done.skipped, "message")}


def _preview_purge(_request: ActionRequest) -> Preview:
    queue = queue_status.read_queue_status()
    if queue.redis is None:
        return Preview(
            summary=gettext("Redis cannot be emptied: %(error)s.") % {"error": queue.error}, possible=False
        )
    return Preview(
        summary=(
            gettext(
                "The queues in Redis are emptied, and every reminder that was handed over and not begun goes back to the "
                "ledger. Nothing is lost: a scan follows, and all is handed over again within seconds. What a worker "
                "is sending "
                "is left alone."
            )
        ),
        facts=[
            *(
                (gettext("messages in %(name)s") % {"name": name}, number)
                for name, number in queue.redis.items()
            ),
            (gettext("reminders handed over"), queue.queued),
            (gettext("reminders being sent, left alone"), queue.sending),
        ],
    )


def _run_purge(request: ActionRequest, form: Any) -> str:
    done = queue_purge.purge(
        by=request.by,
        reason=form.cleaned_data["reason"],
        trigger=ScanRun.Trigger.ADMIN,
        config=conf.current(),
        budget=rescans.REQUEST_BUDGET,
    )
    return gettext("Deleted from Redis: %(count)s. Returned to the ledger: %(count2)s.") % {
        "count": counted(sum(done.redis.values()), "message"),
        "count2": counted(done.returned, "reminder"),
    }


ACTIONS = {
    "reset": OperatorAction(
        title=_("Reset reminder status"), preview=_preview_reset, run=_run_reset("reset"), form=ReasonForm
    ),
    "resend": OperatorAction(
        title=_("Send the reminder again"), preview=_preview_reset, run=_run_reset("resend"), form=ReasonForm
    ),
    "close": OperatorAction(
        title=_("Close as not done"),
        preview=_preview_close,
        run=_run_close,
        form=ReasonForm,
        destructive=True,
    ),
    "rescan": OperatorAction(
        title=_("Rescan now"), preview=_preview_rescan, run=_run_rescan, form=ReasonForm
    ),
    "pause": OperatorAction(
        title=_("Pause all sending"), preview=_preview_pause, run=_run_pause, form=PauseForm, destructive=True
    ),
    "resume": OperatorAction(
        title=_("Resume sending"), preview=_preview_resume, run=_run_resume, form=ResumeForm
    ),
    "purge": OperatorAction(
        title=_("Empty the queue"), preview=_preview_purge, run=_run_purge, form=ReasonForm, destructive=True
    ),
}
