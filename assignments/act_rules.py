"""When an act is possible, and which acts make sense now: pure functions. `acts` checks the form of minutes and notes.

States bind everybody. The windows bind people who act for themselves, by link or SMS: a message that is opened too
early, or weeks later, is not to start the work.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils.translation import gettext

from assignments import instants
from assignments.models import ActKind, Answer, Assignment, Status

ON_MY_WAY_BEFORE = timedelta(hours=4)
"""From this long before the start somebody may be on their way, or know that they will be late."""
START_BEFORE = timedelta(minutes=60)
LEAST_LATE, MOST_LATE = 5, 240
"""Minutes after `scheduled_start`."""
MOST_TIMES_LATE = 2
LONGEST_WAY = 1_440
"""Minutes that somebody may say they still need."""

STEPS = (ActKind.CONFIRM, ActKind.ON_MY_WAY, ActKind.START, ActKind.COMPLETE)
"""The acts of work that goes as planned, in order."""


def refusal(act: ActKind, work: Assignment, *, now: datetime, by_assignee: bool) -> str:
    """Why this act is not possible at this moment, and when it is; '' where it is possible."""
    return next(_refusals(act, work, now, by_assignee), "")


def is_done(act: ActKind, work: Assignment) -> bool:
    """Whether the assignment is as this act, without minutes and note, would leave it."""
    match act:
        case ActKind.CONFIRM:
            return work.answer == Answer.CONFIRMED
        case ActKind.DECLINE:
            return work.answer == Answer.DECLINED
        case ActKind.ON_MY_WAY:
            return work.on_my_way_at is not None
        case ActKind.LATE:
            return work.expected_start is not None
        case ActKind.START:
            return work.status == Status.IN_PROGRESS
        case ActKind.COMPLETE:
            return work.status == Status.COMPLETED


def sensible_acts(work: Assignment, *, now: datetime) -> tuple[ActKind | None, tuple[ActKind, ...]]:
    """What the assignee can sensibly do now: the next step, if there is one, and everything else.

    From the start on the next step is to start: who has come need not confirm any more.
    """
    possible = [
        act
        for act in (*STEPS, ActKind.LATE, ActKind.DECLINE)
        if not refusal(act, work, now=now, by_assignee=True)
        and (act is ActKind.LATE or not is_done(act, work))
    ]
    steps = [act for act in possible if act in STEPS]
    if now >= work.scheduled_start and ActKind.START in steps:
        following: ActKind | None = ActKind.START
    else:
        following = steps[0] if steps else None
    return following, tuple(act for act in possible if act is not following)


def _refusals(act: ActKind, work: Assignment, now: datetime, by_assignee: bool) -> Iterator[str]:
    which, start = gettext("assignment %(pk)s") % {"pk": work.pk}, work.scheduled_start
    if act is ActKind.COMPLETE:
        if work.status not in (Status.IN_PROGRESS, Status.SCHEDULED):
            yield gettext(
                "%(which)s is %(status)s: only work that is IN_PROGRESS or SCHEDULED can be completed"
            ) % {"which": which, "status": work.status}
        if by_assignee and work.status == Status.SCHEDULED:
            yield gettext("%(which)s is SCHEDULED: it is started first, then completed") % {"which": which}
        return
    if work.status != Status.SCHEDULED:
        takes = gettext("it can be started") if act is ActKind.START else gettext("an answer is taken")
        yield gettext("%(which)s is %(status)s: %(takes)s while it is SCHEDULED") % {
            "which": which,
            "status": work.status,
            "takes": takes,
        }
    if act is ActKind.START:
        if by_assignee and now < start - START_BEFORE:
            yield gettext("%(which)s starts at %(shown)s: it can be started from 60 minutes before on") % {
                "which": which,
                "shown": instants.shown(start),
            }
        return
    if work.assignee_id is None:
        yield gettext("nobody is assigned to %(which)s: assign somebody first") % {"which": which}
    if act in (ActKind.CONFIRM, ActKind.DECLINE):
        if by_assignee and now >= start:
            yield gettext("%(which)s was to start at %(shown)s: an answer is taken until then") % {
                "which": which,
                "shown": instants.shown(start),
            }
        return
    if work.answer == Answer.DECLINED:
        yield gettext("%(which)s is declined: it is confirmed first") % {"which": which}
    if by_assignee and now < start - ON_MY_WAY_BEFORE:
        yield gettext("%(which)s starts at %(shown)s: this is taken from 4 hours before on") % {
            "which": which,
            "shown": instants.shown(start),
        }
    if act is ActKind.LATE:
        if work.overdue_at is not None:
            yield gettext("%(which)s is marked OVERDUE: start it, or move it") % {"which": which}
        if work.times_late >= MOST_TIMES_LATE:
            yield gettext(
                "%(which)s was said to be late %(most_times_late)s times already: move it instead"
            ) % {"which": which, "most_times_late": MOST_TIMES_LATE}
