"""The pages on which who answers for privacy exports what is known of a person, and erases them."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.roles import PRIVACY, PRIVACY_OFFICERS
from assignments.models import Assignee
from assignments.services import Refused
from reminders.operations import erasing, person_exports
from reminders.operations.contact_points import UnknownPerson, person_of
from reminders.operations.forms import ReasonForm
from reminders.web.ops.page import error_page, page, show
from reminders.web.team_limits import TeamAccess, scope_of

FIGURES = {
    "names": gettext_lazy("names"),
    "references": gettext_lazy("references"),
    "contact_points": gettext_lazy("addresses"),
    "notes": gettext_lazy("notes with answers"),
    "verifications": gettext_lazy("verifications"),
    "opt_outs": gettext_lazy("opt-outs"),
    "supervised_teams": gettext_lazy("teams that they supervise"),
    "calendar_addresses": gettext_lazy("calendar addresses"),
    "assignments": gettext_lazy("assignments"),
    "reminders": gettext_lazy("reminders"),
    "attempts": gettext_lazy("attempts"),
    "archived_reminders": gettext_lazy("archived reminders"),
    "acts": gettext_lazy("acts"),
    "audit_entries": gettext_lazy("audit entries about them"),
}
"""What a plan counts, in words."""


class EraseForm(ReasonForm):
    """Why, and the number of the person, typed by hand."""

    field_order = ("reason", "confirm")
    confirm = forms.CharField(
        max_length=20,
        label=gettext_lazy("Number of the person"),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, person: Assignee, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._person = person
        self.fields["confirm"].help_text = _("Type %(pk)s: nothing brings this person back.") % {
            "pk": person.pk
        }
        self.fields["reason"].help_text = _("Kept in the audit trail beside your name. Name nobody in it.")

    def clean_confirm(self) -> str:
        typed = str(self.cleaned_data["confirm"]).strip().removeprefix("#")
        if typed != str(self._person.pk):
            message = _("That is another number: type %(pk)s to erase this person.")
            raise ValidationError(message % {"pk": self._person.pk})
        return typed


def may_answer_for_privacy(request: HttpRequest) -> bool:
    return bool(request.user.has_perm(PRIVACY))


@page(posts=True, limit=TeamAccess.NARROWS)
def erase(request: HttpRequest, pk: int) -> HttpResponse:
    """Shows what would go and what would stay, and erases with a reason and the number of the person."""
    found, refused = _person(request, pk)
    if refused is not None:
        return refused
    scope, back = scope_of(request.user), reverse("ops:person", args=[pk])
    if found.merged_into_id is not None or found.erased_at is not None:
        return HttpResponseRedirect(back)
    form = EraseForm(request.POST if request.method == "POST" else None, person=found)
    refusal = ""
    if request.method == "POST" and form.is_valid():
        by, reason = request.user.get_username(), form.cleaned_data["reason"]
        try:
            done = erasing.erase(pk, by=by, reason=reason, scope=scope)
            messages.success(request, _("Person %(pk)s was erased.") % {"pk": pk})
            if not done.finished:
                messages.info(request, _("Texts that name them are still being looked through."))
            return HttpResponseRedirect(back)
        except Refused as error:
            refusal = _("Nothing was done: %(reason)s.") % {"reason": error}
        except ValidationError as error:
            form.add_error("reason", error.messages)
    plan = erasing.plan_erasure(pk, scope=scope)
    figures = {
        name: [(FIGURES[key], number) for key, number in rows.items()]
        for name, rows in (("goes", plan.goes), ("stays", plan.stays))
    }
    context = {"person": found, "plan": plan, **figures, "refusal": refusal, "form": form, "back": back}
    return show(request, "person_erase", context)


@page(posts=True, limit=TeamAccess.NARROWS)
def export(request: HttpRequest, pk: int) -> HttpResponse:
    """A file with everything that is known of the person; asking for it is recorded, so it takes a POST."""
    found, refused = _person(request, pk)
    if refused is not None:
        return refused
    if request.method != "POST":
        return HttpResponseRedirect(reverse("ops:person", args=[pk]))
    person_id = found.merged_into_id or pk
    known = person_exports.export_person(
        person_id, by=request.user.get_username(), scope=scope_of(request.user)
    )
    response = JsonResponse(known, json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = f'attachment; filename="person-{person_id}.json"'
    return response


def _person(request: HttpRequest, pk: int) -> tuple[Assignee, HttpResponse | None]:
    try:
        found = person_of(pk, scope=scope_of(request.user))
    except UnknownPerson:
        raise Http404(_("There is no person with the number %(pk)s.") % {"pk": pk}) from None
    if may_answer_for_privacy(request):
        return found, None
    message = _("This needs the role “%(role)s”.") % {"role": PRIVACY_OFFICERS}
    return found, error_page(request, 403, _("Only who answers for privacy may do this"), message)
