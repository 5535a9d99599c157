"""One person who was entered twice becomes one: what belonged to the second one belongs to the first.

The second stays as a shell, without work, addresses and teams: whatever names it (references of imports, links in mails
that were sent, rows of the archive, acts) means the first one from then on (`present_id`). It is no change of plan: nobody
is told of the same work twice, and an answer stays.
"""

from dataclasses import dataclass

from django.db.models import F
from django.utils.translation import gettext

from assignments.clock import database_now
from assignments.contact_point import ContactPoint
from assignments.contact_points import MOST_POINTS, points_of, same_address, settle
from assignments.erased_keys import check_present
from assignments.models import Assignee, Assignment, Team
from assignments.services import Refused
from assignments.signals import circumstances_changed, people_merged, supervision_changed
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically


class NotMergeable(Refused):
    """These two do not become one, or not now."""

    code = "not_mergeable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """What moves from `gone` to `kept`: ids of assignments and teams, and addresses. `known` are those that both have."""

    kept: Assignee
    gone: Assignee
    assignments: tuple[int, ...]
    teams: tuple[int, ...]
    points: tuple[ContactPoint, ...]
    known: tuple[ContactPoint, ...]


def present_id(person_id: int) -> int:
    """The person whom this id means now: itself, or the one into whom it was merged."""
    merged = Assignee.objects.filter(pk=person_id).values_list("merged_into", flat=True).first()
    return person_id if merged is None else int(merged)


def plan_merge(kept_id: int, gone_id: int, *, scope: TeamScope = EVERYTHING) -> Merge:
    """What merging the second into the first would move now. Raises Assignee.DoesNotExist or NotMergeable."""
    people = {
        one.pk: one
        for one in Assignee.objects.visible_to(scope).filter(pk__in=(kept_id, gone_id)).order_by("pk")
    }
    if kept_id == gone_id:
        raise NotMergeable(
            gettext("person %(kept_id)s is one already: the id of another person is needed")
            % {"kept_id": kept_id}
        )
    for pk in (kept_id, gone_id):
        if pk not in people:
            raise Assignee.DoesNotExist(gettext("there is no person %(pk)s") % {"pk": pk})
        if people[pk].merged_into_id is not None:
            raise NotMergeable(
                gettext("person %(pk)s was merged into person %(merged_into_id)s already")
                % {"pk": pk, "merged_into_id": people[pk].merged_into_id}
            )
    work = Assignment.objects.filter(assignee=gone_id).order_by("pk")
    ids = tuple(work.values_list("pk", flat=True))
    teams = tuple(Team.objects.filter(supervisors=gone_id).order_by("pk").values_list("pk", flat=True))
    check_present(people.values())
    if scope.limited:
        if Assignment.objects.visible_to(scope).filter(assignee=gone_id).count() < len(ids):
            raise NotMergeable(
                gettext("person %(gone_id)s has work outside of your teams") % {"gone_id": gone_id}
            )
        if not set(teams) <= (scope.teams or frozenset()):
            raise NotMergeable(
                gettext("person %(gone_id)s supervises teams outside of yours") % {"gone_id": gone_id}
            )
    own = {same_address(point.channel, point.address) for point in points_of(kept_id)}
    points: list[ContactPoint] = []
    known: list[ContactPoint] = []
    for point in points_of(gone_id):
        (known if same_address(point.channel, point.address) in own else points).append(point)
    if len(own) + len(points) > MOST_POINTS:
        message = gettext(
            "together they have %(value)s addresses: no more than %(most_points)s are accepted"
        ) % {"value": len(own) + len(points), "most_points": MOST_POINTS}
        raise NotMergeable(message)
    return Merge(
        kept=people[kept_id],
        gone=people[gone_id],
        assignments=ids,
        teams=teams,
        points=tuple(points),
        known=tuple(known),
    )


@atomically
def merge_people(kept_id: int, gone_id: int, *, scope: TeamScope = EVERYTHING) -> Merge:
    """Moves everything, in one transaction; returns what was moved. Raises Assignee.DoesNotExist or NotMergeable.

    Sends `people_merged` when work and teams have moved and the addresses have not yet: what is to be sent follows first.
    """
    # Before the work, so that nobody gives them more; an assignment that is locked already ends this in a deadlock, once.
    list(Assignee.objects.select_for_update(no_key=True).filter(pk__in=(kept_id, gone_id)).order_by("pk"))
    list(
        Assignment.objects.select_for_update(no_key=True)
        .filter(assignee=gone_id)
        .order_by("pk")
        .values_list("pk")
    )
    merge = plan_merge(kept_id, gone_id, scope=scope)
    now = database_now()
    Assignment.objects.filter(pk__in=merge.assignments).update(assignee=kept_id, updated_at=now)
    for team in Team.objects.filter(pk__in=merge.teams).select_for_update().order_by("pk"):
        team.supervisors.add(kept_id)
        team.supervisors.remove(gone_id)
    people_merged.send(sender=Assignee, kept=kept_id, gone=gone_id)
    _move_points(merge)
    Assignee.objects.filter(pk=gone_id).update(
        email="",
        phone="",
        way="",
        team=None,
        quiet_from=None,
        quiet_until=None,
        merged_into=kept_id,
        updated_at=now,
    )
    Assignee.objects.filter(merged_into=gone_id).update(merged_into=kept_id)
    settle(kept_id)
    supervision_changed.send(sender=Assignee)
    circumstances_changed.send(
        sender=Assignee, assignments=list(merge.assignments), people=[kept_id], teams=[]
    )
    return merge


def _move_points(merge: Merge) -> None:
    """The addresses of the second come after those of the first. An opt-out holds, whoever of the two has said it."""
    points = points_of(merge.kept.pk)
    own = {same_address(point.channel, point.address): point for point in points}
    for point in merge.known:
        same = own[same_address(point.channel, point.address)]
        same.opted_out_at = same.opted_out_at or point.opted_out_at
        same.verified_at = same.verified_at or point.verified_at
        same.save(update_fields=["opted_out_at", "verified_at"])
    last = points[-1].order if points else 0
    moved = [point.pk for point in merge.points]
    ContactPoint.objects.filter(pk__in=[point.pk for point in merge.known]).delete()
    ContactPoint.objects.filter(pk__in=moved).update(person=merge.kept, order=F("order") + last)
