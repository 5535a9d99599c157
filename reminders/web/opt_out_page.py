"""The page behind `List-Unsubscribe` and the last line of a reminder: a person stops the reminders of a rule, or gets them
again. A GET changes nothing.

The address is the only credential, and there is no session that another site could use: so no CSRF token is asked for, and
mail programs can send the POST of RFC 8058 by themselves.
"""

from dataclasses import replace

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from assignments.merging import present_id
from assignments.models import Assignee
from reminders import conf
from reminders.content import dates, opt_out_links
from reminders.content.languages import text_language
from reminders.content.opt_out_links import OptOutLink
from reminders.ledger.opt_outs import in_force, is_mandatory
from reminders.models import OptOut
from reminders.operations import opt_outs
from reminders.operations.opt_outs import MandatoryRule
from reminders.policy.rules import DEFAULT
from reminders.web.secret_pages import not_found, secret_address, show
from reminders.web.team_limits import TeamAccess, team_limit

ONE_CLICK = ("List-Unsubscribe", "One-Click")
"""What a mail program posts (RFC 8058 section 3.2)."""


@csrf_exempt
@team_limit(TeamAccess.PUBLIC)
@secret_address
@require_http_methods(["GET", "HEAD", "POST"])
def opt_out_page(request: HttpRequest, token: str) -> HttpResponseBase:
    """Shows whether the person gets reminders of this rule; a POST stops them, or asks for them again."""
    link = opt_out_links.link_from(token)
    link = replace(link, person_id=present_id(link.person_id)) if link else None
    person = Assignee.objects.filter(pk=link.person_id, erased_at=None).first() if link else None
    if link is None or person is None:
        return not_found(request)
    if request.method != "POST":
        return _show(request, link, person)
    name, value = ONE_CLICK
    one_click = request.POST.get(name) == value
    act = "stop" if one_click else request.POST.get("act", "")
    try:
        if act == "stop":
            via = OptOut.Via.ONE_CLICK if one_click else OptOut.Via.PAGE
            opt_outs.stop(link.person_id, link.rule, via=via, config=conf.current())
        elif act == "resume":
            opt_outs.take_back(link.person_id, link.rule, config=conf.current())
        else:
            return _show(request, link, person, refused=True, status=400)
    except MandatoryRule:
        return _show(request, link, person, status=409)
    if one_click:  # RFC 8058 section 3.1: no redirect
        return _show(request, link, person)
    return HttpResponseRedirect(request.path, status=303)


def _show(
    request: HttpRequest, link: OptOutLink, person: Assignee, *, refused: bool = False, status: int = 200
) -> HttpResponse:
    since = next((one.at for one in in_force(person.pk) if one.rule == link.rule), None)
    language = text_language(person.language)
    context = {
        "person": person,
        "rule": opt_outs.name_of(link.rule),
        "is_built_in": link.rule == DEFAULT,
        "mandatory": is_mandatory(link.rule) or not conf.current().opt_out,
        "stopped": dates.local_time(since, person.time_zone, language) if since else "",
        "refused": refused,
    }
    return show("opt_out", context, request=request, language=language, status=status)
