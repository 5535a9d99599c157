"""The form in which an operator says what the columns of a table are: a line for each column, and how values are written."""

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import available_timezones

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from assignments.imports.tables.mapping import TARGETS, TableMapping
from assignments.imports.tables.table import MAX_COLUMNS

LABELS: Mapping[str, object] = {
    "reference": _("Reference"),
    "title": _("Title"),
    "kind": _("Kind of work"),
    "location": _("Place"),
    "notes": _("Notes"),
    "team": _("Team"),
    "status": _("Status"),
    "lead_minutes": _("Minutes before the start"),
    "scheduled_start": _("Start (date and time)"),
    "start_date": _("Start: date"),
    "start_time": _("Start: time"),
    "scheduled_end": _("End (date and time)"),
    "end_date": _("End: date"),
    "end_time": _("End: time"),
    "times": _("Start and end: 9:00 - 10:00"),
    "duration": _("Duration"),
    "all_day": _("Whole day (yes or no)"),
    "time_zone": _("Time zone"),
    "assignee": _("Person: name, address, or both"),
    "assignee_reference": _("Person: reference"),
    "assignee_name": _("Person: name"),
    "assignee_email": _("Person: e-mail"),
    "assignee_phone": _("Person: phone"),
    "assignee_time_zone": _("Person: time zone"),
    "assignee_language": _("Person: language"),
    "assignee_team": _("Person: team"),
}
DATE_FORMATS = (
    ("", _("choose, if dates need it")),
    ("iso", _("year first: 2026-11-23")),
    ("day_first", _("day first: 23.11.2026, 23/11/2026")),
    ("month_first", _("month first: 11/23/2026")),
    ("excel", _("days as spreadsheets count them: 46349")),
)
UNITS = (("", _("choose, if there are durations")), ("minutes", _("minutes")), ("hours", _("hours")))
DECIMALS = ((".", _("point: 1.5")), (",", _("comma: 1,5")))
SEPARATORS = (
    ("", _("as found")),
    (",", _("comma")),
    (";", _("semicolon")),
    ("\t", _("tab")),
    ("|", _("vertical bar")),
)
CONSTANTS = (("title", _("Title")), ("kind", _("Kind of work")), ("team", _("Team")))
"""What the form offers as a value of all rows; a mapping may have more, which stay."""

STRUCTURE = ("sheet", "header_row", "charset", "separator")
"""What decides which columns there are."""

ANSWERABLE = ("date_format", "duration_unit")
"""Questions that the page answers by a button for each choice: its `answer` is part:choice."""

TEXTS = ("date_format", "zone", "decimal", "duration_unit", "all_day_start", "sheet", "charset", "separator")
NO_PLACES = ("Etc/", "posix/", "right/")
LONGEST = 200


def zones() -> list[str]:
    """The zones that are offered: those named after a place, and UTC."""
    places = (name for name in available_timezones() if "/" in name)
    return [*sorted(name for name in places if not name.startswith(NO_PLACES)), "UTC"]


def lines_of(
    columns: Sequence[str], values: Mapping[str, str], mapping: TableMapping
) -> list[dict[str, Any]]:
    """A line for each column: its name and first value, the field that it fills, and whether work is known by it."""
    fills = {name: target for target, names in mapping.columns.items() for name in names}
    return [
        {
            "place": place,
            "name": name,
            "value": values.get(name, ""),
            "fills": fills.get(name, ""),
            "key": name in mapping.key,
        }
        for place, name in enumerate(columns)
    ]


def values_of(form: QueryDict, present: TableMapping) -> dict[str, Any]:
    """The mapping that the form says, as `checked_mapping` takes it; parts that it does not offer stay as they are."""
    given = {name: str(value) for name, value in form.items()}
    columns: dict[str, list[str]] = {}
    key = []
    for place in range(MAX_COLUMNS):
        if (name := given.get(f"column_{place}")) is None:
            break
        target = given.get(f"fills_{place}", "")
        if target in TARGETS:
            columns.setdefault(target, []).append(name)
        if f"key_{place}" in given:
            key.append(name)
    constants = {name: value for name, value in present.constants.items() if name not in dict(CONSTANTS)}
    for name in dict(CONSTANTS):
        if value := given.get(f"constant_{name}", "").strip():
            constants[name] = value
    values = {**present.as_json(), "columns": columns, "key": key, "constants": constants}
    for name in TEXTS:
        if name in given:
            text = given[name] if name == "separator" else given[name].strip()[:LONGEST]
            values[name] = text or None
    part, _, choice = given.get("answer", "").partition(":")
    if part in ANSWERABLE:
        values[part] = choice
    if given.get("header_row", "").isascii() and given.get("header_row", "").isdigit():
        values["header_row"] = int(given["header_row"][:6])
    return values
