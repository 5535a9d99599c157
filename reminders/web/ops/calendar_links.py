"""The page on which operators read, renew and revoke the calendar address of a person or a team."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext

from assignments.models import Assignee, Team
from reminders.content import calendar_links as links
from reminders.operations import calendar_links
from reminders.operations.contact_points import UnknownPerson, person_of
from reminders.operations.forms import ReasonForm
from reminders.web.ops.page import page, show
from reminders.web.team_limits import TeamAccess, scope_of


@page(operator=True, limit=TeamAccess.NARROWS)
def of_person(request: HttpRequest, pk: int) -> HttpResponse:
    """That of a person, linked from their page."""
    try:
        found = person_of(pk, scope=scope_of(request.user))
    except UnknownPerson:
        raise Http404(gettext("There is no person with the number %(pk)s.") % {"pk": pk}) from None
    if found.merged_into_id is not None:
        return HttpResponseRedirect(reverse("ops:person-calendar", args=[found.merged_into_id]))
    if found.erased_at is not None:
        return HttpResponseRedirect(reverse("ops:person", args=[pk]))
    return _shown(request, found, back=reverse("ops:person", args=[pk]))


@page(operator=True, limit=TeamAccess.NARROWS)
def of_team(request: HttpRequest, pk: int) -> HttpResponse:
    """That of a team, linked from its page in the admin."""
    found = Team.objects.visible_to(scope_of(request.user)).filter(pk=pk).first()
    if found is None:
        raise Http404(gettext("There is no team with the number %(pk)s.") % {"pk": pk})
    return _shown(request, found, back=reverse("admin:assignments_team_change", args=[pk]))


def _shown(request: HttpRequest, owner: Assignee | Team, *, back: str) -> HttpResponse:
    form = ReasonForm(request.POST if request.method == "POST" else None)
    acts = {
        "renew": (calendar_links.renew, gettext("There is a new address. The former one works no longer.")),
        "revoke": (calendar_links.revoke, gettext("The address works no longer.")),
    }
    chosen = acts.get(request.POST.get("act", ""))
    if request.method == "POST" and chosen and form.is_valid():
        call, done = chosen
        try:
            call(owner, by=request.user.get_username(), reason=form.cleaned_data["reason"])
            messages.success(request, done)
            return HttpResponseRedirect(request.path)
        except ValidationError as refused:
            form.add_error(None, refused)
    path = links.path_of(owner)
    url = links.url_of(owner) or (request.build_absolute_uri(path) if path else "")
    context = {"owner": owner, "is_team": isinstance(owner, Team), "url": url, "form": form, "back": back}
    return show(request, "calendar_link", context)
