"""The board: coming work by who knows of it, with the next step of each, in the order in which it starts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from assignments.clock import database_now
from assignments.models import Assignee, Assignment
from reminders.conf import ReminderConfig
from reminders.insight import awareness, next_steps
from reminders.insight.next_steps import NextStep
from reminders.policy.awareness import Awareness, Unreachable

DEFAULT_HOURS = 12
MOST_HOURS = 168
MOST_LOOKED_AT = 2_000
"""Assignments of which the board knows at once: the first to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardEntry:
    """One assignment on the board. `minutes_left`: whole minutes until its start, negative after it. `next` is None where
    the work is under way; `cause` says why its assignee is not reached by messages, None where they are."""

    assignment: Assignment
    awareness: Awareness
    minutes_left: int
    next: NextStep | None
    cause: Unreachable | None

    @property
    def person(self) -> Assignee | None:
        return self.assignment.assignee

    @property
    def state(self) -> str:
        """The rung in words."""
        return awareness.state_words(self.awareness)


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The work that was asked for: its ids in the order of their starts. `truncated`: there is more than is looked at."""

    found: dict[int, Awareness]
    truncated: bool

    @property
    def may_not_know(self) -> list[int]:
        return [pk for pk, known in self.found.items() if known.may_not_know]

    @property
    def needs_somebody(self) -> int:
        """Of how much of it nobody will know unless somebody acts."""
        return sum(known.needs_somebody for known in self.found.values())


def board(*, ahead: timedelta, teams: Collection[int] | None, config: ReminderConfig) -> Board:
    """What starts within `ahead`, and what should have been started; `teams`: None for all. One query."""
    found = awareness.in_window(ahead=ahead, most=MOST_LOOKED_AT + 1, teams=teams, config=config)
    kept = list(found.items())[:MOST_LOOKED_AT]
    return Board(found=dict(kept), truncated=len(found) > MOST_LOOKED_AT)


def entries(ids: Sequence[int], found: dict[int, Awareness], *, config: ReminderConfig) -> list[BoardEntry]:
    """These assignments as the board shows them. The number of queries does not depend on how many there are."""
    now = database_now()
    return [
        BoardEntry(
            assignment=one.assignment,
            awareness=found[one.assignment.pk],
            minutes_left=(one.assignment.scheduled_start - now) // timedelta(minutes=1),
            next=one.next,
            cause=one.cause,
        )
        for one in next_steps.outlooks(ids, config=config)
    ]
