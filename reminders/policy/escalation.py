"""What supervisors are told about what people did: which acts lead to a notice, and until when it is true.

A notice is a row of kind ESCALATION. Its rule names its trigger and the act: `declined:17`. So each refusal of one version
is told by itself, and none is told twice.
"""

from collections.abc import Mapping
from enum import StrEnum

from assignments.models import ActKind
from reminders.models import Reason


class Trigger(StrEnum):
    """Why supervisors are told."""

    DECLINED = "declined"
    CONFIRMED_AFTER_ALL = "confirmed_after_all"
    LATE = "late"


TRIGGERS: Mapping[ActKind, Trigger] = {
    ActKind.DECLINE: Trigger.DECLINED,
    ActKind.CONFIRM: Trigger.CONFIRMED_AFTER_ALL,
    ActKind.LATE: Trigger.LATE,
}
"""The acts of which supervisors are told; of a confirmation only those who were told that the assignee can't make it."""


def rule_of(trigger: Trigger, act_id: int) -> str:
    """How the ledger's key names the notice about this act."""
    return f"{trigger.value}:{act_id}"


def trigger_of(rule: str) -> Trigger:
    """The trigger of a row of kind ESCALATION."""
    return Trigger(rule.partition(":")[0])


def taken_back(trigger: Trigger, *, declined: bool) -> Reason | None:
    """Why what the notice says is not so any more; None while it is."""
    if trigger is Trigger.DECLINED and not declined:
        return Reason.CONFIRMED
    if trigger is not Trigger.DECLINED and declined:
        return Reason.DECLINED
    return None


TAKEN_BACK = """(r.kind = 'ESCALATION' AND (a.answer = 'DECLINED') = (r.rule NOT LIKE 'declined:%%'))"""
"""The same as a condition of SQL, for statements with parameters: `r` is a row of the ledger, `a` its assignment."""
