"""The one shape of every error."""

from typing import Any

from rest_framework import serializers

from reminders.web.api.serializers.assignments import AssignmentSerializer


class FieldErrorSerializer(serializers.Serializer[Any]):
    row = serializers.IntegerField(
        required=False, help_text="Of an import: which assignment, from 1; in a CSV file the header is row 1."
    )
    column = serializers.CharField(
        required=False, help_text="Of an import under a mapping: the column, or the columns, of the field."
    )
    line = serializers.IntegerField(
        required=False, help_text="Of a message template: the line of its subject or body, from 1."
    )
    character = serializers.IntegerField(
        required=False, help_text="Of a message template: the place in the line, from 1."
    )
    field = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    message = serializers.CharField()


class ErrorSerializer(serializers.Serializer[Any]):
    type = serializers.CharField()
    title = serializers.CharField()
    errors = FieldErrorSerializer(many=True)  # type: ignore[assignment]  # a field of that name


class StaleErrorSerializer(ErrorSerializer):
    """Of a change whose condition does not hold: the state in force, so that it need not be read."""

    current = AssignmentSerializer(allow_null=True)
