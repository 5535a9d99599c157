"""The confirmation of an operator's action: a preview, a form that asks for a reason, then one call.

An action with a question asks it first; what is confirmed then is the answer that the preview showed.
"""

from collections.abc import Sequence
from dataclasses import replace

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext

from reminders.operations.act_actions import ACT_ACTIONS
from reminders.operations.action_types import ActionRequest, resolve
from reminders.operations.actions import ACTIONS
from reminders.operations.calendar_actions import CALENDAR_ACTIONS
from reminders.operations.opt_out_actions import OPT_OUT_ACTIONS
from reminders.operations.plan_change_actions import PLAN_CHANGE_ACTIONS
from reminders.operations.remind_actions import REMIND_ACTIONS
from reminders.web.ops.lists import selected_ids
from reminders.web.ops.page import page, safe_back, show
from reminders.web.team_limits import TeamAccess, scope_of

OUT_OF_SYNC = "out_of_sync"
OUT_OF_SYNC_ACTIONS = ("reset", "resend", "close")
ON_ASSIGNMENTS = (*OUT_OF_SYNC_ACTIONS, *PLAN_CHANGE_ACTIONS, *REMIND_ACTIONS, *ACT_ACTIONS, *OPT_OUT_ACTIONS)
"""The actions that need assignments to act on."""

OFFERED = {
    **ACTIONS,
    **CALENDAR_ACTIONS,
    **PLAN_CHANGE_ACTIONS,
    **REMIND_ACTIONS,
    **ACT_ACTIONS,
    **OPT_OUT_ACTIONS,
}
"""Every action by its name in addresses."""

LONGEST_QUERY = 100
"""Assignments that the address of a question names; more go in the body."""


@page(operator=True, limit=TeamAccess.NARROWS)
def action(request: HttpRequest, name: str) -> HttpResponse:
    """Shows what an action would do; does it once that is confirmed with a reason, and goes back.

    Whoever is limited to teams acts on their assignments, and on nothing that concerns the whole system.
    """
    if name not in OFFERED or (name not in ON_ASSIGNMENTS and scope_of(request.user).limited):
        raise Http404(gettext("There is no such action."))
    values = request.POST if request.method == "POST" else request.GET
    back = safe_back(values.get("back", ""))
    if name in OUT_OF_SYNC_ACTIONS and values.get("scope") == OUT_OF_SYNC:
        return _confirm(request, name, ids=None, back=back)
    try:
        ids = selected_ids(values, scope_of(request.user))
    except ValidationError as refusal:
        messages.error(
            request, gettext("Nothing was done: %(messages)s") % {"messages": " ".join(refusal.messages)}
        )
        return HttpResponseRedirect(back)
    if name in ON_ASSIGNMENTS and not ids:
        messages.warning(request, gettext("Nothing was selected: select assignments first."))
        return HttpResponseRedirect(back)
    return _confirm(request, name, ids=ids, back=back)


@page(operator=True, limit=TeamAccess.NARROWS)
def confirmation(request: HttpRequest, name: str, ids: Sequence[int], back: str) -> HttpResponse:
    """The confirmation page for these assignments, as an answer to a page outside of `/ops/`, such as the admin."""
    return _confirm(request, name, ids=ids, back=back)


def _confirm(request: HttpRequest, name: str, *, ids: Sequence[int] | None, back: str) -> HttpResponse:
    chosen = OFFERED[name]
    values = request.POST if request.method == "POST" else request.GET
    requested = ActionRequest(
        by=request.user.get_username(),
        ids=None if ids is None else tuple(ids),
        plan=request.POST.get("plan", ""),
        answers={name: values.get(name, "") for name in chosen.asks},
        scope=scope_of(request.user),
    )
    question = chosen.question(requested) if chosen.question else None
    asks = question is not None and not question.is_valid()
    if question is not None:
        requested = replace(requested, answers={} if asks else question.answers())
    confirmed = request.method == "POST" and "confirmed" in request.POST and not asks
    form = chosen.form(request.POST if confirmed else None)
    if confirmed:
        resolved = resolve(chosen, requested, form)
        if resolved.message:
            level = messages.SUCCESS if resolved.done else messages.WARNING
            messages.add_message(request, level, resolved.message)
        if not resolved.again:
            return HttpResponseRedirect(back)
    few = len(requested.ids or ()) <= LONGEST_QUERY
    context = {
        "action": chosen,
        "name": name,
        "preview": chosen.preview(requested),
        "form": form,
        "question": question,
        "asks": asks,
        "shortcuts": question.shortcuts if question and not question.is_bound and few else (),
        "answers": requested.answers,
        "method": "get" if few else "post",
        "back": back,
        "ids": requested.ids or (),
        "scope": OUT_OF_SYNC if ids is None else "",
    }
    return show(request, "action", context)
