"""Remind now as operators are offered it: the words of its preview, the form, and the one call."""

from typing import Any

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from reminders import conf
from reminders.insight.explain.ways import way_words
from reminders.insight.explain.wording import moment
from reminders.insight.stored_words import actor_in_words
from reminders.ledger.pauses import pause_in_force
from reminders.models import Pause
from reminders.operations.action_types import ActionRequest, OperatorAction, Preview, preview_of
from reminders.operations.counts import outcome
from reminders.operations.forms import RemindForm
from reminders.operations.reminding import PlannedMessage, plan_reminding, run_reminding

NAME = "remind-now"


def _preview(request: ActionRequest) -> Preview:
    config = conf.current()
    plan = plan_reminding(request.ids or (), config=config, scope=request.scope)
    if not config.enabled:
        return Preview(
            summary=gettext("Reminders are switched off (REMINDER_WORKER_ENABLED=false): nothing is sent."),
            possible=False,
        )
    pause = pause_in_force()
    held = _held(pause) if pause else ""
    when = gettext("once sending goes on") if pause else gettext("at once")
    messages = dict(plan.messages)
    people = len({target.assignee_id for target in plan.targets})
    return preview_of(
        plan,
        summary=ngettext(
            "%(number)s person gets a reminder %(when)s, whatever the plan says. The plan, what they have answered"
            " and the reminders to come stay as they are.",
            "%(number)s people get a reminder %(when)s, whatever the plan says. The plan, what they have answered"
            " and the reminders to come stay as they are.",
            people,
        )
        % {"number": people, "when": when}
        if plan.targets
        else gettext("Nobody is reminded."),
        warnings=[held] if held else [],
        effect=lambda target: _effect(messages[target.id], when),
    )


def _held(pause: Pause) -> str:
    by = actor_in_words(pause.by)
    if pause.until is None:
        return gettext("Sending is paused by %(by)s: nothing leaves before somebody resumes it.") % {"by": by}
    until = moment(pause.until)
    return gettext("Sending is paused by %(by)s: nothing leaves before %(until)s.") % {
        "by": by,
        "until": until,
    }


def _effect(message: PlannedMessage, when: str) -> str:
    lines = [
        gettext("by %(way_words)s to %(contact)s, %(when)s")
        % {"way_words": way_words(message.way), "contact": message.contact, "when": when}
    ]
    if message.last_sent_at is not None:
        lines.append(gettext("reminded last at %(moment)s") % {"moment": moment(message.last_sent_at)})
    if message.next_at is not None:
        lines.append(
            gettext("the plan's reminder leaves at %(moment)s all the same")
            % {"moment": moment(message.next_at)}
        )
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
    number = len(done.ids)
    words = ngettext("%(number)s reminder on the way", "%(number)s reminders on the way", number)
    return outcome(words % {"number": number}, len(done.skipped))


REMIND_ACTIONS = {
    NAME: OperatorAction(title=_("Remind now"), preview=_preview, run=_run, form=RemindForm),
}
"""The action by its name in addresses."""
