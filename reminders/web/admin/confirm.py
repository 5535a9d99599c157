"""The page between wanting and doing: it shows what would happen, asks for a reason, and then calls one function."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from accounts import roles
from reminders.operations.actions import ActionRequest, OperatorAction, resolve


def may_operate(request: HttpRequest) -> bool:
    """Whether this person may do what operators do; viewers may not."""
    return request.user.has_perm(roles.OPERATE)


def ask(
    request: HttpRequest, proposal: OperatorAction, *, opts: Any, url: str, back: str, ids: Sequence[int] = ()
) -> HttpResponse:
    """Shows the proposal; on its confirmation does it, says what was done and goes back to the list."""
    if not may_operate(request):
        raise PermissionDenied
    wish = ActionRequest(by=request.user.get_username(), ids=tuple(ids), seen=request.POST.get("plan", ""))
    confirmed = request.method == "POST" and "confirmed" in request.POST
    form = proposal.form(request.POST if confirmed else None)
    if confirmed:
        settled = resolve(proposal, wish, form)
        if settled.says:
            messages.add_message(
                request, messages.SUCCESS if settled.done else messages.WARNING, settled.says
            )
        if not settled.again:
            return HttpResponseRedirect(back)
    context = {
        **admin.site.each_context(request),
        "title": proposal.title,
        "preview": proposal.look(wish),
        "ids": ",".join(str(pk) for pk in ids),
        "form": form,
        "url": url,
        "back": back,
        "opts": opts,
    }
    return TemplateResponse(request, "admin/reminders/confirm.html", context)
