"""Who switched a part of the schedule off, and why: the last word of an operator, in the audit trail."""

from dataclasses import dataclass
from datetime import datetime

from reminders.ledger import audit
from reminders.models import Audit

SWITCH_OFF, SWITCH_ON = "switch_off_schedule", "switch_on_schedule"
SYSTEM = "system"
"""The actor of what no person did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchOff:
    """An operator's decision that a task of the schedule is not run."""

    by: str
    reason: str
    since: datetime


def switch_off_in_force(task: str) -> SwitchOff | None:
    """The operator's decision to switch this task off; None if there is none, or if it was switched on since."""
    last = (
        Audit.objects.filter(action__in=(SWITCH_OFF, SWITCH_ON), selection__task=task).order_by("-id").first()
    )
    if last is None or last.action == SWITCH_ON:
        return None
    return SwitchOff(by=last.actor, reason=last.reason, since=last.at)


def record_switch(task: str, *, on: bool, by: str, reason: str) -> None:
    """Writes the decision, in the caller's transaction."""
    action = SWITCH_ON if on else SWITCH_OFF
    audit.record(action, by=by, reason=reason, selection={"task": task}, after={"enabled": on})
