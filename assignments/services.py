"""Every change of an assignment or an assignee: with `assignments.bulk`, which does many at once, the only writers.

A change of plan (start, assignee, lead, status, an operator's reset) draws a new `version` and tells whoever
listens (`assignments.signals`) inside the same transaction. A change to the same values changes nothing.
Rows are locked in the order of their ids (docs/state-machine.md#lock-order).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from assignments.clock import database_now
from assignments.models import LONGEST_ANSWER_NOTE, Answer, Assignee, Assignment, Status
from assignments.signals import answered, contact_changed, plan_changed
from assignments.transactions import atomically

PLAN_FIELDS = frozenset({"scheduled_start", "assignee_id", "lead_minutes", "status"})
APPOINTMENT_FIELDS = PLAN_FIELDS - {"lead_minutes"}
"""What an assignee answers to: when one of these changes, the answer no longer holds."""
ANSWER_FIELDS = ("answer", "answered_at", "answer_note")
WRITABLE = (
    "reference",
    "title",
    "kind",
    "location",
    "notes",
    "assignee_id",
    "status",
    "scheduled_start",
    "scheduled_end",
    "lead_minutes",
)
CONTACT_FIELDS = ("reference", "name", "email", "phone", "time_zone", "language")
LONGEST_NOTES = 10_000
REACHED_BY = {"email", "phone"}
IMPORTS = 0x1A5516
"""The advisory lock that an import holds alone, and whoever looks for one key holds with others."""
NEXT = {
    Status.SCHEDULED: {Status.IN_PROGRESS, Status.COMPLETED, Status.CANCELLED},
    Status.IN_PROGRESS: {Status.SCHEDULED, Status.COMPLETED, Status.CANCELLED},
    Status.COMPLETED: set(),
    Status.CANCELLED: {Status.SCHEDULED},
}
"""Which status may follow which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAssignment:
    """The values of an assignment that is to be made. Instants are aware; `lead_minutes` None is the default."""

    title: str
    scheduled_start: datetime
    scheduled_end: datetime | None = None
    assignee_id: int | None = None
    reference: str | None = None
    kind: str = ""
    location: str = ""
    notes: str = ""
    lead_minutes: int | None = None


class Refused(Exception):
    """The change contradicts the state of the assignment. Its text says what is, and what would be accepted."""

    code = "conflict"


class Stale(Refused):
    """The caller has seen an older state than the one in force."""

    code = "stale"


class NotTheirs(Refused):
    """The work is not, or no longer, this person's."""

    code = "not_theirs"


class UnknownAssignment(Refused):
    """There is no assignment with this id."""

    code = "not_found"


def etag(assignment: Assignment) -> str:
    """A hash of every writable field and the version; compared under the row's lock."""
    values = [getattr(assignment, name) for name in WRITABLE] + [assignment.version]
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()[:32]


def create(new: NewAssignment) -> Assignment:
    """Makes one assignment; see `create_many`."""
    return create_many([new])[0]


@atomically
def create_many(new: Sequence[NewAssignment]) -> list[Assignment]:
    """Makes assignments in one go and plans their reminders; all or none.

    Raises ValidationError, which names the field, where a value is not accepted.
    """
    now = database_now()
    made = Assignment.objects.bulk_create([unsaved(values, now=now) for values in new], batch_size=2_000)
    announce_plan(assignment.pk for assignment in made)
    return made


def unsaved(new: NewAssignment, *, now: datetime) -> Assignment:
    """The assignment that these values make, not stored yet. Raises ValidationError."""
    values = {field.name: getattr(new, field.name) for field in fields(NewAssignment)}
    made = Assignment(**values, known_at=now, created_at=now, updated_at=now)
    check(made)
    return made


@atomically
def change(pk: int, changes: Mapping[str, object], *, if_match: str | None = None) -> Assignment:
    """Writes the given fields (names of `WRITABLE`); a change of plan draws a new version.

    Raises UnknownAssignment, Stale (`if_match` is not the ETag in force), Refused (a status that cannot
    follow the present one) or ValidationError (a value that is not accepted).
    """
    assignment = _locked(pk)
    if if_match is not None and if_match != etag(assignment):
        raise Stale(f"assignment {pk} has changed since it was read: read it again, then send the change")
    step = apply_changes(assignment, changes, now=database_now())
    if step is None:
        return assignment
    assignment.save(update_fields=sorted(step.written))
    if step.planned_anew:
        announce_plan([pk])
        assignment.refresh_from_db()
    return assignment


