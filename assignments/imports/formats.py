"""The formats of which an import reads rows, by media type and by the ending of a file's name."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, BinaryIO

from django.utils.translation import gettext

from assignments import instants
from assignments.imports.calendar_alarms import Alarms
from assignments.imports.calendar_options import CalendarOptions
from assignments.imports.calendar_rows import read_calendar
from assignments.imports.csv_rows import read_csv, read_xlsx
from assignments.imports.fields import InvalidValue
from assignments.imports.json_rows import read_json, read_json_lines
from assignments.imports.rows import RowFile
from assignments.imports.tables.mapping import TableMapping
from assignments.imports.tables.opening import read_mapped
from assignments.instants import NotAnInstant

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


class NotACalendar(ValueError):
    """What only a calendar has is asked of another format. `option` names it."""

    def __init__(self, option: str, value: object) -> None:
        super().__init__(f'"{value}": only a calendar (iCalendar) has {CALENDAR_OPTIONS[option]}')
        self.option = option


CALENDAR_OPTIONS = {
    "alarms": "alarms",
    "zone": "times without a zone",
    "all_day": "whole days",
    "days_ahead": "events that repeat",
}
"""What is asked of a calendar alone, and what it is about."""


class NoTable(ValueError):
    """A mapping is given for a file that is no table."""


def with_mapping(read: RowReader, mapping: TableMapping | None) -> RowReader:
    """The reader of a table under a mapping, if there is one. Raises NoTable."""
    if mapping is None:
        return read
    if read not in (read_csv, read_xlsx):
        raise NoTable(gettext("only a table (CSV, XLSX) has columns that a mapping names"))
    return partial(read_mapped, mapping=mapping)


def with_options(read: RowReader, asked: Mapping[str, Any], *, now: datetime) -> RowReader:
    """The reader with what is asked of calendars: values of CALENDAR_OPTIONS, None where nothing is asked.

    Raises NotACalendar, or InvalidValue for a zone that is not known.
    """
    given = {name: asked[name] for name in CALENDAR_OPTIONS if asked.get(name) is not None}
    if read is not read_calendar:
        for name, value in given.items():
            raise NotACalendar(name, value)
        return read
    if "zone" in given and instants.known_zone(given["zone"]) is None:
        raise InvalidValue("unknown_time_zone", str(NotAnInstant("unknown_time_zone", given["zone"])))
    if "alarms" in given:
        given["alarms"] = Alarms(given["alarms"])
    return partial(read_calendar, options=CalendarOptions(**given, now=now))
