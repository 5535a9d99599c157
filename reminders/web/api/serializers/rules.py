"""Reminder rules as the API takes and shows them."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.reasons import MAX_REASON_LENGTH
from assignments.models import MAX_LEAD_MINUTES
from reminders.models import ReminderRule
from reminders.operations.reminder_rules import (
    FIELDS,
    MAX_DAYS_BEFORE,
    MAX_MINUTES_AFTER,
    MAX_REPEATS,
    MIN_REPEAT_MINUTES,
)
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


class RuleTriggerInputSerializer(StrictSerializer):
    type = StrictChoiceField(choices=ReminderRule.Trigger.choices)
    minutes = StrictIntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MAX_LEAD_MINUTES,
        help_text="before_start and unanswered: before the start. after_overdue: after the instant at which the work counts"
        " as overdue. on_decline: after the decline; without them at once.",
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
    """What is out of range is refused with the rule (`check_rule`), which names the value and what is accepted."""

    every_minutes = StrictIntegerField(
        required=False,
        min_value=0,
        help_text=f"Minutes between two messages: {MIN_REPEAT_MINUTES} to {MAX_MINUTES_AFTER}.",
    )
    times = StrictIntegerField(
        required=False, min_value=0, help_text=f"How often, after the first message: 1 to {MAX_REPEATS}."
    )


class RuleInputSerializer(StrictSerializer):
    answered = ("id", "changed_at", "created_at")

    name = StrictCharField(max_length=100, help_text="A name for people; each is given once.")
    enabled = StrictBooleanField(required=False)
    audience = StrictChoiceField(
        choices=ReminderRule.Audience.choices,
        help_text="assignee: before_start, at_local_time. supervisors, ops: after_overdue, on_decline, unanswered, and"
        " at_local_time, which makes a brief.",
    )
    trigger = RuleTriggerInputSerializer()
    condition = StrictChoiceField(
        required=False,
        choices=ReminderRule.Condition.choices,
        help_text="not_reached, for supervisors and ops with at_local_time: only work whose assignee does not know of it and"
        " will not be told. always: all work.",
    )
    scope = RuleScopeInputSerializer(required=False)
    quiet_hours = StrictChoiceField(
        required=False,
        choices=ReminderRule.QuietHours.choices,
        help_text="What assignees get moves earlier, what supervisors get moves later. Without it, what is due more than"
        " four hours before the start, and what is for supervisors or Ops, respects them.",
    )
    when_past = StrictChoiceField(
        required=False,
        choices=ReminderRule.WhenPast.choices,
        help_text="What becomes of a reminder whose quiet hours had begun before the work became known.",
    )
    channels = StrictListField(
        required=False,
        child=StrictCharField(max_length=60),
        help_text="For assignees: reminds over each of these (email, sms, chat) over which the person has an address."
        " Empty: over the first of their addresses.",
    )
    mandatory = StrictBooleanField(
        required=False, help_text="true: assignees cannot opt out of its reminders."
    )
    verified_only = StrictBooleanField(
        required=False,
        help_text="For assignees: true: reminds at addresses alone that the person has verified, and fails without one.",
    )
    repeat = RuleRepeatInputSerializer(
        required=False, allow_null=True, help_text="For supervisors and ops; null: it does not repeat."
    )
    reason = StrictCharField(max_length=MAX_REASON_LENGTH, required=False, allow_blank=True)


def values_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a rule in what was sent: `trigger`, `scope` and `repeat` are sent, and so written, whole."""
    values = {
        name: value
        for name, value in body.items()
        if name in FIELDS and name not in {"trigger", "scope", "repeat"}
    }
    if (trigger := body.get("trigger")) is not None:
        values |= {
            "trigger": trigger["type"],
            "minutes": trigger.get("minutes"),
            "days_before": trigger.get("days_before"),
            "at": trigger.get("at"),
        }
    if "repeat" in body:
        repeat = body["repeat"] or {}
        values |= {"repeat_minutes": repeat.get("every_minutes"), "repeat_times": repeat.get("times")}
    if (scope := body.get("scope")) is not None:
        values |= {"scope": scope["type"], "scope_value": scope.get("value", "")}
    return values


PLACES = {
    "trigger": "trigger.type",
    "minutes": "trigger.minutes",
    "days_before": "trigger.days_before",
    "at": "trigger.at",
    "scope": "scope.type",
    "scope_value": "scope.value",
    "repeat_minutes": "repeat.every_minutes",
    "repeat_times": "repeat.times",
}
"""Where the API has the fields of a rule."""


class RuleTriggerSerializer(serializers.Serializer[Any]):
    type = serializers.CharField(source="trigger")
    minutes = serializers.IntegerField(allow_null=True)
    days_before = serializers.IntegerField(allow_null=True)
    at = TimeOfDayField(allow_null=True)


class RuleScopeSerializer(serializers.Serializer[Any]):
    type = serializers.CharField(source="scope")
    value = serializers.CharField(source="scope_value")


class RuleRepeatSerializer(serializers.Serializer[Any]):
    every_minutes = serializers.IntegerField(source="repeat_minutes")
    times = serializers.IntegerField(source="repeat_times")


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
    mandatory = serializers.BooleanField()
    verified_only = serializers.BooleanField()
    repeat = serializers.SerializerMethodField()
    changed_at = InstantField(help_text="It makes nothing for instants before this.")
    created_at = InstantField()

    @extend_schema_field(RuleRepeatSerializer(allow_null=True))
    def get_repeat(self, rule: ReminderRule) -> Any:
        return None if rule.repeat_minutes is None else RuleRepeatSerializer(rule).data


class RuleProgressSerializer(serializers.Serializer[Any]):
    changed_at = InstantField(help_text="When rules, or what they go by, have last changed.")
    waiting_since = InstantField(help_text="Since when nothing more of it was done.")
    done = serializers.IntegerField(help_text="Open assignments that follow the change.")
    total = serializers.IntegerField(help_text="Open assignments.")


class RuleListSerializer(serializers.Serializer[Any]):
    results = RuleSerializer(many=True)
    progress = RuleProgressSerializer(
        allow_null=True,
        help_text="How far the ledger follows the last change; null: all open assignments follow it.",
    )


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
    applies = serializers.IntegerField(
        help_text="Assignments that were looked at to which the rule would apply."
    )
    built_in_replaced = serializers.IntegerField(
        help_text="Of these, those whose supervisors would get the rule's messages in place of the built-in notice."
    )
    built_in_restored = serializers.IntegerField(
        help_text="Those whose supervisors would get the built-in notice again."
    )
    added_if_not_started = serializers.IntegerField(
        help_text="How many more notices there would be besides, if nobody started any work in time."
    )
    dropped_if_not_started = serializers.IntegerField(help_text="And how many fewer.")
    complete = serializers.BooleanField(
        help_text="false: there is more; the figures are the least it would do."
    )
    listed = RuleDifferenceSerializer(many=True)
