"""Every change of an assignment. With `people` (assignees) and `imports.writer` (many rows) the only writers.

A change of plan (start, assignee, lead, status, an operator's reset) draws a new `version` and sends the signal
`plan_changed` inside the same transaction. A change to the same values changes nothing. A limited
caller (`TeamScope`) finds and makes work of its teams only. Rows are locked in the order of their ids
(docs/state-machine.md#lock-order).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db.models import F
from django.db.models.functions import Now

from assignments.clock import database_now
from assignments.models import ANSWER_FIELDS, LONGEST_ANSWER_NOTE, Answer, Assignment, Status
from assignments.set_based import BATCH_SIZE
from assignments.signals import answered, plan_changed, supervision_changed
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.teams import check_within, effective_team_id
from assignments.transactions import atomically
from assignments.validation import check_assignment, differing, stored_form, too_long
from assignments.wording import quoted

PLAN_FIELDS = frozenset({"scheduled_start", "assignee_id", "lead_minutes", "status"})
APPOINTMENT_FIELDS = PLAN_FIELDS - {"lead_minutes"}
"""What an assignee answers: when one of these changes, the answer no longer holds."""
WRITABLE = (
    "reference",
    "title",
    "kind",
    "location",
    "notes",
    "assignee_id",
    "team_id",
    "status",
    "scheduled_start",
    "scheduled_end",
    "lead_minutes",
)
ALLOWED_NEXT = {
    Status.SCHEDULED: {Status.IN_PROGRESS, Status.COMPLETED, Status.CANCELLED},
    Status.IN_PROGRESS: {Status.SCHEDULED, Status.COMPLETED, Status.CANCELLED},
    Status.COMPLETED: set(),
    Status.CANCELLED: {Status.SCHEDULED},
}
"""Which status may follow which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAssignment:
    """The values of a new assignment. Instants are aware; `lead_minutes` None is the default."""

    title: str
    scheduled_start: datetime
    scheduled_end: datetime | None = None
    assignee_id: int | None = None
    team_id: int | None = None
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


class NotAssigned(Refused):
    """The work is not, or no longer, this person's."""

    code = "not_theirs"


class UnknownAssignment(Refused):
    """There is no assignment with this id."""

    code = "not_found"


def etag(assignment: Assignment) -> str:
    """A hash of every writable field and the version; compared while the row is locked."""
    values = [getattr(assignment, name) for name in WRITABLE] + [assignment.version]
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()[:32]


def create(new: NewAssignment, *, scope: TeamScope = EVERYTHING) -> Assignment:
    """Creates one assignment; see `create_many`."""
    return create_many([new], scope=scope)[0]


@atomically
def create_many(new: Sequence[NewAssignment], *, scope: TeamScope = EVERYTHING) -> list[Assignment]:
    """Creates assignments and has their reminders planned; all or none.

    Raises ValidationError, which names the field, where a value is not accepted.
    """
    now = database_now()
    assignments = [unsaved(values, now=now) for values in new]
    for assignment in assignments:
        keep_within(scope, assignment)
    created = Assignment.objects.bulk_create(assignments, batch_size=BATCH_SIZE)
    announce_plan(assignment.pk for assignment in created)
    return created


def unsaved(new: NewAssignment, *, now: datetime) -> Assignment:
    """An assignment with these values that is not stored yet. Raises ValidationError."""
    values = stored_form({field.name: getattr(new, field.name) for field in fields(NewAssignment)})
    created = Assignment(**values, known_at=now, created_at=now, updated_at=now)
    check_assignment(created, values)
    return created


def keep_within(scope: TeamScope, assignment: Assignment) -> set[str]:
    """Keeps the work of a limited caller within its teams: without any it gets the caller's own, if that is one.

    Returns the fields that it has set. Raises ValidationError where the work would belong to another team or to none.
    """
    team_id = effective_team_id(assignment) if scope.limited else None
    written = set()
    if scope.limited and team_id is None and scope.only_team is not None:
        assignment.team_id = team_id = scope.only_team
        written.add("team_id")
    check_within(scope, team_id)
    return written


@atomically
def change(
    pk: int, changes: Mapping[str, object], *, if_match: str | None = None, scope: TeamScope = EVERYTHING
) -> Assignment:
    """Writes the given fields (names of `WRITABLE`); a change of plan draws a new version.

    Raises UnknownAssignment, Stale (`if_match` is not the ETag in force), Refused (a status that cannot
    follow the present one) or ValidationError (a value that is not accepted).
    """
    assignment = _locked(pk, scope)
    if if_match is not None and if_match != etag(assignment):
        raise changed_since_read(pk)
    applied = apply_changes(assignment, changes, now=database_now())
    if applied is None:
        return assignment
    written = applied.written | keep_within(scope, assignment)
    assignment.save(update_fields=sorted(written))
    if applied.plan_changed:
        announce_plan([pk])
        assignment.refresh_from_db()
    if "team_id" in written:
        supervision_changed.send(sender=Assignment)
    return assignment


@dataclass(frozen=True, slots=True)
class AppliedChange:
    """The fields that a change has given other values, and whether the plan is another one."""

    written: set[str]
    plan_changed: bool


