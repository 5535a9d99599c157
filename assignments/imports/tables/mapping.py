"""A mapping: which columns of a table fill which fields, and how their values are written."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from assignments import instants
from assignments.imports.fields import CLOCK_TIME, InvalidValue, check_characters
from assignments.imports.rows import UnreadableFile
from assignments.imports.tables.csv_table import SEPARATORS
from assignments.imports.tables.table import MAX_COLUMNS
from assignments.imports.tables.values import DATE_FORMATS
from assignments.imports.text_files import python_charset
from assignments.models import Status
from assignments.wording import quoted

TEXTS = ("reference", "title", "kind", "location", "notes", "team", "status", "lead_minutes")
PERSON = ("reference", "name", "email", "phone", "time_zone", "language", "team")
ASSIGNEE_COLUMNS = tuple(f"assignee_{name}" for name in PERSON)
WHEN = (
    *("scheduled_start", "start_date", "start_time", "scheduled_end", "end_date", "end_time"),
    *("times", "duration", "all_day", "time_zone"),
)
TARGETS = (*TEXTS, *WHEN, "assignee", *ASSIGNEE_COLUMNS)
"""What a column can fill. `times` is a span such as 9:00 - 10:00; `assignee` a name, an address, or Name <address>."""

CONSTANTS = (*(name for name in TEXTS if name != "reference"), "assignee", *ASSIGNEE_COLUMNS)
"""What may have a value for all rows whose cells are empty."""

JOINTS = {"notes": "\n", "location": ", "}
"""What is put between the values of several columns of one field; others get a blank."""

DURATION_UNITS = ("minutes", "hours")
DECIMALS = (".", ",")
LONGEST_TEXT = 1_000
MAX_WORDS = 100
MAX_HEADER_ROW = 100
STARTS = ("scheduled_start", "start_date")
Errors = dict[str, list[ValidationError]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMapping:
    """Values that were checked (`checked_mapping`); `zone` is that of local times.

    Without a column for the reference, work is known by the `key` columns: another value in one of them is other work.
    `all_day_start` is the local time at which work begins that has a date alone.
    """

    columns: Mapping[str, tuple[str, ...]]
    constants: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    date_format: str | None = None
    zone: str | None = None
    decimal: str = "."
    duration_unit: str | None = None
    all_day_start: str | None = None
    status_words: Mapping[str, str] = field(default_factory=dict)
    header_row: int = 1
    sheet: str | None = None
    charset: str | None = None
    separator: str | None = None

    @property
    def used(self) -> set[str]:
        """The names of all columns that it reads."""
        return {name for names in self.columns.values() for name in names} | set(self.key)

    def as_json(self) -> dict[str, Any]:
        """As it is stored, sent and written to files."""
        values = asdict(self)
        values["columns"] = {
            target: names[0] if len(names) == 1 else list(names) for target, names in self.columns.items()
        }
        return {**values, "key": list(self.key)}


NAMES = tuple(one.name for one in fields(TableMapping))
NULLABLE = tuple(one.name for one in fields(TableMapping) if one.default is None)
"""Parts that may be null, which says nothing."""


def checked_mapping(given: Any, *, complete: bool = True) -> TableMapping:
    """The mapping of what was sent or stored. Raises ValidationError, which names each value that is not accepted.

    One that is not `complete` may miss what an import needs.
    """
    if not isinstance(given, Mapping):
        raise ValidationError(
            {
                "columns": _refusal(
                    gettext("%(given)s is not a mapping: an object is needed") % {"given": quoted(given)}
                )
            }
        )
    errors: Errors = {}
    for name in given:
        if name not in NAMES:
            accepted = ", ".join(NAMES)
            _add(
                errors,
                str(name)[:100],
                gettext("%(name)s is not part of a mapping: %(accepted)s are")
                % {"name": quoted(name), "accepted": accepted},
            )
    values = {
        name: value
        for name, value in given.items()
        if name in NAMES and (value is not None or name not in NULLABLE)
    }
    checked: dict[str, Any] = {}
    for name, read in READERS.items():
        if name in values:
            try:
                checked[name] = read(values[name])
            except _Refused as refusal:
                _add(errors, name, str(refusal))
    checked.setdefault("columns", {})
    if errors:
        raise ValidationError(errors)
    mapping = TableMapping(**checked)
    for name, message in _contradictions(mapping) if complete else ():
        _add(errors, name, message)
    if errors:
        raise ValidationError(errors)
    return mapping


class _Refused(ValueError):
    """A value is not accepted."""


def _refusal(message: str) -> ValidationError:
    return ValidationError(message, code="invalid")


def _add(errors: Errors, name: str, message: str) -> None:
    errors.setdefault(name, []).append(_refusal(message))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT:
        raise _Refused(
            gettext("%(value)s is not a text of 1 to %(longest_text)s characters")
            % {"value": quoted(value), "longest_text": f"{LONGEST_TEXT:,}"}
        )
    try:
        check_characters(value)
    except InvalidValue as refusal:
        raise _Refused(str(refusal)) from refusal
    return value.strip()


def _names(value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not 0 < len(names) <= MAX_COLUMNS:
        raise _Refused(
            gettext("%(value)s is not the name of a column, or a list of such names")
            % {"value": quoted(value)}
        )
    return tuple(dict.fromkeys(" ".join(_text(one).split()) for one in names))


def _key(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise _Refused(gettext("%(value)s is not a list of names of columns") % {"value": quoted(value)})
    return _names(value) if value else ()


def _by_name(value: Any, accepted: Iterable[str]) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        raise _Refused(gettext("%(value)s is not an object") % {"value": quoted(value)})
    for name, one in value.items():
        if name not in accepted:
            raise _Refused(
                gettext("%(name)s is not a field: %(list)s are accepted")
                % {"name": quoted(name), "list": ", ".join(accepted)}
            )
        yield name, one


def _columns(value: Any) -> dict[str, tuple[str, ...]]:
    return {name: _names(one) for name, one in _by_name(value, TARGETS)}


def _constants(value: Any) -> dict[str, str]:
    return {name: _text(one) for name, one in _by_name(value, CONSTANTS)}


def _status_words(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or len(value) > MAX_WORDS:
        raise _Refused(
            gettext("an object of at most %(max_words)s words is needed, each with one of %(list)s")
            % {"max_words": MAX_WORDS, "list": ", ".join(Status.values)}
        )
    return {_text(word).lower(): _one_of(status, Status.values) for word, status in value.items()}


def _one_of(value: Any, accepted: Iterable[str]) -> str:
    if not isinstance(value, str) or value not in accepted:
        shown = ", ".join(quoted(one) if len(one) == 1 else one for one in accepted)
        raise _Refused(
            gettext("%(value)s is not one of %(shown)s") % {"value": quoted(value), "shown": shown}
        )
    return value


def _zone(value: Any) -> str:
    if not isinstance(value, str) or instants.known_zone(value) is None:
        raise _Refused(
            gettext("%(value)s is not a time zone: a name like Europe/Berlin is needed")
            % {"value": quoted(value)}
        )
    return value


def _clock(value: Any) -> str:
    if not isinstance(value, str) or not CLOCK_TIME.fullmatch(value):
        raise _Refused(
            gettext("%(value)s is not a time: one from 00:00 to 23:59 is needed") % {"value": quoted(value)}
        )
    return value


def _header_row(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_HEADER_ROW:
        raise _Refused(
            gettext("%(value)s is not a row from 1 to %(max_header_row)s")
            % {"value": quoted(value), "max_header_row": MAX_HEADER_ROW}
        )
    return value


def _charset(value: Any) -> str:
    try:
        return python_charset(_text(value))
    except UnreadableFile as refusal:
        raise _Refused(str(refusal)) from refusal


READERS: Mapping[str, Any] = {
    "columns": _columns,
    "constants": _constants,
    "key": _key,
    "date_format": lambda value: _one_of(value, DATE_FORMATS),
    "zone": _zone,
    "decimal": lambda value: _one_of(value, DECIMALS),
    "duration_unit": lambda value: _one_of(value, DURATION_UNITS),
    "all_day_start": _clock,
    "status_words": _status_words,
    "header_row": _header_row,
    "sheet": _text,
    "charset": _charset,
    "separator": lambda value: _one_of(value, SEPARATORS),
}
"""How each part of a mapping is read."""


def _contradictions(mapping: TableMapping) -> Iterator[tuple[str, str]]:
    """What is missing for an import, by the part of the mapping that would say it."""
    given = mapping.columns.keys()
    if "title" not in given and "title" not in mapping.constants:
        yield "columns", gettext("no column is the title: name one, or give a constant title")
    if not given & set(STARTS):
        yield (
            "columns",
            gettext(
                "no column is the start: scheduled_start, or start_date (with start_time or times), is needed"
            ),
        )
    if "scheduled_start" in given and "start_date" in given:
        yield "columns", gettext("scheduled_start and start_date both say the start: one of them is accepted")
    if "start_date" in given and not given & {"start_time", "times"} and not mapping.all_day_start:
        yield (
            "all_day_start",
            gettext("no column is the time of the start: name one, or say at which time such work begins"),
        )
    if "times" in given and given & {"start_time", "end_time"}:
        yield (
            "columns",
            gettext("times says the start and the end: start_time and end_time beside it are not accepted"),
        )
    if "reference" not in given and not mapping.key:
        message = gettext(
            "no column is the reference: name one, or say by which columns (key) the same work is known "
            "again, so that importing the file once more changes nothing"
        )
        yield "key", message
