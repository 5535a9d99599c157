"""How long one send of a slice may take, so that it ends within the lease of its row."""

from datetime import timedelta

from reminders.conf import ReminderConfig
from reminders.policy.record import record
from reminders.policy.rows import Row

LEASE_MARGIN = timedelta(seconds=1)
"""A send ends so long before its lease, and its message waits no longer than that for those before it in its slice."""

NO_TIME = timedelta()
HALF_MARGIN = LEASE_MARGIN / 2


@record
class SendTimes:
    """After what time a send is interrupted, and how long the response to its whole message may take."""

    interrupt_after: timedelta
    final_reply_timeout: timedelta


def may_begin(row: Row, *, elapsed: timedelta, config: ReminderConfig) -> bool:
    """Whether a send may begin so long after its row was begun; otherwise it is handed back."""
    return elapsed <= (LEASE_MARGIN if _is_patient(row, config) else config.last_start)


def send_times(row: Row, *, elapsed: timedelta, config: ReminderConfig) -> SendTimes:
    """The times of a send that begins so long after its row was begun."""
    if not _is_patient(row, config):
        return SendTimes(config.interrupt_after, NO_TIME)
    left = config.lease - elapsed
    return SendTimes(left - HALF_MARGIN, max(NO_TIME, left - config.send_timeout - LEASE_MARGIN))


def _is_patient(row: Row, config: ReminderConfig) -> bool:
    """Whether the response to this message may take all the time of the lease.

    A mail server may take long over a message that it has in full (10 minutes, says RFC 5321 section 4.5.3.2.6), and
    whoever does not wait for its response sends the message twice. An event that comes twice does no harm, and people wait
    for the same worker: only a repeated one, which goes alone, is given the time, where other processes send to people
    meanwhile.
    """
    return not row.is_webhook or (row.ambiguous > 0 and config.concurrency > 1)
