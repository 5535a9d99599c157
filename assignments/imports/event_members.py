"""What is stored of the events of a calendar, compared with what a file says of them now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from assignments.imports.calendar_references import ending, is_date_of, person_of
from assignments.imports.event_families import moved_references
from assignments.imports.rows import EventDate, EventDates, ImportRow
from assignments.models import Assignee, Assignment, Status
from assignments.references import normalized


@dataclass(frozen=True, slots=True)
class EventChange:
    """What became of the dates that an event no longer has: moved to another reference, or gone."""

    moved: Sequence[tuple[Assignment, str]]
    gone: Sequence[Assignment]


NO_CHANGE = EventChange((), ())


class EventMembers:
    """Locked assignments by the event that made them."""

    def __init__(self, assignments: Iterable[Assignment]) -> None:
        self._members: dict[str, list[Assignment]] = {}
        for one in assignments:
            self._members.setdefault(one.calendar_event or reference_of(one), []).append(one)

    def of_cancellation(
        self, row: ImportRow, present: Assignment | None, *, now: datetime
    ) -> list[Assignment]:
        """What a cancellation cancels beside the work with its reference: its open dates and people from now on."""
        whole = reference_of(row)
        return [
            one
            for one in self._members.get(str(row.event), ())
            if one is not present
            and (whole == row.event or is_date_of(whole, reference_of(one)))
            and one.status == Status.SCHEDULED
            and one.scheduled_start > now
        ]

    def change(self, found: EventDates, known: Mapping[str, Assignment], *, by_sequence: bool) -> EventChange:
        """What the dates of an event that are there now mean for those that were; `known` are all by their references.

        Nothing, with `by_sequence`, where they are of an older revision than the one imported before.
        """
        members = self._members.get(found.event, [])
        last = max((one.calendar_sequence or 0 for one in members), default=0)
        if by_sequence and found.sequence is not None and found.sequence < last:
            return NO_CHANGE
        there = {normalized(one.reference) for one in found.dates}
        gone = {
            str(one.reference): one
            for one in members
            if one.status == Status.SCHEDULED
            and found.since < one.scheduled_start < found.until
            and reference_of(one) not in there
        }
        if not gone:
            return NO_CHANGE
        come = {one.reference for one in found.dates if normalized(one.reference) not in known}
        former = [self._date(found.event, one) for one in gone.values()] if come else []
        moved = moved_references(former, found.dates, come=come)
        return EventChange(
            moved=[(gone[reference], new) for reference, new in moved.items()],
            gone=[one for reference, one in gone.items() if reference not in moved],
        )

    def _date(self, event: str, assignment: Assignment) -> EventDate:
        reference = str(assignment.reference)
        original, person = ending(event, reference) or (None, "")
        if not person and assignment.assignee_id is not None:
            person = self._people.get(assignment.assignee_id, "")
        return EventDate(reference, original or assignment.scheduled_start, person)

    @cached_property
    def _people(self) -> dict[int, str]:
        """The hashes of all assignees by their ids."""
        ids = {one.assignee_id for members in self._members.values() for one in members if one.assignee_id}
        found = Assignee.objects.filter(pk__in=ids).values("pk", "email", "name")
        return {one["pk"]: person_of(one) for one in found}


def reference_of(one: Assignment | ImportRow) -> str:
    """The reference in the spelling by which references are compared."""
    return normalized(str(one.reference))
