"""A row of an import: one assignment as it is to be, out of the values that were sent."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from assignments.imports.fields import ASSIGNEE, IDENTIFYING, OMITTED, READ_ONLY, ROW, Field, InvalidValue
from assignments.models import ACT_FIELDS, ReminderStatus, Status
from assignments.references import normalized
from assignments.wording import quoted

MAX_ROWS = 10_000
"""Rows in one call; files of any size are committed in portions of so many rows."""

LONGEST_ROW = 256 * 1024
"""Bytes or characters of one row; a row whose fields are all as long as they may be is shorter."""

ERRORS_PER_ROW = 10


class UnreadableFile(Exception):
    """The whole file cannot be read. The text says what is needed instead."""


@dataclass(frozen=True, slots=True)
class EventDate:
    """One assignment of an event: its reference, its original start, and the hash of the person of it."""

    reference: str
    original: datetime
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDates:
    """All assignments that an event of a calendar makes between two instants, so that others of it are seen to be gone."""

    event: str
    dates: Sequence[EventDate]
    since: datetime
    until: datetime
    sequence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow:
    """One assignment that is to exist. `number` is its place in what was sent.

    `values` are those of NewAssignment but `assignee_id`, with `team` by name or id. `assignee` is what
    `people.identify` takes, or None. Without `status` or `team` the present one stays. `notified`: another system has
    notified the assignee of this plan. `sequence` is the revision in the sender's calendar; an older one changes
    nothing. `cancellation`: the row only cancels the assignment with this reference, and with it those of its dates and
    people. `event` is the key of the event of a calendar that it is part of; the first row of an event has in `dates` all
    that there is of it, and makes no assignment where it has no values.
    """

    number: int
    values: Mapping[str, Any]
    assignee: Mapping[str, Any] | None = None
    status: Status | None = None
    notified: bool = False
    sequence: int | None = None
    cancellation: bool = False
    event: str | None = None
    dates: EventDates | None = None

    @property
    def reference(self) -> str | None:
        """The key under which the next import finds this assignment."""
        return self.values.get("reference")


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with one row, and with which field; of a table with a mapping also in which column."""

    row: int
    field: str | None
    code: str
    message: str
    column: str | None = None


def repeated_reference(row: int, reference: str, *, first: int) -> RowError:
    """Two rows have one reference: nobody could say which of them counts."""
    message = gettext("%(reference)s is the reference of row %(first)s already: one row is accepted") % {
        "reference": quoted(reference),
        "first": first,
    }
    return RowError(row, "reference", "repeated", message)


def repeated_references(rows: Iterable[ImportRow]) -> Iterator[RowError]:
    """References of more than one row."""
    first: dict[str, int] = {}
    for row in rows:
        if row.reference is None:
            continue
        reference = normalized(row.reference)
        if first.setdefault(reference, row.number) != row.number:
            yield repeated_reference(row.number, reference, first=first[reference])


def refused_fields(row: ImportRow, refusal: ValidationError) -> Iterator[RowError]:
    """What is wrong with the values of a row, field by field."""
    for name, errors in refusal.error_dict.items():
        for one in errors:
            where = name.removesuffix("_id") if name != "__all__" else None
            yield RowError(row.number, where, one.code or "invalid", " ".join(one.messages))


ParsedRow = ImportRow | list[RowError]
"""A row, or what is wrong with it."""


MOST_NOTES = 1_000


@dataclass(slots=True)
class Notes:
    """What was left out of a file: counted, and of some of it which row, with the first MOST_NOTES of these.

    `refused_events` are the keys of events of a calendar that could not be read, '' for one without a key.
    """

    left_out: Counter[str] = field(default_factory=Counter)
    rows: list[RowError] = field(default_factory=list)
    refused_events: set[str] = field(default_factory=set)

    def add(self, what: str, note: RowError) -> None:
        """Counts a part of a row that is left out while the row is imported."""
        self.left_out[what] += 1
        if len(self.rows) < MOST_NOTES:
            self.rows.append(note)


@dataclass(slots=True)
class RowFile:
    """The rows of a file, read one after the other, and what else is in it and was left out."""

    rows: Iterator[ParsedRow]
    notes: Notes = field(default_factory=Notes)

    def __iter__(self) -> Iterator[ParsedRow]:
        return self.rows


def row_of(number: int, values: Mapping[str, Any], **more: Any) -> ImportRow:
    """The row of values that have been read already."""
    own = {
        name: value for name, value in values.items() if name not in ("assignee", "status", "reminder_status")
    }
    return ImportRow(
        number=number,
        values=own,
        assignee=values.get("assignee"),
        status=values.get("status"),
        notified=values.get("reminder_status") == ReminderStatus.SENT,
        **more,
    )


def read_row(number: int, given: Any, **more: Any) -> ParsedRow:
    """The row of an object as JSON has it, or what is wrong with it: 10 errors at most."""
    if not isinstance(given, Mapping):
        message = gettext(
            "%(given)s is not an object: each row is an object with the fields of one assignment"
        ) % {"given": quoted(given)}
        return [RowError(number, None, "invalid", message)]
    errors: list[RowError] = []
    values = _read(number, given, ROW, errors, ignored=("assignee", *ACT_FIELDS))
    person = given.get("assignee")
    if isinstance(person, Mapping):
        values["assignee"] = _read(number, person, ASSIGNEE, errors, path="assignee.")
        if not any(person.get(name) is not None for name in IDENTIFYING):
            message = gettext("an assignee needs one of %(list)s") % {"list": ", ".join(IDENTIFYING)}
            errors.append(RowError(number, "assignee", "required", message))
    elif person is not None:
        message = gettext("%(person)s is not an assignee: an object or null is needed") % {
            "person": quoted(person)
        }
        errors.append(RowError(number, "assignee", "invalid", message))
    return errors[:ERRORS_PER_ROW] or row_of(number, values, **more)


def _read(
    number: int,
    given: Mapping[str, Any],
    fields: Mapping[str, Field],
    errors: list[RowError],
    *,
    path: str = "",
    ignored: Iterable[str] = (),
) -> dict[str, Any]:
    values = {}
    for name, declared in fields.items():
        if name not in given:
            if declared.required:
                errors.append(
                    RowError(
                        number,
                        path + name,
                        "required",
                        gettext("%(path)s%(name)s is needed") % {"path": path, "name": name},
                    )
                )
            continue
        try:
            value = declared.read(given[name])
        except InvalidValue as refusal:
            errors.append(RowError(number, path + name, refusal.code, str(refusal)))
        else:
            if value is not OMITTED:
                values[name] = value
    for name in given:
        if name in fields or name in ignored:
            continue
        if len(errors) >= ERRORS_PER_ROW:
            break
        if name in READ_ONLY and not path:
            message = gettext("%(name)s cannot be set: leave it out") % {"name": name}
            errors.append(RowError(number, name, "read_only", message))
        else:
            message = gettext("%(name)s is not a field: %(list)s are accepted") % {
                "name": quoted(name),
                "list": ", ".join(fields),
            }
            errors.append(RowError(number, path + name[:100], "unknown_field", message))
    return values
