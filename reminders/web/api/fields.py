"""Fields that take exactly what they say: text is text, a number is a number, an instant has an offset."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from assignments import instants
from assignments.imports import fields as declared
from assignments.imports.fields import LARGEST_ID, OMITTED, Field, InvalidValue
from assignments.leads import MOST_LEADS, joined_leads
from assignments.models import MAX_LEAD_MINUTES, Answer
from assignments.validation import too_long
from assignments.wording import quoted


@contextmanager
def _refused() -> Iterator[None]:
    """What a reader refuses is the error of this field."""
    try:
        yield
    except InvalidValue as refusal:
        raise serializers.ValidationError(str(refusal), refusal.code) from refusal


class StrictCharField(serializers.CharField):
    """Text; a number is not text."""

    default_error_messages = {
        "blank": "this is empty: text is needed",
        "null": "null is not accepted here: text is needed",
    }

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError(f"{quoted(data)} is not text: a string is needed", "invalid")
        with _refused():
            declared.check_characters(data)
        text: str = super().to_internal_value(data)
        if self.max_length is not None and len(text) > self.max_length:
            raise too_long(text, self.max_length)
        return text


class StrictChoiceField(serializers.ChoiceField):
    """One word of a closed set."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if (data is None and not self.allow_null) or (data == "" and not self.allow_blank):
            return self.to_internal_value(data)
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            message = f"{quoted(data)} is not one of {', '.join(map(str, self.choices))}"
            raise serializers.ValidationError(message, "null" if data is None else "invalid_choice")
        return data


class StrictIntegerField(serializers.IntegerField):
    """A whole number; neither true nor "30" nor 30.5 is one."""

    default_error_messages = {"null": "null is not accepted here: a whole number is needed"}

    def to_internal_value(self, data: Any) -> int:
        bounds = declared.Number(
            minimum=-LARGEST_ID if self.min_value is None else int(self.min_value),
            maximum=LARGEST_ID if self.max_value is None else int(self.max_value),
        )
        with _refused():
            number: int = bounds.read(data)
        return number


class IdField(StrictIntegerField):
    """A number that an id can be."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST_ID, **kwargs)


class StrictBooleanField(serializers.BooleanField):
    """true or false; neither 1 nor "yes" is one."""

    default_error_messages = {"null": "null is not accepted here: true or false is needed"}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError(f"{quoted(data)} is neither true nor false", "invalid")
        return data


class StrictListField(serializers.ListField):
    """A list; text is none."""

    default_error_messages = {"null": "null is not accepted here: a list is needed"}

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            raise serializers.ValidationError(f"{quoted(data)} is not a list", "not_a_list")
        if self.max_length is not None and len(data) > self.max_length:
            message = f"the list has {len(data):,} elements: no more than {self.max_length:,} are accepted"
            raise serializers.ValidationError(message, "max_length")
        found: list[Any] = super().to_internal_value(data)
        return found


class InstantField(serializers.DateTimeField):
    """An RFC 3339 instant with an offset, kept as UTC. A local time without one is refused: nobody knows when it is."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return instants.read(value)
        except instants.NotAnInstant as refusal:
            raise serializers.ValidationError(str(refusal), refusal.code) from refusal

    def to_representation(self, value: Any) -> Any:
        return None if value is None else instants.shown(value)


class _Declared(serializers.Field):  # type: ignore[type-arg]
    """A field of `assignments.imports.fields`: what is described here is read there."""

    declaration: Field

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if data is serializers.empty:
            return super().run_validation(data)
        with _refused():
            value = self.declaration.read(data)
        if value is OMITTED:
            raise serializers.SkipField
        return value


class _DeclaredText(_Declared, serializers.CharField):
    pass


class _DeclaredInstant(_Declared, serializers.DateTimeField):
    pass


class _DeclaredNumber(_Declared, serializers.IntegerField):
    pass


@extend_schema_field({"oneOf": [{"type": "string"}, {"type": "integer"}], "nullable": True})
class _DeclaredTeam(_Declared, serializers.Field):  # type: ignore[type-arg]
    pass


