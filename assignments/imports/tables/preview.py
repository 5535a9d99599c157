"""The first rows of a table as an import would read them: shown before anything is written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

from assignments import instants
from assignments.imports.rows import ImportRow, ParsedRow, RowError
from assignments.imports.tables.guessing import Guess
from assignments.imports.tables.mapped_rows import with_columns
from assignments.imports.tables.mapping import TableMapping
from assignments.imports.tables.opening import read_mapped

PREVIEWED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewedRow:
    """A row by its number: what it would come to, or what is wrong with it."""

    row: int
    values: dict[str, Any]
    errors: Sequence[RowError]

    @property
    def person(self) -> tuple[str, str]:
        """How the person is named, and by what else; both '' for nobody."""
        given = self.values.get("assignee", {})
        said = [given[name] for name in ("name", "email", "reference") if name in given]
        return (said[0], ", ".join(said[1:])) if said else ("", "")


def preview_rows(rows: Iterator[ParsedRow], mapping: TableMapping) -> list[PreviewedRow]:
    """The first ten rows. Raises UnreadableFile."""
    return [_previewed(one, mapping) for one in islice(rows, PREVIEWED)]


def preview_guess(file: BinaryIO, guess: Guess) -> list[PreviewedRow]:
    """The first ten rows under a guessed mapping; none while something has to be said. Raises UnreadableFile."""
    if guess.questions:
        return []
    return preview_rows(iter(read_mapped(file, mapping=guess.mapping)), guess.mapping)


def _previewed(one: ParsedRow, mapping: TableMapping) -> PreviewedRow:
    if not isinstance(one, ImportRow):
        return PreviewedRow(row=one[0].row, values={}, errors=with_columns(one, mapping))
    values = {name: value for name, value in one.values.items() if value not in (None, "")}
    for name in ("scheduled_start", "scheduled_end"):
        if name in values:
            values[name] = instants.shown(values[name])
    if one.status:
        values["status"] = one.status.value
    if one.assignee:
        values["assignee"] = {name: value for name, value in one.assignee.items() if value}
    return PreviewedRow(row=one.number, values=values, errors=())
