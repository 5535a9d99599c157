"""What operators are offered about one address of a person: words, preview, form and the one call."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.contact_point import ContactChannel, ContactPoint
from assignments.contact_points import LONGEST_ADDRESS, MOST_POINTS
from assignments.models import Assignee
from reminders import conf
from reminders.insight.stored_words import fault_in_words
from reminders.operations import contact_points, verifications
from reminders.operations.action_types import ActionRequest, OperatorAction, Preview
from reminders.operations.forms import ReasonForm, Text
from reminders.operations.verifications import NotVerifiable
from reminders.policy.ways import is_set_up


@dataclass(frozen=True, slots=True, kw_only=True)
class PointRequest(ActionRequest):
    """An action on a person, or on one of their addresses."""

    person: Assignee
    point: ContactPoint | None = None


class AddPointForm(ReasonForm):
    """An address, its channel and its place."""

    field_order = ("channel", "address", "order", "reason")
    channel = forms.ChoiceField(label=_("Channel"), choices=ContactChannel.choices)
    address = forms.CharField(
        label=_("Address"),
        max_length=LONGEST_ADDRESS,
        help_text=_(
            "An e-mail address, a telephone number such as +4930123456, or the URL of a chat service."
        ),
    )
    order = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_POINTS,
        label=_("Place"),
        help_text=_("1: it is tried first. Empty: it is tried last."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        channel = self.fields["channel"]
        assert isinstance(channel, forms.ChoiceField)
        channel.choices = [
            (
                name,
                label if _is_set_up(name) else gettext("%(channel)s (not set up here)") % {"channel": label},
            )
            for name, label in ContactChannel.choices
        ]


class MovePointForm(ReasonForm):
    """A place."""

    field_order = ("order", "reason")
    order = forms.IntegerField(
        min_value=1, max_value=MOST_POINTS, initial=1, label=_("Place"), help_text=_("1: it is tried first.")
    )


class CodeForm(forms.Form):
    """The code of an SMS."""

    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )


def _point(request: ActionRequest) -> tuple[Assignee, ContactPoint]:
    assert isinstance(request, PointRequest)
    assert request.point is not None
    return request.person, request.point


def _about(
    summary: Text, possible: Callable[[ContactPoint], bool] = lambda point: True
) -> Callable[[ActionRequest], Preview]:
    def preview(request: ActionRequest) -> Preview:
        _, point = _point(request)
        facts = [
            (gettext("channel"), point.get_channel_display()),
            (gettext("address"), point.shown_address),
            (gettext("place"), point.order),
        ]
        return Preview(summary=str(summary), facts=facts, possible=possible(point))

    return preview


def not_set_up(channel: str) -> str:
    """What is said of an address to which nothing is sent."""
    return gettext("%(channel)s is not set up here: nothing is sent to such an address.") % {
        "channel": capfirst(ContactChannel(channel).label)
    }


def _is_set_up(channel: str) -> bool:
    return is_set_up(channel, conf.current())


def _preview_add(request: ActionRequest) -> Preview:
    return Preview(
        summary=(
            gettext(
                "Messages go to the first address that works. What one refuses for good goes to the next. What failed for "
                "want of an address and is still of use is tried again."
            )
        )
    )


def _run_add(request: ActionRequest, form: Any) -> str:
    assert isinstance(request, PointRequest)
    values = form.cleaned_data
    contact_points.add(
        request.person.pk,
        values["channel"],
        values["address"],
        order=values["order"],
        by=request.by,
        reason=values["reason"],
        scope=request.scope,
    )
    added = gettext("The address was added.")
    return added if _is_set_up(values["channel"]) else f"{added} {not_set_up(values['channel'])}"


def _run_move(request: ActionRequest, form: Any) -> str:
    person, point = _point(request)
    values = form.cleaned_data
    contact_points.move(
        person.pk, point.pk, values["order"], by=request.by, reason=values["reason"], scope=request.scope
    )
    return gettext("The order was changed.")


def _run(call: Callable[..., None], done: Text) -> Callable[[ActionRequest, Any], str]:
    def run(request: ActionRequest, form: Any) -> str:
        person, point = _point(request)
        reason = form.cleaned_data["reason"]
        call(person.pk, point.pk, by=request.by, reason=reason, scope=request.scope)
        return str(done)

    return run


def _run_verify(request: ActionRequest, form: Any) -> str:
    person, point = _point(request)
    sent = verifications.send(
        person.pk,
        point.pk,
        by=request.by,
        reason=form.cleaned_data["reason"],
        config=conf.current(),
        scope=request.scope,
    )
    if not verifications.was_sent(sent):
        raise NotVerifiable(
            (
                gettext("the message was not accepted: %(code)s %(detail)s")
                % {"code": sent.code, "detail": fault_in_words(sent.detail)}
            ).strip()
        )
    return gettext("A message is on its way there. It is good for 24 hours.")


def _run_code(request: ActionRequest, form: Any) -> str:
    person, point = _point(request)
    verifications.enter_code(person.pk, point.pk, form.cleaned_data["code"], scope=request.scope)
    return gettext("The address is verified.")


ADD = "add"
POINT_ACTIONS = {
    ADD: OperatorAction(title=_("Add an address"), preview=_preview_add, run=_run_add, form=AddPointForm),
    "move": OperatorAction(
        title=_("Change the order"),
        preview=_about(_("Addresses are tried in their order, the first one first.")),
        run=_run_move,
        form=MovePointForm,
    ),
    "opt-in": OperatorAction(
        title=_("Send there again"),
        preview=_about(
            _(
                "This person has asked for no messages there. Undo it only if they have asked for that: your reason is kept."
            ),
            lambda point: point.opted_out_at is not None,
        ),
        run=_run(contact_points.opt_in, _("Messages go there again.")),
        form=ReasonForm,
    ),
    "working": OperatorAction(
        title=_("Mark as working"),
        preview=_about(
            _(
                "Messages to it came back, so it is tried after all others. Marked as working it is tried in its "
                "order again."
            ),
            lambda point: point.failing_since is not None,
        ),
        run=_run(contact_points.mark_working, _("It is tried in its order again.")),
        form=ReasonForm,
    ),
    "verify": OperatorAction(
        title=_("Have it verified"),
        preview=_about(
            _(
                "A message goes there with a link, by SMS with a code. With that the person shows that the address "
                "is theirs."
            )
        ),
        run=_run_verify,
        form=ReasonForm,
    ),
    "code": OperatorAction(
        title=_("Enter the code"),
        preview=_about(_("The person tells you the six digits of the last SMS.")),
        run=_run_code,
        form=CodeForm,
    ),
    "remove": OperatorAction(
        title=_("Remove the address"),
        preview=_about(
            _("What would have gone there goes to the next address of this person, if there is one.")
        ),
        run=_run(contact_points.remove, _("The address was removed.")),
        form=ReasonForm,
        destructive=True,
    ),
}
"""The actions by their names in addresses."""


def possible_on(point: ContactPoint) -> list[tuple[str, str]]:
    """Name and title of the actions that would change something about this address now."""
    left_out = {ADD}
    if point.verified_at is not None or point.opted_out_at is not None:
        left_out.add("verify")
    if not _is_set_up(point.channel):
        left_out |= {"verify", "code"}
    if point.verified_at is not None or point.channel != ContactChannel.SMS:
        left_out.add("code")
    if point.opted_out_at is None:
        left_out.add("opt-in")
    if point.failing_since is None:
        left_out.add("working")
    return [(name, str(action.title)) for name, action in POINT_ACTIONS.items() if name not in left_out]