LEADS = {
    "oneOf": [
        {"type": "integer", "minimum": 1, "maximum": MAX_LEAD_MINUTES},
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": MAX_LEAD_MINUTES},
            "minItems": 1,
            "maxItems": MOST_LEADS,
        },
    ],
    "nullable": True,
}


@extend_schema_field(LEADS)
class _DeclaredLeads(_Declared, serializers.Field):  # type: ignore[type-arg]
    pass


@extend_schema_field(LEADS)
class LeadsField(serializers.Field):  # type: ignore[type-arg]
    """An assignment's own lead times as they are shown: a number, a list with the longest first, or null."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(source="*", read_only=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return joined_leads(value.lead_minutes, value.further_lead_minutes)


class _DeclaredTime(_Declared, serializers.CharField):
    pass


class _DeclaredChoice(_Declared, serializers.ChoiceField):
    pass


def declared_field(declaration: Field) -> serializers.Field[Any, Any, Any, Any]:
    """The field of a serializer, with what the description of the API shows of the declaration."""
    common: dict[str, Any] = {
        "required": declaration.required,
        "allow_null": not declaration.required,
        "help_text": declaration.help_text or None,
    }
    if isinstance(declaration.form, declared.Choice):
        common["allow_null"] = False
    field: _Declared
    match declaration.form:
        case declared.Text(max_length=length, blank=blank):
            field = _DeclaredText(max_length=length, allow_blank=blank, **common)
        case declared.Instant():
            field = _DeclaredInstant(**common)
        case declared.Number(minimum=least, maximum=most):
            field = _DeclaredNumber(min_value=least, max_value=most, **common)
        case declared.Leads():
            field = _DeclaredLeads(**common)
        case declared.Choice(choices=choices):
            field = _DeclaredChoice(choices=choices.values, **common)
        case declared.TeamName():
            field = _DeclaredTeam(**common)
        case declared.TimeOfDay():
            field = _DeclaredTime(**common)
    field.declaration = declaration
    return field


# Not the format `time` of JSON Schema, which has seconds and an offset (RFC 3339, section 5.6).
@extend_schema_field({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"})
class TimeOfDayField(serializers.TimeField):
    """A local time as it is shown: 22:00."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="%H:%M", **kwargs)


class StrictTimeField(TimeOfDayField):
    """A local time as it is sent: 22:00, and neither 22:00:00 nor 9:00."""

    def to_internal_value(self, data: Any) -> Any:
        with _refused():
            found = declared.TimeOfDay().read(data)
        if found is None:
            raise serializers.ValidationError("this is empty: a time such as 22:00 is needed", "blank")
        return found


class AnswerField(serializers.ChoiceField):
    """What the assignee has answered: NONE, CONFIRMED or DECLINED."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=Answer.names, **kwargs)

    def to_representation(self, value: Any) -> str:
        return Answer(value).name


class StrictSerializer(serializers.Serializer[Any]):
    """An object with the fields that are named here and no others.

    One inside of another object is sent whole, also where only some fields of the outer one are sent.
    """

    default_error_messages = {"null": "null is not accepted here: an object is needed"}

    answered: tuple[str, ...] = ()
    """Fields of the answer that cannot be sent."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            message = f"{quoted(data)} is not an object: one with {self._accepted()} is needed"
            raise serializers.ValidationError({"non_field_errors": [ErrorDetail(message, "invalid")]})
        wrong = {str(name): [self._why(name)] for name in data if name not in self.fields}
        if self.parent is not None:
            wrong |= {
                name: [ErrorDetail(str(field.error_messages["required"]), "required")]
                for name, field in self.fields.items()
                if field.required and name not in data
            }
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if wrong and isinstance(error.detail, dict):
                raise serializers.ValidationError({**error.detail, **wrong}) from error
            raise
        if wrong:
            raise serializers.ValidationError(wrong)
        return values

    def _why(self, name: object) -> ErrorDetail:
        if name in self.answered:
            return ErrorDetail("this cannot be set: leave it out", code="read_only")
        return ErrorDetail(f"unknown: {self._accepted()} can be sent", code="unknown_field")

    def _accepted(self) -> str:
        return ", ".join(self.fields) or "nothing"
