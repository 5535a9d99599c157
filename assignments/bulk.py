"""Takes many assignments at once: what `services.put` does for one, in a number of statements that does not grow.

The decisions are those of `services`, made in memory on locked rows; reads and writes are set-based.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, models

from assignments import services
from assignments.clock import database_now
from assignments.models import Assignee, Assignment, Status
from assignments.services import NewAssignment, Refused
from assignments.signals import contact_changed, told_elsewhere
from assignments.transactions import atomically


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One assignment that is to be there. `number` is its place for whoever sent it.

    `values` are those of NewAssignment but `assignee_id`. `assignee` is what `services.identify` takes, or None.
    Without `status` it stays as it is. `told`: the former system has reminded of this plan already.
    """

    number: int
    values: Mapping[str, Any]
    assignee: Mapping[str, Any] | None = None
    status: Status | None = None
    told: bool = False


@dataclass(frozen=True, slots=True)
class BadRow:
    """What is wrong with one row, and with which field."""

    row: int
    field: str | None
    code: str
    message: str


Parsed = Row | list[BadRow]
"""A row, or what is wrong with it."""


class BadRows(Exception):
    """Some rows are not accepted, so nothing was written."""

    def __init__(self, faults: Sequence[BadRow]) -> None:
        super().__init__(f"{len({fault.row for fault in faults})} rows are not accepted: nothing was written")
        self.faults = list(faults)


@dataclass(frozen=True, slots=True)
class Brought:
    """What an import did, or would do; `ids` are in the order of the rows, empty where nothing was written."""

    created: int
    updated: int
    unchanged: int
    ids: list[int] = field(default_factory=list)


@atomically
def bring_in(parsed: Sequence[Parsed], *, dry_run: bool = False) -> Brought:
    """Makes the assignments of these rows, or brings those with their references to these values; all or none.

    Raises BadRows with everything that is wrong. Writes nothing when `dry_run`.
    """
    services.alone()
    now = database_now()
    rows = [one for one in parsed if isinstance(one, Row)]
    faults = [fault for one in parsed if not isinstance(one, Row) for fault in one]
    faults += _repeated(rows)
    work = _Work(rows, now)
    people = _People([row.assignee for row in rows if row.assignee is not None], now)
    for row in rows:
        try:
            # A person without an id yet gets it by the time the work is stored.
            person = None if row.assignee is None else people.identify(row.assignee)
        except ValidationError as refusal:
            faults += _faults(row, refusal, "assignee.")
            continue
        try:
            work.bring(row, person)
        except ValidationError as refusal:
            faults += _faults(row, refusal)
        except Refused as refusal:
            faults.append(BadRow(row.number, "status", refusal.code, str(refusal)))
    if faults:
        raise BadRows(sorted(faults, key=lambda fault: fault.row))
    if not dry_run:
        people.write()
        work.write()
    ids = [] if dry_run else [assignment.pk for assignment in work.brought]
    return Brought(len(work.made), len(work.changed), len(rows) - len(work.made) - len(work.changed), ids)


def _repeated(rows: Sequence[Row]) -> Iterator[BadRow]:
    """References that stand in more than one row: nobody could say which row counts."""
    first: dict[str, int] = {}
    for row in rows:
        reference = row.values.get("reference")
        if reference is not None and first.setdefault(reference, row.number) != row.number:
            told = f"{reference!r} stands in row {first[reference]} already: each may come once in an import"
            yield BadRow(row.number, "reference", "repeated", told)


def _faults(row: Row, refusal: ValidationError, path: str = "") -> Iterator[BadRow]:
    for name, told in refusal.error_dict.items():
        for one in told:
            where = path + name.removesuffix("_id") if name != "__all__" else None
            yield BadRow(row.number, where, one.code or "invalid", " ".join(one.messages))


