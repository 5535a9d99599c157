"""Every change of an assignment. With `acts`, `people` (assignees) and `imports.writer` (many rows) the only writers.

A change of plan (start, assignee, lead, status, an operator's reset) draws a new `version` and sends the signal
`plan_changed` inside the same transaction. A change to the same values changes nothing. A limited
caller (`TeamScope`) finds and makes work of its teams only. Rows are locked in the order of their ids
(docs/state-machine.md#lock-order).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext

from assignments import history
from assignments.applied_changes import (
    CIRCUMSTANCES,
    GIVEN,
    OPEN,
    WRITABLE,
    WRITTEN_BY_CHANGES,
    AppliedChange,
    apply_changes,
)
from assignments.clock import database_now
from assignments.erased_keys import check_assignable
from assignments.history import Actor
from assignments.models import Assignment, Status
from assignments.refusals import Refused as Refused
from assignments.set_based import BATCH_SIZE, update_columns
from assignments.signals import (
    circumstances_changed,
    details_changed,
    plan_changed,
    supervision_changed,
)
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.teams import check_within, effective_team_id
from assignments.transactions import atomically
from assignments.validation import check_assignment, stored_form


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAssignment:
    """The values of a new assignment. Instants are aware; `lead_minutes` None is the default, several are a sequence."""

    title: str
    scheduled_start: datetime
    scheduled_end: datetime | None = None
    assignee_id: int | None = None
    team_id: int | None = None
    reference: str | None = None
    kind: str = ""
    location: str = ""
    notes: str = ""
    lead_minutes: int | Sequence[int] | None = None


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
    values = [getattr(assignment, name) for name in GIVEN]
    values += [assignment.version, *assignment.further_lead_minutes.split()]
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()[:32]


def create(new: NewAssignment, *, scope: TeamScope = EVERYTHING, actor: Actor | None = None) -> Assignment:
    """Creates one assignment; see `create_many`."""
    return create_many([new], scope=scope, actor=actor)[0]


@atomically
def create_many(
    new: Sequence[NewAssignment], *, scope: TeamScope = EVERYTHING, actor: Actor | None = None
) -> list[Assignment]:
    """Creates assignments, entered by `actor`, and has their reminders planned; all or none.

    Raises ValidationError, which names the field, where a value is not accepted.
    """
    now = database_now()
    assignments = [unsaved(values, now=now) for values in new]
    for assignment in assignments:
        keep_within(scope, assignment)
        history.mark_entered(assignment, actor)
    check_assignable(one.assignee_id for one in assignments if one.assignee_id is not None)
    created = Assignment.objects.bulk_create(assignments, batch_size=BATCH_SIZE)
    announce_plan((assignment.pk for assignment in created), new=True)
    return created


def unsaved(new: NewAssignment, *, now: datetime) -> Assignment:
    """An assignment with these values that is not stored yet. Raises ValidationError."""
    values = stored_form({field.name: getattr(new, field.name) for field in fields(NewAssignment)})
    created = Assignment(**values, known_at=now, created_at=now, updated_at=now)
    # CPython shares the keys of up to 29 attributes among objects; a dict of its own that has grown is twice as large as a
    # copy of it, and an import holds 10,000 of them.
    created.__dict__ = dict(created.__dict__)
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
    pk: int,
    changes: Mapping[str, object],
    *,
    if_match: str | None = None,
    scope: TeamScope = EVERYTHING,
    actor: Actor | None = None,
) -> Assignment:
    """Writes the given fields (names of `WRITABLE`); a change of plan draws a new version.

    Where it starts or completes the work it is an act of `actor`.
    Raises UnknownAssignment, Stale (`if_match` is not the ETag in force), Refused (a status that cannot
    follow the present one) or ValidationError (a value that is not accepted).
    """
    assignment = locked(pk, scope=scope)
    if if_match is not None and if_match != etag(assignment):
        raise changed_since_read(pk)
    applied = apply_changes(assignment, changes, now=database_now())
    if applied is None:
        return assignment
    if applied.written & {"assignee_id", "status"} and assignment.assignee_id and assignment.status in OPEN:
        check_assignable([assignment.assignee_id])
    written = applied.written | keep_within(scope, assignment)
    assignment.save(update_fields=sorted(written))
    if applied.plan_changed:
        announce_plan([pk])
        assignment.refresh_from_db()
    elif applied.details_changed:
        announce_details([pk])
    if not applied.plan_changed and written & CIRCUMSTANCES:
        circumstances_changed.send(sender=Assignment, assignments=[pk], people=[], teams=[])
    if "team_id" in written:
        supervision_changed.send(sender=Assignment)
    if applied.act is not None and actor is not None:
        history.record([history.new_act(assignment, applied.act, actor, at=assignment.updated_at)])
    record_applied([(assignment, applied)], actor, at=assignment.updated_at)
    return assignment


def record_applied(
    applied: Iterable[tuple[Assignment, AppliedChange]], actor: Actor | None, *, at: datetime
) -> None:
    """Records what changes have made of these assignments, which are stored; what is an act of `actor` is in the acts."""
    history.record_changes(
        [
            history.new_change(assignment, before, actor, at=at)
            for assignment, change in applied
            if (before := change.recorded(is_act=actor is not None))
        ]
    )


def changed_since_read(pk: int) -> Stale:
    """The refusal of a change that is conditional on another state."""
    return Stale(
        gettext("assignment %(pk)s has changed since it was read: read it again, then send the change")
        % {"pk": pk}
    )


def still_cancelled(pk: int) -> Refused:
    """The refusal of a replacement that leaves the status out: cancelled work comes back only by status SCHEDULED."""
    return Refused(
        gettext("assignment %(pk)s is CANCELLED: put it back with status SCHEDULED to change it") % {"pk": pk}
    )


def reschedule(
    pk: int,
    *,
    start: datetime,
    end: datetime | None = None,
    if_match: str | None = None,
    scope: TeamScope = EVERYTHING,
    actor: Actor | None = None,
) -> Assignment:
    """Moves an assignment; without `end` its length stays as it was."""
    return _reschedule(pk, start, end, if_match, scope, actor)


@atomically
def _reschedule(
    pk: int,
    start: datetime,
    end: datetime | None,
    if_match: str | None,
    scope: TeamScope,
    actor: Actor | None,
) -> Assignment:
    present = locked(pk, scope=scope)
    if end is None and present.scheduled_end is not None:
        # In UTC: with a local time Python would add hours of the clock, which a change of clocks makes others.
        end = start.astimezone(UTC) + (present.scheduled_end - present.scheduled_start)
    values = {"scheduled_start": start, "scheduled_end": end}
    return change(pk, values, if_match=if_match, scope=scope, actor=actor)


def reassign(
    pk: int, *, assignee_id: int | None, scope: TeamScope = EVERYTHING, actor: Actor | None = None
) -> Assignment:
    """Assigns the work to somebody else, or to nobody yet. Whether the caller sees that person is for the caller to ask."""
    return change(pk, {"assignee_id": assignee_id}, scope=scope, actor=actor)


def cancel(pk: int, *, actor: Actor | None = None) -> Assignment:
    """The work will not be done. The assignment is kept; cancelling twice is no error."""
    return change(pk, {"status": Status.CANCELLED}, actor=actor)


def reinstate(pk: int) -> Assignment:
    """Takes a cancellation back."""
    return change(pk, {"status": Status.SCHEDULED})


@atomically
def cancel_many(
    pks: Iterable[int], *, only: QuerySet[Assignment], now: datetime, actor: Actor | None = None
) -> list[int]:
    """Cancels those of `only` that are still to come and that nobody has started, because their calendar no longer has them.

    Returns their ids. If the calendar has them again, they are scheduled again.
    """
    found = only.filter(pk__in=list(pks), status=Status.SCHEDULED, scheduled_start__gt=now)
    cancelled = list(found.select_for_update(no_key=True).order_by("pk"))
    applied = []
    for assignment in cancelled:
        if (change := apply_changes(assignment, {"status": Status.CANCELLED}, now=now)) is not None:
            applied.append((assignment, change))
        assignment.calendar_gone_at = now
    update_columns(cancelled, (*WRITABLE, *WRITTEN_BY_CHANGES, "calendar_gone_at"))
    record_applied(applied, actor, at=now)
    announce_plan(assignment.pk for assignment in cancelled)
    return [assignment.pk for assignment in cancelled]


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


def locked(pk: int, *, scope: TeamScope = EVERYTHING) -> Assignment:
    """The assignment, locked until the end of the transaction. Raises UnknownAssignment, also out of the scope."""
    try:
        return Assignment.objects.visible_to(scope).select_for_update(no_key=True).get(pk=pk)
    except Assignment.DoesNotExist:
        raise UnknownAssignment(gettext("there is no assignment %(pk)s") % {"pk": pk}) from None


def announce_plan(pks: Iterable[int], *, new: bool = False) -> None:
    """Sends `plan_changed` for these; inside the transaction, with their rows locked. `new`: all were just created."""
    ids = sorted(pks)
    if ids:
        plan_changed.send(sender=Assignment, ids=ids, new=new)


def announce_details(pks: Iterable[int]) -> None:
    """Sends `details_changed` for these; inside the transaction, with their rows locked."""
    ids = sorted(pks)
    if ids:
        details_changed.send(sender=Assignment, ids=ids)
