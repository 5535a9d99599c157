"""The fields of an assignment and an assignee as other programs send them: one declaration for JSON, CSV and the API.

A reader turns the value that was sent into the value that is stored, or raises InvalidValue. Null means none.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from assignments import instants
from assignments.leads import checked_leads
from assignments.models import (
    ACT_FIELDS,
    MAX_LEAD_MINUTES,
    Assignee,
    Assignment,
    ReminderStatus,
    Status,
    Team,
)
from assignments.validation import too_long
from assignments.wording import quoted

SPREADSHEET_DATE = re.compile(r"\d{5}([.,]\d+)?", re.ASCII)
CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
SURROGATE = re.compile("[\ud800-\udfff]")
LARGEST_ID = 2**63 - 1


class InvalidValue(Exception):
    """A value is not of the accepted form. The text names the value and the form."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Omitted:
    """As if the field had not been sent."""


OMITTED = _Omitted()


def check_characters(text: str) -> None:
    """Raises InvalidValue for characters that cannot be stored."""
    if "\x00" in text:
        message = gettext("%(text)s contains a NUL character, which cannot be stored") % {
            "text": quoted(text)
        }
        raise InvalidValue("null_characters_not_allowed", message)
    if SURROGATE.search(text):
        message = gettext("%(text)s contains half of a character (a surrogate): Unicode text is needed") % {
            "text": quoted(text)
        }
        raise InvalidValue("surrogate_characters_not_allowed", message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Text without blanks around it. `none` is the value of null; without one null is refused."""

    max_length: int
    none: Any = ""
    blank: bool = True

    def read(self, value: Any) -> Any:
        """The text."""
        if value is None:
            return _none(self.none, "text")
        if not isinstance(value, str):
            raise InvalidValue(
                "invalid", gettext("%(value)s is not text: a string is needed") % {"value": quoted(value)}
            )
        check_characters(value)
        text = value.strip()
        if not text and not self.blank:
            raise InvalidValue("blank", gettext("this is empty: text is needed"))
        if len(text) > self.max_length:
            raise InvalidValue("max_length", too_long(text, self.max_length).messages[0])
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """An RFC 3339 instant with an offset, to the second."""

    optional: bool = False

    def read(self, value: Any) -> datetime | None:
        """The instant in UTC."""
        if value is None:
            return None if self.optional else _none(None, "an RFC 3339 instant")
        if isinstance(value, str) and SPREADSHEET_DATE.fullmatch(value.strip()):
            message = gettext(
                "%(value)s is a date as spreadsheets count days: an RFC 3339 instant is needed, such as "
                "2026-11-23T09:00:00+01:00"
            ) % {"value": quoted(value)}
            raise InvalidValue("spreadsheet_date", message)
        try:
            return instants.to_second(instants.read(value))
        except instants.NotAnInstant as refusal:
            raise InvalidValue(refusal.code, str(refusal)) from refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A whole number in a range; null means `none`."""

    minimum: int
    maximum: int
    none: Any = None

    def read(self, value: Any) -> Any:
        """The number."""
        if value is None:
            return self.none
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidValue(
                "invalid", gettext("%(value)s is not a whole number") % {"value": quoted(value)}
            )
        if value < self.minimum:
            raise InvalidValue(
                "min_value",
                gettext("%(value)s is too small: %(minimum)s or more is needed")
                % {"value": quoted(value), "minimum": self.minimum},
            )
        if value > self.maximum:
            raise InvalidValue(
                "max_value",
                gettext("%(value)s is too large: %(maximum)s or less is needed")
                % {"value": quoted(value), "maximum": self.maximum},
            )
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of a closed set of words."""

    choices: type[Status] | type[ReminderStatus]

    def read(self, value: Any) -> Any:
        """The member of the set."""
        if value is None:
            return _none(None, gettext("one of %(list)s") % {"list": ", ".join(self.choices.values)})
        if not isinstance(value, str) or value.strip() not in self.choices.values:
            message = gettext("%(value)s is not one of %(list)s") % {
                "value": quoted(value),
                "list": ", ".join(self.choices.values),
            }
            raise InvalidValue("invalid_choice", message)
        return self.choices(value.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamName:
    """A team by its name or, as a number, its id; null and an empty text mean none."""

    max_length: int

    def read(self, value: Any) -> int | str | None:
        """The name or the id; whether there is such a team is asked later."""
        if isinstance(value, int) and not isinstance(value, bool):
            number: int = Number(minimum=1, maximum=LARGEST_ID).read(value)
            return number
        if value is not None and not isinstance(value, str):
            raise InvalidValue(
                "invalid",
                gettext("%(value)s is not a team: the name of one is needed, or its id")
                % {"value": quoted(value)},
            )
        text: str = Text(max_length=self.max_length).read(value)
        return text or None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOfDay:
    """A local time, to the minute, such as 22:00; null means none."""

    def read(self, value: Any) -> time | None:
        """The time."""
        if value is None or value == "":
            return None
        found = CLOCK_TIME.fullmatch(value.strip()) if isinstance(value, str) else None
        if found is None:
            raise InvalidValue(
                "invalid",
                gettext("%(value)s is not a time: one from 00:00 to 23:59 is needed")
                % {"value": quoted(value)},
            )
        return time(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Leads:
    """Minutes before the start: a whole number, or a list of several; null means none."""

    def read(self, value: Any) -> Any:
        """The number, or the numbers, the shortest first."""
        if not isinstance(value, (list, int, type(None))):
            raise InvalidValue(
                "invalid",
                gettext("%(value)s is not a whole number or a list of them") % {"value": quoted(value)},
            )
        if not isinstance(value, list):
            return Number(minimum=1, maximum=MAX_LEAD_MINUTES).read(value)
        try:
            return checked_leads(value)
        except ValidationError as refusal:
            raise InvalidValue(str(refusal.code), refusal.messages[0]) from refusal


Form = Text | Instant | Number | Leads | Choice | TeamName | TimeOfDay


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field: the form of its values, and what the documentation of the API says of it."""

    form: Form
    required: bool = False
    help_text: str = ""

    @property
    def read(self) -> Callable[[Any], Any]:
        """Turns what was sent into what is stored; OMITTED where it counts as not sent. Raises InvalidValue."""
        return self.form.read


def _none(value: Any, form: str) -> Any:
    if value is None:
        raise InvalidValue("null", gettext("null is not accepted here: %(form)s is needed") % {"form": form})
    return value


def _length(model: type[Assignee] | type[Assignment] | type[Team], name: str) -> int:
    return int(getattr(model._meta.get_field(name), "max_length", None) or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Text):
    """A key of the scheduling system; null where there is none, but never empty."""

    def read(self, value: Any) -> Any:
        """The key, or None."""
        return None if value is None else Text.read(self, value)


def _key(model: type[Assignee] | type[Assignment], help_text: str) -> Field:
    return Field(form=Key(max_length=_length(model, "reference"), blank=False), help_text=help_text)


TEAM = TeamName(max_length=_length(Team, "name"))
QUIET_HOURS: Mapping[str, Field] = {
    "quiet_from": Field(
        form=TimeOfDay(), help_text="When quiet hours begin by the local clock, such as 22:00."
    ),
    "quiet_until": Field(form=TimeOfDay(), help_text="When they end."),
}
ASSIGNMENT: Mapping[str, Field] = {
    "reference": _key(Assignment, "The key in the scheduling system; unique."),
    "title": Field(form=Text(max_length=_length(Assignment, "title"), none=None, blank=False), required=True),
    "kind": Field(form=Text(max_length=_length(Assignment, "kind"))),
    "location": Field(form=Text(max_length=_length(Assignment, "location"))),
    "notes": Field(form=Text(max_length=_length(Assignment, "notes"))),
    "team": Field(
        form=TEAM,
        help_text="The name or the id of a team; null: the work belongs to the team of its assignee.",
    ),
    "scheduled_start": Field(form=Instant(), required=True, help_text="Kept to the second."),
    "scheduled_end": Field(form=Instant(optional=True), help_text="Kept to the second."),
    "lead_minutes": Field(
        form=Leads(),
        help_text="Minutes before the start at which the reminder is due, or a list for several reminders, such as"
        " [1440, 30]; null: the installation's own lead.",
    ),
}
STATUS = Field(form=Choice(choices=Status))
REMINDER_STATUS = Field(
    form=Choice(choices=ReminderStatus),
    help_text="SENT: another system has notified the assignee of this plan, so no reminder is sent for it."
    " Other values change nothing.",
)
ASSIGNEE: Mapping[str, Field] = {
    "id": Field(
        form=Number(minimum=1, maximum=LARGEST_ID, none=OMITTED),
        help_text="The person's id in this system. An import reads it only with `match_ids`.",
    ),
    "reference": _key(Assignee, "The person's key in the scheduling system; unique."),
    "name": Field(form=Text(max_length=_length(Assignee, "name"), none=OMITTED, blank=False)),
    "email": Field(form=Text(max_length=_length(Assignee, "email"))),
    "phone": Field(form=Text(max_length=_length(Assignee, "phone"))),
    "time_zone": Field(
        form=Text(max_length=_length(Assignee, "time_zone"), none=OMITTED, blank=False),
        help_text="A zone of the IANA database, such as Europe/Berlin.",
    ),
    "language": Field(
        form=Text(max_length=_length(Assignee, "language"), none=OMITTED, blank=False),
        help_text=(
            "A BCP 47 language tag. There are texts in en, de, es and fr, also for tags with a region, such as de-AT; people"
            " of other languages are written to in that of the installation."
        ),
    ),
    "team": Field(form=TEAM, help_text="The name or the id of the person's team; null: none."),
}
ROW: Mapping[str, Field] = {**ASSIGNMENT, "status": STATUS, "reminder_status": REMINDER_STATUS}
"""What a row of an import has besides `assignee`."""

LONGEST_TEXTS: Mapping[str, int] = {
    name: _length(Assignment, name) for name in ("title", "location", "notes")
}
"""Characters that a text of an assignment may have."""

IDENTIFYING = ("id", "reference", "name", "email")
"""An assignee needs one of these."""

READ_ONLY = ("id", "version", "created_at", "updated_at", *ACT_FIELDS)
"""What the API and the exports show of an assignment and nobody can set."""