@dataclass(frozen=True, slots=True)
class Step:
    """What a change came to: the fields that differ now, and whether the plan is another one."""

    written: set[str]
    planned_anew: bool


def apply_changes(assignment: Assignment, changes: Mapping[str, object], *, now: datetime) -> Step | None:
    """Brings a locked assignment to these values in memory; None where that changes nothing.

    Raises Refused (a status that cannot follow the present one) or ValidationError (a value that is not accepted).
    """
    differing = {name: value for name, value in changes.items() if getattr(assignment, name) != value}
    unknown = set(differing) - set(WRITABLE)
    if unknown:
        raise ValueError(f"not writable: {sorted(unknown)}")
    if not differing:
        return None
    if "status" in differing:
        _may_follow(assignment, Status(str(differing["status"])))
    elif assignment.status == Status.CANCELLED and differing.keys() & PLAN_FIELDS:
        raise Refused(
            f"assignment {assignment.pk} is CANCELLED: put it back with status SCHEDULED to change its plan"
        )
    before = Status(assignment.status)
    for name, value in differing.items():
        setattr(assignment, name, value)
    check(assignment)
    planned_anew = bool(differing.keys() & PLAN_FIELDS)
    moves_on = differing.keys() & PLAN_FIELDS == {"status"} and assignment.status in (
        Status.IN_PROGRESS,
        Status.COMPLETED,
    )
    written = set(differing) | {"updated_at"}
    assignment.updated_at = now
    if planned_anew and not moves_on:
        # Starting and completing leave the version alone; receivers of the signal read the status.
        assignment.version += 1
        written.add("version")
        if differing.keys() & APPOINTMENT_FIELDS and assignment.answer:
            assignment.answer, assignment.answered_at, assignment.answer_note = Answer.NONE, None, ""
            written.update(ANSWER_FIELDS)
    if "scheduled_start" in differing or before == Status.CANCELLED:
        assignment.known_at = now
        written.add("known_at")
    return Step(written, planned_anew)


@atomically
def put(
    reference: str, values: Mapping[str, Any], *, status: Status | None = None, if_match: str | None = None
) -> tuple[Assignment, bool]:
    """Makes the assignment of this reference, or brings it to these values; True where it was made.

    `values` are those of NewAssignment. Without `status` it stays as it is, and a cancelled one is refused.
    Calls for one reference wait for each other: however many come at once, one row is made.
    """
    _one_at_a_time(f"assignment {reference}")
    pk = Assignment.objects.filter(reference=reference).values_list("pk", flat=True).first()
    made = pk is None
    if pk is None:
        if if_match is not None:
            raise Stale(f"there is no assignment with reference {reference!r} yet")
        pk = create(NewAssignment(**{**values, "reference": reference})).pk
        values = {}
    elif status is None and _locked(pk).status == Status.CANCELLED:
        raise still_cancelled(pk)
    wanted = dict(values) if status is None else {**values, "status": status}
    return change(pk, wanted, if_match=if_match), made


def still_cancelled(pk: int) -> Refused:
    """A replacement that does not say SCHEDULED leaves a cancelled assignment as it is."""
    return Refused(f"assignment {pk} is CANCELLED: put it back with status SCHEDULED to change it")


def reschedule(
    pk: int, *, start: datetime, end: datetime | None = None, if_match: str | None = None
) -> Assignment:
    """Moves an assignment; without `end` its length stays as it was."""
    return _reschedule(pk, start, end, if_match)


@atomically
def _reschedule(pk: int, start: datetime, end: datetime | None, if_match: str | None) -> Assignment:
    present = _locked(pk)
    if end is None and present.scheduled_end is not None:
        end = start + (present.scheduled_end - present.scheduled_start)
    return change(pk, {"scheduled_start": start, "scheduled_end": end}, if_match=if_match)


def reassign(pk: int, *, assignee_id: int | None) -> Assignment:
    """Gives the work to somebody else, or to nobody yet."""
    return change(pk, {"assignee_id": assignee_id})


