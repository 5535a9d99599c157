"""What operators do from these pages: first what it would do, to whom; then a reason; then one call."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from reminders.operations.actions import ACTIONS, ActionRequest, resolve
from reminders.web.ops.lists import selected_ids
from reminders.web.ops.page import page, show

OUT_OF_SYNC = "out_of_sync"


@page(operator=True)
def action(request: HttpRequest, name: str) -> HttpResponse:
    """Shows what an act would do; does it once that is confirmed with a reason, and goes back."""
    proposal = ACTIONS.get(name)
    if proposal is None:
        raise Http404("There is no such action.")
    values = request.POST if request.method == "POST" else request.GET
    out_of_sync = values.get("scope") == OUT_OF_SYNC
    wish = ActionRequest(
        by=request.user.get_username(),
        ids=None if out_of_sync else tuple(selected_ids(values)),
        seen=values.get("plan", ""),
    )
    back = _back(values.get("back", ""))
    confirmed = request.method == "POST" and "confirmed" in values
    form = proposal.form(values if confirmed else None)
    if confirmed:
        settled = resolve(proposal, wish, form)
        if settled.says:
            messages.add_message(
                request, messages.SUCCESS if settled.done else messages.WARNING, settled.says
            )
        if not settled.again:
            return HttpResponseRedirect(back)
    context = {
        "proposal": proposal,
        "name": name,
        "preview": proposal.look(wish),
        "form": form,
        "back": back,
        "ids": wish.ids or (),
        "scope": OUT_OF_SYNC if out_of_sync else "",
    }
    return show(request, "act", context)


def _back(asked: str) -> str:
    """Where the operator came from, if that is one of our pages."""
    home = reverse("ops:overview")
    return asked if asked.startswith(home) and url_has_allowed_host_and_scheme(asked, None) else home
