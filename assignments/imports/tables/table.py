"""A table as a file holds it: rows of cells, before anybody says what the columns mean."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.utils.translation import gettext

from assignments.imports.rows import RowError, UnreadableFile

MAX_COLUMNS = 512
"""Columns that are read; a cell with a value beyond them is an error of its row."""

MAX_TABLE_ROWS = 100_000
"""Rows of one sheet that are read."""

LONGEST_CELL = 32_767
"""Characters of a cell, as spreadsheets bound them; a longer one is an error of its row."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A cell without a usable value; the text says why, and what is needed."""

    why: str


Cell = str | float | bool | datetime | time | timedelta | Unusable
"""Text as it is written, '' for nothing; numbers, and local dates and times, where the file says that they are such."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row by its number in a spreadsheet; `broken` says why its cells cannot be read.

    `padded`: the file leaves empty cells at the end of a row out, so that fewer of them are no fault.
    """

    number: int
    cells: list[Cell]
    broken: str | None = None
    padded: bool = False

    @property
    def blank(self) -> bool:
        """Whether there is nothing in it."""
        return self.broken is None and all(isinstance(one, str) and not one.strip() for one in self.cells)


@dataclass(frozen=True, slots=True)
class Table:
    """The named columns of a table, and its rows below them, read one after the other."""

    columns: list[str]
    rows: Iterator[TableRow]


def wrong_width(row: TableRow, columns: int) -> RowError:
    """The row has not as many cells as there are columns."""
    message = gettext(
        "%(number)s cells under %(columns)s columns: a cell that contains the separator needs quotes"
    ) % {"number": len(row.cells), "columns": columns}
    return RowError(row.number, None, "columns", message)


def named(header: list[Cell]) -> list[str]:
    """The names of columns: one that occurs again gets a number, such as Fin (2); one without a name its letter."""
    seen: dict[str, int] = {}
    names = []
    for place, cell in enumerate(header[:MAX_COLUMNS]):
        name = (
            " ".join(cell.split())
            if isinstance(cell, str)
            else ("" if isinstance(cell, Unusable) else str(cell))
        )
        name = name[:200] or f"column {letters(place)}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def letters(place: int) -> str:
    """The letters by which spreadsheets name a column, counted from 0: A, Z, AA."""
    text = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        text = chr(65 + rest) + text
    return text


def below(rows: Iterator[TableRow], header_row: int) -> Table:
    """The table whose columns are named in this row. Raises UnreadableFile where there is none."""
    for row in rows:
        if row.number < header_row:
            continue
        if row.broken is not None:
            raise UnreadableFile(
                gettext("row %(header_row)s does not name the columns: %(broken)s")
                % {"header_row": header_row, "broken": row.broken}
            )
        if row.number > header_row or row.blank:
            break
        last = max(place for place, cell in enumerate(row.cells) if not isinstance(cell, str) or cell.strip())
        return Table(named(row.cells[: last + 1]), rows)
    raise UnreadableFile(
        gettext("row %(header_row)s does not name the columns: say with header_row which one does")
        % {"header_row": header_row}
    )
