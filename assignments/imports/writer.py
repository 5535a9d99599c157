"""Creates and changes assignments by the rows of an import, in a number of statements that does not grow with them.

One row or ten thousand, `Batch.add` decides what a row comes to. The decisions about values and states are those of
`services` and `people`, made in memory on locked rows; reads and writes are set-based.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext

from assignments import history, people, services
from assignments.applied_changes import (
    CIRCUMSTANCES,
    GIVEN,
    PLAN_FIELDS,
    WRITABLE,
    WRITTEN_BY_CHANGES,
    AppliedChange,
    apply_changes,
)
from assignments.clock import database_now
from assignments.entry_way import EntryWay
from assignments.history import Actor
from assignments.imports.event_members import EventMembers, reference_of
from assignments.imports.event_revisions import last_revisions
from assignments.imports.fields import IDENTIFYING
from assignments.imports.results import LEFT_OUT, TWICE, ImportResult, RowOutcome, RowsRefused
from assignments.imports.rows import (
    EventDates,
    ImportRow,
    ParsedRow,
    RowError,
    refused_fields,
    repeated_references,
)
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


@atomically
def import_rows(
    parsed: Sequence[ParsedRow],
    *,
    match_ids: bool = False,
    dry_run: bool = False,
    scope: TeamScope = EVERYTHING,
    actor: Actor | None = None,
    feed: int | None = None,
) -> ImportResult:
    """Creates the assignments of these rows, or gives those with their references these values; all or none.

    Assignees are found by id only if `match_ids`. `actor` enters new work, and work that a row starts or completes is an
    act of theirs. `feed` is the calendar source of the rows: what it says now counts, whatever its SEQUENCE, and nothing is
    cancelled because it is gone.
    Raises RowsRefused with everything that is wrong. Writes nothing when `dry_run`.
    """
    lock_imports()
    sent = [one for one in parsed if isinstance(one, ImportRow)]
    rows = last_revisions(sent)
    errors = [error for one in parsed if not isinstance(one, ImportRow) for error in one]
    errors += repeated_references(rows)
    batch = Batch(
        rows,
        now=database_now(),
        match_ids=match_ids,
        scope=scope,
        actor=actor,
        feed=feed,
        entry=EntryWay.IMPORT if feed is None else EntryWay.CALENDAR,
    )
    outcomes: Counter[RowOutcome] = Counter()
    for row in rows:
        try:
            outcomes[batch.add(row)] += 1
        except ValidationError as refusal:
            errors += refused_fields(row, refusal)
        except Refused as refusal:
            errors.append(RowError(row.number, "status", refusal.code, str(refusal)))
    if errors:
        raise RowsRefused(sorted(errors, key=lambda error: error.row))
    if not dry_run:
        batch.write()
    return ImportResult(
        created=outcomes[RowOutcome.CREATED],
        updated=outcomes[RowOutcome.UPDATED] + batch.gone,
        unchanged=outcomes[RowOutcome.UNCHANGED],
        ids=[] if dry_run else [assignment.pk for assignment in batch.taken],
        left_out=Counter({outcome.value: outcomes[outcome] for outcome in LEFT_OUT if outcomes[outcome]})
        + Counter({TWICE: len(sent) - len(rows)}),
    )


@atomically
def put(
    row: ImportRow,
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
        raise Stale(
            gettext("there is no assignment with reference %(reference)s yet")
            % {"reference": quoted(reference)}
        )
    if present is not None:
        if if_none_match:
            raise Stale(
                gettext("there is an assignment with reference %(reference)s already")
                % {"reference": quoted(reference)}
            )
        if if_match not in (None, "*", services.etag(present)):
            raise services.changed_since_read(present.pk)
    outcome = batch.add(row)
    batch.write()
    return batch.taken[0], outcome is RowOutcome.CREATED


REVISED = ("reference", "calendar_sequence", "calendar_event", "calendar_gone_at")
"""What a calendar changes of an assignment beside its values."""


class Batch:
    """The assignments and the people of some rows, locked; what the rows change is in memory until `write`.

    The caller has locked the keys of the rows (`assignments.locks`). A limited caller finds, changes and makes only
    what belongs to its teams.
    """

    def __init__(
        self,
        rows: Sequence[ImportRow],
        *,
        now: datetime,
        match_ids: bool,
        scope: TeamScope = EVERYTHING,
        actor: Actor | None = None,
        feed: int | None = None,
        entry: EntryWay | None = None,
    ) -> None:
        self._now = now
        self._feed = feed
        self._entry = entry
        self._actor = actor
        self._match_ids = match_ids
        self._scope = scope
        self._teams = TeamNames(scope, by_id=match_ids)
        references = {
            spelling for row in rows if row.reference is not None for spelling in spellings(row.reference)
        }
        events = {row.event for row in rows if row.event is not None}
        known = Assignment.objects.filter(Q(reference__in=references | events) | Q(calendar_event__in=events))
        locked = list(known.visible_to(scope).select_for_update(no_key=True).order_by("pk"))
        self._present: dict[str, Assignment] = {}
        for assignment in locked:
            # Of two spellings that an earlier release took for two references, the normalized one.
            key = normalized(str(assignment.reference))
            if key not in self._present or assignment.reference == key:
                self._present[key] = assignment
        self._events = EventMembers(locked)
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
        self._applied: list[tuple[Assignment, AppliedChange]] = []
        self.gone = 0
        self.taken: list[Assignment] = []

    def present(self, row: ImportRow) -> Assignment | None:
        """The assignment with the row's reference, if there is one."""
        return None if row.reference is None else self._present.get(normalized(row.reference))

    def add(self, row: ImportRow) -> RowOutcome:
        """Creates the row's assignment, or gives it the row's values. Raises ValidationError or Refused."""
        if row.dates is not None:
            self._follow(row.dates)
            if not row.values:
                return RowOutcome.NOTHING
        present = self.present(row)
        if self._is_older(row, present):
            return RowOutcome.OLDER
        if row.cancellation:
            return self._cancel(row, present)
        if present is None and row.reference and normalized(row.reference) in self._references_of_others:
            message = gettext("%(reference)s is another assignment's reference already") % {
                "reference": quoted(row.reference)
            }
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
            assignment, outcome = self._create(wanted, row, person), RowOutcome.CREATED
        else:
            kept = set() if "team_id" in values else {"team_id"}
            status = Status.SCHEDULED if _comes_back(present, row) else row.status
            assignment, outcome = present, self._change(present, wanted, status, person, kept)
        self._revise(assignment, row)
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
            message = gettext(
                "an id alone does not identify an assignee: send reference, name or email, or ask for match_ids "
                "if the ids are those of this system"
            )
            raise ValidationError({"id": ValidationError(message, code="ids_not_matched")})
        return self._people.identify(values, team_id=team_id)

    def _create(self, wanted: NewAssignment, row: ImportRow, person: Assignee | None) -> Assignment:
        assignment = services.unsaved(wanted, now=self._now)
        assignment.status = row.status or Status.SCHEDULED
        assignment.calendar_source_id = self._feed
        history.mark_entered(assignment, self._actor, via=self._entry)
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
    ) -> RowOutcome:
        """`kept` are fields that stay as they are."""
        values = {
            name: getattr(wanted, name)
            for name in GIVEN
            if name not in ("status", "reference") and name not in kept
        }
        # A person who is new has no id before the write: 0 is nobody's and differs from everybody's.
        values["assignee_id"] = None if person is None else person.pk or 0
        changed = differing(present, stored_form(values))
        if status is None and present.status == Status.CANCELLED and changed:
            raise services.still_cancelled(present.pk)
        if present.status == Status.COMPLETED and changed.keys() & PLAN_FIELDS:
            raise Refused(
                gettext("assignment %(pk)s is COMPLETED: its plan cannot be changed any more")
                % {"pk": present.pk}
            )
        outcome = self._apply(present, values if status is None else {**values, "status": status})
        self._keep_within(present, person)
        return outcome

    def _cancel(self, row: ImportRow, present: Assignment | None) -> RowOutcome:
        """Cancels the work with the row's reference, and of its event what belongs to that date."""
        dates = self._events.of_cancellation(row, present, now=self._now)
        if present is None and not dates:
            return RowOutcome.NOTHING_TO_CANCEL
        outcomes = [self._cancel_gone(one) for one in ([present] if present else []) + dates]
        self.gone += max(0, outcomes.count(RowOutcome.UPDATED) - 1)
        return RowOutcome.UPDATED if RowOutcome.UPDATED in outcomes else RowOutcome.UNCHANGED

    def _cancel_gone(self, present: Assignment) -> RowOutcome:
        self.taken.append(present)
        outcome = self._apply(present, {"status": Status.CANCELLED})
        if outcome is RowOutcome.UPDATED:
            present.calendar_gone_at = self._now
            self._revised.append(present)
        return outcome

    def _follow(self, found: EventDates) -> None:
        """Gives dates of an event that was moved as a whole their new references, and cancels those that are gone."""
        change = self._events.change(found, self._present, by_sequence=self._feed is None)
        for one, reference in change.moved:
            self._present[normalized(reference)] = self._present.pop(reference_of(one))
            one.reference = reference
            self._revised.append(one)
        if self._feed is None:
            self.gone += [self._cancel_gone(one) for one in change.gone].count(RowOutcome.UPDATED)

    def _apply(self, present: Assignment, values: dict[str, Any]) -> RowOutcome:
        applied = apply_changes(present, values, now=self._now)
        if applied is None:
            return RowOutcome.UNCHANGED
        self._supervision_changed |= "team_id" in applied.written
        self._changed.append(present)
        self._applied.append((present, applied))
        if applied.plan_changed:
            self._replanned.append(present)
        elif applied.details_changed:
            self._redescribed.append(present)
        if not applied.plan_changed and applied.written & CIRCUMSTANCES:
            self._regrouped.append(present)
        if applied.act is not None and self._actor is not None:
            self._acts.append(history.new_act(present, applied.act, self._actor, at=self._now))
        return RowOutcome.UPDATED

    def _revise(self, assignment: Assignment, row: ImportRow) -> None:
        sequence = assignment.calendar_sequence if row.sequence is None else row.sequence
        event = row.event or assignment.calendar_event
        gone_at = None if assignment.status == Status.SCHEDULED else assignment.calendar_gone_at
        stored = (assignment.calendar_sequence, assignment.calendar_event, assignment.calendar_gone_at)
        if stored != (sequence, event, gone_at):
            assignment.calendar_sequence, assignment.calendar_event = sequence, event
            assignment.calendar_gone_at = gone_at
            if assignment.pk is not None:
                self._revised.append(assignment)

    def _is_older(self, row: ImportRow, present: Assignment | None) -> bool:
        return (
            self._feed is None
            and row.sequence is not None
            and present is not None
            and present.calendar_sequence is not None
            and row.sequence < present.calendar_sequence
        )

    def write(self) -> None:
        """Stores people and assignments and has their reminders planned."""
        self._people.write()
        for assignment, person in self._assigned:
            assignment.assignee_id = person.pk
        Assignment.objects.bulk_create(self._created, batch_size=BATCH_SIZE)
        update_columns(self._changed, (*WRITABLE, *WRITTEN_BY_CHANGES))
        update_columns(self._revised, REVISED)
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
        services.record_applied(self._applied, self._actor, at=self._now)


def _comes_back(present: Assignment, row: ImportRow) -> bool:
    """Whether work that its calendar cancelled is in it again."""
    return row.status is None and present.status == Status.CANCELLED and present.calendar_gone_at is not None
