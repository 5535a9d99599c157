"""A part of a file: its good rows are written, the others are errors."""

from collections.abc import Sequence
from typing import Any

from assignments.imports.results import ImportResult, RowsRefused
from assignments.imports.rows import ImportRow, ParsedRow, RowError
from assignments.imports.writer import import_rows


def import_portion(
    portion: Sequence[ParsedRow], *, skip_bad: bool, **options: Any
) -> tuple[ImportResult, list[RowError]]:
    """What was done with the rows, and the errors of those that are not accepted; `options` are those of `import_rows`.

    Without `skip_bad` nothing is written where one is bad.
    """
    errors: list[RowError] = []
    while True:
        try:
            done = import_rows(portion, **options)
        except RowsRefused as refused:
            errors += refused.errors
            if not skip_bad:
                return ImportResult(), errors
            # A row that depended on one that is left out may be bad in its turn.
            left_out = {error.row for error in refused.errors}
            portion = [one for one in portion if isinstance(one, ImportRow) and one.number not in left_out]
        else:
            return done, errors
