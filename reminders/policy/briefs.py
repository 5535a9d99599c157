"""The morning brief: of which work supervisors are told because its assignee does not know of it, or will not be told. Pure.

A brief is a step of a rule for supervisors or Ops with the trigger `at_local_time`: a row of kind ESCALATION for each piece
of work, whose key begins with `brief`. Those that are due together leave in one message.
"""

from enum import Enum

from reminders.models import Kind
from reminders.policy.awareness import Awareness, Rung, Unreachable
from reminders.policy.escalation import EscalationTrigger, trigger_of
from reminders.policy.rows import Row


class BriefCause(Enum):
    """Why somebody should act; the order is that in which a brief lists them."""

    UNASSIGNED = "unassigned"
    DECLINED = "declined"
    OVERDUE = "overdue"
    NO_CONTACT_POINT = "no_contact_point"
    OPTED_OUT = "opted_out"
    ALL_FAILING = "all_failing"
    TOLD_WRONG = "told_wrong"
    IN_DOUBT = "in_doubt"
    NOTHING_COMES = "nothing_comes"


CAUSES = tuple(BriefCause)


def is_brief(row: Row) -> bool:
    """Whether this row is a part of a brief."""
    return is_brief_key(row.kind, row.rule)


def is_brief_key(kind: str, rule: str) -> bool:
    """Whether a row of this kind and key is."""
    return kind == Kind.ESCALATION and trigger_of(rule) is EscalationTrigger.BRIEF


def cause_of(
    known: Awareness | None, *, unreachable: Unreachable | None = None, wants_none: bool = False
) -> BriefCause | None:
    """Why work of this awareness is in a brief; None where its assignee knows of it, or a message will tell them.

    `unreachable`: why messages do not reach the assignee; `wants_none`: they have opted out of every rule that would remind
    them of it.
    """
    if known is None:
        return None
    match known.rung:
        case Rung.UNASSIGNED:
            return BriefCause.UNASSIGNED
        case Rung.DECLINED:
            return BriefCause.DECLINED
        case Rung.OVERDUE:
            return BriefCause.OVERDUE
        case Rung.UNREACHABLE:
            return BriefCause((unreachable or Unreachable.NO_CONTACT_POINT).value)
        case Rung.NOT_TOLD if known.told_wrong and not known.coming:
            return BriefCause.TOLD_WRONG
        case Rung.NOT_TOLD if wants_none:
            return BriefCause.OPTED_OUT
        case Rung.NOT_TOLD if not known.coming:
            return BriefCause.NOTHING_COMES
        case Rung.TOLD if known.in_doubt and not known.coming:
            return BriefCause.IN_DOUBT
    return None
