"""Rows of a table as they are stored until they are imported: compressed JSON."""

import json
import zlib
from collections.abc import Iterable
from dataclasses import astuple
from datetime import datetime, time, timedelta
from typing import Any

from assignments.imports.rows import RowError
from assignments.imports.tables.table import Cell, TableRow, Unusable


def packed_rows(rows: Iterable[TableRow]) -> bytes:
    """The rows in as few bytes as they need."""
    return _packed(
        [[row.number, [_plain(cell) for cell in row.cells], row.broken, row.padded] for row in rows]
    )


def unpacked_rows(stored: bytes | memoryview) -> list[TableRow]:
    """The rows that were packed."""
    return [
        TableRow(number, [stored_cell(one) for one in cells], broken, padded)
        for number, cells, broken, padded in json.loads(zlib.decompress(stored))
    ]


def packed_errors(errors: Iterable[RowError]) -> bytes:
    """The errors in as few bytes as they need."""
    return _packed([astuple(one) for one in errors])


def unpacked_errors(stored: bytes | memoryview) -> list[RowError]:
    """The errors that were packed; none of nothing."""
    return [RowError(*one) for one in json.loads(zlib.decompress(stored))] if stored else []


def _packed(values: Any) -> bytes:
    return zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 1)


def _plain(cell: Cell) -> Any:
    match cell:
        case datetime():
            return {"at": cell.isoformat()}
        case time():
            return {"time": cell.isoformat()}
        case timedelta():
            return {"seconds": cell.total_seconds()}
        case Unusable(why):
            return {"unusable": why}
    return cell


def stored_cell(stored: Any) -> Cell:
    """The cell that was made plain for JSON."""
    match stored:
        case {"at": text}:
            return datetime.fromisoformat(text)
        case {"time": text}:
            return time.fromisoformat(text)
        case {"seconds": number}:
            return timedelta(seconds=number)
        case {"unusable": why}:
            return Unusable(why)
        case bool() | str():
            return stored
    return float(stored)
