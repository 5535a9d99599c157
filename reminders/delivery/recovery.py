"""Recovery: what dead processes of this host had in hand is settled at once, by what they have noted.

What they had not begun is due again. What was certainly not sent is due again too, what was certainly accepted is SENT,
and only a message that was complete but not answered may have arrived. A scan goes on elsewhere. What nobody has noted,
and the processes of other hosts, are left to their leases.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from assignments.clock import database_now
from reminders.conf import ReminderConfig
from reminders.content import compose
from reminders.delivery import journal
from reminders.delivery.dispatch import release_lost
from reminders.delivery.hints import Broker, BrokerDown
from reminders.delivery.journal import LeftBehind, Sending
from reminders.delivery.log_lines import log_finished
from reminders.ledger import deaths, finishing, leases, scans
from reminders.ledger.deaths import DIED, Unfinished
from reminders.ledger.records import Finished
from reminders.policy.deaths import JournalPhase, result_after_death, transition_after_death

logger = logging.getLogger(__name__)

BEGIN_TAKES = timedelta(minutes=1)
"""A row's `begun_at` and the claim's lie no further apart; an older note is about another database's row."""

WORDS = {
    JournalPhase.WAITING: ("not_sent", "The process died before it started this message."),
    JournalPhase.STARTED: (DIED, "The process died before this message was complete."),
    JournalPhase.COMPLETE: (DIED, "The process died before the other side had answered."),
    JournalPhase.ACCEPTED: ("", "The process died before it could record this."),
    JournalPhase.NOT_ACCEPTED: ("not_sent", "The process died before it could record how this was refused."),
}


def settle_dead(*, config: ReminderConfig, broker: Broker, folder: Path | None = None) -> int:
    """Settles what processes of this host that have died had in hand; returns how many they were.

    Never raises: what cannot be settled now is tried again by the next call, and its leases hold meanwhile.
    """
    try:
        with journal.dead(folder or settings.JOURNAL_DIR) as found:
            for left in found:
                _settle(left, config)
    except Exception as error:
        logger.exception("Dead process not settled", extra={"reason": type(error).__name__})
        return 0
    if found:
        logger.warning("Dead processes settled", extra={"count": len(found)})
        try:
            # What waited for them in their worker, where nobody can look.
            release_lost(broker, reason="process_died")
        except BrokerDown:
            pass
    return len(found)


def _settle(left: LeftBehind, config: ReminderConfig) -> None:
    if left.scan_id:
        scans.end_scan_lease(left.scan_id)
    leases.release(left.hints)
    rows = deaths.unfinished([*left.hints, *(one.hint for one in left.sends)])
    if rows:
        now = database_now()
        phases = _phases(rows, left.sends)
        ends = [_end(row, phases.get(row.lead.id, JournalPhase.WAITING), now, config) for row in rows]
        log_finished(finishing.finish(ends, config=config))


def _phases(rows: Iterable[Unfinished], sends: Iterable[Sending]) -> dict[int, JournalPhase]:
    """How far each message has got, by the row that leads it."""
    noted = {one.hint: one for one in sends}
    phases: dict[int, JournalPhase] = {}
    for row in rows:
        one = noted.get(row.hint)
        if one is not None and abs(row.claim.begun_at - one.begun_at) <= BEGIN_TAKES:
            phases[row.lead.id] = max(one.phase, phases.get(row.lead.id, JournalPhase.WAITING))
    return phases


def _end(row: Unfinished, phase: JournalPhase, now: datetime, config: ReminderConfig) -> Finished:
    claim = row.claim
    code, detail = WORDS[phase]
    accepted = phase is JournalPhase.ACCEPTED
    return Finished(
        claim=claim,
        result=result_after_death(phase),
        transition=transition_after_death(claim.row, phase, deaths=row.deaths, now=now, config=config),
        code=code,
        detail=detail,
        finished_at=now,
        message_id=compose.id_of(claim.row, lead=row.lead) if accepted else "",
    )
