"""Writes the history: who did what, which way and when. The only writer of `Act`, `ChangeRecord` and of who entered work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from assignments.change_record import ChangeRecord
from assignments.entry_way import EntryWay
from assignments.models import Act, ActKind, Assignment, Way
from assignments.set_based import BATCH_SIZE
from assignments.signals import acted

CALENDAR = "calendar "
"""What the names of actors that are calendars begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, and which way. `assignee_id` is set where people act for themselves: then the work must be theirs, and
    an act is possible only when it makes sense (`act_rules`).
    """

    way: Way
    name: str
    assignee_id: int | None = None

    @classmethod
    def assignee(cls, assignee_id: int, *, way: Way = Way.LINK) -> Self:
        """A person who acts for themselves, by link or SMS."""
        return cls(way=way, name=f"assignee:{assignee_id}", assignee_id=assignee_id)

    @classmethod
    def api(cls, name: str) -> Self:
        """A program, or a person with a session, through the API."""
        return cls(way=Way.API, name=name)

    @classmethod
    def ops(cls, name: str) -> Self:
        """An operator on the Ops pages, in the admin or at the command line."""
        return cls(way=Way.OPS, name=name)

    @classmethod
    def calendar(cls, name: str) -> Self:
        """A calendar that is polled."""
        return cls(way=Way.API, name=f"{CALENDAR}{name}")


def mark_entered(assignment: Assignment, actor: Actor | None, *, via: EntryWay | None = None) -> None:
    """Notes on an assignment that is not stored yet who enters it; without `via` it is the way of the actor."""
    if actor is not None:
        assignment.entered_via = via or EntryWay(actor.way)
        assignment.entered_by = actor.name


def new_act(
    assignment: Assignment,
    act: ActKind,
    actor: Actor,
    *,
    at: datetime,
    minutes: int | None = None,
    note: str = "",
) -> Act:
    """An act on the assignment as it is now that is not recorded yet."""
    return Act(
        assignment=assignment,
        version=assignment.version,
        act=act,
        via=actor.way,
        actor=actor.name,
        at=at,
        minutes=minutes,
        note=note,
    )


def record(acts: Sequence[Act]) -> None:
    """Records acts in the transaction that carries them out, and sends the signal `acted`."""
    if acts:
        acted.send(sender=Act, acts=Act.objects.bulk_create(acts, batch_size=BATCH_SIZE))


def new_change(
    assignment: Assignment, before: Mapping[str, object], actor: Actor | None, *, at: datetime
) -> ChangeRecord:
    """A change of the assignment to what it is now that is not recorded yet; `before` is what has got another value."""
    return ChangeRecord(
        assignment=assignment,
        version=assignment.version,
        via=actor.way if actor else "",
        actor=actor.name if actor else "",
        at=at,
        before={name: _as_json(value) for name, value in before.items()},
        after={name: _as_json(getattr(assignment, name)) for name in before},
    )


def record_changes(changes: Sequence[ChangeRecord]) -> None:
    """Records changes in the transaction that makes them."""
    if changes:
        ChangeRecord.objects.bulk_create(changes, batch_size=BATCH_SIZE)


def _as_json(value: object) -> object:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
