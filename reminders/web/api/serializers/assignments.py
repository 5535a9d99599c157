"""Assignments and their assignees, as the API takes and returns them."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from assignments.imports.fields import ASSIGNEE, ASSIGNMENT, IDENTIFYING, READ_ONLY, ROW, STATUS, Field
from assignments.models import ReminderStatus, Status
from assignments.wording import quoted
from reminders.policy.awareness import RUNGS
from reminders.web.api.fields import (
    AnswerField,
    InstantField,
    LeadsField,
    StrictCharField,
    StrictSerializer,
    declared_field,
)


class DeclaredSerializer(StrictSerializer):
    """An object whose fields are declared in `assignments.imports.fields`."""

    declarations: Mapping[str, Field] = {}

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = {name: declared_field(one) for name, one in self.declarations.items()}
        return {**fields, **super().get_fields()}


class AssigneeInputSerializer(DeclaredSerializer):
    """Who does the work: by `id`, else by `reference`, else by `email` and `name`, else by `name`; else somebody new.

    Other values are written to the person, unless it has a reference and is found without it. Where several people
    share the address, the name is needed; where it is nobody's, it is the name of a person without one.
    """

    declarations = ASSIGNEE

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not any(attrs.get(name) for name in IDENTIFYING):
            raise serializers.ValidationError(
                f"an assignee needs one of {', '.join(IDENTIFYING)}", "required"
            )
        return attrs


class AssignmentInputSerializer(DeclaredSerializer):
    """An assignment as it is created or replaced."""

    declarations: Mapping[str, Field] = {**ASSIGNMENT, "status": STATUS}
    answered: tuple[str, ...] = (*READ_ONLY, "reminder_status")

    assignee = AssigneeInputSerializer(required=False, allow_null=True)


class AssignmentPutInputSerializer(AssignmentInputSerializer):
    """An assignment by its reference, which is in the address.

    What is left out takes its default; status and team stay.
    """

    declarations = {
        name: one for name, one in AssignmentInputSerializer.declarations.items() if name != "reference"
    }
    answered = (*AssignmentInputSerializer.answered, "reference")


class ReferenceSerializer(StrictSerializer):
    """The reference in an address."""

    reference = StrictCharField(max_length=200, trim_whitespace=False)

    def validate_reference(self, value: str) -> str:
        if value != value.strip():
            raise serializers.ValidationError(
                f"{quoted(value)} begins or ends with a blank, which no reference does", "spaces"
            )
        return value


class EmptySerializer(StrictSerializer):
    """A body that says nothing, or none at all."""


class RescheduleInputSerializer(StrictSerializer):
    """A new start; without an end the length stays as it was."""

    scheduled_start = InstantField()
    scheduled_end = InstantField(required=False)


class ImportInputSerializer(AssignmentInputSerializer):
    """One assignment of an import: it gets these values if its reference is known, else it is created."""

    declarations = ROW


class LeftOutSerializer(serializers.Serializer[Any]):
    what = serializers.CharField()
    count = serializers.IntegerField()


class ImportNoteSerializer(serializers.Serializer[Any]):
    row = serializers.IntegerField()
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class ImportSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    left_out = LeftOutSerializer(many=True, help_text="What else was sent and was not imported.")
    notes = ImportNoteSerializer(
        many=True, help_text="What was left out of rows that were taken; the first 1,000."
    )
    ids = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="In the order of the rows that were taken; empty when dry.",
    )


class AssigneeSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    reference = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    email = serializers.CharField()
    phone = serializers.CharField()
    time_zone = serializers.CharField()
    language = serializers.CharField()
    team = serializers.IntegerField(
        source="team_id", allow_null=True, help_text="The id of the person's team."
    )


class AssignmentSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    reference = serializers.CharField(allow_null=True)
    title = serializers.CharField()
    kind = serializers.CharField()
    location = serializers.CharField()
    notes = serializers.CharField()
    assignee = AssigneeSerializer(allow_null=True)
    team = serializers.IntegerField(
        source="team_id",
        allow_null=True,
        help_text="The id of its own team; null: it belongs to the team of its assignee.",
    )
    status = serializers.ChoiceField(choices=Status.values)
    scheduled_start = InstantField()
    scheduled_end = InstantField(allow_null=True)
    lead_minutes = LeadsField()
    reminder_status = serializers.ChoiceField(choices=ReminderStatus.values)
    answer = AnswerField(help_text="The assignee's own word on this start; another start takes it away.")
    answered_at = InstantField(allow_null=True)
    answer_note = serializers.CharField(help_text="Why they can't make it, in their own words.")
    expected_start = InstantField(
        allow_null=True, help_text="When the assignee says that they will begin, if later than planned."
    )
    on_my_way_at = InstantField(allow_null=True)
    started_at = InstantField(allow_null=True)
    completed_at = InstantField(allow_null=True)
    awareness = serializers.ChoiceField(
        choices=RUNGS,
        allow_null=True,
        help_text="How far the assignee is known to know of the work; null where it is cancelled.",
    )
    version = serializers.IntegerField()
    created_at = InstantField()
    updated_at = InstantField()


class RowListSerializer(serializers.ListSerializer[Any]):
    """The objects of an export."""

    child = serializers.DictField(child=serializers.JSONField(allow_null=True))


class AssignmentPageSerializer(serializers.Serializer[Any]):
    next = serializers.CharField(
        allow_null=True, help_text="The address of the next page; null on the last one."
    )
    results = AssignmentSerializer(many=True)
