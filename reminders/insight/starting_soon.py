"""Work that starts soon and for which nobody may come: declined, or not answered. Figures, lists and filters use these.

Either leads to a call by somebody, so it is counted only while there is time for one, or the work could still begin: from
HORIZON before the start until it is overdue, when the figure of overdue work takes it over.
"""

from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from assignments.act_rules import MOST_LATE
from assignments.models import Answer, Assignment, ReminderStatus, Status
from assignments.team_scope import TeamScope
from reminders.conf import ReminderConfig
from reminders.ledger.fragments import overdue_base

HORIZON = timedelta(hours=2)
"""Time enough to find somebody else; what starts later may still be answered or given away without haste."""

SOON = {
    "declined": Q(answer=Answer.DECLINED),
    "unanswered": Q(
        answer=Answer.NONE,
        reminder_status=ReminderStatus.SENT,
        on_my_way_at__isnull=True,
        expected_start__isnull=True,
    ),
}
"""Declined: the assignee can't make it, and nobody else is assigned, which would have removed the answer. Unanswered: the
assignee has been notified of the present plan, and has not been heard from: no answer, not on their way, not running late.
"""


def select(name: str, *, now: datetime, config: ReminderConfig) -> QuerySet[Assignment]:
    """The work of one name of SOON."""
    return _not_begun(Assignment.objects.all(), now, config).filter(SOON[name])


def counts(*, now: datetime, config: ReminderConfig, scope: TeamScope) -> dict[str, int]:
    """How much of what is in the scope there is of each name of SOON."""
    rows = _not_begun(Assignment.objects.visible_to(scope), now, config)
    found: dict[str, int] = rows.aggregate(**{name: Count("pk", filter=of) for name, of in SOON.items()})
    return found


def _not_begun(rows: QuerySet[Assignment], now: datetime, config: ReminderConfig) -> QuerySet[Assignment]:
    """The SCHEDULED work of `rows` that starts within HORIZON, or was to start and is not overdue yet: a range of
    assignment_open_idx.
    """
    overdue = now - config.overdue
    return rows.alias(overdue_base=overdue_base()).filter(
        status=Status.SCHEDULED,
        overdue_at__isnull=True,
        overdue_base__gt=overdue,
        # Implied, for nobody is later than this; it begins the range.
        scheduled_start__gt=overdue - timedelta(minutes=MOST_LATE),
        scheduled_start__lte=now + HORIZON,
    )
