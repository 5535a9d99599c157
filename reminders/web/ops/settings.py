"""What people set for themselves on the Ops pages: the zone of their times, their language, and saved views of lists."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    QueryDict,
)
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import preferences
from accounts.models import SavedView
from assignments.instants import known_zone
from reminders.web.language import NAMES, language_of
from reminders.web.ops.page import page, show
from reminders.web.search import clean_text
from reminders.web.team_limits import TeamAccess

LISTS = {
    "assignments": ("show", "status", "reminder_status", "answer", "when", "q"),
    "people": ("team", "reach", "q"),
    "reminders": ("show", "reason", "kind", "rule", "after", "before", "q"),
}
"""The lists whose views can be saved, each with what a view holds."""


class SettingsForm(forms.Form):
    """The settings of a person."""

    time_zone = forms.CharField(
        label=_("Time zone"),
        required=False,
        max_length=64,
        help_text=_(
            "The zone in which you read times, such as Europe/Berlin. Empty: that of the installation."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=[("", _("as the browser asks")), *NAMES.items()],
        help_text=_(
            "The language of these pages and of the admin. Messages to people are in the language of each person."
        ),
    )

    def clean_time_zone(self) -> str:
        name = str(self.cleaned_data["time_zone"])
        if name and known_zone(name) is None:
            raise ValidationError(
                gettext("That is not a time zone: a name like Europe/Berlin is needed."), code="invalid"
            )
        return name


@page(posts=True, limit=TeamAccess.NARROWS)
def settings(request: HttpRequest) -> HttpResponse:
    """Your settings."""
    if request.method == "POST":
        form = SettingsForm(request.POST)
        if form.is_valid():
            preferences.set_time_zone(request.user, form.cleaned_data["time_zone"])
            preferences.set_language(request.user, form.cleaned_data["language"])
            with translation.override(language_of(request)):
                messages.success(request, gettext("Your settings are saved."))
            return HttpResponseRedirect(reverse("ops:settings"))
    else:
        form = SettingsForm(
            {
                "time_zone": preferences.time_zone_of(request.user),
                "language": preferences.language_of(request.user),
            }
        )
    installation = timezone.get_default_timezone_name()
    return show(request, "settings", {"form": form, "installation": installation})


@page(posts=True, limit=TeamAccess.NARROWS)
def save_view(request: HttpRequest) -> HttpResponse:
    """Saves the filters of a list under a name, and goes back to the list."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    listed = request.POST.get("list", "")
    if listed not in LISTS:
        raise Http404(gettext("There is no such list."))
    query = kept(QueryDict(request.POST.get("query", "")), LISTS[listed])
    try:
        view = preferences.save_view(request.user, listed, request.POST.get("name", ""), query)
        messages.success(request, gettext("The view “%(name)s” is saved.") % {"name": view.name})
    except ValidationError as refusal:
        reasons = " ".join(refusal.messages)
        messages.warning(request, gettext("Nothing was saved: %(reasons)s") % {"reasons": reasons})
    return HttpResponseRedirect(f"{reverse(f'ops:{listed}')}?{query}")


@page(posts=True, limit=TeamAccess.NARROWS)
def remove_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Removes a view, and goes back to the list as it showed it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    view = preferences.remove_view(request.user, pk)
    if view is None or view.page not in LISTS:
        raise Http404(gettext("You have saved no such view."))
    messages.success(request, gettext("The view “%(name)s” is removed.") % {"name": view.name})
    return HttpResponseRedirect(f"{reverse(f'ops:{view.page}')}?{view.query}")


def views_shown(request: HttpRequest, listed: str) -> dict[str, Any]:
    """What a list shows of the saved views: each with whether it is what is shown, and the query that would be saved."""
    query = kept(request.GET, LISTS[listed])
    views: list[tuple[SavedView, bool]] = [
        (view, view.query == query) for view in preferences.views_of(request.user, listed)
    ]
    return {"list": listed, "views": views, "query": query, "most": preferences.LONGEST_NAME}


def kept(values: QueryDict, names: tuple[str, ...]) -> str:
    """Those of the values that a view holds, as the query of an address, always in one order."""
    chosen = QueryDict(mutable=True)
    for name in names:
        if text := clean_text(values.get(name)):
            chosen[name] = text
    return chosen.urlencode()
