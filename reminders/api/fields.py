"""Fields that take exactly what they say: text is text, a number is a number, an instant has an offset."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

FIRST_YEAR, LAST_YEAR = 1970, 2200
BIGGEST_ID = 2**63 - 1
RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)([Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)


class Text(serializers.CharField):
    """Text; a number is not text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Email(serializers.EmailField):
    """One e-mail address, or an empty text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Word(serializers.ChoiceField):
    """One word of a closed set."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=type(data).__name__)
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A whole number; neither true nor "30" nor 30.5 is one."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class Id(Whole):
    """A number that an id can be."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=BIGGEST_ID, **kwargs)


class Switch(serializers.BooleanField):
    """true or false; neither 1 nor "yes" is one."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=type(data).__name__)
        return data


class Instant(serializers.DateTimeField):
    """An RFC 3339 instant with an offset, kept as UTC. A local time without one is refused: nobody knows when it is."""

    default_error_messages = {
        "invalid": "an RFC 3339 instant is needed, such as 2026-11-23T09:00:00+01:00",
        "naive": "an offset is needed, such as 2026-11-23T09:00:00+01:00 or ...Z: nobody knows which zone is meant",
        "out_of_range": f"a year from {FIRST_YEAR} to {LAST_YEAR} is needed",
    }

    def to_internal_value(self, value: Any) -> datetime:
        found = RFC3339.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            self.fail("invalid")
        date, time, _, fraction, offset = found.groups()
        if offset is None:
            self.fail("naive")
        if fraction:
            time = time.replace(fraction, fraction[:7])  # PostgreSQL keeps microseconds.
        try:
            instant = datetime.fromisoformat(f"{date}T{time}{offset.upper()}")
        except ValueError:
            self.fail("invalid")
        if not FIRST_YEAR - 1 <= instant.year <= LAST_YEAR + 1:
            self.fail("out_of_range")  # Years 1 and 9999 have no UTC for every offset.
        if not FIRST_YEAR <= (instant := instant.astimezone(UTC)).year <= LAST_YEAR:
            self.fail("out_of_range")
        return instant

    def to_representation(self, value: Any) -> Any:
        return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Strict(serializers.Serializer[Any]):
    """An object with the fields that are named here and no others."""

    answered: tuple[str, ...] = ()
    """Fields of the answer that cannot be sent."""

    def to_internal_value(self, data: Any) -> Any:
        strangers = {}
        if isinstance(data, Mapping):
            strangers = {str(name): [self._why(name)] for name in data if name not in self.fields}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if strangers and isinstance(error.detail, dict):
                raise serializers.ValidationError({**error.detail, **strangers}) from error
            raise
        if strangers:
            raise serializers.ValidationError(strangers)
        return values

    def _why(self, name: object) -> ErrorDetail:
        if name in self.answered:
            return ErrorDetail("this cannot be set: leave it out", code="read_only")
        return ErrorDetail(f"unknown: {', '.join(self.fields)} are accepted", code="unknown_field")
