"""Reminder rules as the API takes and shows them."""

from collections.abc import Mapping
from typing import Any, TypeVar

from rest_framework import serializers

from accounts.reasons import MAX_REASON_LENGTH
from assignments.models import MAX_LEAD_MINUTES
from reminders.models import ReminderRule
from reminders.operations.reminder_rules import FIELDS, MAX_DAYS_BEFORE
from reminders.web.api.fields import (
    InstantField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictListField,
    StrictSerializer,
    StrictTimeField,
    TimeOfDayField,
)

Value = TypeVar("Value")


class RuleTriggerInputSerializer(StrictSerializer):
    type = StrictChoiceField(choices=ReminderRule.Trigger.choices)
    minutes = StrictIntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MAX_LEAD_MINUTES,
        help_text="For before_start.",
    )
    days_before = StrictIntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MAX_DAYS_BEFORE,
        help_text="For at_local_time.",
    )
    at = StrictTimeField(
        required=False, allow_null=True, help_text="For at_local_time: in the recipient's time zone."
    )


class RuleScopeInputSerializer(StrictSerializer):
    type = StrictChoiceField(choices=ReminderRule.Scope.choices)
    value = StrictCharField(
        required=False,
        allow_blank=True,
        max_length=60,
        help_text="A kind of work, or the id of a team, a person or an assignment.",
    )


class RuleRepeatInputSerializer(StrictSerializer):
    every_minutes = StrictIntegerField(min_value=1)
    times = StrictIntegerField(min_value=0)


class RuleInputSerializer(StrictSerializer):
    answered = ("id", "changed_at", "created_at")

    name = StrictCharField(max_length=100, help_text="A name for people; each is given once.")
    enabled = StrictBooleanField(required=False)
    audience = StrictChoiceField(choices=ReminderRule.Audience.choices)
    trigger = RuleTriggerInputSerializer()
    condition = StrictChoiceField(required=False, choices=ReminderRule.Condition.choices)
    scope = RuleScopeInputSerializer(required=False)
    quiet_hours = StrictChoiceField(
        required=False,
        choices=ReminderRule.QuietHours.choices,
        help_text="Without it, only what is due more than four hours before the start respects them.",
    )
    when_past = StrictChoiceField(
        required=False,
        choices=ReminderRule.WhenPast.choices,
        help_text="What becomes of a reminder whose quiet hours had begun before the work became known.",
    )
    channels = StrictListField(
        required=False, child=StrictCharField(max_length=60), help_text="Empty: the installation's channel."
    )
    mandatory = StrictBooleanField(required=False, help_text="false: nobody can opt out of reminders yet.")
    verified_only = StrictBooleanField(required=False, help_text="false: addresses are not verified yet.")
    repeat = RuleRepeatInputSerializer(
        required=False, allow_null=True, help_text="null: no rule repeats yet."
    )
    reason = StrictCharField(max_length=MAX_REASON_LENGTH, required=False, allow_blank=True)

    def validate_channels(self, value: list[str]) -> list[str]:
        return _only(
            value, [], "a rule goes over the installation's channel (REMINDER_CHANNEL): [] is accepted"
        )

    def validate_mandatory(self, value: bool) -> bool:
        return _only(value, False, "nobody can opt out of a rule's reminders, so false is accepted alone")

    def validate_verified_only(self, value: bool) -> bool:
        return _only(value, False, "addresses are not verified, so false is accepted alone")

    def validate_repeat(self, value: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        return _only(value, None, "a reminder to an assignee is not repeated: null is accepted")


def _only(value: Value, accepted: Value, message: str) -> Value:
    """The value, where it is the one that is accepted so far."""
    if value != accepted:
        raise serializers.ValidationError(message, code="not_supported")
    return value


def values_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a rule in what was sent: `trigger` and `scope` are sent, and so written, whole."""
    values = {
        name: value for name, value in body.items() if name in FIELDS and name not in {"trigger", "scope"}
    }
    if (trigger := body.get("trigger")) is not None:
        values |= {
            "trigger": trigger["type"],
            "minutes": trigger.get("minutes"),
            "days_before": trigger.get("days_before"),
            "at": trigger.get("at"),
        }
    if (scope := body.get("scope")) is not None:
        values |= {"scope": scope["type"], "scope_value": scope.get("value", "")}
    return values


class RuleTriggerSerializer(serializers.Serializer[Any]):
    type = serializers.CharField(source="trigger")
    minutes = serializers.IntegerField(allow_null=True)
    days_before = serializers.IntegerField(allow_null=True)
    at = TimeOfDayField(allow_null=True)


class RuleScopeSerializer(serializers.Serializer[Any]):
    type = serializers.CharField(source="scope")
    value = serializers.CharField(source="scope_value")


class RuleSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    enabled = serializers.BooleanField()
    audience = serializers.CharField()
    trigger = RuleTriggerSerializer(source="*")
    condition = serializers.CharField()
    scope = RuleScopeSerializer(source="*")
    quiet_hours = serializers.CharField()
    when_past = serializers.CharField()
    channels = serializers.ListField(child=serializers.CharField(), default=list)
    mandatory = serializers.BooleanField(default=False)
    verified_only = serializers.BooleanField(default=False)
    repeat = serializers.JSONField(default=None, allow_null=True)
    changed_at = InstantField(help_text="It makes nothing for instants before this.")
    created_at = InstantField()


class RuleListSerializer(serializers.Serializer[Any]):
    results = RuleSerializer(many=True)


class RulePreviewInputSerializer(StrictSerializer):
    id = StrictIntegerField(
        required=False, min_value=1, help_text="The rule that would change; without it, a new one."
    )
    rule = RuleInputSerializer(required=False, allow_null=True, help_text="null: the rule would be removed.")


class RuleDifferenceSerializer(serializers.Serializer[Any]):
    assignment_id = serializers.IntegerField()
    title = serializers.CharField()
    person = serializers.CharField()
    rule = serializers.CharField()
    before = InstantField(allow_null=True, help_text="null: there was none.")
    after = InstantField(allow_null=True, help_text="null: there would be none.")


class RulePreviewSerializer(serializers.Serializer[Any]):
    since = InstantField()
    until = InstantField()
    added = serializers.IntegerField()
    dropped = serializers.IntegerField()
    moved = serializers.IntegerField()
    soon = serializers.IntegerField(
        help_text="Of the added and moved ones, those that would leave within the hour."
    )
    complete = serializers.BooleanField(
        help_text="false: there is more; the figures are the least it would do."
    )
    listed = RuleDifferenceSerializer(many=True)
