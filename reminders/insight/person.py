"""What is asked of one person: their addresses, what comes, and what they were sent last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from assignments import contact_points
from assignments.clock import database_now
from assignments.contact_point import ContactPoint
from assignments.models import Assignee, Assignment, Status
from assignments.team_scope import TeamScope
from reminders.insight.merges import merges_into
from reminders.models import Reminder
from reminders.policy import recipients

MOST_WORK = 20
MOST_MESSAGES = 30
WORK_LOOKED_AT = 60
"""Assignments of the person whose messages are looked at, the latest: nobody has asked for an index on the recipient."""
JUST_BEGUN = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonOverview:
    """`upcoming` is work that is not done, the next first; `messages` are rows of the ledger with their
    `delivery_events`, the latest first; `merges`: when, how and why others were merged into them."""

    points: Sequence[ContactPoint]
    upcoming: Sequence[Assignment]
    messages: Sequence[Reminder]
    merges: Sequence[tuple[datetime, str, str]]


def overview_of(person: Assignee, *, scope: TeamScope) -> PersonOverview:
    """What is known of the person within the scope."""
    own = Assignment.objects.visible_to(scope).filter(assignee=person)
    open_work = own.filter(
        status__in=(Status.SCHEDULED, Status.IN_PROGRESS),
        scheduled_start__gt=database_now() - JUST_BEGUN,
    )
    latest = list(own.order_by("-scheduled_start").values_list("pk", flat=True)[:WORK_LOOKED_AT])
    to = (recipients.assignee_recipient(person.pk), recipients.person_recipient(person.pk))
    rows = (
        Reminder.objects.messages_to_people()
        .filter(assignment__in=latest, recipient__in=to)
        .select_related("assignment")
        .prefetch_related("delivery_events")
        .order_by("-due_at", "-id")
    )
    return PersonOverview(
        points=contact_points.points_of(person.pk),
        upcoming=list(open_work.order_by("scheduled_start", "pk")[:MOST_WORK]),
        messages=list(rows[:MOST_MESSAGES]),
        merges=merges_into(person),
    )
