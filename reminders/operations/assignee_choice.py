"""Who gets work: the person that an operator chooses, out of those that they see."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.clock import database_now
from assignments.direction import isolated
from assignments.models import Assignee, Assignment, Status
from assignments.references import spellings
from assignments.team_scope import TeamScope
from assignments.teams import effective_team
from assignments.wording import quoted
from reminders.insight.bookings import booking_of, bookings
from reminders.operations.forms import QuestionForm
from reminders.policy.double_bookings import Booking, double_bookings

NOBODY = "nobody"
"""What is given for `to` where nobody is to have the work."""

MOST_LISTED = 200
"""People that a list offers; of more, one is named."""

SUGGESTIONS = "people-suggested"
"""The id of the list of those who are suggested, in a page."""

MOST_NAMESAKES = 5
UNDONE = (Status.SCHEDULED, Status.IN_PROGRESS)
ID = re.compile(r"#?([0-9]{1,18})", re.ASCII)
SUGGESTED = re.compile(r".*\(#([0-9]{1,18})\)", re.ASCII | re.DOTALL)
"""What a suggestion puts into the field: a name, and the id that counts."""

MOST_SUGGESTED = 20
FEW = 100
"""So many assignments are looked at for whoever is free then."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who gets it; None: nobody."""

    person: Assignee | None

    @property
    def given(self) -> str:
        """What names this choice and no other."""
        return NOBODY if self.person is None else f"#{self.person.pk}"


def choose(given: str, scope: TeamScope) -> Chosen:
    """The person that a reference, `#12`, an id or an exact name means, in this order; `nobody` means nobody.

    Raises ValidationError, in the same words whether there is no such person or only none that the caller sees.
    """
    text = given.strip()
    if text == NOBODY:
        return Chosen(None)
    people = Assignee.objects.visible_to(scope).present()
    number = ID.fullmatch(text)
    by_id = Q(pk=int(number[1])) if number else Q(pk__in=())
    by_reference, by_name = Q(reference__in=spellings(text)), Q(name__in=spellings(text))
    first = (by_id, by_reference) if text.startswith("#") else (by_reference, by_id)
    suggested = SUGGESTED.fullmatch(text)
    by_suggestion = Q(pk=int(suggested[1])) if suggested else Q(pk__in=())
    for meant in (*first, by_name, by_suggestion):
        found = list(people.filter(meant).order_by("pk")[: MOST_NAMESAKES + 1]) if "\x00" not in text else []
        if len(found) == 1:
            return Chosen(found[0])
        if found:
            raise ValidationError(_shared(text, found), code="ambiguous")
    message = gettext(
        "There is no person %(text)s: a reference, an id such as #12, an exact name, or %(nobody)s is needed."
    ) % {"text": quoted(text), "nobody": NOBODY}
    raise ValidationError(message, code="unknown")


def _shared(text: str, found: Sequence[Assignee]) -> str:
    more = gettext(", and more") if len(found) > MOST_NAMESAKES else ""
    ids = ", ".join(f"#{person.pk}" for person in found[:MOST_NAMESAKES])
    return gettext(
        "Several people are called %(text)s: the reference or the id of one is needed (%(ids)s%(more)s)."
    ) % {"text": quoted(text), "ids": ids, "more": more}


class AssigneeForm(QuestionForm):
    """Who gets this work: a list of all people with those of the work's teams first, or a field where there are many."""

    again = _("Choose somebody else")
    to = forms.CharField(label=_("Who gets it"), max_length=200)

    def __init__(self, given: str, work: Sequence[Assignment], scope: TeamScope) -> None:
        super().__init__({"to": given} if given else None)
        self._scope = scope
        self._work = work
        offer_people(self.fields["to"], work, scope)

    def clean_to(self) -> Chosen:
        return chosen_for(self.cleaned_data["to"], self._work, self._scope)

    def answers(self) -> dict[str, str]:
        return {"to": self.cleaned_data["to"].given}


def offer_people(field: forms.Field, work: Sequence[Assignment], scope: TeamScope) -> None:
    """Makes a field ask for one of the people that the caller sees."""
    field.error_messages["required"] = gettext("Choose somebody.")
    people = Assignee.objects.visible_to(scope).present()
    if _is_short(people):
        field.widget = forms.Select(choices=_choices(people, work, scope))
    else:
        field.widget.attrs |= {"autocomplete": "off", "spellcheck": "false", "list": SUGGESTIONS}
        if len(work) <= FEW:
            field.widget.attrs["data-work"] = ",".join(str(one.pk) for one in work)
        field.help_text = gettext(
            "Begin to write a name, a telephone number or a reference and choose, or write an id such as #12. Or %(nobody)s."
        ) % {"nobody": NOBODY}


