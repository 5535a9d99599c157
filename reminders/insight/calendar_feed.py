"""What a calendar program reads of the work of a person or a team."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import translation
from django.utils.translation import gettext

from assignments.models import Assignee, Assignment, Status, Team
from reminders.content import calendars
from reminders.content.calendar_links import CalendarLink
from reminders.content.calendars import PublishedEvent
from reminders.content.languages import text_language

BEHIND = timedelta(days=90)
AHEAD = timedelta(days=365)
CANCELLED_SHOWN = timedelta(days=30)
"""How long after its last change cancelled work is still shown, as cancelled."""
MOST_COMING, MOST_PAST = 2_000, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A whole calendar, the last change of what it shows, and a strong entity tag with its quotes (RFC 9110 8.8.3)."""

    text: str
    etag: str
    modified: datetime


def owner_of(link: CalendarLink) -> Assignee | Team | None:
    """Whose calendar the link opens now; None where it was renewed, revoked, or there is nobody any more."""
    owner: Assignee | Team | None
    if link.of_team:
        owner = Team.objects.filter(pk=link.owner_id).first()
    else:
        owner = Assignee.objects.select_related("merged_into").filter(pk=link.owner_id).first()
    if owner is None or owner.calendar_revoked_at is not None or owner.calendar_number != link.number:
        return None
    return owner if isinstance(owner, Team) else owner.merged_into or owner


def feed_of(owner: Assignee | Team, *, now: datetime) -> Feed:
    """Their work from 90 days ago to 365 days ahead, at most 2,000 to come and the last 500 before: five queries at most."""
    events: list[tuple[Assignment, PublishedEvent]] = []
    for rows in _questions(owner):
        shown = rows.exclude(Q(status=Status.CANCELLED) & Q(updated_at__lt=now - CANCELLED_SHOWN))
        shown = shown.select_related("assignee").defer("notes")
        coming = shown.filter(scheduled_start__gte=now, scheduled_start__lt=now + AHEAD)
        past = shown.filter(scheduled_start__lt=now, scheduled_start__gte=now - BEHIND)
        found = [
            *coming.order_by("scheduled_start", "id")[:MOST_COMING],
            *past.order_by("-scheduled_start", "-id")[:MOST_PAST],
        ]
        events += [(work, _event(work, owner)) for work in found]
    coming_first = sorted(events, key=lambda one: (abs(one[0].scheduled_start - now), one[0].pk))
    kept = [one for one in coming_first if one[0].scheduled_start >= now][:MOST_COMING]
    kept += [one for one in coming_first if one[0].scheduled_start < now][:MOST_PAST]
    kept.sort(key=lambda one: (one[0].scheduled_start, one[0].pk))
    text = calendars.feed_text(((event, work.updated_at) for work, event in kept), name=owner.name)
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    modified = max([owner.updated_at, *_changes(work for work, _ in kept)])
    return Feed(text=text, etag=f'"{digest}"', modified=modified)


def _questions(owner: Assignee | Team) -> list[QuerySet[Assignment]]:
    """Their work in parts that each have an index: one for a person; a team has its own and that of its people."""
    if not isinstance(owner, Team):
        return [Assignment.objects.filter(assignee=owner)]
    people = list(Assignee.objects.filter(team=owner).values_list("pk", flat=True))
    return [
        Assignment.objects.filter(team=owner),
        Assignment.objects.filter(team=None, assignee__in=people),
    ]


def _event(work: Assignment, owner: Assignee | Team) -> PublishedEvent:
    """A team's calendar names who does it, and goes on with the same event when somebody else does."""
    title, assignee_id = work.title, work.assignee_id
    if isinstance(owner, Team):
        title, assignee_id = f"{title}: {work.assignee.name if work.assignee else _nobody()}", None
    return PublishedEvent(
        assignment_id=work.pk,
        assignee_id=assignee_id,
        sequence=work.visible_changes,
        title=title,
        place=work.location,
        start=work.scheduled_start,
        end=work.scheduled_end,
        cancelled=work.status == Status.CANCELLED,
    )


def _nobody() -> str:
    """In the language of the installation: who reads a team's calendar is not known."""
    with translation.override(text_language("")):
        return gettext("nobody assigned")


def _changes(works: Iterable[Assignment]) -> Iterable[datetime]:
    return (work.updated_at for work in works)
