"""After a long outage sending waits for an operator, where REMINDER_HOLD_AFTER_OUTAGE_MINUTES says so."""

from datetime import timedelta

from assignments.clock import database_now
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.delivery import heartbeats
from reminders.ledger import audit, pauses
from reminders.models import Pause

DISPATCHERS = ("scanner", "standby")
PAUSE_LENGTH = timedelta(minutes=15)
"""A pause after an outage ends by itself: nobody may be there to resume."""


def pause_after_outage(config: ReminderConfig, *, dispatcher: str = "scanner") -> Pause | None:
    """Pauses sending if nothing was dispatched for longer than `hold_after`, so that an operator sees the backlog first.

    `dispatcher` is the kind of process that is about to dispatch: "scanner", or "standby" where a worker stands in for it.
    Returns the pause that it has begun, if any. Asks nothing where `hold_after` is zero.
    """
    if not config.enabled or not config.hold_after:
        return None
    silent = heartbeats.seconds_since(*DISPATCHERS)
    if silent is None or silent <= config.hold_after.total_seconds():
        return None
    reason = f"Nothing was dispatched for {silent / 60:.0f} minutes: review the backlog, then resume."
    begun = _pause(reason)
    heartbeats.record(dispatcher, at_once=True)  # Whoever resumes now is not paused a second time.
    return pauses.pause_in_force() if begun else None


@atomically
def _pause(reason: str) -> bool:
    until = database_now() + PAUSE_LENGTH
    pause_id = pauses.open_pause(by="system", reason=reason, until=until)
    if pause_id is None:
        return False
    audit.record("pause", by="system", reason=reason, after={"pause": pause_id, "until": until.isoformat()})
    return True
