"""What differs between two versions of a text, line by line."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

MOST_LINES = 2_000
"""More of either text are not compared one by one: the time grows with their product."""


@dataclass(frozen=True, slots=True)
class DifferenceLine:
    """A line of one of the texts, or of both: `mark` is "-", "+" or ""."""

    mark: str
    text: str


def difference(before: str, after: str) -> Sequence[DifferenceLine]:
    """All lines of both texts, in the order of the texts."""
    old, new = before.split("\n"), after.split("\n")
    if max(len(old), len(new)) > MOST_LINES:
        return [*(DifferenceLine("-", one) for one in old), *(DifferenceLine("+", one) for one in new)]
    found: list[DifferenceLine] = []
    for tag, old_from, old_to, new_from, new_to in SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if tag == "equal":
            found += [DifferenceLine("", one) for one in old[old_from:old_to]]
        else:
            found += [DifferenceLine("-", one) for one in old[old_from:old_to]]
            found += [DifferenceLine("+", one) for one in new[new_from:new_to]]
    return found
