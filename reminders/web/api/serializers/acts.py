"""What a call that is an act says, and acts as they are shown."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from assignments.act_rules import LEAST_LATE, LONGEST_WAY, MOST_LATE
from assignments.imports.fields import Field, Number, Text
from assignments.models import LONGEST_ANSWER_NOTE, ActKind, Way
from reminders.web.api.fields import InstantField
from reminders.web.api.serializers.assignments import DeclaredSerializer

VERSION = Field(
    form=Number(minimum=1, maximum=2**31 - 1),
    help_text="The version that was seen: any other one answers 412.",
)


class ActInputSerializer(DeclaredSerializer):
    """The version that was seen, or nothing at all."""

    declarations: Mapping[str, Field] = {"version": VERSION}


class DeclineInputSerializer(ActInputSerializer):
    """Why they can't make it."""

    declarations = {
        "note": Field(form=Text(max_length=LONGEST_ANSWER_NOTE), help_text="Why, in their own words."),
        "version": VERSION,
    }


class OnMyWayInputSerializer(ActInputSerializer):
    """How long they still need."""

    declarations = {
        "minutes": Field(form=Number(minimum=1, maximum=LONGEST_WAY), help_text="How many they still need."),
        "version": VERSION,
    }


class LateInputSerializer(ActInputSerializer):
    """How late they will be."""

    declarations = {
        "minutes": Field(
            form=Number(minimum=LEAST_LATE, maximum=MOST_LATE),
            required=True,
            help_text="After `scheduled_start`, whatever was said before.",
        ),
        "version": VERSION,
    }

    def validate_minutes(self, value: int | None) -> int:
        if value is None:
            raise serializers.ValidationError("null is not accepted here: a whole number is needed", "null")
        return value


class ActSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    act = serializers.ChoiceField(choices=ActKind.values)
    via = serializers.ChoiceField(choices=Way.values)
    actor = serializers.CharField(help_text="assignee:ID, or the name of the account or token.")
    at = InstantField()
    version = serializers.IntegerField(help_text="The plan on which they acted.")
    minutes = serializers.IntegerField(allow_null=True, help_text="With `on_my_way` and `late`.")
    note = serializers.CharField()


class ChangeSerializer(serializers.Serializer[Any]):
    """`before` and `after` hold the fields that have got another value."""

    id = serializers.IntegerField()
    via = serializers.ChoiceField(choices=["", *Way.values])
    actor = serializers.CharField(help_text="The account, token or calendar; empty where it is not known.")
    at = InstantField()
    version = serializers.IntegerField(help_text="The plan afterwards.")
    before = serializers.DictField()
    after = serializers.DictField()
    summary = serializers.CharField(help_text="The same as a sentence.")
