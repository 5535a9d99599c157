"""The filters of assignments and reminders: one definition for the API, the Ops lists and the admin."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments import instants
from assignments.clock import database_now
from assignments.models import Answer, Assignee, Assignment, ReminderStatus, Status, Team
from assignments.references import spellings
from assignments.team_scope import TeamScope
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.insight import selections, starting_soon
from reminders.insight.explain.wording import WORDS
from reminders.ledger.rules import rule_key
from reminders.models import Kind, Reason, Reminder, ReminderRule
from reminders.web.search import (
    MAX_SEARCH_LENGTH,
    assignment_search,
    clean_text,
    people_found,
    whole_number,
)
from reminders.web.templatetags.ops import reminder_word, word

MAX_ID = 2**63 - 1

SHOW = {
    "overdue": _("not started in time"),
    "unmarked": _("not started in time, not marked yet"),
    "declined": _("assignee can't make it"),
    "declined_soon": _("assignee can't make it, starts soon"),
    "unanswered_soon": _("assignee has not answered, starts soon"),
    "unaccounted": _("due, without a reminder"),
}
"""What an assignment list may be limited to: the figures of the overview."""

START = {
    "near": _("within a day of now"),
    "past_day": _("in the last 24 hours"),
    "look_ahead": _("within the look-ahead"),
    "next_day": _("in the next 24 hours"),
    "next_week": _("in the next 7 days"),
    "past": _("in the past"),
    "future": _("in the future"),
    "any": _("at any time"),
}
REACH = {
    "unreachable": _("nobody can write to them"),
    "failing": _("messages come back from an address"),
}
"""What a list of people may be limited to."""

LEDGER = {
    "open": _("to come"),
    "due": _("due, not sent"),
    "sent": _("sent in 24 hours"),
    "failed": _("failed in 24 hours"),
    "skipped": _("skipped in 24 hours"),
    "marked": _("marked overdue in 24 hours"),
    "bounced": _("bounced in 24 hours"),
    "duplicates": _("possible duplicates"),
    "unknown": _("unknown, to be decided"),
    "webhooks": _("webhooks to come"),
    "all": _("all, newest first"),
}


# --- fields ----------------------------------------------------------------------------------------------------


class InstantFormField(forms.Field):
    """An RFC 3339 instant with an offset."""

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            return instants.read(value)
        except instants.NotAnInstant as refusal:
            raise ValidationError(str(refusal), code=refusal.code) from refusal


class TimestampField(forms.Field):
    """Seconds since 1970."""

    def to_python(self, value: Any) -> datetime | None:
        seconds = whole_number(str(value or ""))
        return None if seconds is None or seconds >= 10**11 else datetime.fromtimestamp(seconds, UTC)


class PositiveIdField(forms.Field):
    """A number that an id can be."""

    def to_python(self, value: Any) -> int | None:
        if value in self.empty_values:
            return None
        if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20):
            raise ValidationError(gettext("a whole number from 1 on is needed"), code="invalid")
        if not 1 <= (number := int(value)) <= MAX_ID:
            raise ValidationError(
                gettext("a number from 1 to %(max_id)s is needed") % {"max_id": MAX_ID},
                code="max_value" if number else "min_value",
            )
        return number


class InstantFilter(django_filters.Filter):  # type: ignore[misc]  # django-filter has no types
    field_class = InstantFormField


class TimestampFilter(django_filters.Filter):  # type: ignore[misc]
    field_class = TimestampField


class IdFilter(django_filters.NumberFilter):  # type: ignore[misc]
    """Described as a number in the API's schema."""

    field_class = PositiveIdField


def _choices(words: Iterable[str]) -> list[tuple[str, str]]:
    return [(word, word) for word in words]


class OpsFilterSet(django_filters.FilterSet):  # type: ignore[misc]
    """The filters of an Ops list; `selects` names those that its form offers, in their order."""

    selects: tuple[str, ...] = ()

    @property
    def fields_shown(self) -> list[forms.BoundField]:
        return [self.form[name] for name in self.selects]

    def offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        """What a filter offers, in words."""
        self.form.fields[name].choices = choices


# --- assignments -----------------------------------------------------------------------------------------------


