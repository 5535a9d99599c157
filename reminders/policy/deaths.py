"""What becomes of a row whose process died while it was being sent, by how far the send had got."""

from datetime import datetime, timedelta
from enum import IntEnum

from reminders.conf import ReminderConfig
from reminders.models import Reason, State
from reminders.policy import retries
from reminders.policy.retries import Result, Transition, in_time
from reminders.policy.rows import Row

MOST_DEATHS = 3
"""So many processes may die while they send one message, before it went out: it is presumed to be the cause."""

WAIT_AFTER_DEATHS = timedelta(seconds=15)
"""How long such a message waits after the second death, so that it does not end one process after the other."""


class JournalPhase(IntEnum):
    """How far a send has got. Only COMPLETE leaves it open whether the message has arrived.

    WAITING: it was begun with others, and is not started yet. STARTED: it is composed, or on its way, but its last
    octet has not been handed over, without which it is no message. COMPLETE: from just before that octet on.
    """

    WAITING = 0
    STARTED = 1
    COMPLETE = 2
    ACCEPTED = 3
    NOT_ACCEPTED = 4


def phase_after(result: Result) -> JournalPhase:
    """How far a send has got that has ended with this result."""
    match result:
        case Result.ACCEPTED:
            return JournalPhase.ACCEPTED
        case Result.UNKNOWABLE:
            return JournalPhase.COMPLETE
        case _:
            return JournalPhase.NOT_ACCEPTED


def result_after_death(phase: JournalPhase) -> Result:
    """How such a send is recorded."""
    match phase:
        case JournalPhase.ACCEPTED:
            return Result.ACCEPTED
        case JournalPhase.COMPLETE:
            return Result.UNKNOWABLE
        case _:
            return Result.HANDED_BACK


def transition_after_death(
    row: Row, phase: JournalPhase, *, deaths: int, now: datetime, config: ReminderConfig
) -> Transition:
    """Where the row goes. `deaths` is how many processes have died with it before, in mid-send.

    What was certainly not sent is due at once, and not counted as a failure. What may have arrived is repeated at once:
    whoever would have recorded its end is dead.
    """
    if phase is JournalPhase.COMPLETE and not row.is_webhook:
        if row.ambiguous >= retries.TO_PEOPLE.max_ambiguous:
            return Transition(State.UNKNOWN, Reason.AMBIGUOUS, ambiguous=True)
        return Transition(State.PLANNED, retry_at=now, ambiguous=True)
    if phase is JournalPhase.STARTED and deaths + 1 >= MOST_DEATHS:
        if row.ambiguous:
            return Transition(State.UNKNOWN, Reason.AMBIGUOUS)
        return Transition(State.FAILED, Reason.INTERNAL)
    if phase is JournalPhase.STARTED and deaths:
        wait = in_time(row, WAIT_AFTER_DEATHS, now=now) or timedelta()
        return Transition(State.PLANNED, retry_at=now + wait)
    return retries.transition_after(row, result_after_death(phase), now=now, config=config, jitter=0.0)
