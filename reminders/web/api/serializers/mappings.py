"""Mappings of tables as the API takes and shows them."""

from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.reasons import MAX_REASON_LENGTH
from assignments.imports.fields import LARGEST_ID
from assignments.imports.tables.csv_table import SEPARATORS
from assignments.imports.tables.mapping import (
    CONSTANTS,
    DECIMALS,
    DURATION_UNITS,
    MAX_HEADER_ROW,
    TARGETS,
    TableMapping,
    checked_mapping,
)
from assignments.imports.tables.values import DATE_FORMATS
from assignments.models import Status
from reminders.web.api.fields import InstantField, StrictCharField, StrictIntegerField, StrictSerializer
from reminders.web.api.serializers.queries import QuerySerializer

COLUMN = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
TEXT = {"type": "string"}


def _objects(names: Any, of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict.fromkeys(names, of), "additionalProperties": False}


@extend_schema_field(_objects(TARGETS, COLUMN))
class ColumnsField(serializers.JSONField):
    """The column, or the columns, by the field that they fill."""


@extend_schema_field(_objects(CONSTANTS, TEXT))
class ConstantsField(serializers.JSONField):
    """Texts by fields."""


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string", "enum": Status.values}})
class StatusWordsField(serializers.JSONField):
    """A status by each word."""


class TableMappingSerializer(serializers.Serializer[Any]):
    """Read and checked by `checked_mapping`; here is what it looks like."""

    columns = ColumnsField(
        help_text="The column by each field that it fills, or a list of columns whose texts are joined. times is a span such"
        " as 9:00 - 10:00, assignee a name, an address, or Name <address>."
    )
    constants = ConstantsField(required=False, help_text="Texts for rows whose cells are empty.")
    key = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Without a column for the reference: the columns by which the same work is known again. Another value"
        " in one of them is other work.",
    )
    date_format = serializers.ChoiceField(
        choices=list(DATE_FORMATS),
        required=False,
        allow_null=True,
        help_text="How dates are written that could mean several days.",
    )
    zone = serializers.CharField(
        required=False, allow_null=True, help_text="Of local times: a zone of the IANA database."
    )
    decimal = serializers.ChoiceField(choices=DECIMALS, required=False)
    duration_unit = serializers.ChoiceField(choices=DURATION_UNITS, required=False, allow_null=True)
    all_day_start = serializers.CharField(
        required=False, allow_null=True, help_text="When work begins that has a date alone, such as 08:00."
    )
    status_words = StatusWordsField(required=False, help_text="What the words of the status column mean.")
    header_row = serializers.IntegerField(required=False, min_value=1, max_value=MAX_HEADER_ROW)
    sheet = serializers.CharField(required=False, allow_null=True, help_text="Of an XLSX file with several.")
    charset = serializers.CharField(required=False, allow_null=True, help_text="Of a CSV file; else UTF-8.")
    separator = serializers.ChoiceField(choices=list(SEPARATORS), required=False, allow_null=True)

    def run_validation(self, data: Any = serializers.empty) -> TableMapping:
        """The mapping. Raises ValidationError, by the parts of the mapping."""
        try:
            return checked_mapping(None if data is serializers.empty else data)
        except ValidationError as refusal:
            raise serializers.ValidationError(
                {name: [error.messages[0] for error in found] for name, found in refusal.error_dict.items()}
            ) from refusal


class ImportMappingInputSerializer(StrictSerializer):
    answered = ("id", "created_at", "updated_at")

    name = StrictCharField(max_length=100, help_text="A name for people; each is given once, in any case.")
    team = StrictIntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="The id of a team: who is limited to teams uses the mappings of these.",
    )
    mapping = TableMappingSerializer()
    reason = StrictCharField(max_length=MAX_REASON_LENGTH, required=False, allow_blank=True)


class ImportMappingSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    team = serializers.IntegerField(source="team_id", allow_null=True)
    mapping = TableMappingSerializer()
    created_at = InstantField()
    updated_at = InstantField()


class ImportMappingListSerializer(serializers.Serializer[Any]):
    results = ImportMappingSerializer(many=True)


class ImportGuessQuery(QuerySerializer):
    zone = StrictCharField(
        required=False, max_length=64, help_text="Of local times; else the installation's."
    )
    date_format = serializers.ChoiceField(choices=list(DATE_FORMATS), required=False)
    duration_unit = serializers.ChoiceField(choices=DURATION_UNITS, required=False)
    sheet = StrictCharField(required=False, max_length=100, help_text="Of an XLSX file with several.")


class ImportQuestionSerializer(serializers.Serializer[Any]):
    part = serializers.CharField(help_text="The part of the mapping, or the field, that would answer it.")
    message = serializers.CharField()
    choices = serializers.ListField(child=serializers.CharField())


class ImportPreviewErrorSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(allow_null=True)
    column = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    message = serializers.CharField()


class ImportPreviewRowSerializer(serializers.Serializer[Any]):
    row = serializers.IntegerField()
    values = serializers.DictField(help_text="The fields of the assignment; empty where the row has errors.")
    errors = ImportPreviewErrorSerializer(many=True)  # type: ignore[assignment]  # a field of that name


class ImportGuessSerializer(serializers.Serializer[Any]):
    mapping = TableMappingSerializer()
    questions = ImportQuestionSerializer(
        many=True, help_text="What cannot be guessed. Empty: it can be used."
    )
    unused = serializers.ListField(child=serializers.CharField(), help_text="Columns that fill no field.")
    preview = ImportPreviewRowSerializer(
        many=True, help_text="The first ten rows; none while there are questions."
    )