class AssignmentFilterSet(django_filters.FilterSet):  # type: ignore[misc]
    """The filters that API lists, exports and Ops lists share. Each narrows what the others leave."""

    status = django_filters.ChoiceFilter(
        choices=_choices(Status.values), empty_label="any", label=_("Status")
    )
    reminder_status = django_filters.ChoiceFilter(
        choices=_choices(ReminderStatus.values),
        empty_label="any",
        label=_("Reminder"),
        method="with_reminder_status",
    )
    answer = django_filters.ChoiceFilter(
        choices=[(answer.name, str(answer.label)) for answer in Answer],
        empty_label="any",
        label=_("Answer"),
        method="with_answer",
        help_text="What the assignee has answered.",
    )
    starting_soon = django_filters.ChoiceFilter(
        choices=_choices(starting_soon.SOON),
        empty_label="any",
        method="with_starting_soon",
        help_text="Work that starts within two hours, or was to start and is not overdue: declined, or not answered.",
    )
    assignee = IdFilter(field_name="assignee_id", help_text="The id of an assignee.")
    team = IdFilter(method="of_team", help_text="The id of the team that the work belongs to.")
    reference = django_filters.CharFilter(
        max_length=MAX_SEARCH_LENGTH,
        method="with_reference",
        help_text="Exactly this reference.",
        strip=False,
    )
    starts_after = InstantFilter(
        field_name="scheduled_start",
        lookup_expr="gte",
        help_text="Work that starts at this instant or later.",
    )
    starts_before = InstantFilter(
        field_name="scheduled_start", lookup_expr="lt", help_text="Work that starts before this instant."
    )
    search = django_filters.CharFilter(
        max_length=MAX_SEARCH_LENGTH,
        method="searched",
        help_text="A part of the reference, the title, the place, or the assignee's name, reference or e-mail address; their"
        " telephone number; or an id. One or two characters are the beginning of the reference, title or place.",
    )

    class Meta:
        model = Assignment
        fields: list[str] = []

    def with_reminder_status(self, rows: QuerySet[Assignment], name: str, value: str) -> QuerySet[Assignment]:
        # The second condition follows from a constraint of the table; with it the partial indexes serve.
        overdue = value == ReminderStatus.OVERDUE
        return rows.filter(reminder_status=value, overdue_at__isnull=not overdue)

    def of_team(self, rows: QuerySet[Assignment], name: str, value: int) -> QuerySet[Assignment]:
        return rows & Assignment.objects.of_teams([int(value)])

    def with_reference(self, rows: QuerySet[Assignment], name: str, value: str) -> QuerySet[Assignment]:
        return rows.filter(reference__in=spellings(value))

    def with_answer(self, rows: QuerySet[Assignment], name: str, value: str) -> QuerySet[Assignment]:
        return rows.filter(answer=Answer[value])

    def with_starting_soon(self, rows: QuerySet[Assignment], name: str, value: str) -> QuerySet[Assignment]:
        return rows & starting_soon.select(value, now=database_now(), config=conf.current())

    def searched(self, rows: QuerySet[Assignment], name: str, value: str) -> QuerySet[Assignment]:
        return rows.filter(assignment_search(value))


class OpsAssignmentFilterSet(OpsFilterSet, AssignmentFilterSet):
    """The filters of the Ops list. A value that is not known counts as not given; without a search the start is near.

    `scope` is what the reader may see at all.
    """

    show = django_filters.ChoiceFilter(
        choices=list(SHOW.items()), empty_label=_("all work"), label=_("Show"), method="shown"
    )
    when = django_filters.ChoiceFilter(
        choices=list(START.items()), empty_label=None, label=_("Start"), method="starting"
    )
    q = django_filters.CharFilter(max_length=MAX_SEARCH_LENGTH, method="searched")
    selects = ("show", "status", "reminder_status", "answer", "when")

    def __init__(self, data: Any, *, scope: TeamScope, now: datetime | None = None) -> None:
        values = {name: clean_text(data.get(name)) for name in data}
        if values.get("when") not in START:
            values["when"] = "any" if values.get("q") or values.get("show") in SHOW else "near"
        self.now, self.config = now or database_now(), conf.current()
        rows = Assignment.objects.visible_to(scope).select_related("assignee")
        super().__init__(values, queryset=rows)
        self.offer("status", [(value, word(value)) for value in Status.values])
        self.offer("reminder_status", [(value, reminder_word(value)) for value in ReminderStatus.values])
        self.offer("answer", [(answer.name, word(answer.label).capitalize()) for answer in Answer])

    def shown(self, rows: QuerySet[Assignment], name: str, value: str) -> QuerySet[Assignment]:
        return rows & shown_assignments(value, now=self.now, config=self.config)

    def starting(self, rows: QuerySet[Assignment], name: str, value: str) -> QuerySet[Assignment]:
        if value == "near" and self.form.cleaned_data.get("status") == Status.SCHEDULED:
            # What is older and still SCHEDULED is counted too: it is unfinished.
            _, last = selections.START_WINDOWS[value](self.now, self.config)
            return rows.filter(scheduled_start__lte=last)
        return selections.starting(rows, value, now=self.now, config=self.config)

    @property
    def ordered(self) -> QuerySet[Assignment]:
        """The selected assignments: what lies in the past with the newest first."""
        self.form.full_clean()
        values = self.form.cleaned_data
        backwards = values.get("when") in ("past", "past_day", "any") and not values.get("show")
        names = ("-scheduled_start", "-pk") if backwards else ("scheduled_start", "pk")
        rows: QuerySet[Assignment] = self.qs
        return rows.order_by(*names)


# --- people ----------------------------------------------------------------------------------------------------


