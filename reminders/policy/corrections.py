"""When a person is told that the plan is no longer as they were told, and until when that is useful."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from assignments.models import Status
from reminders.conf import ReminderConfig
from reminders.policy import timing
from reminders.policy.announcements import Announcement, outdated
from reminders.policy.record import record

NO_GRACE_BELOW = timedelta(minutes=2)
"""With less time left than this a correction leaves at once."""


@record(kw_only=True)
class Correction:
    """A correction that is to be planned: when it is due, and after when it is of no use."""

    due_at: datetime
    not_after: datetime


def announcement_for(
    recipient: str, *, assigned_to: str, status: Status, start: datetime, place: str, title: str
) -> Announcement:
    """What a message to this person would state of the plan in force."""
    theirs = status is not Status.CANCELLED and recipient == assigned_to
    return Announcement(start=start, place=place, title=title, theirs=theirs)


def is_under_way(*, status: Status, theirs: bool) -> bool:
    """Whether the person has begun the work, and so needs no correction of its plan."""
    return theirs and status in (Status.IN_PROGRESS, Status.COMPLETED)


def useful_until(
    possible: Sequence[Announcement], present: Announcement, *, config: ReminderConfig
) -> datetime:
    """A changed plan is news until the later of the announced and the new start; that the work is not to be done, until
    the announced start plus the overdue time.
    """
    announced = max((one.start for one in possible if one.theirs), default=present.start)
    if present.theirs:
        return max(announced, present.start)
    return timing.overdue_at(announced, expected_start=None, config=config)


def correction(
    possible: Sequence[Announcement],
    present: Announcement,
    *,
    status: Status,
    now: datetime,
    config: ReminderConfig,
) -> Correction | None:
    """The correction that this person needs; None where all that they may have been told is still so, or where it would
    come too late. `possible` is what they may have been told last, `present` what is planned now.
    """
    if is_under_way(status=status, theirs=present.theirs) or outdated(possible, present) is None:
        return None
    until = useful_until(possible, present, config=config)
    left = until - now
    if left < timedelta():
        return None
    grace = timedelta() if left < NO_GRACE_BELOW else min(config.correction_grace, left / 2)
    return Correction(due_at=now + grace, not_after=until)
