"""`/ops/forecast`: whom messages will not reach tomorrow, by cause, while there is time to do something about it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from assignments.models import Team
from assignments.team_scope import TeamScope
from reminders import conf
from reminders.content.links import tel_url
from reminders.insight import statistics
from reminders.insight.awareness import teams_asked
from reminders.insight.next_steps import CAUSES
from reminders.insight.reach_forecast import (
    MOST_COUNTED,
    MOST_LISTED,
    ReachForecast,
    Unreached,
    reach_forecast,
)
from reminders.policy.awareness import Unreachable
from reminders.web.ops.page import page, show
from reminders.web.search import whole_number
from reminders.web.team_limits import TeamAccess, scope_of

DAYS = {0: _("today, from now on"), 1: "tomorrow", 2: _("in 2 days"), 3: _("in 3 days"), 7: _("in 7 days")}
TOMORROW = 1
TITLES = {
    Unreachable.UNASSIGNED: _("Nobody is assigned"),
    Unreachable.NO_CONTACT_POINT: _("No address"),
    Unreachable.OPTED_OUT: _("Opted out"),
    Unreachable.ALL_FAILING: _("Every address fails"),
}
ADVICE = {
    Unreachable.UNASSIGNED: _("Assign somebody."),
    Unreachable.NO_CONTACT_POINT: _("Ask the person for an address, and add it on their page."),
    Unreachable.OPTED_OUT: _("Tell the person yourself, or ask whether they want reminders again."),
    Unreachable.ALL_FAILING: _("Messages to each of their addresses come back: ask for another one."),
}


@page(limit=TeamAccess.NARROWS)
def forecast(request: HttpRequest) -> HttpResponse:
    """The day that the address asks for, else tomorrow."""
    scope = scope_of(request.user)
    days = whole_number(request.GET.get("days", ""))
    days = days if days in DAYS else TOMORROW
    teams = list(Team.objects.visible_to(scope).order_by("name").values_list("pk", "name"))
    team = whole_number(request.GET.get("team", ""))
    if team not in dict(teams):
        team = None
    with statistics.bounded():
        found = reach_forecast(
            days_ahead=days, team=team, teams=teams_asked(scope, team), config=conf.current()
        )
    return show(
        request,
        "forecast",
        {
            "forecast": found,
            "sections": list(_sections(found, scope)),
            "listed_at_most": MOST_LISTED,
            "counted_at_most": MOST_COUNTED,
            "days": days,
            "choices": DAYS.items(),
            "teams": teams,
            "team": team,
            "back": reverse("ops:forecast") + (f"?{request.GET.urlencode()}" if request.GET else ""),
        },
    )


def _line(one: Unreached, scope: TeamScope) -> dict[str, Any]:
    person = one.person
    person_shown = person is not None and scope.holds(person.team_id)
    return {
        "work": one.assignment,
        "call": tel_url(person.phone) if person else "",
        "person_shown": person_shown,
    }


def _sections(found: ReachForecast, scope: TeamScope) -> Any:
    """Each cause that there is, with its work."""
    for cause, number in found.by_cause.items():
        if number:
            lines = [_line(one, scope) for one in found.unreached if one.cause is cause]
            yield {
                "name": cause.value,
                "title": TITLES[cause],
                "why": CAUSES[cause],
                "advice": ADVICE[cause],
                "number": number,
                "lines": lines,
            }