def start(pk: int) -> Assignment:
    """Somebody has begun the work."""
    return change(pk, {"status": Status.IN_PROGRESS})


def complete(pk: int) -> Assignment:
    """The work is done."""
    return change(pk, {"status": Status.COMPLETED})


def cancel(pk: int) -> Assignment:
    """The work will not be done. The assignment is kept; cancelling twice is no error."""
    return change(pk, {"status": Status.CANCELLED})


def reinstate(pk: int) -> Assignment:
    """Takes a cancellation back."""
    return change(pk, {"status": Status.SCHEDULED})


def confirm(pk: int, *, assignee_id: int, version: int) -> Assignment:
    """The assignee will be there; see `_answer`."""
    return _answer(pk, Answer.CONFIRMED, assignee_id, version, "")


def decline(pk: int, *, assignee_id: int, version: int, note: str = "") -> Assignment:
    """The assignee can't make it, and may say why; see `_answer`."""
    return _answer(pk, Answer.DECLINED, assignee_id, version, note)


@atomically
def _answer(pk: int, answer: Answer, assignee_id: int, version: int, note: str) -> Assignment:
    """Writes down what the assignee says about the plan that they have seen, and tells whoever listens.

    It is no change of plan. Until somebody starts the work another answer may take its place; the same answer
    again changes nothing. Raises UnknownAssignment, NotTheirs, Stale (they have seen another `version`),
    Refused (it is not SCHEDULED any more) or ValidationError (the note).
    """
    assignment = _locked(pk)
    if assignment.assignee_id != assignee_id:
        raise NotTheirs(f"assignment {pk} is not assigned to {assignee_id}")
    if assignment.version != version:
        raise Stale(f"assignment {pk} has changed since it was shown: look at it again, then answer")
    if assignment.status != Status.SCHEDULED:
        raise Refused(f"assignment {pk} is {assignment.status}: an answer is taken while it is SCHEDULED")
    if (assignment.answer, assignment.answer_note) == (answer, note):
        return assignment
    assignment.updated_at = assignment.answered_at = database_now()
    assignment.answer, assignment.answer_note = answer, note
    if len(note) > LONGEST_ANSWER_NOTE:
        told = f"no more than {LONGEST_ANSWER_NOTE} characters are accepted"
        raise ValidationError({"answer_note": ValidationError(told, code="max_length")})
    _refuse_nul(assignment, ["answer_note"])
    assignment.save(update_fields=[*ANSWER_FIELDS, "updated_at"])
    answered.send(sender=Assignment, ids=[pk], answer=answer.value)
    return assignment