class _People:
    """The people that the rows mean: found as `services.identify` finds one, in the order of the rows."""

    def __init__(self, given: Sequence[Mapping[str, Any]], now: datetime) -> None:
        self._now = now
        self._ids: dict[int, Assignee] = {}
        self._by: defaultdict[tuple[str, str], list[Assignee]] = defaultdict(list)
        self._made: list[Assignee] = []
        self._changed: dict[int, set[str]] = {}
        wanted = {
            name: {one[name] for one in given if one.get(name)}
            for name in ("id", "reference", "email", "name")
        }
        nameless = {one["name"] for one in given if one.keys() & {"id", "reference", "email"} == set()}
        known = (
            models.Q(pk__in=wanted["id"])
            | models.Q(reference__in=wanted["reference"])
            | models.Q(email__in=wanted["email"])
            | models.Q(name__in=nameless, email="", reference__isnull=True)
        )
        for person in Assignee.objects.select_for_update(no_key=True).filter(known).order_by("pk"):
            self._ids[person.pk] = person
            self._remember(person)

    def identify(self, given: Mapping[str, Any]) -> Assignee:
        """The one person, brought to what is given besides. Raises ValidationError."""
        values = dict(given)
        wanted = values.pop("id", None)
        person = self._found(wanted, values)
        if wanted is not None and person is None:
            raise ValidationError({"id": ValidationError("there is no such assignee", code="unknown")})
        taken = self._first("reference", values.get("reference"))
        if taken is not None and taken is not person:
            told = f"{taken.reference!r} is another person's reference already"
            raise ValidationError({"reference": ValidationError(told, code="duplicate")})
        if person is None:
            person = Assignee(**values, created_at=self._now, updated_at=self._now)
            services.check_assignee(person)
            self._made.append(person)
            self._remember(person)
        elif written := services.apply_contact(person, values, now=self._now):
            self._remember(person)
            if person.pk is not None:
                self._changed.setdefault(person.pk, set()).update(written)
        return person

    def _found(self, wanted: int | None, given: Mapping[str, Any]) -> Assignee | None:
        if wanted is not None:
            return self._ids.get(wanted)
        name = given.get("name", "")
        if key := given.get("reference"):
            return self._first("reference", key)
        if key := given.get("email"):
            return self._first("email", key, name=name) or self._first("email", key)
        return self._first("name", name, email="", reference=None)

    def _first(self, field: str, key: str | None, **also: str | None) -> Assignee | None:
        """The first person with this key and these values besides, as they are by now."""
        asked = {field: key, **also}
        sharing = self._by[field, key] if key else []
        return next(
            (one for one in sharing if all(getattr(one, name) == value for name, value in asked.items())),
            None,
        )

    def _remember(self, person: Assignee) -> None:
        for name in ("reference", "email", "name"):
            if key := getattr(person, name):
                self._by[name, key].append(person)

    def write(self) -> None:
        """Stores who is new and who has changed, and tells of those who can be reached another way now."""
        Assignee.objects.bulk_create(self._made)
        _update([self._ids[pk] for pk in self._changed], (*services.CONTACT_FIELDS, "updated_at"))
        reached = sorted(pk for pk, written in self._changed.items() if written & services.REACHED_BY)
        if reached:
            contact_changed.send(sender=Assignee, ids=reached)


class _Work:
    """The assignments of the rows: those that are there, locked, and those that are to be made."""

    def __init__(self, rows: Sequence[Row], now: datetime) -> None:
        self._now = now
        references = [row.values["reference"] for row in rows if row.values.get("reference") is not None]
        there = Assignment.objects.select_for_update(no_key=True).filter(reference__in=references)
        self._there = {assignment.reference: assignment for assignment in there.order_by("pk")}
        self._planned_anew: list[Assignment] = []
        self._told: list[Assignment] = []
        self._people: list[tuple[Assignment, Assignee]] = []
        self.brought: list[Assignment] = []
        self.made: list[Assignment] = []
        self.changed: list[Assignment] = []

    def bring(self, row: Row, person: Assignee | None) -> None:
        """Makes the row's assignment, or brings it to the row's values, in memory. Raises ValidationError or Refused."""
        wanted = NewAssignment(**row.values)
        there = self._there.get(wanted.reference) if wanted.reference is not None else None
        if there is None:
            assignment = services.unsaved(wanted, now=self._now)
            assignment.status = row.status or Status.SCHEDULED
            self.made.append(assignment)
            self._planned_anew.append(assignment)
        else:
            assignment = there
            self._change(assignment, wanted, row.status, person)
        if person is not None:
            self._people.append((assignment, person))
        if row.told:
            self._told.append(assignment)
        self.brought.append(assignment)

    def _change(
        self, there: Assignment, wanted: NewAssignment, status: Status | None, person: Assignee | None
    ) -> None:
        if status is None and there.status == Status.CANCELLED:
            raise services.still_cancelled(there.pk)
        values = {name: getattr(wanted, name) for name in services.WRITABLE if name != "status"}
        # A person who is new has no id before the write: 0 is nobody's and differs from everybody's.
        values["assignee_id"] = None if person is None else person.pk or 0
        if status is not None:
            values["status"] = status
        step = services.apply_changes(there, values, now=self._now)
        if step is None:
            return
        self.changed.append(there)
        if step.planned_anew:
            self._planned_anew.append(there)

    def write(self) -> None:
        """Stores the work and has its reminders planned."""
        for assignment, person in self._people:
            assignment.assignee_id = person.pk
        Assignment.objects.bulk_create(self.made)
        _update(
            self.changed, (*services.WRITABLE, *services.ANSWER_FIELDS, "version", "known_at", "updated_at")
        )
        if self._told:
            ids = sorted(assignment.pk for assignment in self._told)
            told_elsewhere.send(sender=Assignment, ids=ids)
        services.announce_plan(assignment.pk for assignment in self._planned_anew)


def _update(rows: Sequence[models.Model], names: Sequence[str]) -> None:
    """Writes these columns of all rows in one statement. The rows are locked."""
    if not rows:
        return
    table = rows[0]._meta
    written = [column for column in table.concrete_fields if column.attname in {"id", *names}]
    arrays = ", ".join(f"%s::{column.db_type(connection)}[]" for column in written)
    given = ", ".join(column.attname for column in written)
    sets = ", ".join(f"{name} = given.{name}" for name in names)
    statement = (
        f"UPDATE {table.db_table} t SET {sets} FROM unnest({arrays}) AS given({given}) WHERE t.id = given.id"  # noqa: S608
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [[getattr(row, column.attname) for row in rows] for column in written])
