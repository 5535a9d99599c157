"""Which assignments of an event are the same work under another reference, after the event was changed as a whole."""

from collections.abc import Sequence, Set
from datetime import datetime, timedelta
from itertools import pairwise

from assignments.imports.rows import EventDate

FARTHEST = timedelta(days=3)
"""A date that moved further is another date."""


def moved_references(
    gone: Sequence[EventDate], dates: Sequence[EventDate], *, come: Set[str]
) -> dict[str, str]:
    """New references by the former ones: of each person, the dates that are nearest to each other.

    `dates` are all of the event now, `come` the references of those that are new. Two dates belong together only if they
    are nearer than half the distance of the event's dates, so that a daily event moved by an hour is moved, and one that
    lost a day has lost it.
    """
    moved: dict[str, str] = {}
    for person in {one.person for one in dates}:
        former = sorted((one for one in gone if one.person == person), key=lambda one: one.original)
        present = sorted((one for one in dates if one.person == person), key=lambda one: one.original)
        reach = _reach([one.original for one in present])
        rest = [one for one in present if one.reference in come]
        for one in former:
            nearest = min(rest, key=lambda other: abs(other.original - one.original), default=None)
            if nearest is not None and abs(nearest.original - one.original) <= reach:
                moved[one.reference] = nearest.reference
                rest.remove(nearest)
    return moved


def _reach(originals: Sequence[datetime]) -> timedelta:
    distances = [after - before for before, after in pairwise(originals) if after > before]
    return min([FARTHEST, *(distance / 2 for distance in distances)])
