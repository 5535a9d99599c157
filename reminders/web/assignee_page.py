"""The page behind the link in a person's mail: shows the assignment, and takes the acts that make sense now.

The address is the only credential. So it is kept out of logs, referrers and caches, and every link that does not work
(invented, incomplete, expired) gets the same response. A link of ours to work that is somebody else's by now says that
much, and nothing of the work.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.views import csrf
from django.views.decorators.http import require_http_methods

from assignments import act_rules, acts
from assignments.act_rules import LEAST_LATE, MOST_LATE
from assignments.clock import database_now
from assignments.history import Actor
from assignments.merging import present_id
from assignments.models import LONGEST_ANSWER_NOTE, ActKind, Answer, Assignee, Assignment
from assignments.services import NotAssigned, Refused, Stale, UnknownAssignment
from reminders.content import calendar_links, dates, links
from reminders.content.languages import text_language
from reminders.content.links import Link
from reminders.ledger.escalations import heard_of
from reminders.policy.escalation import EscalationTrigger
from reminders.web import unsent
from reminders.web.secret_pages import not_found, secret_address, show
from reminders.web.team_limits import TeamAccess, team_limit

logger = logging.getLogger(__name__)

LINK_VALID_FOR = timedelta(days=7)
"""How long after the end of the work its link still opens; after the start where no end is known."""

LATE_BY = (15, 30, 45, 60, 90, 120, 180, 240)
LATE_CHOICES = 4
"""How late one may be by a tap: the first so many of these that lie ahead."""

ANSWERS = {ActKind.CONFIRM: Answer.CONFIRMED.value, ActKind.DECLINE: Answer.DECLINED.value}
FORMER_ANSWERS = {answer: act for act, answer in ANSWERS.items()}
"""What the pages of the release before send as `answer`; they may be open still."""


class ActForm(forms.Form):
    """What a person does, and the version of the plan that the page showed."""

    act = forms.ChoiceField(choices=ActKind)
    version = forms.IntegerField(min_value=1, max_value=2**31 - 1)
    note = forms.CharField(required=False, max_length=LONGEST_ANSWER_NOTE)
    minutes = forms.IntegerField(required=False, min_value=LEAST_LATE, max_value=MOST_LATE)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("act") == ActKind.LATE and values.get("minutes") is None:
            self.add_error("minutes", "Say how late you will be.")
        return values


class _NoLongerTheirs(Exception):
    """The work is somebody else's by now, or nobody's."""


@team_limit(TeamAccess.PUBLIC)
@secret_address
@require_http_methods(["GET", "HEAD", "POST"])
def assignee_page(request: HttpRequest, token: str) -> HttpResponseBase:
    """Shows the assignment as it is now; a POST is an act. GET changes nothing: mail scanners follow links too."""
    link = links.link_from(token)
    if link is None:
        return not_found(request)
    try:
        return _act(request, link) if request.method == "POST" else _show(request, link)
    except UnknownAssignment:
        return not_found(request)
    except (NotAssigned, _NoLongerTheirs):
        return show("no_longer_yours", request=request, language=_language_of(link), status=410)


def _act(request: HttpRequest, link: Link) -> HttpResponseBase:
    assignment, _ = _assigned(link)
    assert assignment.assignee_id is not None  # the link names them
    values = request.POST.copy()
    if "act" not in values and (former := FORMER_ANSWERS.get(values.get("answer", ""))):
        values["act"] = former
    form = ActForm(values)
    if not form.is_valid():
        return _show(request, link, refusal="invalid", status=400)
    did = form.cleaned_data
    try:
        acts.carry_out(
            ActKind(did["act"]),
            link.assignment_id,
            actor=Actor.assignee(assignment.assignee_id),
            version=did["version"],
            minutes=did["minutes"],
            note=did["note"],
        )
    except NotAssigned:
        raise
    except Stale:
        return _show(request, link, refusal="changed", status=409)
    except Refused:
        return _show(request, link, refusal="not_now", status=409)
    except ValidationError:
        return _show(request, link, refusal="invalid", status=400)
    if (answer := ANSWERS.get(did["act"])) is not None:
        extra = {"assignment_id": link.assignment_id, "version": did["version"], "answer": answer}
        logger.info("Assignment answered", extra=extra)
    return HttpResponseRedirect(request.path, status=303)


def _show(request: HttpRequest, link: Link, *, refusal: str = "", status: int = 200) -> HttpResponse:
    assignment, now = _assigned(link)
    person = assignment.assignee
    assert person is not None  # the link names them

    language = text_language(person.language)

    def local(instant: datetime | None) -> str:
        return dates.local_time(instant, person.time_zone, language) if instant else ""

    following, others = act_rules.sensible_acts(assignment, now=now)
    start = assignment.scheduled_start
    late_by = [minutes for minutes in LATE_BY if start + timedelta(minutes=minutes) > now][:LATE_CHOICES]
    context = {
        "assignment": assignment,
        "person": person,
        "begins": local(assignment.scheduled_start),
        "ends": local(assignment.scheduled_end),
        "answered": local(assignment.answered_at),
        "expected": local(assignment.expected_start),
        "on_my_way": local(assignment.on_my_way_at),
        "started": local(assignment.started_at),
        "completed": local(assignment.completed_at),
        "when": dates.relative_time(start - now, language, planned=True),
        "next": following,
        "others": [act for act in others if act is not ActKind.LATE or late_by],
        "late_by": late_by,
        "heard": _heard(assignment),
        "news": assignment.version != link.version,
        "refusal": refusal,
        "longest": LONGEST_ANSWER_NOTE,
        "calendar": calendar_links.url_of(person),
    }
    return show("assignment", context, request=request, language=language, status=status)


def _heard(assignment: Assignment) -> str:
    """Whether supervisors know what this person has said last; asked only where they have."""
    if assignment.answer == Answer.DECLINED:
        return heard_of(assignment, EscalationTrigger.DECLINED).value
    return heard_of(assignment, EscalationTrigger.LATE).value if assignment.expected_start else ""


def _assigned(link: Link) -> tuple[Assignment, datetime]:
    """The work, and the instant at which it was this person's. Raises _NoLongerTheirs, or UnknownAssignment where there
    is none or it is long over.
    """
    found = Assignment.objects.select_related("assignee").filter(pk=link.assignment_id).first()
    now = database_now()
    if found is None or now >= (found.scheduled_end or found.scheduled_start) + LINK_VALID_FOR:
        raise UnknownAssignment
    if (
        found.assignee is not None
        and found.assignee.erased_at is None
        and found.assignee_id not in (link.assignee_id, None)
        and present_id(link.assignee_id) == found.assignee_id
    ):
        return found, now
    if found.assignee is not None and found.assignee.erased_at is not None:
        raise _NoLongerTheirs
    if found.assignee_id != link.assignee_id:
        raise _NoLongerTheirs
    return found, now


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """A form that fails the CSRF check: here most often from a browser that keeps no cookies."""
    if not request.path.startswith(links.PATH):
        fields = unsent.fields_of(request) if unsent.may_keep(request) else []
        return unsent.kept_form(request, fields) if fields else csrf.csrf_failure(request, reason)
    link = links.link_from(request.path.removeprefix(links.PATH))

    def refused(request: HttpRequest) -> HttpResponse:
        return show("cookies", request=request, language=_language_of(link) if link else None, status=403)

    return secret_address(refused)(request)


def _language_of(link: Link) -> str | None:
    """The language of texts of the person whose link it is; None where there is nobody any more."""
    found = (
        Assignee.objects.filter(pk=present_id(link.assignee_id)).values_list("language", flat=True).first()
    )
    return None if found is None else text_language(found)
