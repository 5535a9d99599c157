"""What an action of an operator consists of: who asks, what the preview shows, the form, and what came of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from assignments.services import Refused
from assignments.team_scope import EVERYTHING, TeamScope
from reminders.delivery import scan
from reminders.delivery.hints import BrokerDown
from reminders.operations.forms import QuestionForm, Text
from reminders.operations.plans import WORDS, ActionPlan, PlanChanged, Selection, Skipped, Target

MAX_TARGETS = 5_000
"""Assignments that one action takes on; more are a matter for `manage.py reset_reminders`."""

SHOWN = 100
"""Rows that a preview lists; the rest is a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """Who asks, and for which assignments (None: for all that are out of sync). `plan` is the fingerprint of the
    plan that the preview showed. `answers` are those to an action's `question`, by name; none as long as it is open.
    """

    by: str
    ids: tuple[int, ...] | None = ()
    plan: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    scope: TeamScope = EVERYTHING

    @property
    def selection(self) -> Selection:
        return Selection(ids=self.ids, scope=self.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What it would do if it were done now. `plan` names it; `possible` is false where nothing can be done. `button`:
    the words on the button, if they are others than the title of the action.
    """

    summary: str
    facts: Sequence[tuple[Text, object]] = ()
    warnings: Sequence[str] = ()
    rows: Sequence[tuple[Target, str]] = ()
    more: int = 0
    left_alone: Sequence[tuple[int, str]] = ()
    plan: str = ""
    possible: bool = True
    button: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAction:
    """Something that operators do. `run` takes the valid form and returns what was done; `destructive`: it stops work.

    `question`: a form that must be valid before there is anything to confirm; `asks` names its fields.
    """

    title: Text
    preview: Callable[[ActionRequest], Preview]
    run: Callable[[ActionRequest, Any], str]
    form: type[forms.Form]
    destructive: bool = False
    question: Callable[[ActionRequest], QuestionForm] | None = None
    asks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """What came of a confirmation. `again`: the page is shown again, with the errors of the form."""

    done: bool = False
    message: str = ""
    again: bool = False


def resolve(action: OperatorAction, request: ActionRequest, form: forms.Form) -> Resolved:
    """Runs what was confirmed, with the form as filled in. A refusal is shown, at its field where it concerns one."""
    if not form.is_valid():
        return Resolved(again=True)
    try:
        return Resolved(done=True, message=action.run(request, form))
    except PlanChanged as change:
        return Resolved(message=gettext("Nothing was done: %(change)s.") % {"change": change}, again=True)
    except (Refused, scan.Disabled, BrokerDown) as refusal:
        return Resolved(message=gettext("Nothing was done: %(refusal)s.") % {"refusal": refusal})
    except ValidationError as refusal:
        for name, errors in refusal.message_dict.items():
            form.add_error(name if name in form.fields else None, errors)
        return Resolved(again=True)


def nothing_to_do(skipped: Sequence[Skipped]) -> str:
    """Why nothing is to be done, where everything that was selected is left alone."""
    reasons = {one.why for one in skipped}
    if len(reasons) == 1:
        return gettext("Nothing is to be done: %(why)s.") % {"why": WORDS[reasons.pop()]}
    return gettext("Nothing is to be done: each of these assignments is skipped, for the reason below.")


def preview_of(
    plan: ActionPlan,
    *,
    summary: str,
    warnings: Sequence[str] = (),
    effect: Callable[[Target], str] = lambda target: "",
) -> Preview:
    """The preview of a plan; `effect` says what becomes of a target. Where all is left alone the summary says why."""
    return Preview(
        summary=summary if plan.targets or not plan.skipped else nothing_to_do(plan.skipped),
        warnings=warnings,
        rows=[(target, effect(target)) for target in plan.targets[:SHOWN]],
        more=max(0, len(plan.targets) - SHOWN),
        left_alone=[(one.id, str(WORDS[one.why])) for one in plan.skipped[:SHOWN]],
        plan=plan.fingerprint,
        possible=bool(plan.targets),
    )
