"""The query parameters of the API."""

from typing import Any

from django.http import QueryDict
from rest_framework import serializers

from assignments.imports.calendar_alarms import Alarms
from assignments.imports.calendar_options import MOST_DAYS_AHEAD
from assignments.imports.fields import LARGEST_ID
from assignments.wording import quoted
from reminders.models import State
from reminders.web.api.fields import (
    InstantField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictSerializer,
    StrictTimeField,
)

MAX_PAGE_SIZE = 500


ORDERINGS = ("scheduled_start", "-scheduled_start", "id", "-id")


class QuerySerializer(StrictSerializer):
    """Query parameters: each is text and given once."""

    @classmethod
    def checked(cls, query: QueryDict) -> Any:
        """The values of the parameters that this class names; others are not its concern. Raises ValidationError."""
        own = {name: value for name, value in cls.values_of(query).items() if name in cls().fields}
        given = cls(data=own)
        given.is_valid(raise_exception=True)
        return given.validated_data

    @classmethod
    def values_of(cls, query: QueryDict) -> dict[str, Any]:
        """One text each; a repeated parameter is a list, which no field accepts."""
        return {name: values[0] if len(values) == 1 else values for name, values in query.lists()}


class NumberParameter(StrictIntegerField):
    """A positive whole number in a query string."""

    def __init__(self, *, max_value: int = LARGEST_ID, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=max_value, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not data.isascii() or not data.isdigit() or len(data) > 19:
            raise serializers.ValidationError(f"{quoted(data)} is not a positive whole number", "invalid")
        return super().to_internal_value(int(data))


class FlagParameter(serializers.BooleanField):
    """1, 0, true or false in a query string."""

    def to_internal_value(self, data: Any) -> bool:
        match data:
            case "1" | "true":
                return True
            case "0" | "false":
                return False
        raise serializers.ValidationError(f"{quoted(data)} is not one of 1, 0, true, false", "invalid")


class NoQuery(QuerySerializer):
    """Of a call that takes no parameters."""

    def _accepted(self) -> str:
        return "no parameters"


class FormatQuery(QuerySerializer):
    format = StrictChoiceField(
        choices=("csv", "json"), required=False, help_text="Before the Accept header; csv where neither says."
    )


class PageQuery(QuerySerializer):
    ordering = StrictChoiceField(choices=ORDERINGS, default="scheduled_start")
    limit = NumberParameter(max_value=MAX_PAGE_SIZE, default=100, help_text="Assignments on a page.")
    cursor = StrictCharField(
        required=False, max_length=200, help_text="Where the page begins; taken from `next`."
    )


class PeopleQuery(QuerySerializer):
    team = NumberParameter(required=False, help_text="The id of a team.")
    reference = StrictCharField(required=False, max_length=200, help_text="Exactly this reference.")
    limit = NumberParameter(max_value=MAX_PAGE_SIZE, default=100, help_text="People on a page.")
    cursor = StrictCharField(
        required=False, max_length=200, help_text="Where the page begins; taken from `next`."
    )


class ReminderExportQuery(FormatQuery):
    due_after = InstantField(required=False, help_text="Due at this instant or later.")
    due_before = InstantField(required=False, help_text="Due before this instant.")
    state = StrictChoiceField(choices=State.values, required=False)


class DryRunQuery(QuerySerializer):
    dry_run = FlagParameter(default=False, help_text="Only a preview.")


class ImportQuery(DryRunQuery):
    match_ids = FlagParameter(
        default=False,
        help_text="Find assignees by `id` too. Only for what was exported from this very system: another system's ids"
        " are other people's here.",
    )
    mapping = StrictCharField(
        required=False,
        max_length=100,
        help_text="Of a table (CSV, XLSX): the name of the mapping that says what its columns are.",
    )
    sheet = StrictCharField(
        required=False, max_length=100, help_text="Of an XLSX file with several, beside `mapping`."
    )
    alarms = StrictChoiceField(
        required=False,
        choices=[one.value for one in Alarms],
        help_text="Of a calendar. `leads`: every alarm (VALARM) before the start makes a lead time, and `notes` names"
        " those that make none. `one`, and without it: where an event has one, it makes a lead time.",
    )
    zone = StrictCharField(
        required=False,
        max_length=64,
        help_text="Of a calendar: the zone of times and whole days without one, such as Europe/Berlin.",
    )
    all_day = StrictTimeField(
        required=False,
        help_text="Of a calendar: the local time at which the work of a whole day begins, such as 08:00. Without it whole"
        " days are refused.",
    )
    days_ahead = NumberParameter(
        required=False,
        max_value=MOST_DAYS_AHEAD,
        help_text="Of a calendar: of events that repeat, the dates from now to so many days later are taken (180).",
    )