class OpsPeopleFilterSet(OpsFilterSet):
    """The filters of the Ops list of people. `scope` is what the reader may see at all."""

    team = django_filters.ChoiceFilter(choices=[], empty_label="any", label=_("Team"), field_name="team_id")
    reach = django_filters.ChoiceFilter(
        choices=list(REACH.items()), empty_label="anybody", label=_("Reached"), method="reached"
    )
    q = django_filters.CharFilter(max_length=MAX_SEARCH_LENGTH, method="searched")
    selects = ("team", "reach")

    class Meta:
        model = Assignee
        fields: list[str] = []

    def __init__(self, data: Any, *, scope: TeamScope) -> None:
        values = {name: clean_text(data.get(name)) for name in data}
        people = Assignee.objects.visible_to(scope).present()
        super().__init__(values, queryset=people.select_related("team").order_by("name", "pk"))
        teams = Team.objects.visible_to(scope).order_by("name").values_list("pk", "name")
        self.offer("team", [(str(pk), name) for pk, name in teams])

    def reached(self, rows: QuerySet[Assignee], name: str, value: str) -> QuerySet[Assignee]:
        if value == "unreachable":
            return selections.unreachable(rows, config=conf.current())
        return rows.filter(pk__in=selections.failing_points().values("person"))

    def searched(self, rows: QuerySet[Assignee], name: str, value: str) -> QuerySet[Assignee]:
        return people_found(rows, value)


# --- the ledger ------------------------------------------------------------------------------------------------


class OpsReminderFilterSet(OpsFilterSet):
    """The filters of the ledger list. `after` and `before` narrow to a slot of the overview's chart.

    `scope` is what the reader may see at all.
    """

    show = django_filters.ChoiceFilter(
        choices=list(LEDGER.items()), empty_label=None, label=_("Show"), method="unfiltered"
    )
    reason = django_filters.ChoiceFilter(
        choices=[(reason.value, reason.value.replace("_", " ")) for reason in Reason if reason in WORDS],
        empty_label="any",
        label=_("Reason"),
    )
    kind = django_filters.ChoiceFilter(choices=_choices(Kind.values), empty_label="any", label=_("Kind"))
    rule = django_filters.ChoiceFilter(choices=[], empty_label="any", label=_("Rule"), method="of_rule")
    after = TimestampFilter(method="in_time")
    before = TimestampFilter(method="in_time")
    q = django_filters.CharFilter(max_length=MAX_SEARCH_LENGTH, method="of_assignment")
    selects = ("show", "reason", "kind", "rule")

    class Meta:
        model = Reminder
        fields: list[str] = []

    def __init__(self, data: Any, *, scope: TeamScope, now: datetime | None = None) -> None:
        values = {name: clean_text(data.get(name)) for name in data}
        if values.get("show") not in LEDGER:
            values["show"] = "all" if values.get("q") else "open"
        self.selection = selections.LEDGER_SELECTIONS[str(values["show"])]
        rows = self.selection.rows(now or database_now()).visible_to(scope)
        rows = rows.select_related("assignment__assignee")
        super().__init__(values, queryset=rows)
        rules = ReminderRule.objects.visible_to(scope).order_by("name").values_list("pk", "name")
        self.offer("rule", [(str(pk), name) for pk, name in rules])
        self.offer("kind", [(value, word(value)) for value in Kind.values])

    def of_rule(self, rows: QuerySet[Reminder], name: str, value: str) -> QuerySet[Reminder]:
        """The rows that a rule has made: reminders, and the steps of its chains (`policy.chains`)."""
        key = rule_key(int(value))
        return rows.filter(Q(rule=key) | Q(rule__endswith=f":{key}") | Q(rule__contains=f":{key}#"))

    def unfiltered(self, rows: QuerySet[Reminder], name: str, value: str) -> QuerySet[Reminder]:
        """`show` has chosen the rows already."""
        return rows

    def in_time(self, rows: QuerySet[Reminder], name: str, value: datetime) -> QuerySet[Reminder]:
        lookup = "gte" if name == "after" else "lt"
        return rows.filter(**{f"{self.selection.time_column}__{lookup}": value})

    def of_assignment(self, rows: QuerySet[Reminder], name: str, value: str) -> QuerySet[Reminder]:
        return rows.filter(assignment_search(value, prefix="assignment__"))

    @property
    def ordered(self) -> QuerySet[Reminder]:
        rows: QuerySet[Reminder] = self.qs
        return rows.order_by(*self.selection.order)


def shown_assignments(name: str, *, now: datetime, config: ReminderConfig) -> QuerySet[Assignment]:
    """The assignments of one choice of SHOW."""
    match name:
        case "overdue":
            return selections.overdue(now=now, config=config)
        case "unmarked":
            return selections.overdue_unmarked(now=now, config=config)
        case "declined":
            return selections.declined()
        case "declined_soon":
            return starting_soon.select("declined", now=now, config=config)
        case "unanswered_soon":
            return starting_soon.select("unanswered", now=now, config=config)
        case "unaccounted":
            return selections.unaccounted(now=now, config=config)
    raise ValueError(name)
