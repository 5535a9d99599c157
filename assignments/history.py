"""Writes the history of acts: who did what, which way and when. The only writer of `Act`, which nobody changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from assignments.models import Act, ActKind, Assignment, Way
from assignments.set_based import BATCH_SIZE
from assignments.signals import acted


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
