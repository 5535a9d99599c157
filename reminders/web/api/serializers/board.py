"""The board over HTTP: coming work by who knows of it."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from assignments.teams import effective_team_id
from reminders.insight.board import DEFAULT_HOURS, MOST_HOURS, MOST_LOOKED_AT, BoardEntry
from reminders.insight.reach_forecast import MOST_DAYS_AHEAD, ReachForecast
from reminders.policy.awareness import RUNGS, Unreachable
from reminders.web.api.fields import InstantField, StrictChoiceField
from reminders.web.api.serializers.queries import NumberParameter, QuerySerializer

EVERYBODY, UNAWARE = "everybody", "unaware"


class BoardQuery(QuerySerializer):
    hours = NumberParameter(
        max_value=MOST_HOURS, default=DEFAULT_HOURS, help_text="Work that starts within so many hours."
    )
    team = NumberParameter(required=False, help_text="The id of the team that the work belongs to.")
    show = StrictChoiceField(
        choices=(EVERYBODY, UNAWARE),
        default=EVERYBODY,
        help_text="`unaware`: only work whose assignee does not know of it yet, or may not.",
    )
    limit = NumberParameter(
        max_value=MOST_LOOKED_AT, default=500, help_text="The first to start; no more are answered."
    )


class BoardAssignmentSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    reference = serializers.CharField(allow_null=True)
    title = serializers.CharField()
    location = serializers.CharField()
    team = serializers.SerializerMethodField(
        help_text="The id of the team that it belongs to, or its assignee does."
    )
    scheduled_start = InstantField()
    version = serializers.IntegerField()

    def get_team(self, assignment: Any) -> int | None:
        return effective_team_id(assignment)


class BoardPersonSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    reference = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    email = serializers.CharField()
    phone = serializers.CharField()


class ForecastQuery(QuerySerializer):
    days_ahead = NumberParameter(
        max_value=MOST_DAYS_AHEAD, default=1, help_text="The day: so many after today; 1 is tomorrow."
    )
    team = NumberParameter(
        required=False, help_text="The id of the team that the work belongs to; the day is that of its zone."
    )


class UnreachedSerializer(serializers.Serializer[Any]):
    assignment = BoardAssignmentSerializer()
    person = BoardPersonSerializer(allow_null=True)
    unreachable_because = serializers.ChoiceField(
        choices=[cause.value for cause in Unreachable], source="cause.value"
    )


class ForecastSerializer(serializers.Serializer[Any]):
    """Whom no message will reach on one day."""

    date = serializers.DateField(source="day")
    time_zone = serializers.CharField(source="zone")
    since = InstantField()
    until = InstantField()
    work = serializers.IntegerField(
        help_text="How many assignments start then; no more than 10,000 are counted."
    )
    causes = serializers.SerializerMethodField(help_text="How many of them no message reaches, by cause.")
    truncated = serializers.BooleanField(help_text="Whether there are more than were looked at.")
    results = UnreachedSerializer(many=True, source="unreached")

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_causes(self, forecast: ReachForecast) -> dict[str, int]:
        return {cause.value: number for cause, number in forecast.by_cause.items()}


class NextStepSerializer(serializers.Serializer[Any]):
    at = InstantField(
        allow_null=True, help_text="Null: it is happening, waits for somebody, or nothing comes by itself."
    )
    summary = serializers.CharField()


class BoardEntrySerializer(serializers.Serializer[Any]):
    """One assignment, its assignee, and how far they are known to know of it."""

    assignment = BoardAssignmentSerializer()
    person = BoardPersonSerializer(allow_null=True)
    rung = serializers.ChoiceField(choices=RUNGS, source="awareness.rung.value")
    in_doubt = serializers.BooleanField(
        source="awareness.in_doubt",
        help_text="They count as told, and nobody can know whether the message arrived.",
    )
    told_wrong = serializers.BooleanField(
        source="awareness.told_wrong", help_text="They were told another plan than the one in force."
    )
    unreachable_because = serializers.ChoiceField(
        choices=[cause.value for cause in Unreachable], allow_null=True, source="cause.value", default=None
    )
    minutes_left = serializers.IntegerField(help_text="Whole minutes until the start; negative after it.")
    next = NextStepSerializer(
        allow_null=True, help_text="What happens next if nobody acts; null where the work is under way."
    )


def shown(entries: list[BoardEntry]) -> Any:
    return BoardEntrySerializer(entries, many=True).data
