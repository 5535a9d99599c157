"""The page on which an operator enters new work: a form, what would become of it, and then it is made, once."""

import secrets

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext

from reminders import conf
from reminders.operations.new_work import NewWorkForm, make, preview
from reminders.web.ops.page import page, safe_back, show
from reminders.web.team_limits import TeamAccess, scope_of

GIVEN = ("to", "start", "zone", "team", "kind", "title")
"""Values that an address may fill in."""


@page(operator=True, limit=TeamAccess.NARROWS)
def new_assignment(request: HttpRequest) -> HttpResponse:
    """Asks for the values, shows what would happen, and makes the work once that is confirmed."""
    scope = scope_of(request.user)
    values = request.POST if request.method == "POST" else request.GET
    back = safe_back(values.get("back", ""), "ops:assignments")
    initial = {name: values[name] for name in GIVEN if name in values}
    form = NewWorkForm(request.POST or None, scope=scope, initial=initial)
    key, shown = request.POST.get("key", "")[:40], None
    if request.POST and "edit" not in request.POST:
        if "confirmed" in request.POST and key:
            try:
                made = make(form, by=request.user.get_username(), scope=scope, key=key)
            except ValidationError as refusal:
                form.refused(refusal)
            except IntegrityError:
                form.add_error("reference", gettext("Another assignment has this reference."))
            else:
                if made is not None:
                    if made.is_new:
                        title = form.cleaned_data["title"]
                        said = gettext("“%(title)s” was made: assignment %(id)s.") % {
                            "title": title,
                            "id": made.id,
                        }
                        link = reverse("ops:explain", args=[made.id])
                        messages.success(
                            request, format_html('{} <a href="{}">{}</a>', said, link, gettext("Look at it"))
                        )
                    else:
                        messages.warning(
                            request,
                            gettext("This was confirmed before: it is assignment %(id)s.") % {"id": made.id},
                        )
                    return HttpResponseRedirect(back)
        if form.is_valid():
            shown, key = preview(form, config=conf.current(), scope=scope), secrets.token_urlsafe(12)
    context = {"form": form, "preview": shown, "key": key, "back": back, "address": reverse("ops:new")}
    return show(request, "new_assignment", context)
