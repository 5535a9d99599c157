"""The page behind the link in a person's mail: shows the assignment and takes a confirmation or a decline.

The address is the only credential. So it is kept out of logs, referrers and caches, and every link that does not work
(invented, incomplete, expired, no longer assigned) gets the same response.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.loader import select_template
from django.views import csrf
from django.views.decorators.http import require_http_methods

from assignments import services
from assignments.clock import database_now
from assignments.models import LONGEST_ANSWER_NOTE, Answer, Assignment, Status
from assignments.services import NotAssigned, Refused, UnknownAssignment
from reminders.content import compose, links
from reminders.content.links import Link
from reminders.web.team_limits import TeamLimit, team_limit

logger = logging.getLogger(__name__)

LINK_VALID_FOR = timedelta(days=7)
"""How long after the end of the work its link still opens; after the start where no end is known."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


class AnswerForm(forms.Form):
    """A person's answer, and the version of the plan that the page showed."""

    answer = forms.ChoiceField(
        choices=[(word.value, word.label) for word in (Answer.CONFIRMED, Answer.DECLINED)]
    )
    version = forms.IntegerField(min_value=1, max_value=2**31 - 1)
    note = forms.CharField(required=False, max_length=LONGEST_ANSWER_NOTE)


def _secret(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Sets the headers of a secret address on every response, also while the database cannot be reached."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            answer = view(request, *args, **kwargs)
        except (OperationalError, InterfaceError, InternalError) as error:  # the last: it is read-only
            logger.warning("Page without database", extra={"reason": type(error).__name__})
            answer = _page("unavailable", status=503)
            answer["Retry-After"] = "30"
        for name, value in HEADERS.items():
            answer[name] = value
        return answer

    return shown


@team_limit(TeamLimit.PUBLIC)
@_secret
@require_http_methods(["GET", "HEAD", "POST"])
def assignee_page(request: HttpRequest, token: str) -> HttpResponseBase:
    """Shows the assignment as it is now; a POST records the answer. GET changes nothing: mail scanners follow links too."""
    link = links.link_from(token)
    if link is None:
        return _not_found()
    if request.method == "POST":
        return _save_answer(request, link)
    return _show(request, link)


def _save_answer(request: HttpRequest, link: Link) -> HttpResponseBase:
    if _assigned(link) is None:
        return _not_found()
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return _show(request, link, refusal="invalid", status=400)
    shown = {"assignee_id": link.assignee_id, "version": form.cleaned_data["version"]}
    try:
        if form.cleaned_data["answer"] == Answer.CONFIRMED:
            services.confirm(link.assignment_id, **shown)
        else:
            services.decline(link.assignment_id, **shown, note=form.cleaned_data["note"])
    except (NotAssigned, UnknownAssignment):
        return _not_found()
    except Refused:
        return _show(request, link, refusal="changed", status=409)
    except ValidationError:
        return _show(request, link, refusal="invalid", status=400)
    extra = {
        "assignment_id": link.assignment_id,
        "version": shown["version"],
        "answer": form.cleaned_data["answer"],
    }
    logger.info("Assignment answered", extra=extra)
    return HttpResponseRedirect(request.path, status=303)


def _show(request: HttpRequest, link: Link, *, refusal: str = "", status: int = 200) -> HttpResponse:
    found = _assigned(link)
    if found is None:
        return _not_found()
    assignment, now = found
    person = assignment.assignee
    assert person is not None  # the link names them

    def local(instant: datetime | None) -> str:
        return compose.local_time(instant, person.time_zone, person.language) if instant else ""

    context = {
        "assignment": assignment,
        "person": person,
        "begins": local(assignment.scheduled_start),
        "ends": local(assignment.scheduled_end),
        "answered": local(assignment.answered_at),
        "when": compose.relative_time(assignment.scheduled_start - now),
        "open": assignment.status == Status.SCHEDULED,
        "news": assignment.version != link.version,
        "refusal": refusal,
        "longest": LONGEST_ANSWER_NOTE,
    }
    return _page("assignment", context, request=request, language=person.language, status=status)


def _assigned(link: Link) -> tuple[Assignment, datetime] | None:
    """The work, if it is still this person's and not long over; and the instant at which that was so."""
    rows = Assignment.objects.select_related("assignee")
    found = rows.filter(pk=link.assignment_id, assignee=link.assignee_id).first()
    if found is None:
        return None
    now = database_now()
    return (found, now) if now < (found.scheduled_end or found.scheduled_start) + LINK_VALID_FOR else None


def _not_found() -> HttpResponse:
    """The same for every link that does not work, so that it reveals neither the assignment nor the reason."""
    return _page("not_found", status=404)


def _page(
    name: str,
    context: Mapping[str, Any] | None = None,
    *,
    request: HttpRequest | None = None,
    language: str = compose.FALLBACK_LANGUAGE,
    status: int,
) -> HttpResponse:
    names = [
        f"reminders/assignee_page/{tongue}/{name}.html" for tongue in compose.language_fallbacks(language)
    ]
    return HttpResponse(select_template(names).render(dict(context or {}), request), status=status)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """A form that fails the CSRF check: here most often from a browser that keeps no cookies."""
    if request.path.startswith(links.PATH):
        return _secret(lambda _request: _page("cookies", status=403))(request)
    return csrf.csrf_failure(request, reason)
