"""What operators do from these pages: first what it would do, to whom; then a reason; then one call."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from assignments.services import Refused
from reminders import conf, lifecycle, operations, waiting
from reminders.broker import CeleryBroker
from reminders.dashboard.lists import chosen
from reminders.dashboard.page import page, show
from reminders.lifecycle import BrokerDown
from reminders.models import ScanRun
from reminders.operations import LONGEST_REASON, WORDS, Effect, Part, Plan, PlanChanged, Selection, Target

SHOWN = 100
"""Rows that a preview lists; the rest is a number."""

PREVIEW_BUDGET = timedelta(seconds=3)


class ReasonForm(forms.Form):
    """Why it is done."""

    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Kept in the audit trail beside your name.",
    )


class PauseForm(ReasonForm):
    """Why, and for how long."""

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

    useful, late, notices = (
        forms.ChoiceField(
            label=label,
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

    def skipped(self) -> list[Part]:
        """The parts that are not to be sent."""
        parts = {"useful": Part.USEFUL, "late": Part.LATE, "notices": Part.NOTICES}
        return [part for name, part in parts.items() if self.cleaned_data[name] == "skip"]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What it would do if it were done now. `plan` names what was shown; `possible` is false where nothing can be done."""

    summary: str
    facts: Sequence[tuple[str, object]] = ()
    warnings: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    more: int = 0
    left_alone: Sequence[tuple[object, str]] = ()
    plan: str = ""
    ids: Sequence[int] = ()
    possible: bool = True


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something that operators do: its words, its preview, and the call that does it and says what was done."""

    title: str
    look: Callable[[HttpRequest], Preview]
    run: Callable[[HttpRequest, Any], str]
    form: type[forms.Form] = ReasonForm
    back: str = "ops:overview"
    grave: bool = False


@page(operator=True)
def act(request: HttpRequest, name: str) -> HttpResponse:
    """Shows what an act would do; does it once that is confirmed with a reason, and goes back."""
    wanted = ACTS.get(name)
    if wanted is None:
        raise Http404("There is no such action.")
    confirmed = request.method == "POST" and "confirmed" in request.POST
    form = wanted.form(request.POST if confirmed else None)
    back = _back(request, wanted)
    if confirmed and form.is_valid():
        try:
            said = wanted.run(request, form)
        except PlanChanged as change:
            messages.warning(request, f"Nothing was done: {change}.")
        except (Refused, lifecycle.Disabled, BrokerDown) as refusal:
            messages.error(request, f"Nothing was done: {refusal}.")
            return HttpResponseRedirect(back)
        except ValidationError as refusal:
            for field_name, told in refusal.message_dict.items():
                form.add_error(field_name if field_name in form.fields else None, told)
        else:
            messages.success(request, said)
            return HttpResponseRedirect(back)
    context = {"act": wanted, "name": name, "preview": wanted.look(request), "form": form, "back": back}
    return show(request, "act", context)


def _back(request: HttpRequest, wanted: Act) -> str:
    """Where the operator came from, if that is one of our pages."""
    asked = request.POST.get("back") or request.GET.get("back") or ""
    ours = asked.startswith(reverse("ops:overview"))
    return asked if ours and url_has_allowed_host_and_scheme(asked, None) else reverse(wanted.back)


def _by(request: HttpRequest) -> str:
    return request.user.get_username()


# --- reset, resend, close --------------------------------------------------------------------------------------

SAYS = {
    Effect.AGAIN: "was told already: nudged a second time",
    Effect.FIRST: "reminded for the first time",
    Effect.NOTHING: "nobody is written to",
}


def _selection(request: HttpRequest) -> Selection:
    """The marked assignments; without any, whatever is out of sync."""
    ids = chosen(request)
    return Selection(ids=tuple(ids)) if ids else Selection()


def _planned_reset(request: HttpRequest) -> operations.ResetPlan:
    return operations.plan_reset(_selection(request), config=conf.current())


def _look_at_reset(request: HttpRequest) -> Preview:
    plan = _planned_reset(request)
    again = plan.people_again
    warnings = [f"{again} people were told already and will be nudged a second time."] if again else []
    if plan.selection.ids is None:
        found = f"{len(plan.targets)} assignments say SENT without a sent reminder behind it."
    else:
        found = f"{len(plan.targets)} assignments."
    summary = (
        f"{found} Their reminder status goes back to NONE, and the reminder is planned anew "
        "for whom it is still of use."
    )
    return _preview(plan, summary=summary, warnings=warnings, effects=True)


def _run_reset(action: str) -> Callable[[HttpRequest, Any], str]:
    def run(request: HttpRequest, form: Any) -> str:
        plan = _planned_reset(request)
        plan.confirm(request.POST.get("plan", ""))
        done = operations.run_reset(plan, by=_by(request), reason=form.cleaned_data["reason"], action=action)
        return f"{len(done.ids)} reset, {len(done.skipped)} left alone."

    return run


def _look_at_close(request: HttpRequest) -> Preview:
    plan = operations.plan_close(chosen(request))
    summary = (
        f"{len(plan.targets)} assignments that nobody has started are cancelled, so that they no longer count as overdue. "
        "Their history stays, and they can be put back with status SCHEDULED."
    )
    return _preview(plan, summary=summary)


def _run_close(request: HttpRequest, form: Any) -> str:
    plan = operations.plan_close(chosen(request))
    plan.confirm(request.POST.get("plan", ""))
    done = operations.run_close(plan, by=_by(request), reason=form.cleaned_data["reason"])
    return f"{len(done.ids)} closed, {len(done.skipped)} left alone."


def _preview(plan: Plan, *, summary: str, warnings: Sequence[str] = (), effects: bool = False) -> Preview:
    columns = ["Assignment", "Start", "Person", "Reminder"] + ["What happens"] * effects
    return Preview(
        summary=summary,
        warnings=warnings,
        columns=columns,
        rows=[_line(target, effects) for target in plan.targets[:SHOWN]],
        more=max(0, len(plan.targets) - SHOWN),
        left_alone=[(one.id, WORDS[one.why]) for one in plan.skipped[:SHOWN]],
        plan=plan.fingerprint,
        ids=plan.selection.ids or (),
        possible=bool(plan.targets),
    )


def _line(target: Target, effects: bool) -> list[object]:
    line: list[object] = [
        f"{target.id} · {target.title}",
        target.start,
        target.person,
        target.reminder_status,
    ]
    return [*line, SAYS[target.effect]] if effects else line


# --- rescan, pause, resume, purge ------------------------------------------------------------------------------


def _look_at_rescan(request: HttpRequest) -> Preview:
    config = conf.current()
    seen = operations.preview_rescan(config=config, budget=PREVIEW_BUDGET)
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
        facts=[(name.replace("_", " "), value) for name, value in asdict(seen.counts).items()],
        warnings=warnings,
        possible=config.enabled,
    )


def _run_rescan(request: HttpRequest, form: Any) -> str:
    done = operations.rescan(
        trigger=ScanRun.Trigger.ADMIN,
        by=_by(request),
        reason=form.cleaned_data["reason"],
        config=conf.current(),
        budget=operations.REQUEST_BUDGET,
        hand_over=CeleryBroker().hand_over_scan,
    )
    if done.counts is not None:
        return f"Scan {done.scan_id} is finished: {done.counts.planned} reminders planned."
    if not done.mine:
        return f"Scan {done.scan_id} is running already: it does the same work."
    return f"Scan {done.scan_id} takes longer and goes on by itself: its record says how it ends."


def _look_at_pause(request: HttpRequest) -> Preview:
    waits = operations.backlog(config=conf.current())
    return Preview(
        summary=(
            "Nothing is sent to anybody until sending is resumed. Reminders go on being planned and wait; "
            "work that nobody has started is still marked OVERDUE."
        ),
        facts=[("messages due at this moment, which would wait", waits.useful + waits.late + waits.notices)],
        possible=operations.pause_in_force() is None,
        warnings=["Sending is paused already."] if operations.pause_in_force() else [],
    )


def _run_pause(request: HttpRequest, form: Any) -> str:
    operations.pause(by=_by(request), reason=form.cleaned_data["reason"], until=form.end())
    return "Sending is paused."


def _look_at_resume(request: HttpRequest) -> Preview:
    pause, waits = operations.pause_in_force(), operations.backlog(config=conf.current())
    if pause is None:
        return Preview(summary="Sending is not paused: there is nothing to end.", possible=False)
    unseen = (
        f"{waits.unplanned} due assignments were seen by no scan yet: rescan first, and they stand below."
    )
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


def _run_resume(request: HttpRequest, form: Any) -> str:
    done = operations.resume(by=_by(request), reason=form.cleaned_data["reason"], skip=form.skipped())
    return f"Sending goes on. {done.skipped} messages were skipped."


def _look_at_purge(request: HttpRequest) -> Preview:
    seen = waiting.look()
    if seen.redis is None:
        return Preview(summary=f"Redis cannot be emptied: {seen.trouble}.", possible=False)
    return Preview(
        summary=(
            "The queues in Redis are emptied, and every reminder that was handed over and not begun goes back to the "
            "ledger. Nothing is lost: it is handed over again within seconds. What a worker is sending is left alone."
        ),
        facts=[
            *((f"messages in {queue}", number) for queue, number in seen.redis.items()),
            ("reminders handed over", seen.queued),
            ("reminders being sent, left alone", seen.sending),
        ],
    )


def _run_purge(request: HttpRequest, form: Any) -> str:
    done = waiting.purge(by=_by(request))
    return (
        f"{sum(done.redis.values())} messages thrown away, {done.returned} reminders returned to the ledger."
    )


ACTS = {
    "reset": Act(title="Reset reminder status", look=_look_at_reset, run=_run_reset("reset")),
    "resend": Act(title="Send the reminder again", look=_look_at_reset, run=_run_reset("resend")),
    "close": Act(title="Close as not done", look=_look_at_close, run=_run_close, grave=True),
    "rescan": Act(title="Rescan now", look=_look_at_rescan, run=_run_rescan),
    "pause": Act(title="Pause all sending", look=_look_at_pause, run=_run_pause, form=PauseForm, grave=True),
    "resume": Act(title="Resume sending", look=_look_at_resume, run=_run_resume, form=ResumeForm),
    "purge": Act(title="Empty the queue", look=_look_at_purge, run=_run_purge, back="ops:queue", grave=True),
}
