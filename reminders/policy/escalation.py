"""What supervisors are told about what people did, or did not do: why, and until when it is true.

A notice is a row of kind ESCALATION. Its rule begins with its trigger. That of an act names the act: `declined:17`. So each
refusal of one version is told by itself, and none is told twice. What rules make is named by `policy.chains`.
"""

from collections.abc import Mapping
from enum import StrEnum

from assignments.models import ActKind
from reminders.models import Kind, Reason


class EscalationTrigger(StrEnum):
    """Why supervisors are told."""

    DECLINED = "declined"
    CONFIRMED_AFTER_ALL = "confirmed_after_all"
    LATE = "late"
    UNANSWERED = "unanswered"
    OVERDUE = "overdue"
    BRIEF = "brief"


TRIGGERS: Mapping[ActKind, EscalationTrigger] = {
    ActKind.DECLINE: EscalationTrigger.DECLINED,
    ActKind.CONFIRM: EscalationTrigger.CONFIRMED_AFTER_ALL,
    ActKind.LATE: EscalationTrigger.LATE,
}
"""The acts of which supervisors are told; of a confirmation only those who were told that the assignee can't make it."""


def rule_of(trigger: EscalationTrigger, act_id: int) -> str:
    """How the ledger's key names the notice about this act."""
    return f"{trigger.value}:{act_id}"


def trigger_of(rule: str) -> EscalationTrigger:
    """The trigger of a row of kind ESCALATION."""
    return EscalationTrigger(rule.partition(":")[0])


def act_of(rule: str) -> str:
    """The act that a row of kind ESCALATION is about, as its rule names it: the same for all notices of one act."""
    return ":".join(rule.split(":")[:2])


def is_withdrawal(kind: Kind, rule: str) -> bool:
    """Whether a row tells that what was told before is not so any more."""
    return kind is Kind.ESCALATION and trigger_of(rule) is EscalationTrigger.CONFIRMED_AFTER_ALL


def taken_back(trigger: EscalationTrigger, *, declined: bool, confirmed: bool) -> Reason | None:
    """Why what the notice says is not so any more; None while it is. Overdue work stays overdue whatever is answered;
    a brief is judged when it is due."""
    match trigger:
        case EscalationTrigger.OVERDUE | EscalationTrigger.BRIEF:
            return None
        case EscalationTrigger.DECLINED:
            return None if declined else Reason.CONFIRMED
        case EscalationTrigger.UNANSWERED if confirmed:
            return Reason.CONFIRMED
    return Reason.DECLINED if declined else None


TAKEN_BACK = """(r.kind = 'ESCALATION' AND CASE split_part(r.rule, ':', 1)
        WHEN 'overdue' THEN FALSE
        WHEN 'brief' THEN FALSE
        WHEN 'declined' THEN a.answer <> 'DECLINED'
        WHEN 'unanswered' THEN a.answer <> ''
        ELSE a.answer = 'DECLINED' END)"""
"""The same as a condition of SQL: `r` is a row of the ledger, `a` its assignment."""