@atomically
def renudge(pks: Iterable[int]) -> list[int]:
    """Draws a new version for each, so that people are reminded again though nothing of the plan changed.

    The operators' reset. Returns the ids of those that are SCHEDULED; others are left alone.
    """
    ids = list(
        Assignment.objects.select_for_update(no_key=True)
        .filter(pk__in=list(pks), status=Status.SCHEDULED)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    Assignment.objects.filter(pk__in=ids).update(version=F("version") + 1, renudge_at=Now(), updated_at=Now())
    announce_plan(ids)
    return ids


@atomically
def add_assignee(**values: Any) -> Assignee:
    """Makes an assignee. Raises ValidationError, which names the field."""
    now = database_now()
    assignee = Assignee(**values, created_at=now, updated_at=now)
    check_assignee(assignee)
    assignee.validate_unique()
    assignee.save()
    return assignee


@atomically
def change_assignee(pk: int, changes: Mapping[str, object]) -> Assignee:
    """Writes the given fields of an assignee and tells whoever waits for a way to reach the person.

    Raises Assignee.DoesNotExist or ValidationError.
    """
    assignee = Assignee.objects.select_for_update(no_key=True).get(pk=pk)
    written = apply_contact(assignee, changes, now=database_now())
    if not written:
        return assignee
    assignee.validate_unique()
    assignee.save(update_fields=sorted(written))
    if written & REACHED_BY:
        contact_changed.send(sender=Assignee, ids=[pk])
    return assignee


def apply_contact(assignee: Assignee, changes: Mapping[str, object], *, now: datetime) -> set[str]:
    """Brings a locked assignee to these values in memory; returns what differs now. Raises ValidationError."""
    differing = {name: value for name, value in changes.items() if getattr(assignee, name) != value}
    unknown = set(differing) - set(CONTACT_FIELDS)
    if unknown:
        raise ValueError(f"not writable: {sorted(unknown)}")
    if not differing:
        return set()
    for name, value in differing.items():
        setattr(assignee, name, value)
    check_assignee(assignee)
    assignee.updated_at = now
    return {*differing, "updated_at"}


@atomically
def identify(given: Mapping[str, Any]) -> Assignee:
    """The person that another system means: by id, else by reference, else by e-mail, else a new one.

    A bare name means the person of that name who has neither, so that a repeated call means the same person.
    What is given besides is written. Raises ValidationError, which names the field.
    """
    given = dict(given)
    wanted = given.pop("id", None)
    if wanted is not None:
        found = Assignee.objects.filter(pk=wanted).first()
        if found is None:
            raise ValidationError({"id": ValidationError("there is no such assignee", code="unknown")})
    elif key := given.get("reference"):
        _one_at_a_time(f"assignee {key}")
        found = Assignee.objects.filter(reference=key).first()
    elif key := given.get("email"):
        _one_at_a_time(f"assignee {key}")
        sharing = Assignee.objects.filter(email=key).order_by("pk")
        found = sharing.filter(name=given.get("name", "")).first() or sharing.first()
    else:
        name = given.get("name", "")
        _one_at_a_time(f"assignee named {name}")
        nameless = Assignee.objects.filter(name=name, email="", reference__isnull=True)
        found = nameless.order_by("pk").first()
    return add_assignee(**given) if found is None else change_assignee(found.pk, given)


def _one_at_a_time(key: str) -> None:
    """Lets whoever comes with the same key wait until this transaction has ended, and waits for imports."""
    with connection.cursor() as cursor:
        # Two statements: PostgreSQL promises no order within one.
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [IMPORTS])
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


def alone() -> None:
    """Waits until no other call is making work or people by their keys, and keeps others waiting."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [IMPORTS])


def _locked(pk: int) -> Assignment:
    try:
        return Assignment.objects.select_for_update(no_key=True).get(pk=pk)
    except Assignment.DoesNotExist:
        raise UnknownAssignment(f"there is no assignment {pk}") from None


def _may_follow(assignment: Assignment, wanted: Status) -> None:
    present = Status(assignment.status)
    if wanted not in NEXT[present]:
        accepted = ", ".join(sorted(NEXT[present])) or "nothing"
        raise Refused(
            f"assignment {assignment.pk} is {present}: {wanted} cannot follow it, only {accepted} can"
        )


def check(assignment: Assignment) -> None:
    """Raises ValidationError for a value that no column or reader would accept; asks the database nothing."""
    for name in ("scheduled_start", "scheduled_end"):
        value = getattr(assignment, name)
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValidationError(
                {name: f"{value.isoformat()} has no offset: 2026-11-23T09:00:00+01:00 has one"}
            )
    assignment.clean_fields(exclude=["assignee", "created_at", "updated_at", "known_at"])
    end = assignment.scheduled_end
    if end is not None and end < assignment.scheduled_start:
        raise ValidationError({"scheduled_end": "the end must not lie before the start"})
    _refuse_nul(assignment, ("title", "kind", "location", "notes", "reference"))
    if len(assignment.notes) > LONGEST_NOTES:
        told = f"no more than {LONGEST_NOTES} characters are accepted"
        raise ValidationError({"notes": ValidationError(told, code="max_length")})


def check_assignee(assignee: Assignee) -> None:
    """Raises ValidationError for a value that no column or reader would accept; asks the database nothing."""
    assignee.clean_fields(exclude=["created_at", "updated_at"])
    _refuse_nul(assignee, CONTACT_FIELDS)


def _refuse_nul(row: Assignment | Assignee, names: Iterable[str]) -> None:
    for name in names:
        if "\x00" in (getattr(row, name) or ""):
            raise ValidationError({name: "a NUL character is not accepted"})


def announce_plan(pks: Iterable[int]) -> None:
    """Tells whoever listens that the plan of these is new; inside the transaction, with their rows locked."""
    ids = sorted(pks)
    if ids:
        plan_changed.send(sender=Assignment, ids=ids)
