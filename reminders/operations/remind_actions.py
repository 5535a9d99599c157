"""Remind now as operators are offered it: the words of its preview, the form, and the one call."""

from typing import Any

from reminders import conf
from reminders.insight.explain.ways import way_words
from reminders.insight.explain.wording import moment
from reminders.ledger.pauses import pause_in_force
from reminders.models import Pause
from reminders.operations.actions import ActionRequest, OperatorAction, Preview, counted, outcome, preview_of
from reminders.operations.forms import RemindForm
from reminders.operations.reminding import PlannedMessage, plan_reminding, run_reminding

NAME = "remind-now"


def _preview(request: ActionRequest) -> Preview:
    config = conf.current()
    plan = plan_reminding(request.ids or (), config=config, scope=request.scope)
    if not config.enabled:
        return Preview(
            summary="Reminders are switched off (REMINDER_WORKER_ENABLED=false): nothing is sent.",
            possible=False,
        )
    pause = pause_in_force()
    held = f"Sending is paused by {pause.by}: nothing leaves before {_end_of(pause)}." if pause else ""
    when = "once sending goes on" if pause else "at once"
    messages = dict(plan.messages)
    people = counted(len({target.assignee_id for target in plan.targets}), "person", "people")
    return preview_of(
        plan,
        summary=(
            f"{people} {'gets' if len(plan.targets) == 1 else 'get'} a reminder {when}, whatever the plan says. "
            "The plan, what they have answered and the reminders to come stay as they are."
        )
        if plan.targets
        else "Nobody is reminded.",
        warnings=[held] if held else [],
        effect=lambda target: _effect(messages[target.id], when),
    )


def _end_of(pause: Pause) -> str:
    return moment(pause.until) if pause.until else "somebody resumes it"


def _effect(message: PlannedMessage, when: str) -> str:
    lines = [f"by {way_words(message.way)} to {message.contact}, {when}"]
    if message.last_sent_at is not None:
        lines.append(f"reminded last at {moment(message.last_sent_at)}")
    if message.next_at is not None:
        lines.append(f"the plan's reminder leaves at {moment(message.next_at)} all the same")
    return "\n".join(lines)


def _run(request: ActionRequest, form: Any) -> str:
    config = conf.current()
    plan = plan_reminding(request.ids or (), config=config, scope=request.scope)
    plan.confirm(request.plan)
    values = form.cleaned_data
    done = run_reminding(
        plan,
        by=request.by,
        reason=values["reason"],
        config=config,
        wait_while_paused=bool(values.get("wait_while_paused")),
    )
    return outcome(f"{counted(len(done.ids), 'reminder')} on the way", len(done.skipped))


REMIND_ACTIONS = {
    NAME: OperatorAction(title="Remind now", preview=_preview, run=_run, form=RemindForm),
}
"""The action by its name in addresses."""
