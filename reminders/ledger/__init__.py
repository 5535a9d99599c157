"""Every write to the life cycle of a reminder, each one guarded: a row moves only if it is where it is believed.

    planning   what is missing is planned, what no longer holds is ended
    handover   what is due is claimed for the workers, what was left lying is taken back
    beginning  a worker decides about its rows under their locks
    finishing  how a send ended
    events     what programs are told of all that
    scans, pauses   the records of those two
    rows       what travels between here and the callers

The order of locks is the same everywhere: assignments by id, then ledger rows by id (RULES, 2). Instants come
from the database's clock. Statements are set-based; what they count is counted in the same transaction.
"""

from reminders.ledger.beginning import begin
from reminders.ledger.events import TYPES, end_events, raise_answered, subscriber, subscription_of
from reminders.ledger.finishing import finish
from reminders.ledger.handover import (
    LATE_ANSWER,
    Reaped,
    claim,
    claim_events,
    count_failure,
    queued,
    reap,
    release,
)
from reminders.ledger.pauses import backlog, end_pause, open_pause, skip_waiting
from reminders.ledger.planning import (
    SCOPE_DEFAULT_LEAD,
    SCOPE_OWN_LEAD,
    SCOPE_PAGE,
    UNACCOUNTED,
    heal_roll_up,
    mark_told,
    pages,
    plan_markers,
    plan_reminders,
    replan,
    retime,
    revive,
    unaccounted,
    void,
)
from reminders.ledger.rows import IN_FORCE, Begun, Claim, Claimed, Ended, Facts, Finished, Hint, ops_recipient
from reminders.ledger.scans import SCAN_LEASE, ScanTurn, close_scan, keep_scan, open_scan, take_over_scan

__all__ = [
    "IN_FORCE",
    "LATE_ANSWER",
    "SCAN_LEASE",
    "SCOPE_DEFAULT_LEAD",
    "SCOPE_OWN_LEAD",
    "SCOPE_PAGE",
    "TYPES",
    "UNACCOUNTED",
    "Begun",
    "Claim",
    "Claimed",
    "Ended",
    "Facts",
    "Finished",
    "Hint",
    "Reaped",
    "ScanTurn",
    "backlog",
    "begin",
    "claim",
    "claim_events",
    "close_scan",
    "count_failure",
    "end_events",
    "end_pause",
    "finish",
    "heal_roll_up",
    "keep_scan",
    "mark_told",
    "open_pause",
    "open_scan",
    "ops_recipient",
    "pages",
    "plan_markers",
    "plan_reminders",
    "queued",
    "raise_answered",
    "reap",
    "release",
    "replan",
    "retime",
    "revive",
    "skip_waiting",
    "subscriber",
    "subscription_of",
    "take_over_scan",
    "unaccounted",
    "void",
]
