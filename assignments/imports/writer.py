"""Creates and changes assignments by the rows of an import, in a number of statements that does not grow with them.

One row or ten thousand, `Batch.add` decides what a row comes to. The decisions about values and states are those of
`services` and `people`, made in memory on locked rows; reads and writes are set-based.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from django.core.exceptions import ValidationError

from assignments import history, people, services
from assignments.clock import database_now
from assignments.history import Actor
from assignments.imports.fields import IDENTIFYING
from assignments.imports.rows import ParsedRow, Row, RowError
from assignments.locks import lock_imports, lock_keys
from assignments.models import Act, Assignee, Assignment, Status
from assignments.references import hidden_references, normalized, spellings
from assignments.services import NewAssignment, Refused, Stale
from assignments.set_based import BATCH_SIZE, update_columns
from assignments.signals import circumstances_changed, imported_as_notified, supervision_changed
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.teams import TeamNames
from assignments.transactions import atomically
from assignments.validation import differing, nested, stored_form
from assignments.wording import quoted


class RowsRefused(Exception):
    """Some rows are not accepted, so nothing was written."""

    def __init__(self, errors: Sequence[RowError]) -> None:
        super().__init__(f"{len({error.row for error in errors})} rows are not accepted: nothing was written")
        self.errors = list(errors)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, or would do.

    `ids` are in the order of the rows that were taken, empty where nothing was written; `left_out` counts the other
    rows by the reason.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    ids: list[int] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


class Outcome(Enum):
    """What a row came to."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    OLDER = "an older SEQUENCE than the one imported before"
    NOTHING_TO_CANCEL = "the cancellation of an event that is not known here"


@atomically
def import_rows(
    parsed: Sequence[ParsedRow],
    *,
    match_ids: bool = False,
    dry_run: bool = False,
    scope: TeamScope = EVERYTHING,
    actor: Actor | None = None,
) -> ImportResult:
    """Creates the assignments of these rows, or gives those with their references these values; all or none.

    Assignees are found by id only if `match_ids`. Work that a row starts or completes is an act of `actor`.
    Raises RowsRefused with everything that is wrong. Writes nothing when `dry_run`.
    """
    lock_imports()
    rows = [one for one in parsed if isinstance(one, Row)]
    errors = [error for one in parsed if not isinstance(one, Row) for error in one]
    errors += _repeated(rows)
    batch = Batch(rows, now=database_now(), match_ids=match_ids, scope=scope, actor=actor)
    outcomes: Counter[Outcome] = Counter()
    for row in rows:
        try:
            outcomes[batch.add(row)] += 1
        except ValidationError as refusal:
            errors += _errors(row, refusal)
        except Refused as refusal:
            errors.append(RowError(row.number, "status", refusal.code, str(refusal)))
    if errors:
        raise RowsRefused(sorted(errors, key=lambda error: error.row))
    if not dry_run:
        batch.write()
    return ImportResult(
        created=outcomes[Outcome.CREATED],
        updated=outcomes[Outcome.UPDATED],
        unchanged=outcomes[Outcome.UNCHANGED],
        ids=[] if dry_run else [assignment.pk for assignment in batch.taken],
        left_out=Counter(
            {
                outcome.value: outcomes[outcome]
                for outcome in (Outcome.OLDER, Outcome.NOTHING_TO_CANCEL)
                if outcomes[outcome]
            }
        ),
    )


@atomically
def put(
    row: Row,
    *,
    if_match: str | None = None,
    if_none_match: bool = False,
    scope: TeamScope = EVERYTHING,
    actor: Actor | None = None,
) -> tuple[Assignment, bool]:
    """An import of one row that has a reference; True where the assignment was created.

    `if_match` is an ETag, or "*" for any state; with `if_none_match` there must be no such assignment yet. Calls for
    one reference wait for each other. As in an import, cancelled work without a status in the row is refused where
    another value differs, and otherwise left as it is. Raises Stale, Refused or ValidationError.
    """
    reference = normalized(str(row.reference))
    keys = [] if row.assignee is None else [people.lock_key(row.assignee)]
    lock_keys([f"assignment {reference}", *keys])
    batch = Batch([row], now=database_now(), match_ids=True, scope=scope, actor=actor)
    present = batch.present(row)
    if present is None and if_match is not None:
        raise Stale(f"there is no assignment with reference {quoted(reference)} yet")
    if present is not None:
        if if_none_match:
            raise Stale(f"there is an assignment with reference {quoted(reference)} already")
        if if_match not in (None, "*", services.etag(present)):
            raise services.changed_since_read(present.pk)
    outcome = batch.add(row)
    batch.write()
    return batch.taken[0], outcome is Outcome.CREATED


