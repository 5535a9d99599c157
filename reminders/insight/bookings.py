"""What else people have to do at the time of some work, for warnings of work at the same time."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db.models import Q

from assignments.models import Assignment, Status
from assignments.team_scope import TeamScope
from reminders.policy.double_bookings import Booking

MOST_BOOKINGS = 2_000


def bookings(
    people: Iterable[int],
    given: Sequence[Booking],
    *,
    scope: TeamScope,
    statuses: Sequence[Status] = (Status.SCHEDULED,),
) -> dict[int, list[Booking]]:
    """What else the caller sees these people (by their ids) have in these statuses between the first start and the last end
    of what is given, which need not be stored; the first MOST_BOOKINGS of it.
    """
    first, last = min(one.start for one in given), max(one.until for one in given)
    theirs = Assignment.objects.visible_to(scope).filter(assignee__in=set(people), status__in=statuses)
    others = theirs.exclude(pk__in=[one.id for one in given if one.id])
    near = others.filter(scheduled_start__lte=last).filter(
        Q(scheduled_start__gte=first) | Q(scheduled_end__gt=first)
    )
    found: dict[int, list[Booking]] = defaultdict(list)
    for one in near.order_by("scheduled_start", "id")[:MOST_BOOKINGS]:
        found[one.assignee_id].append(booking_of(one))  # type: ignore[index]  # of these people
    return found


def booking_of(work: Assignment) -> Booking:
    return Booking(id=work.pk or 0, title=work.title, start=work.scheduled_start, end=work.scheduled_end)