def apply_changes(
    assignment: Assignment, changes: Mapping[str, object], *, now: datetime
) -> AppliedChange | None:
    """Gives a locked assignment these values in memory; None where it has them already.

    Raises Refused (a status that cannot follow the present one) or ValidationError (a value that is not accepted).
    """
    changed = differing(assignment, stored_form(changes))
    unknown = set(changed) - set(WRITABLE)
    if unknown:
        raise ValueError(f"not writable: {sorted(unknown)}")
    if not changed:
        return None
    plan = changed.keys() & PLAN_FIELDS
    if "status" in changed:
        _check_transition(assignment, Status(str(changed["status"])))
    elif assignment.status == Status.CANCELLED and plan:
        raise Refused(
            f"assignment {assignment.pk} is CANCELLED: put it back with status SCHEDULED to change its plan"
        )
    before = Status(assignment.status)
    for name, value in changed.items():
        setattr(assignment, name, value)
    check_assignment(assignment, changed)
    progresses = plan == {"status"} and assignment.status in (Status.IN_PROGRESS, Status.COMPLETED)
    written = set(changed) | {"updated_at"}
    assignment.updated_at = now
    if plan and not progresses:
        # Starting and completing keep the version; receivers of the signal see the status.
        assignment.version += 1
        written.add("version")
        if plan & APPOINTMENT_FIELDS and assignment.answer:
            assignment.answer, assignment.answered_at, assignment.answer_note = Answer.NONE, None, ""
            written.update(ANSWER_FIELDS)
    if "scheduled_start" in changed or before == Status.CANCELLED:
        assignment.known_at = now
        written.add("known_at")
    return AppliedChange(written, bool(plan))


def changed_since_read(pk: int) -> Stale:
    """The refusal of a change that is conditional on another state."""
    return Stale(f"assignment {pk} has changed since it was read: read it again, then send the change")


def still_cancelled(pk: int) -> Refused:
    """The refusal of a replacement that leaves the status out: cancelled work comes back only by status SCHEDULED."""
    return Refused(f"assignment {pk} is CANCELLED: put it back with status SCHEDULED to change it")


def reschedule(
    pk: int,
    *,
    start: datetime,
    end: datetime | None = None,
    if_match: str | None = None,
    scope: TeamScope = EVERYTHING,
) -> Assignment:
    """Moves an assignment; without `end` its length stays as it was."""
    return _reschedule(pk, start, end, if_match, scope)


@atomically
def _reschedule(
    pk: int, start: datetime, end: datetime | None, if_match: str | None, scope: TeamScope
) -> Assignment:
    present = _locked(pk, scope)
    if end is None and present.scheduled_end is not None:
        end = start + (present.scheduled_end - present.scheduled_start)
    return change(pk, {"scheduled_start": start, "scheduled_end": end}, if_match=if_match, scope=scope)


def reassign(pk: int, *, assignee_id: int | None) -> Assignment:
    """Assigns the work to somebody else, or to nobody yet."""
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
    """Stores the assignee's answer for the plan that they have seen, and sends the signal `answered`.

    It is no change of plan. Until somebody starts the work another answer may take its place; the same answer
    again changes nothing. Raises UnknownAssignment, NotAssigned, Stale (they have seen another `version`),
    Refused (it is not SCHEDULED any more) or ValidationError (the note).
    """
    assignment = _locked(pk)
    if assignment.assignee_id != assignee_id:
        raise NotAssigned(f"assignment {pk} is not assigned to {assignee_id}")
    if assignment.version != version:
        raise Stale(f"assignment {pk} has changed since it was shown: read it again, then answer")
    if assignment.status != Status.SCHEDULED:
        raise Refused(f"assignment {pk} is {assignment.status}: an answer is taken while it is SCHEDULED")
    if (assignment.answer, assignment.answer_note) == (answer, note):
        return assignment
    assignment.updated_at = assignment.answered_at = database_now()
    assignment.answer, assignment.answer_note = answer, note
    if len(note) > LONGEST_ANSWER_NOTE:
        raise ValidationError({"answer_note": too_long(note, LONGEST_ANSWER_NOTE)})
    if "\x00" in note:
        message = f"{quoted(note)} contains a NUL character, which cannot be stored"
        raise ValidationError({"answer_note": message})
    assignment.save(update_fields=[*ANSWER_FIELDS, "updated_at"])
    answered.send(sender=Assignment, ids=[pk], answer=answer.value)
    return assignment


@atomically
def remind_again(pks: Iterable[int]) -> list[int]:
    """Draws a new version for each, so that the assignees are reminded again though the plan has not changed.

    The operators' reset. Returns the ids of those that are SCHEDULED; others stay as they are.
    """
    ids = list(
        Assignment.objects.select_for_update(no_key=True)
        .filter(pk__in=list(pks), status=Status.SCHEDULED)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    Assignment.objects.filter(pk__in=ids).update(version=F("version") + 1, reset_at=Now(), updated_at=Now())
    announce_plan(ids)
    return ids


def _locked(pk: int, scope: TeamScope = EVERYTHING) -> Assignment:
    try:
        return Assignment.objects.visible_to(scope).select_for_update(no_key=True).get(pk=pk)
    except Assignment.DoesNotExist:
        raise UnknownAssignment(f"there is no assignment {pk}") from None


def _check_transition(assignment: Assignment, wanted: Status) -> None:
    present = Status(assignment.status)
    if wanted not in ALLOWED_NEXT[present]:
        accepted = ", ".join(sorted(ALLOWED_NEXT[present])) or "nothing"
        raise Refused(
            f"assignment {assignment.pk} is {present}: {wanted} cannot follow it, only {accepted} can"
        )


def announce_plan(pks: Iterable[int]) -> None:
    """Sends `plan_changed` for these; inside the transaction, with their rows locked."""
    ids = sorted(pks)
    if ids:
        plan_changed.send(sender=Assignment, ids=ids)
