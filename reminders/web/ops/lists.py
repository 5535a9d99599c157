"""The lists behind the figures: assignments and ledger rows, with filters, each with what can be done about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import gettext

from assignments.models import Assignee, Assignment
from assignments.team_scope import TeamScope
from assignments.wording import quoted
from reminders import conf
from reminders.insight import statistics
from reminders.insight.foremost import foremost_row
from reminders.insight.planned_later import due_later
from reminders.insight.recipient_names import names_of, people_among
from reminders.ledger.rules import rule_key
from reminders.models import Kind, Reminder, ReminderRule
from reminders.operations.action_types import MAX_TARGETS
from reminders.policy import chains
from reminders.web.filters import OpsAssignmentFilterSet, OpsReminderFilterSet
from reminders.web.ops.page import page, show
from reminders.web.ops.settings import views_shown
from reminders.web.search import assignment_id, whole_number
from reminders.web.team_limits import TeamAccess, scope_of

PAGE_SIZE = 50
MAX_COUNTED = 1_000
"""A list counts its rows up to here; beyond it shows "more than"."""

LAST_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """One page of a list."""

    rows: Sequence[Any]
    count: int
    number: int
    previous: int | None
    next: int | None

    @property
    def more(self) -> bool:
        return self.count > MAX_COUNTED

    @property
    def most(self) -> int:
        return MAX_COUNTED

    @property
    def all_selectable(self) -> bool:
        """Whether one action can take everything in this list, not only what this page shows."""
        return len(self.rows) < self.count <= MAX_COUNTED


def list_page(rows: QuerySet[Any], request: HttpRequest) -> ListPage:
    """The page of `rows` that the address asks for; numbers outside of 1 to LAST_PAGE count as the nearest of these."""
    number = min(max(whole_number(request.GET.get("page", "")) or 1, 1), LAST_PAGE)
    first = (number - 1) * PAGE_SIZE
    found = list(rows[first : first + PAGE_SIZE + 1])
    complete = number == 1 and len(found) <= PAGE_SIZE
    return ListPage(
        rows=found[:PAGE_SIZE],
        # In the order of the list: it has an index, which meets what most rows have sooner than any other one.
        count=len(found) if complete else rows[: MAX_COUNTED + 1].count(),
        number=number,
        previous=number - 1 if number > 1 else None,
        next=number + 1 if len(found) > PAGE_SIZE and number < LAST_PAGE else None,
    )


@page(limit=TeamAccess.NARROWS)
def assignments(request: HttpRequest) -> HttpResponse:
    """Assignments with the state of their reminders."""
    filters = OpsAssignmentFilterSet(request.GET, scope=scope_of(request.user))
    with statistics.bounded():
        listed = list_page(filters.ordered, request)
        lines = assignment_lines(listed.rows)
    return show(
        request,
        "assignments",
        {"filters": filters, "listed": listed, "lines": lines, "saved": views_shown(request, "assignments")},
    )


def assignment_lines(
    rows: Sequence[Assignment],
) -> list[tuple[Assignment, Reminder | None, datetime | None]]:
    """Each assignment with the reminder that its explanation is about; without one, when it will be reminded of."""
    by_assignment = reminders_by_assignment(rows)
    unplanned = [one for one in rows if one.pk not in by_assignment]
    later = due_later(unplanned, config=conf.current())
    return [(one, by_assignment.get(one.pk), later.get(one.pk)) for one in rows]


def reminders_by_assignment(rows: Sequence[Assignment]) -> dict[int, Reminder]:
    """The reminder of each one's current version, in one query; of several the one that its explanation is about."""
    versions = {assignment.pk: assignment.version for assignment in rows}
    found = Reminder.objects.filter(
        assignment__in=versions, version__in=set(versions.values()), kind=Kind.REMINDER
    )
    own: dict[int, list[Reminder]] = {}
    for row in found.order_by("due_at", "id"):
        if row.version == versions[row.assignment_id]:
            own.setdefault(row.assignment_id, []).append(row)
    return {pk: foremost_row(reminders) for pk, reminders in own.items()}


@page(limit=TeamAccess.NARROWS)
def reminders(request: HttpRequest) -> HttpResponse:
    """The ledger: what is to be sent, what was sent or not, and why."""
    filters = OpsReminderFilterSet(request.GET, scope=scope_of(request.user))
    with statistics.bounded():
        listed = list_page(filters.ordered, request)
        scope = scope_of(request.user)
        to = {row.recipient for row in listed.rows if row.recipient}
        known = people_among(to, Assignee.objects.visible_to(scope))
        named = names_of(to, known)
        rules = rule_names(listed.rows, scope)
    lines = [
        ReminderLine(
            row=row,
            to=named.get(row.recipient, ""),
            person=known[row.recipient][0] if row.recipient in known else None,
            rule=rules.get(row.pk, ""),
        )
        for row in listed.rows
    ]
    return show(
        request,
        "reminders",
        {"filters": filters, "listed": listed, "lines": lines, "saved": views_shown(request, "reminders")},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderLine:
    """One row of the ledger as the list shows it: who it is for, and the rule that has made it; both empty where there is
    none. `person` is the id of who it is for, if that is a person whom the reader sees."""

    row: Reminder
    to: str
    person: int | None
    rule: str


def rule_names(rows: Sequence[Reminder], scope: TeamScope) -> dict[int, str]:
    """The rules that have made these rows, by the ids of the rows; those that the reader sees, in one query."""
    keys = {row.pk: row.rule if row.kind == Kind.REMINDER else chains.rule_key_of(row.rule) for row in rows}
    if not any(key.startswith("rule:") for key in keys.values()):
        return {}
    known = ReminderRule.objects.visible_to(scope).values_list("pk", "name")
    names = {rule_key(pk): name for pk, name in known}
    return {pk: names[key] for pk, key in keys.items() if key in names}


def selected_ids(values: QueryDict, scope: TeamScope) -> list[int]:
    """The assignments that a list's form names: the selected ones, or all that the list holds for this reader.

    Whether those that are selected are in the scope is for the action to see. Raises ValidationError where something is
    named that is no number, or more than an action takes on.
    """
    if "everything" not in values:
        return _at_most({_selected_id(text) for given in values.getlist("ids") for text in _parts(given)})
    query = QueryDict(values.get("query", "").lstrip("?"))
    with statistics.bounded():
        if values.get("list") == "reminders":
            rows = OpsReminderFilterSet(query, scope=scope).ordered.values_list("assignment_id", flat=True)
            return _at_most(set(rows[: MAX_TARGETS + 1]))
        assignments = OpsAssignmentFilterSet(query, scope=scope).ordered.values_list("pk", flat=True)
        return _at_most(set(assignments[: MAX_TARGETS + 1]))


def _parts(given: str) -> list[str]:
    return [text for text in map(str.strip, given.split(",")) if text]


def _selected_id(text: str) -> int:
    pk = assignment_id(text)
    if pk is None:
        message = gettext(
            "%(text)s is not the number of an assignment: numbers like 6, with commas between them, are needed."
        ) % {"text": quoted(text)}
        raise ValidationError(message, code="invalid")
    return pk


def _at_most(ids: set[int]) -> list[int]:
    if len(ids) > MAX_TARGETS:
        message = gettext(
            "More than %(max_targets)s assignments are selected: no more are accepted at once."
        ) % {"max_targets": f"{MAX_TARGETS:,}"}
        raise ValidationError(message, code="too_many")
    return sorted(ids)
