"""What operators do on purpose: rescan, reset, resend, pause, resume, close; each with an actor and a reason on record.

What changes many rows comes in two steps that share one frozen plan: `plan_...` says what would happen and to
whom, `run_...` does exactly that. Every action writes its line of the audit trail in the transaction that makes
it true.
"""

from reminders.operations.closing import ClosePlan, plan_close, run_close
from reminders.operations.pauses import (
    AlreadyPaused,
    Backlog,
    NotPaused,
    Part,
    Resumed,
    backlog,
    hold_after_outage,
    pause,
    pause_in_force,
    pauses,
    resume,
)
from reminders.operations.plans import (
    WORDS,
    Done,
    Effect,
    Plan,
    PlanChanged,
    Selection,
    Skipped,
    Target,
    TooMany,
    Why,
)
from reminders.operations.record import LONGEST_REASON, checked_reason, note
from reminders.operations.rescans import REQUEST_BUDGET, Rescan, preview_rescan, rescan
from reminders.operations.resets import NothingToDo, ResetPlan, plan_reset, resend, run_reset
from reminders.operations.subscriptions import (
    Health,
    UnknownSubscription,
    change,
    health,
    remove,
    rotate,
    subscribe,
    try_out,
)

__all__ = [
    "LONGEST_REASON",
    "REQUEST_BUDGET",
    "WORDS",
    "AlreadyPaused",
    "Backlog",
    "ClosePlan",
    "Done",
    "Effect",
    "Health",
    "NotPaused",
    "NothingToDo",
    "Part",
    "Plan",
    "PlanChanged",
    "Rescan",
    "ResetPlan",
    "Resumed",
    "Selection",
    "Skipped",
    "Target",
    "TooMany",
    "UnknownSubscription",
    "Why",
    "backlog",
    "change",
    "checked_reason",
    "health",
    "hold_after_outage",
    "note",
    "pause",
    "pause_in_force",
    "pauses",
    "plan_close",
    "plan_reset",
    "preview_rescan",
    "remove",
    "rescan",
    "resend",
    "resume",
    "rotate",
    "run_close",
    "run_reset",
    "subscribe",
    "try_out",
]
