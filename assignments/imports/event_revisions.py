"""Events that are in a calendar more than once: the last revision counts."""

from collections.abc import Sequence

from assignments.imports.rows import ImportRow
from assignments.references import normalized


def last_revisions(rows: Sequence[ImportRow]) -> list[ImportRow]:
    """The rows without those of events whose reference comes again, with the same SEQUENCE or a higher one.

    Rows of other formats stay: of two rows with one reference nobody could say which counts.
    """
    last: dict[str, ImportRow] = {}
    for row in rows:
        if row.event is None or row.reference is None:
            continue
        key = normalized(row.reference)
        if key not in last or (row.sequence or 0) >= (last[key].sequence or 0):
            last[key] = row
    return [
        row
        for row in rows
        if row.event is None or row.reference is None or last[normalized(row.reference)] is row
    ]
