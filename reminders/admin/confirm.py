"""The page between wanting and doing: it shows what would happen, asks for a reason, and then calls one function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from assignments.services import Refused
from reminders import lifecycle, roles
from reminders.operations import LONGEST_REASON, PlanChanged


def may_operate(request: HttpRequest) -> bool:
    """Whether this person may do what operators do; viewers may not."""
    return request.user.has_perm(roles.OPERATE)


class ReasonForm(forms.Form):
    """Why it is done."""

    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 80}),
        help_text="Kept in the audit trail beside your name, for whoever asks later.",
    )


class OptionalReasonForm(ReasonForm):
    """Why it is done, if there is more to say."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = False


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a confirmation page shows. `plan` names what was shown, and `ids` whom it is about."""

    title: str
    summary: str
    button: str
    facts: Sequence[tuple[str, object]] = ()
    warnings: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    more: int = 0
    left_alone: Sequence[tuple[object, str]] = ()
    plan: str = ""
    ids: str = ""
    possible: bool = True
    hidden: dict[str, str] = field(default_factory=dict)


def ask(
    request: HttpRequest,
    *,
    opts: Any,
    url: str,
    back: str,
    form_class: type[forms.Form] = ReasonForm,
    question: Callable[[], Question],
    act: Callable[[dict[str, Any], str], str],
) -> HttpResponse:
    """Shows the question; on its confirmation acts, says what was done and goes back to the list.

    `act` gets the form's values and the name of the plan that was shown, and answers with a sentence. What it
    refuses is said above the question as it looks now.
    """
    if not may_operate(request):
        raise PermissionDenied
    confirmed = request.method == "POST" and "confirmed" in request.POST
    form = form_class(request.POST if confirmed else None)
    if confirmed and form.is_valid():
        try:
            said = act(form.cleaned_data, request.POST.get("plan", ""))
        except PlanChanged as change:
            messages.warning(request, f"Nothing was done: {change}.")
        except (Refused, lifecycle.Disabled) as refusal:
            messages.error(request, f"Nothing was done: {refusal}.")
            return HttpResponseRedirect(back)
        except ValidationError as refusal:
            form = _with_errors(form, refusal)
        else:
            messages.success(request, said)
            return HttpResponseRedirect(back)
    shown = question()
    context = {
        **admin.site.each_context(request),
        "title": shown.title,
        "question": shown,
        "form": form,
        "url": url,
        "back": back,
        "opts": opts,
    }
    return TemplateResponse(request, "admin/reminders/confirm.html", context)


def _with_errors(form: forms.Form, refusal: ValidationError) -> forms.Form:
    for name, told in refusal.message_dict.items():
        form.add_error(name if name in form.fields else None, told)
    return form
