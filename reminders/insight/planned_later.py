"""When work is reminded of that has no row of the ledger yet, because its reminder lies beyond the look-ahead."""

from collections.abc import Sequence
from datetime import datetime

from assignments.models import Answer, Assignment, Status
from reminders.conf import ReminderConfig
from reminders.models import RuleSchedule
from reminders.policy import timing


def due_later(works: Sequence[Assignment], *, config: ReminderConfig) -> dict[int, datetime]:
    """When the first reminder of each is due, by the id; without those that nobody is reminded of. One query."""
    open_work = [
        work
        for work in works
        if work.status == Status.SCHEDULED
        and work.overdue_at is None
        and work.assignee_id is not None
        and work.answer != Answer.DECLINED
    ]
    if not open_work:
        return {}
    ruled = dict(
        RuleSchedule.objects.filter(assignment__in=[work.pk for work in open_work]).values_list(
            "assignment_id", "next_at"
        )
    )
    found = {
        work.pk: ruled[work.pk]
        if work.pk in ruled
        else timing.due_at(work.scheduled_start, lead_minutes=work.lead_minutes, config=config)
        for work in open_work
    }
    return {pk: at for pk, at in found.items() if at is not None}
