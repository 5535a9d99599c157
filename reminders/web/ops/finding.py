"""The box on every page that finds people and work, and the list of people."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse

from assignments.contact_point import ContactPoint
from assignments.models import Assignee, Assignment
from assignments.team_scope import TeamScope
from assignments.teams import effective_team
from reminders import conf
from reminders.insight import selections, statistics
from reminders.operations.assignee_choice import FEW, suggestions
from reminders.web.filters import OpsPeopleFilterSet
from reminders.web.ops.lists import assignment_lines, list_page
from reminders.web.ops.page import page, show
from reminders.web.ops.settings import views_shown
from reminders.web.search import (
    assignment_search,
    clean_text,
    exact_assignment,
    is_frequent,
    people_found,
    whole_number,
    work_of_message,
    work_search,
)
from reminders.web.team_limits import TeamAccess, scope_of

MOST_LOOKED_AT = 100
"""People among whom those are suggested who are free."""

MOST_SHOWN = 20
"""People and assignments that a result shows; their lists hold all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonLine:
    """One person in a list. `points` are their addresses in the order in which they are tried."""

    person: Assignee
    points: Sequence[ContactPoint]
    unreachable: bool

    @property
    def first(self) -> ContactPoint | None:
        """The address that is tried first."""
        usable = [one for one in self.points if one.opted_out_at is None]
        return min(usable, key=lambda one: one.failing_since is not None, default=None)

    @property
    def failing(self) -> bool:
        return any(one.failing_since and not one.opted_out_at for one in self.points)


@page(limit=TeamAccess.NARROWS)
def find(request: HttpRequest) -> HttpResponse:
    """A reference, `6` or `#6` leads straight to the assignment, and so does anything else that means one thing alone;
    otherwise people and work are shown, a section each."""
    text, scope = clean_text(request.GET.get("q")), scope_of(request.user)
    if not text:
        return HttpResponseRedirect(reverse("ops:assignments"))
    with statistics.bounded():
        if (only := _meant(text, scope)) is not None:
            return HttpResponseRedirect(only)
        people = list(people_found(_people(scope), text)[: MOST_SHOWN + 1])
        work = Assignment.objects.visible_to(scope).select_related("assignee").filter(assignment_search(text))
        listed = list(work.order_by("-scheduled_start", "-pk")[: MOST_SHOWN + 1])
        context = {
            "searched": text,
            "people": person_lines(people[:MOST_SHOWN]),
            "more_people": len(people) > MOST_SHOWN,
            "lines": assignment_lines(listed[:MOST_SHOWN]),
            "more_work": len(listed) > MOST_SHOWN,
            "query": _query(text),
        }
    return show(request, "found", context)


@page(limit=TeamAccess.NARROWS)
def people(request: HttpRequest) -> HttpResponse:
    """The people that there are, by name."""
    filters = OpsPeopleFilterSet(request.GET, scope=scope_of(request.user))
    with statistics.bounded():
        listed = list_page(filters.qs, request)
        lines = person_lines(listed.rows)
    return show(
        request,
        "people",
        {"filters": filters, "listed": listed, "lines": lines, "saved": views_shown(request, "people")},
    )


@page(limit=TeamAccess.NARROWS)
def suggest(request: HttpRequest) -> HttpResponse:
    """Options for the field that asks who gets work, whose numbers are in `work`: by what is written, else of its teams."""
    text, scope = clean_text(request.GET.get("to")), scope_of(request.user)
    ids = [pk for one in request.GET.get("work", "").split(",")[:FEW] if (pk := whole_number(one))]
    work = list(
        Assignment.objects.visible_to(scope).filter(pk__in=ids).select_related("assignee__team", "team")
    )
    with statistics.bounded():
        found = _people(scope)
        if text:
            found = people_found(found, text)
        elif teams := {team.pk for one in work if (team := effective_team(one)) is not None}:
            found = found.filter(team__in=teams)
        if len({one.assignee_id for one in work}) == 1 and (present := work[0].assignee_id):
            found = found.exclude(pk=present)
        offered = suggestions(list(found[:MOST_LOOKED_AT]), work, scope)
    return render(request, "ops/parts/suggestions.html", {"suggestions": offered})


def person_lines(rows: Sequence[Assignee]) -> list[PersonLine]:
    """These people with their addresses, in two queries."""
    ids = [person.pk for person in rows]
    points: dict[int, list[ContactPoint]] = {pk: [] for pk in ids}
    for point in ContactPoint.objects.filter(person__in=ids).order_by("order", "id"):
        points[point.person_id].append(point)
    out_of_reach = selections.unreachable(Assignee.objects.filter(pk__in=ids), config=conf.current())
    nobody = set(out_of_reach.order_by().values_list("pk", flat=True))
    return [
        PersonLine(person=person, points=points[person.pk], unreachable=person.pk in nobody)
        for person in rows
    ]


def _meant(text: str, scope: TeamScope) -> str | None:
    """The address of the page of the one thing that the text means; None where it is nothing, or several."""
    work = Assignment.objects.visible_to(scope)
    if (told_of := work_of_message(text)) is not None:
        seen = list(work.filter(pk__in=told_of).values_list("pk", flat=True)[:2])
        return reverse("ops:explain", args=seen) if len(seen) == 1 else None
    exact = list(work.filter(exact_assignment(text)).values_list("pk", "reference")[:2])
    if exact:
        # A reference goes before an id, as everywhere.
        pk = next((pk for pk, reference in exact if reference == text), exact[0][0])
        return reverse("ops:explain", args=[pk])
    found = list(people_found(_people(scope), text).order_by().values_list("pk", flat=True)[:2])
    if len(found) > 1 or is_frequent(text):
        return None
    # What a person has to do is on their page.
    others = work.filter(work_search(text)).exclude(assignee__in=found)
    named = list(others.order_by().values_list("pk", flat=True)[:2])
    match (found, named):
        case ([pk], []):
            return reverse("ops:person", args=[pk])
        case ([], [pk]):
            return reverse("ops:explain", args=[pk])
    return None


def _people(scope: TeamScope) -> QuerySet[Assignee]:
    return Assignee.objects.visible_to(scope).present().select_related("team").order_by("name", "pk")


def _query(text: str) -> str:
    values = QueryDict(mutable=True)
    values["q"] = text
    return values.urlencode()
