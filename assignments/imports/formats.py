"""The formats of which an import reads rows, by media type and by the ending of a file's name."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import BinaryIO

from assignments.imports.calendar_alarms import Alarms
from assignments.imports.calendar_rows import read_calendar
from assignments.imports.csv_rows import read_csv, read_xlsx
from assignments.imports.json_rows import read_json, read_json_lines
from assignments.imports.rows import RowFile
from assignments.imports.tables.mapping import TableMapping
from assignments.imports.tables.opening import read_mapped

RowReader = Callable[[BinaryIO, str], RowFile]
"""Reads the rows of a file in a charset of `text_files.CHARSETS`."""

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

BY_MEDIA_TYPE: Mapping[str, RowReader] = {
    "application/json": read_json,
    "text/csv": read_csv,
    "text/calendar": read_calendar,
    XLSX: read_xlsx,
}
BY_SUFFIX: Mapping[str, RowReader] = {
    ".csv": read_csv,
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".ics": read_calendar,
    ".xlsx": read_xlsx,
}


class NoAlarms(ValueError):
    """Alarms are asked of a format that has none."""


class NoTable(ValueError):
    """A mapping is given for a file that is no table."""


def with_mapping(read: RowReader, mapping: TableMapping | None) -> RowReader:
    """The reader of a table under a mapping, if there is one. Raises NoTable."""
    if mapping is None:
        return read
    if read not in (read_csv, read_xlsx):
        raise NoTable("only a table (CSV, XLSX) has columns that a mapping names")
    return partial(read_mapped, mapping=mapping)


def with_alarms(read: RowReader, asked: str | None) -> RowReader:
    """The reader that makes of alarms what is asked: a value of Alarms, or None. Raises NoAlarms."""
    if asked is None:
        return read
    if read is not read_calendar:
        raise NoAlarms(f'"{asked}": only a calendar (iCalendar) has alarms')
    return partial(read_calendar, alarms=Alarms(asked))