def chosen_for(given: str, work: Sequence[Assignment], scope: TeamScope) -> Chosen:
    """The person that is meant (`choose`), if this work may be theirs. Raises ValidationError."""
    chosen = choose(given, scope)
    if chosen.person is None and scope.limited and scope.only_team is None:
        for one in work:
            if one.team_id is None:
                message = gettext(
                    "%(nobody)s is not possible: assignment %(pk)s would belong to none of your teams."
                ) % {"nobody": f"{NOBODY!r}", "pk": one.pk}
                raise ValidationError(message, code="outside")
    return chosen


def _is_short(people: QuerySet[Assignee]) -> bool:
    return people.order_by()[: MOST_LISTED + 1].count() <= MOST_LISTED


def _choices(people: QuerySet[Assignee], work: Sequence[Assignment], scope: TeamScope) -> list[Any]:
    """The options of the list: those who may get any of it, by name; last those who have other work at its time."""
    teams = {team.pk: team.name for one in work if (team := effective_team(one)) is not None}
    holders = {one.assignee_id for one in work}
    present = next(iter(holders)) if len(holders) == 1 else None
    offered = [person for person in people.order_by("name", "pk") if person.pk != present]
    other_work = _other_work(offered, work, scope)
    free = [person for person in offered if person.pk not in other_work]
    own = [_option(person) for person in free if person.team_id in teams]
    others = [_option(person) for person in free if person.team_id not in teams]
    busy = [_busy_option(person, other_work[person.pk]) for person in offered if person.pk in other_work]
    label = (
        gettext("Team %(team)s") % {"team": next(iter(teams.values()))}
        if len(teams) == 1
        else gettext("Teams of this work")
    )
    if busy:
        groups = (
            (gettext("%(label)s, free then") % {"label": label}, own),
            (gettext("Others, free then") if own else gettext("Free then"), others),
            (gettext("Have other work then"), busy),
        )
        listed: list[Any] = [group for group in groups if group[1]]
    else:
        listed = [(label, own), (gettext("Others"), others)] if own and others else own + others
    nobody = [(NOBODY, gettext("Nobody, for now"))] if holders != {None} else []
    return [("", gettext("Choose…")), *listed, *nobody]


def _option(person: Assignee) -> tuple[str, str]:
    return Chosen(person).given, f"{isolated(person.name)} ({isolated(person.reference or f'#{person.pk}')})"


def _busy_option(person: Assignee, other: Booking) -> tuple[str, str]:
    given, words = _option(person)
    at = f"{timezone.localtime(other.start):%H:%M}"
    return given, gettext("%(words)s: at %(at)s “%(title)s”") % {
        "words": words,
        "at": at,
        "title": isolated(other.title),
    }


def _other_work(
    people: Sequence[Assignee], work: Sequence[Assignment], scope: TeamScope
) -> dict[int, Booking]:
    """What else those of these people do at the time of any of this work, from now on, by their ids."""
    given = [booking_of(one) for one in work if one.status in UNDONE]
    if not given:
        return {}
    now = database_now()
    times = [
        replace(one, start=now, end=now + (one.until - one.start)) if one.start < now else one
        for one in given
    ]
    busy = bookings((person.pk for person in people), times, scope=scope, statuses=UNDONE)
    other_work = {}
    for pk, theirs in busy.items():
        for pair in double_bookings(times, theirs):
            if pair[1] not in times:
                other_work[pk] = pair[1]
                break
    return other_work


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Somebody who may be meant: what is put into the field, and what is said of them."""

    value: str
    words: str


def suggestions(people: Sequence[Assignee], work: Sequence[Assignment], scope: TeamScope) -> list[Suggestion]:
    """These people as suggestions: whoever is free at the time of the work first, those of its teams before others."""
    teams = {team.pk for one in work if (team := effective_team(one)) is not None}
    other_work = _other_work(people, work, scope)
    ordered = sorted(people, key=lambda one: (one.pk in other_work, one.team_id not in teams))
    return [
        Suggestion(value=f"{one.name} (#{one.pk})", words=_words(one, other_work.get(one.pk), bool(work)))
        for one in ordered[:MOST_SUGGESTED]
    ]


def _words(person: Assignee, other: Booking | None, asks_when: bool) -> str:
    known = [isolated(one) for one in (person.reference, person.team.name if person.team else "") if one]
    if other is not None:
        known.append(
            gettext("at %(at)s “%(title)s”")
            % {"at": f"{timezone.localtime(other.start):%H:%M}", "title": isolated(other.title)}
        )
    elif asks_when:
        known.append(gettext("free then"))
    return " · ".join(known)


class OtherPersonForm(forms.Form):
    """A person by reference, id or exact name."""

    other = forms.CharField(
        label=_("Who was entered a second time"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "list": SUGGESTIONS}),
        help_text=_("A reference, an id such as #12, or an exact name."),
    )

    def __init__(self, *args: Any, scope: TeamScope, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._scope = scope

    def clean_other(self) -> Assignee:
        chosen = choose(self.cleaned_data["other"], self._scope).person
        if chosen is None:
            raise ValidationError(gettext("A person is needed."), code="unknown")
        return chosen
