"""`/ops/board`: who does not know yet of their work, by the time that is left; it renews itself like the overview."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, npgettext, pgettext_lazy

from assignments.models import Status, Team
from assignments.team_scope import TeamScope
from reminders import conf
from reminders.content.links import tel_url
from reminders.insight import statistics
from reminders.insight.awareness import teams_asked
from reminders.insight.board import DEFAULT_HOURS, MOST_LOOKED_AT, BoardEntry, board, entries
from reminders.insight.next_steps import CAUSES
from reminders.operations.act_actions import ACT_ACTIONS, possible_actions
from reminders.policy.awareness import Rung, Unreachable
from reminders.web.ops.actions import OFFERED
from reminders.web.ops.lists import ListPage
from reminders.web.ops.overview import REFRESH_INTERVAL
from reminders.web.ops.page import page, page_context
from reminders.web.search import whole_number
from reminders.web.team_limits import TeamAccess, scope_of

PAGE_SIZE = 50
HOURS = (2, 4, DEFAULT_HOURS, 24, 48, 168)
DAY = 24
EVERYBODY = "everybody"
LAST_PAGE = MOST_LOOKED_AT // PAGE_SIZE

ACTS = {
    "remind-now": _("Remind"),
    "reassign": _("Reassign"),
    "confirm": _("Confirm"),
    "start": pgettext_lazy("act", "Start"),
}
"""What operators are offered for each line: the actions by their names in addresses, and the words of the links."""

MOST_CALLED = 5
"""Those that the warning of a page names; the others are marked in the list."""

NEED_AN_ADDRESS = (Unreachable.NO_CONTACT_POINT, Unreachable.OPTED_OUT)
"""Causes for which nothing is sent at all. To an address that fails messages still go, as to the last one."""

TONES = {
    Rung.UNASSIGNED: "failed",
    Rung.UNREACHABLE: "failed",
    Rung.DECLINED: "failed",
    Rung.OVERDUE: "failed",
    Rung.NOT_TOLD: "planned",
    Rung.TOLD: "",
}
"""The colours of the states; whoever has answered, or is at work, is green."""


@page(limit=TeamAccess.NARROWS)
def who_knows(request: HttpRequest) -> HttpResponse:
    """The whole page."""
    return render(request, "ops/board.html", _shown(request))


@page(limit=TeamAccess.NARROWS)
def live(request: HttpRequest) -> HttpResponse:
    """The part of the page that refreshes itself."""
    return render(request, "ops/parts/board.html", {**_shown(request), "again": True})


def _shown(request: HttpRequest) -> dict[str, object]:
    scope, config = scope_of(request.user), conf.current()
    hours = whole_number(request.GET.get("hours", "")) or DEFAULT_HOURS
    hours = hours if hours in HOURS else DEFAULT_HOURS
    teams = list(Team.objects.visible_to(scope).order_by("name").values_list("pk", "name"))
    team = whole_number(request.GET.get("team", ""))
    if team not in dict(teams):
        team = None
    everybody = request.GET.get("show") == EVERYBODY
    number = min(max(whole_number(request.GET.get("page", "")) or 1, 1), LAST_PAGE)
    first = (number - 1) * PAGE_SIZE
    with statistics.bounded():
        known = board(ahead=timedelta(hours=hours), teams=teams_asked(scope, team), config=config)
        ids = list(known.found) if everybody else known.may_not_know
        listed = entries(ids[first : first + PAGE_SIZE], known.found, config=config)
    lines = [_line(entry, scope) for entry in listed]
    return {
        **page_context(request),
        "lines": lines,
        "remindable": [
            line["entry"].assignment.pk
            for line in lines
            if any(name == "remind-now" for name, _, _ in line["acts"])
        ],
        "back": reverse("ops:board") + (f"?{request.GET.urlencode()}" if request.GET else ""),
        "listed": ListPage(
            rows=lines,
            count=len(ids),
            number=number,
            previous=number - 1 if number > 1 else None,
            next=number + 1 if len(ids) > first + PAGE_SIZE else None,
        ),
        "looked_at": len(known.found),
        "truncated": known.truncated,
        "needs_somebody": known.needs_somebody,
        "call_first": [line["entry"].assignment for line in lines if line["call_first"]][:MOST_CALLED],
        "hours": hours,
        "choices": [(one, _in_words(one)) for one in HOURS],
        "within": _within(hours),
        "teams": teams,
        "team": team,
        "everybody": everybody,
        "taken_at": timezone.now(),
        "refresh_seconds": int(REFRESH_INTERVAL.total_seconds()),
    }


def _in_words(hours: int) -> str:
    """'12 hours'; '7 days' where it is more than one."""
    if hours > DAY:
        return ngettext("%(number)s day", "%(number)s days", hours // DAY) % {"number": hours // DAY}
    return ngettext("%(number)s hour", "%(number)s hours", hours) % {"number": hours}


def _within(hours: int) -> str:
    """The same behind a preposition, which some languages decline."""
    if hours > DAY:
        return npgettext("within", "%(number)s day", "%(number)s days", hours // DAY) % {
            "number": hours // DAY
        }
    return npgettext("within", "%(number)s hour", "%(number)s hours", hours) % {"number": hours}


def _is_offered(name: str, entry: BoardEntry) -> bool:
    """Whether there is somebody whom a reminder may reach, or something left to give away."""
    work = entry.assignment
    if name == "remind-now" and (work.assignee_id is None or entry.cause in NEED_AN_ADDRESS):
        return False
    return work.status == Status.SCHEDULED


def _line(entry: BoardEntry, scope: TeamScope) -> dict[str, Any]:
    known, person = entry.awareness, entry.person
    person_shown = person is not None and scope.holds(person.team_id)
    possible = dict(possible_actions(entry.assignment, now=timezone.now()))
    tone = TONES.get(known.rung, "sent")
    if known.told_wrong or (known.needs_somebody and not known.in_doubt):
        tone = "failed"
    elif known.in_doubt:
        tone = "unknown"
    return {
        "entry": entry,
        "tone": tone,
        "call": tel_url(person.phone) if person else "",
        "call_first": known.needs_somebody,
        "cause": CAUSES[entry.cause] if entry.cause and known.rung is Rung.UNREACHABLE else "",
        "person_shown": person_shown,
        "add_address": person_shown and known.rung is Rung.UNREACHABLE,
        "acts": [
            (name, OFFERED[name].title, label)
            for name, label in ACTS.items()
            if (name in possible if name in ACT_ACTIONS else _is_offered(name, entry))
        ],
    }
