"""What an import came to: counts, or what is wrong with its rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from django.utils.translation import gettext

from assignments.imports.rows import RowError


class RowsRefused(Exception):
    """Some rows are not accepted, so nothing was written."""

    def __init__(self, errors: Sequence[RowError]) -> None:
        super().__init__(
            gettext("%(number)s rows are not accepted: nothing was written")
            % {"number": len({error.row for error in errors})}
        )
        self.errors = list(errors)


class RowOutcome(Enum):
    """What a row came to."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    OLDER = "an older SEQUENCE than the one imported before"
    NOTHING_TO_CANCEL = "the cancellation of an event that is not known here"
    NOTHING = "an event without a date in the time ahead"


TWICE = "earlier revisions of events that come twice"
LEFT_OUT = (RowOutcome.OLDER, RowOutcome.NOTHING_TO_CANCEL)
"""What becomes of rows that are not taken; an event without a date was counted where it was read."""


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


def together(one: ImportResult, other: ImportResult) -> ImportResult:
    """What two portions came to, without the ids."""
    return ImportResult(
        created=one.created + other.created,
        updated=one.updated + other.updated,
        unchanged=one.unchanged + other.unchanged,
        left_out=one.left_out + other.left_out,
    )