def _repeated(rows: Sequence[Row]) -> Iterator[RowError]:
    """References of more than one row: nobody could say which row counts."""
    first: dict[str, int] = {}
    for row in rows:
        if row.reference is None:
            continue
        reference = normalized(row.reference)
        if first.setdefault(reference, row.number) != row.number:
            message = (
                f"{quoted(reference)} is the reference of row {first[reference]} already: one row is accepted"
            )
            yield RowError(row.number, "reference", "repeated", message)


def _errors(row: Row, refusal: ValidationError) -> Iterator[RowError]:
    for name, errors in refusal.error_dict.items():
        for one in errors:
            where = name.removesuffix("_id") if name != "__all__" else None
            yield RowError(row.number, where, one.code or "invalid", " ".join(one.messages))


class Batch:
    """The assignments and the people of some rows, locked; what the rows change is in memory until `write`.

    The caller has locked the keys of the rows (`assignments.locks`). A limited caller finds, changes and makes only
    what belongs to its teams.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        *,
        now: datetime,
        match_ids: bool,
        scope: TeamScope = EVERYTHING,
        actor: Actor | None = None,
    ) -> None:
        self._now = now
        self._actor = actor
        self._match_ids = match_ids
        self._scope = scope
        self._teams = TeamNames(scope, by_id=match_ids)
        references = {
            spelling for row in rows if row.reference is not None for spelling in spellings(row.reference)
        }
        known = Assignment.objects.filter(reference__in=references)
        locked = known.visible_to(scope).select_for_update(no_key=True)
        self._present: dict[str, Assignment] = {}
        for assignment in locked.order_by("pk"):
            # Of two spellings that an earlier release took for two references, the normalized one.
            key = normalized(str(assignment.reference))
            if key not in self._present or assignment.reference == key:
                self._present[key] = assignment
        visible = [one.pk for one in self._present.values()]
        self._references_of_others = hidden_references(scope, known, visible)
        self._people = people.Directory(
            [self._matchable(row.assignee) for row in rows if row.assignee is not None],
            now=now,
            scope=scope,
            teams=self._teams,
        )
        self._assigned: list[tuple[Assignment, Assignee]] = []
        self._created: list[Assignment] = []
        self._changed: list[Assignment] = []
        self._revised: list[Assignment] = []
        self._replanned: list[Assignment] = []
        self._redescribed: list[Assignment] = []
        self._notified: list[Assignment] = []
        self._regrouped: list[Assignment] = []
        self._supervision_changed = False
        self._acts: list[Act] = []
        self.taken: list[Assignment] = []

    def present(self, row: Row) -> Assignment | None:
        """The assignment with the row's reference, if there is one."""
        return None if row.reference is None else self._present.get(normalized(row.reference))

    def add(self, row: Row) -> Outcome:
        """Creates the row's assignment, or gives it the row's values. Raises ValidationError or Refused."""
        present = self.present(row)
        if _is_older(row, present):
            return Outcome.OLDER
        if row.cancellation:
            return self._cancel(present)
        if present is None and row.reference and normalized(row.reference) in self._references_of_others:
            message = f"{quoted(row.reference)} is another assignment's reference already"
            raise ValidationError({"reference": ValidationError(message, code="duplicate")})
        values = self._teams.resolved(row.values)
        person = None
        if row.assignee is not None:
            try:
                person = self._identify(row.assignee, values.get("team_id"))
            except ValidationError as refusal:
                raise nested(refusal, "assignee") from refusal
        wanted = NewAssignment(**values)
        if present is None:
            assignment, outcome = self._create(wanted, row, person), Outcome.CREATED
        else:
            kept = set() if "team_id" in values else {"team_id"}
            assignment, outcome = present, self._change(present, wanted, row.status, person, kept)
        self._revise(assignment, row.sequence)
        if person is not None:
            self._assigned.append((assignment, person))
        if row.notified:
            self._notified.append(assignment)
        self.taken.append(assignment)
        return outcome

    def _matchable(self, assignee: Mapping[str, Any]) -> dict[str, Any]:
        """The values by which a person may be known: an id of another system would be somebody else's here."""
        return {name: value for name, value in assignee.items() if self._match_ids or name != "id"}

    def _identify(self, assignee: Mapping[str, Any], team_id: int | None) -> Assignee:
        values = self._matchable(assignee)
        if not any(values.get(name) for name in IDENTIFYING):
            message = (
                "an id alone does not identify an assignee: send reference, name or email, "
                "or ask for match_ids if the ids are those of this system"
            )
            raise ValidationError({"id": ValidationError(message, code="ids_not_matched")})
        return self._people.identify(values, team_id=team_id)

    def _create(self, wanted: NewAssignment, row: Row, person: Assignee | None) -> Assignment:
        assignment = services.unsaved(wanted, now=self._now)
        assignment.status = row.status or Status.SCHEDULED
        self._keep_within(assignment, person)
        self._created.append(assignment)
        self._replanned.append(assignment)
        return assignment

    def _keep_within(self, assignment: Assignment, person: Assignee | None) -> None:
        """As `services.keep_within`, for work whose assignee may not be stored yet."""
        if self._scope.limited:
            assignment.assignee = person
            services.keep_within(self._scope, assignment)

    def _change(
        self,
        present: Assignment,
        wanted: NewAssignment,
        status: Status | None,
        person: Assignee | None,
        kept: Set[str],
    ) -> Outcome:
        """`kept` are fields that stay as they are."""
        values = {
            name: getattr(wanted, name)
            for name in services.GIVEN
            if name not in ("status", "reference") and name not in kept
        }
        # A person who is new has no id before the write: 0 is nobody's and differs from everybody's.
        values["assignee_id"] = None if person is None else person.pk or 0
        changed = differing(present, stored_form(values))
        if status is None and present.status == Status.CANCELLED and changed:
            raise services.still_cancelled(present.pk)
        if present.status == Status.COMPLETED and changed.keys() & services.PLAN_FIELDS:
            raise Refused(f"assignment {present.pk} is COMPLETED: its plan cannot be changed any more")
        outcome = self._apply(present, values if status is None else {**values, "status": status})
        self._keep_within(present, person)
        return outcome

    def _cancel(self, present: Assignment | None) -> Outcome:
        if present is None:
            return Outcome.NOTHING_TO_CANCEL
        self.taken.append(present)
        return self._apply(present, {"status": Status.CANCELLED})

    def _apply(self, present: Assignment, values: dict[str, Any]) -> Outcome:
        applied = services.apply_changes(present, values, now=self._now)
        if applied is None:
            return Outcome.UNCHANGED
        self._supervision_changed |= "team_id" in applied.written
        self._changed.append(present)
        if applied.plan_changed:
            self._replanned.append(present)
        elif applied.details_changed:
            self._redescribed.append(present)
        if not applied.plan_changed and applied.written & services.CIRCUMSTANCES:
            self._regrouped.append(present)
        if applied.act is not None and self._actor is not None:
            self._acts.append(history.new_act(present, applied.act, self._actor, at=self._now))
        return Outcome.UPDATED

    def _revise(self, assignment: Assignment, sequence: int | None) -> None:
        if sequence is not None and assignment.calendar_sequence != sequence:
            assignment.calendar_sequence = sequence
            if assignment.pk is not None:
                self._revised.append(assignment)

    def write(self) -> None:
        """Stores people and assignments and has their reminders planned."""
        self._people.write()
        for assignment, person in self._assigned:
            assignment.assignee_id = person.pk
        Assignment.objects.bulk_create(self._created, batch_size=BATCH_SIZE)
        update_columns(self._changed, (*services.WRITABLE, *services.WRITTEN_BY_CHANGES))
        update_columns(self._revised, ("calendar_sequence",))
        if self._notified:
            ids = sorted(assignment.pk for assignment in self._notified)
            imported_as_notified.send(sender=Assignment, ids=ids)
        services.announce_plan(assignment.pk for assignment in self._replanned)
        services.announce_details(assignment.pk for assignment in self._redescribed)
        if self._regrouped:
            ids = sorted(assignment.pk for assignment in self._regrouped)
            circumstances_changed.send(sender=Assignment, assignments=ids, people=[], teams=[])
        if self._supervision_changed:
            supervision_changed.send(sender=Assignment)
        history.record(self._acts)


def _is_older(row: Row, present: Assignment | None) -> bool:
    return (
        row.sequence is not None
        and present is not None
        and present.calendar_sequence is not None
        and row.sequence < present.calendar_sequence
    )
