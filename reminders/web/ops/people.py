"""The page of one person: how they are reached, what comes, what they were sent; and what operators do about it."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from accounts import roles
from assignments.contact_point import ContactChannel
from assignments.instants import known_zone
from assignments.models import Answer, Assignee, Assignment, Status
from assignments.services import Refused
from reminders import conf
from reminders.content.links import tel_url
from reminders.insight.person import overview_of
from reminders.operations import erasing, merging
from reminders.operations.action_types import SHOWN, resolve
from reminders.operations.assignee_choice import OtherPersonForm
from reminders.operations.contact_points import UnknownContactPoint, UnknownPerson, person_of, point_of
from reminders.operations.forms import ReasonForm
from reminders.operations.person_language import LANGUAGE_ACTION
from reminders.operations.person_language import NAME as LANGUAGE
from reminders.operations.point_actions import ADD, POINT_ACTIONS, PointRequest, not_set_up, possible_on
from reminders.operations.quiet_hours import PERSON_ACTIONS, hours_in_force
from reminders.policy.ways import is_set_up
from reminders.web.ops.page import page, safe_back, show
from reminders.web.team_limits import TeamAccess, scope_of

WITHOUT_ADDRESS = {**PERSON_ACTIONS, LANGUAGE: LANGUAGE_ACTION}
OFFERED = {**POINT_ACTIONS, **WITHOUT_ADDRESS}
"""What operators do about a person, by its name in addresses."""


@page(limit=TeamAccess.NARROWS)
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """The addresses of a person with what is known of each, their work, and their last messages."""
    found, scope = _person(request, pk), scope_of(request.user)
    if found.merged_into_id is not None:
        return HttpResponseRedirect(reverse("ops:person", args=[found.merged_into_id]))
    may_erase = request.user.has_perm(roles.PRIVACY)
    if found.erased_at is not None:
        context = {"person": found, "erasure": erasing.state_of(pk), "may_erase": may_erase}
        return show(request, "person_erased", {**context, "overview": overview_of(found, scope=scope)})
    overview = overview_of(found, scope=scope)
    first: set[str] = set()
    points, usable, config = [], False, conf.current()
    for point in overview.points:
        call = tel_url(point.address) if point.channel == ContactChannel.SMS else ""
        unused = "" if is_set_up(point.channel, config) else not_set_up(point.channel)
        points.append((point, point.channel not in first, possible_on(point), call, unused))
        first.add(point.channel)
        usable = usable or not (unused or point.opted_out_at)
    return show(
        request,
        "person",
        {
            "person": found,
            "points": points,
            "usable": usable,
            "local_time": f"{timezone.localtime(timezone=known_zone(found.time_zone)):%H:%M}",
            "overview": overview,
            "may_erase": may_erase,
            "quiet": hours_in_force(found),
            "remindable": [one.pk for one in overview.upcoming if may_be_reminded(one)],
        },
    )


def may_be_reminded(work: Assignment) -> bool:
    """Whether an operator is offered to remind its assignee at once."""
    return work.status == Status.SCHEDULED and work.answer != Answer.DECLINED


@page(operator=True, limit=TeamAccess.NARROWS)
def act(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Asks for a reason, does it, and goes back to the person's page."""
    found, scope = _person(request, pk), scope_of(request.user)
    if name not in OFFERED:
        raise Http404(gettext("There is no such action."))
    values = request.POST if request.method == "POST" else request.GET
    given = values.get("point", "")
    point = None
    if name != ADD and name not in WITHOUT_ADDRESS:
        try:
            number = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else 0
            point = point_of(pk, number, scope=scope)
        except UnknownContactPoint:
            raise Http404(gettext("This person has no such address.")) from None
    chosen, own_page = OFFERED[name], reverse("ops:person", args=[pk])
    back = safe_back(values["back"]) if values.get("back") else own_page
    requested = PointRequest(by=request.user.get_username(), person=found, point=point, scope=scope)
    own = {"quiet_from": found.quiet_from, "quiet_until": found.quiet_until, "language": found.language}
    form = chosen.form(request.POST if request.method == "POST" else None, initial=own)
    if request.method == "POST":
        resolved = resolve(chosen, requested, form)
        if resolved.message:
            level = messages.SUCCESS if resolved.done else messages.WARNING
            messages.add_message(request, level, resolved.message)
        if not resolved.again:
            return HttpResponseRedirect(back)
    preview = chosen.preview(requested)
    context = {
        "person": found,
        "point": point,
        "action": chosen,
        "preview": preview,
        "form": form,
        "back": back,
        "own_page": own_page,
    }
    return show(request, "person_act", context)


@page(operator=True, limit=TeamAccess.NARROWS)
def merge(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks who was entered a second time, shows what would move, and moves it with a reason."""
    found, scope = _person(request, pk), scope_of(request.user)
    back = reverse("ops:person", args=[pk])
    values = request.POST if request.method == "POST" else request.GET
    question = OtherPersonForm(values if "other" in values else None, scope=scope)
    plan, refusal, form = None, "", ReasonForm(request.POST if request.method == "POST" else None)
    if question.is_valid():
        other = question.cleaned_data["other"]
        try:
            plan = merging.plan_merge(pk, other.pk, scope=scope)
            if request.method == "POST" and form.is_valid():
                merging.merge(
                    pk,
                    other.pk,
                    by=request.user.get_username(),
                    reason=form.cleaned_data["reason"],
                    config=conf.current(),
                    plan=request.POST.get("plan", "-"),
                    scope=scope,
                )
                messages.success(
                    request, gettext("Person %(pk)s was merged into this one.") % {"pk": other.pk}
                )
                return HttpResponseRedirect(back)
        except Refused as refused:
            refusal = gettext("Nothing was done: %(refused)s.") % {"refused": refused}
    context = {
        "person": found,
        "question": question,
        "plan": plan,
        "work": plan.work[:SHOWN] if plan else [],
        "refusal": refusal,
        "form": form,
        "back": back,
    }
    return show(request, "person_merge", context)


def _person(request: HttpRequest, pk: int) -> Assignee:
    try:
        return person_of(pk, scope=scope_of(request.user))
    except UnknownPerson:
        raise Http404(gettext("There is no person with the number %(pk)s.") % {"pk": pk}) from None
