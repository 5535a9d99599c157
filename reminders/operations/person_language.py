"""In which language a person is written to: what operators set, with its line in the audit trail."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.reasons import checked_reason
from assignments import people
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from assignments.validators import validate_language
from reminders.content.languages import text_language
from reminders.ledger.audit import record
from reminders.operations.action_types import ActionRequest, OperatorAction, Preview
from reminders.operations.contact_points import person_of
from reminders.operations.forms import ReasonForm
from reminders.operations.point_actions import PointRequest

NAME = "language"
LONGEST_TAG = 16


def accepted_codes() -> str:
    """'en, de, es or fr': the languages that there are texts in."""
    *most, last = (code for code, _ in settings.LANGUAGES)
    return gettext("%(codes)s or %(last)s") % {"codes": ", ".join(most), "last": last}


class LanguageForm(ReasonForm):
    """A code, and why."""

    field_order = ("language", "reason")
    language = forms.CharField(
        label=_("Language"),
        max_length=LONGEST_TAG,
        validators=[validate_language],
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"].help_text = gettext(
            "%(accepted_codes)s, also with a region, such as de-AT."
        ) % {"accepted_codes": accepted_codes()}


@atomically
def change_language(
    person_id: int, language: str, *, by: str, reason: str, scope: TeamScope = EVERYTHING
) -> None:
    """Sets the language of messages to this person, and of the pages behind their links.

    Raises UnknownPerson or ValidationError, by field.
    """
    reason = checked_reason(reason)
    before = person_of(person_id, scope=scope).language
    changed = people.change_assignee(person_id, {"language": language}, scope=scope)
    record(
        "change_language",
        by=by,
        reason=reason,
        selection={"person": person_id},
        before={"language": before},
        after={"language": changed.language},
    )


def _preview(request: ActionRequest) -> Preview:
    assert isinstance(request, PointRequest)
    given = request.person.language
    names = dict(settings.LANGUAGES)
    return Preview(
        summary=gettext(
            "Messages to this person, and the pages behind their links, are in this language from now on."
        ),
        facts=[
            (gettext("now"), given or gettext("none")),
            (gettext("they read"), names[text_language(given)]),
        ],
    )


def _run(request: ActionRequest, form: Any) -> str:
    assert isinstance(request, PointRequest)
    values = form.cleaned_data
    change_language(
        request.person.pk, values["language"], by=request.by, reason=values["reason"], scope=request.scope
    )
    return gettext("The language was changed.")


LANGUAGE_ACTION = OperatorAction(title=_("Language"), preview=_preview, run=_run, form=LanguageForm)
