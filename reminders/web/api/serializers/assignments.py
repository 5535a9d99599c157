"""Assignments and their assignees, as the API takes and returns them."""

from typing import Any

from rest_framework import serializers

from assignments.models import MAX_LEAD_MINUTES, ReminderStatus, Status
from assignments.services import ANSWER_FIELDS
from reminders.web.api.fields import (
    AnswerField,
    IdField,
    InstantField,
    StrictCharField,
    StrictChoiceField,
    StrictEmailField,
    StrictIntegerField,
    StrictSerializer,
)


class AssigneeInputSerializer(StrictSerializer):
    """Who does the work: by `id`, else by `reference`, else by `email`, else somebody new called `name`.

    What is given besides is written to the person.
    """

    id = IdField(required=False)
    reference = StrictCharField(required=False, allow_null=True, max_length=200)
    name = StrictCharField(required=False, max_length=200)
    email = StrictEmailField(required=False, allow_blank=True, max_length=254)
    phone = StrictCharField(required=False, allow_blank=True, max_length=40)
    time_zone = StrictCharField(required=False, max_length=64)
    language = StrictCharField(required=False, max_length=16)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.keys() & {"id", "reference", "name", "email"}:
            raise serializers.ValidationError(
                "an id, a reference, an e-mail address or a name is needed", "required"
            )
        return attrs


class AssignmentInputSerializer(StrictSerializer):
    """An assignment as it is made or replaced."""

    answered: tuple[str, ...] = (
        *("id", "reminder_status", "version", "created_at", "updated_at"),
        *ANSWER_FIELDS,
    )

    reference = StrictCharField(
        required=False, allow_null=True, max_length=200, help_text="The key in the scheduling system."
    )
    title = StrictCharField(max_length=200)
    kind = StrictCharField(required=False, allow_blank=True, max_length=60)
    location = StrictCharField(required=False, allow_blank=True, max_length=300)
    notes = StrictCharField(required=False, allow_blank=True, max_length=10_000)
    assignee = AssigneeInputSerializer(required=False, allow_null=True)
    status = StrictChoiceField(choices=Status.values, required=False)
    scheduled_start = InstantField()
    scheduled_end = InstantField(required=False, allow_null=True)
    lead_minutes = StrictIntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_LEAD_MINUTES,
        help_text="Minutes before the start at which the reminder is due; null: the installation's own lead.",
    )


class AssignmentPutInputSerializer(AssignmentInputSerializer):
    """An assignment by its reference, which stands in the address. What is left out takes its default; status stays."""

    answered = (*AssignmentInputSerializer.answered, "reference")
    reference = None  # type: ignore[assignment]


class ReferenceSerializer(StrictSerializer):
    """The reference in an address."""

    reference = StrictCharField(max_length=200, trim_whitespace=False)

    def validate_reference(self, value: str) -> str:
        if value != value.strip():
            raise serializers.ValidationError("no space is accepted before or after it", "spaces")
        return value


class EmptySerializer(StrictSerializer):
    """A body that says nothing, or none at all."""


class RescheduleInputSerializer(StrictSerializer):
    """A new start; without an end the length stays as it was."""

    scheduled_start = InstantField()
    scheduled_end = InstantField(required=False)


class ImportInputSerializer(AssignmentInputSerializer):
    """One assignment of an import: brought to these values if its reference is known, else made."""

    reminder_status = StrictChoiceField(
        choices=ReminderStatus.values,
        required=False,
        help_text="SENT: the former system has told this plan, so nobody is told again. Others change nothing.",
    )


class ImportSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    ids = serializers.ListField(
        child=serializers.IntegerField(), help_text="In the order of the rows; empty when dry."
    )


class AssigneeSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    reference = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    email = serializers.CharField()
    phone = serializers.CharField()
    time_zone = serializers.CharField()
    language = serializers.CharField()


class AssignmentSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    reference = serializers.CharField(allow_null=True)
    title = serializers.CharField()
    kind = serializers.CharField()
    location = serializers.CharField()
    notes = serializers.CharField()
    assignee = AssigneeSerializer(allow_null=True)
    status = serializers.ChoiceField(choices=Status.values)
    scheduled_start = InstantField()
    scheduled_end = InstantField(allow_null=True)
    lead_minutes = serializers.IntegerField(allow_null=True)
    reminder_status = serializers.ChoiceField(choices=ReminderStatus.values)
    answer = AnswerField(help_text="The assignee's own word on this start; another start takes it away.")
    answered_at = InstantField(allow_null=True)
    answer_note = serializers.CharField(help_text="Why they can't make it, in their own words.")
    version = serializers.IntegerField()
    created_at = InstantField()
    updated_at = InstantField()


class RowListSerializer(serializers.ListSerializer[Any]):
    """Flat objects with the columns of the CSV file."""

    child = serializers.DictField()


class AssignmentPageSerializer(serializers.Serializer[Any]):
    next = serializers.CharField(
        allow_null=True, help_text="The address of the next page; null on the last one."
    )
    results = AssignmentSerializer(many=True)
