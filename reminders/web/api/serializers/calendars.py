"""Calendars that are polled, as the API takes and returns them. A URL is taken and never returned."""

from typing import Any

from rest_framework import serializers

from accounts.reasons import MAX_REASON_LENGTH
from assignments.calendar_source import LONGEST_MINUTES, MOST_DAYS_AHEAD, SHORTEST_MINUTES, STATES
from assignments.models import CalendarSource
from reminders.web.api.fields import (
    IdField,
    InstantField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    StrictTimeField,
    TimeOfDayField,
)


class CalendarSourceInputSerializer(StrictSerializer):
    """A calendar as it is made or changed."""

    answered = (
        "id", "host", "state", "next_poll_at", "polled_at", "succeeded_at", "failing_since", "failures", "code", "detail",
        "counts", "refused", "asks_since", "vanished", "created_at", "created_by",
    )  # fmt: skip

    name = StrictCharField(max_length=100, help_text="A name for people; unique.")
    url = StrictCharField(
        max_length=2_000,
        help_text="https:// (or webcal://) and a host in the public internet. It is shown nowhere.",
    )
    time_zone = StrictCharField(
        max_length=64,
        required=False,
        help_text="Of times and whole days without a zone. The installation's by default.",
    )
    all_day = StrictTimeField(
        required=False,
        allow_null=True,
        help_text="When the work of a whole day begins, such as 08:00; null: whole days are refused.",
    )
    team = IdField(required=False, allow_null=True, help_text="The id of the team of its work.")
    kind = StrictCharField(max_length=60, required=False, allow_blank=True, help_text="The kind of its work.")
    every_minutes = StrictIntegerField(
        required=False,
        min_value=SHORTEST_MINUTES,
        max_value=LONGEST_MINUTES,
        help_text="How often it is read (15).",
    )
    days_ahead = StrictIntegerField(
        required=False,
        min_value=1,
        max_value=MOST_DAYS_AHEAD,
        help_text="How far ahead events are taken (180).",
    )
    active = StrictBooleanField(required=False, help_text="false: it is not read, and its work stays.")
    reason = StrictCharField(max_length=MAX_REASON_LENGTH, required=False, allow_blank=True, default="")


class CalendarSourcePatchSerializer(CalendarSourceInputSerializer):
    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for name in ("name", "url"):
            fields[name].required = False
        return fields


class CalendarCountsSerializer(serializers.Serializer[Any]):
    """What the last answer came to."""

    created = serializers.IntegerField(default=0)
    updated = serializers.IntegerField(default=0)
    unchanged = serializers.IntegerField(default=0)
    cancelled = serializers.IntegerField(default=0)
    refused = serializers.IntegerField(default=0, help_text="Events that could not be taken.")


class CalendarRefusalSerializer(serializers.Serializer[Any]):
    row = serializers.IntegerField()
    field = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    message = serializers.CharField()


class CalendarSourceSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    host = serializers.CharField(help_text="All that is shown of its URL.")
    time_zone = serializers.CharField()
    all_day = TimeOfDayField(allow_null=True)
    team = serializers.IntegerField(source="team_id", allow_null=True)
    kind = serializers.CharField()
    every_minutes = serializers.IntegerField()
    days_ahead = serializers.IntegerField()
    active = serializers.BooleanField()
    state = serializers.ChoiceField(choices=list(STATES))
    next_poll_at = InstantField()
    polled_at = InstantField(allow_null=True)
    succeeded_at = InstantField(allow_null=True)
    failing_since = InstantField(allow_null=True, help_text="The first of its failures in a row; else null.")
    failures = serializers.IntegerField()
    code = serializers.CharField(
        help_text="What it answered last, or how far the request got; empty when it is well."
    )
    detail = serializers.CharField()
    counts = CalendarCountsSerializer()
    refused = CalendarRefusalSerializer(
        many=True, help_text="The first 20 errors of events that were not taken."
    )
    vanished = serializers.SerializerMethodField(
        help_text="Assignments that would be cancelled, and wait for `accept`."
    )
    asks_since = InstantField(allow_null=True)
    created_at = InstantField()
    created_by = serializers.CharField()

    def get_vanished(self, source: CalendarSource) -> int:
        return len(source.vanished)


class CalendarSourceListSerializer(serializers.Serializer[Any]):
    results = CalendarSourceSerializer(many=True)


class CalendarAcceptSerializer(serializers.Serializer[Any]):
    cancelled = serializers.IntegerField()
