"""The errors of an import as a table that spreadsheets open: a line for each, in CSV."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from assignments.imports.formulas import guarded
from assignments.imports.rows import RowError

COLUMNS = ("row", "column", "field", "code", "message")


def error_lines(errors: Iterable[RowError]) -> Iterator[str]:
    """The lines, with the byte order mark by which spreadsheets know UTF-8."""
    yield "\ufeff" + _line(COLUMNS)
    for one in errors:
        yield _line([one.row, one.column or "", one.field or "", one.code, one.message])


def _line(cells: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([guarded(cell) if isinstance(cell, str) else cell for cell in cells])
    return line.getvalue()
