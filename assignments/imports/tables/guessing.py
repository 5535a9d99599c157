"""A mapping guessed from the names and the first values of columns. What can mean several things is a question, no guess."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.utils.translation import gettext

from assignments.imports.rows import UnreadableFile
from assignments.imports.tables.column_names import (
    ANYBODYS,
    CUSTOMERS,
    JOINED,
    KNOWN,
    NAMES,
    OF_SEVERAL_VISITS,
    TITLE_AT_LAST,
    WHOLE_BEFORE_PARTS,
    plain,
    recognized,
    without_qualifiers,
)
from assignments.imports.tables.mapped_rows import STATUS_WORDS
from assignments.imports.tables.mapping import TableMapping, checked_mapping
from assignments.imports.tables.table import Cell, TableRow, Unusable, below, named
from assignments.imports.tables.values import (
    H_MM,
    PARTS,
    ValueNotAccepted,
    as_text,
    is_date,
    is_serial,
    orders,
    read_moment,
    read_time,
    read_times,
)

SAMPLE = 500
"""Rows that are looked at."""

MIDNIGHT = time()
HEADER_WITHIN = 15
DATES = ("scheduled_start", "start_date", "scheduled_end", "end_date")
FORMATS = ("iso", "day_first", "month_first")
ORDER_OF_TARGETS = (
    *(
        "reference",
        "title",
        "assignee_reference",
        "assignee_email",
        "assignee_name",
        "assignee_phone",
        "assignee",
    ),
    *(
        "all_day",
        "scheduled_start",
        "times",
        "start_date",
        "start_time",
        "scheduled_end",
        "end_date",
        "end_time",
    ),
    *("duration", "time_zone", "kind", "location", "notes", "team", "status", "lead_minutes"),
    *("assignee_time_zone", "assignee_language", "assignee_team"),
)


INSTEAD_OF = {
    "assignee": ("assignee_name",),
    "times": ("scheduled_start",),
    "start_date": ("scheduled_start",),
    "start_time": ("scheduled_start", "times"),
    "scheduled_end": ("times",),
    "end_date": ("scheduled_end", "times"),
    "end_time": ("scheduled_end", "times"),
}
"""What is not looked for once one of the others is found, which says the same."""


@dataclass(frozen=True, slots=True)
class MappingQuestion:
    """What has to be said by somebody who knows the file: a part of the mapping, and what it may be."""

    part: str
    message: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guess:
    """A mapping that may be incomplete, what is to be asked about it, and the columns that it leaves out."""

    mapping: TableMapping
    questions: tuple[MappingQuestion, ...]
    unused: tuple[str, ...]


def guess(rows: Iterable[TableRow], *, zone: str, sheets: Sequence[str] = (), **known: Any) -> Guess:
    """A mapping for a table that begins with these rows, in this zone unless the values have offsets.

    `sheets`: the file has these, and nobody has said which is meant; then this alone is asked. `known` are parts of the
    mapping that were said. Raises UnreadableFile where no row names columns, or none is below it, ValidationError for
    parts that are not accepted.
    """
    if sheets:
        question = MappingQuestion(
            "sheet", gettext("The file has several sheets: which one is meant?"), tuple(sheets)
        )
        return Guess(checked_mapping({"zone": zone}, complete=False), (question,), ())
    first = list(rows)
    header_row = known.get("header_row") or _header_row(first[:HEADER_WITHIN])
    table = below(iter(first), header_row)
    sample = [row for row in table.rows if row.broken is None and not row.blank][:SAMPLE]
    if not sample:
        raise UnreadableFile(
            gettext("there are no rows below row %(header_row)s, which names the columns")
            % {"header_row": header_row}
        )
    values = {name: _values(sample, place) for place, name in enumerate(table.columns)}
    said = known.get("columns") or {}
    columns = dict(said or _columns(values))
    columns = {target: names for target, names in columns.items() if set(names) <= values.keys()}
    if columns.keys() & {"scheduled_end", "end_time", "times"}:
        columns.pop("duration", None)  # It would say the same once more.
    date_format, questions = _date_format(columns, values)
    unit, decimal, more = _duration(columns, values)
    questions += more
    guessed: dict[str, Any] = {
        "columns": columns,
        "date_format": date_format,
        "duration_unit": unit,
        "decimal": decimal,
        "header_row": header_row,
        "zone": zone if _is_local(columns, values) else None,
        "key": () if "reference" in columns else _key(columns),
    }
    guessed |= {name: value for name, value in known.items() if value not in (None, "", (), {})}
    mapping = checked_mapping(guessed, complete=False)
    questions += list(_missing(mapping))
    answered = {name for name in known if known[name] not in (None, "")}
    unused = tuple(name for name in table.columns if name not in mapping.used)
    return Guess(mapping, tuple(one for one in questions if one.part not in answered), unused)


def _header_row(rows: Sequence[TableRow]) -> int:
    """The row with the most names that are known; else the first that is not blank."""
    full = [row for row in rows if row.broken is None and not row.blank]
    best = max(full, key=lambda row: sum(map(recognized, named(row.cells))), default=None)
    return 1 if best is None else best.number


def _values(sample: Sequence[TableRow], place: int) -> list[Cell]:
    cells = (row.cells[place] for row in sample if place < len(row.cells))
    return [
        cell
        for cell in cells
        if not (isinstance(cell, Unusable) or (isinstance(cell, str) and not cell.strip()))
    ]


def _columns(values: Mapping[str, list[Cell]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each column fills one field; a name that may be several fields is decided by the values below it."""
    found: dict[str, tuple[str, ...]] = {}
    skipped = ANYBODYS if any(CUSTOMERS.match(plain(name)) for name in values) else frozenset()
    if any(plain(name).startswith("visit ") for name in values):
        skipped |= OF_SEVERAL_VISITS
    for target in ORDER_OF_TARGETS:
        if target == "notes" and "title" not in found:
            _choose("title", TITLE_AT_LAST, values, found)
        if not found.keys() & set(INSTEAD_OF.get(target, ())):
            _choose(target, [name for name in NAMES[target] if name not in skipped], values, found)
    yield from found.items()


def _choose(
    target: str, names: Sequence[str], values: Mapping[str, list[Cell]], found: dict[str, tuple[str, ...]]
) -> None:
    """The column, or the columns, of these names that fill the target and nothing else yet."""
    taken = {column for columns in found.values() for column in columns}
    free = {name: plain(name) for name in values if name not in taken}
    exact = {written: name for name, written in reversed(free.items())}
    bare = {
        without_qualifiers(written): name for name, written in reversed(free.items()) if written not in KNOWN
    }
    fitting = [
        by_name[name]
        for by_name in (exact, bare)
        for name in names
        if name in by_name and _fits(target, values[by_name[name]])
    ]
    fitting = list(dict.fromkeys(fitting))
    whole = [
        next((name for name in fitting if plain(name) in kind), None)
        for kind in WHOLE_BEFORE_PARTS.get(target, ())
    ]
    chosen = tuple(name for name in whole if name) or tuple(fitting[: JOINED.get(target, 1)])
    if chosen:
        found[target] = chosen


def _fits(target: str, cells: Sequence[Cell]) -> bool:
    """Whether values such as these can stand in a column of the target; a column without values fits by its name."""
    if not cells:
        return target not in ("scheduled_start", "scheduled_end")
    match target:
        case "start_time" | "end_time":
            return _most(map(_is_time, cells))
        case "start_date" | "end_date":
            return _most(map(_is_day, cells))
        case "scheduled_start" | "scheduled_end":
            return _most(map(_is_moment, cells))
        case "status":
            return all(isinstance(cell, str) and cell.strip().lower() in STATUS_WORDS for cell in cells)
        case "assignee_email":
            return _most(isinstance(cell, str) and "@" in cell for cell in cells)
        case "assignee":
            return not all(map(_is_number, cells))
        case "location":
            return not all(isinstance(cell, str) and cell.strip().lower() in STATUS_WORDS for cell in cells)
        case "reference":
            return len(set(map(str, cells))) == len(cells)
        case "times":
            return _most(map(_is_span, cells))
    return True


def _most(answers: Iterable[bool]) -> bool:
    """Whether most say yes: a wrong value in a row is no reason to misunderstand the others."""
    counted = list(answers)
    return sum(counted) * 2 > len(counted)


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, float) or (isinstance(cell, str) and cell.strip().isdigit())


def _is_span(cell: Cell) -> bool:
    try:
        return isinstance(cell, str) and read_times(cell)[1] is not None
    except ValueNotAccepted:
        return False


def _is_time(cell: Cell) -> bool:
    if isinstance(cell, datetime):
        return False
    try:
        read_time(cell)
    except ValueNotAccepted:
        return False
    return True


def _is_day(cell: Cell) -> bool:
    """Whether it is a date alone: programs write such a one with midnight, too."""
    if isinstance(cell, datetime):
        return cell.time() == MIDNIGHT
    return isinstance(cell, (str, float)) and _is_written(cell) and not _is_moment(cell)


def _is_written(cell: Cell) -> bool:
    text = as_text(cell)
    return any(is_date(text, style) for style in FORMATS) or is_serial(text)


def _is_moment(cell: Cell) -> bool:
    if isinstance(cell, (str, datetime)):
        for style in FORMATS:
            try:
                return read_moment(cell, style).time() != MIDNIGHT
            except ValueNotAccepted:
                continue
        return isinstance(cell, str) and is_serial(cell) and cell.replace(",", ".").count(".") == 1
    return isinstance(cell, float) and is_serial(as_text(cell)) and not cell.is_integer()


def _date_format(
    columns: Mapping[str, tuple[str, ...]], values: Mapping[str, list[Cell]]
) -> tuple[str | None, list[MappingQuestion]]:
    """The order of day and month that all values allow; a question where they allow both."""
    texts = [
        as_text(cell)
        for target in DATES
        for column in columns.get(target, ())
        for cell in values[column]
        if isinstance(cell, (str, float))
    ]
    if texts and all(map(is_serial, texts)):
        return "excel", []
    possible = {"day_first", "month_first"}
    told, example = False, ""
    for text in texts:
        if found := orders(text):
            told, possible, example = True, possible & found, example or text
    if not told:
        return "iso", []
    if len(possible) == 1:
        return possible.pop(), []
    if not possible:
        message = gettext(
            "Some dates have the day first and others the month: correct the file, or say which is meant."
        )
    else:
        message = gettext(
            "Is the day first or the month? Every date can be read both ways, such as %(example)s."
        ) % {"example": f"{example!r}"}
    return None, [MappingQuestion("date_format", message, ("day_first", "month_first"))]


def _duration(
    columns: Mapping[str, tuple[str, ...]], values: Mapping[str, list[Cell]]
) -> tuple[str | None, str, list[MappingQuestion]]:
    column = columns.get("duration", ("",))[0]
    if not column:
        return None, ".", []
    plain_numbers = [
        as_text(cell)
        for cell in values[column]
        if not isinstance(cell, timedelta)
        and not H_MM.fullmatch(as_text(cell))
        and not PARTS.search(as_text(cell))
    ]
    decimal = "," if any("," in one for one in plain_numbers) else "."
    words = set(plain(column).split())
    if words & {"hours", "hour", "h", "stunden", "heures", "horas"}:
        return "hours", decimal, []
    if words & {"minutes", "min", "mins", "minuten", "minutos"}:
        return "minutes", decimal, []
    if not plain_numbers:
        return None, decimal, []
    message = gettext("Are the numbers of the column %(column)s minutes or hours?") % {
        "column": f"{column!r}"
    }
    return None, decimal, [MappingQuestion("duration_unit", message, ("minutes", "hours"))]


def _is_local(columns: Mapping[str, tuple[str, ...]], values: Mapping[str, list[Cell]]) -> bool:
    """Whether a zone is needed: not where every start has an offset of its own."""
    if "scheduled_start" not in columns:
        return True
    for cell in values[columns["scheduled_start"][0]]:
        try:
            if read_moment(cell, "iso").tzinfo is None:
                return True
        except ValueNotAccepted:
            return True
    return False


def _key(columns: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """What distinguishes work without a reference: what it is, when it begins, and whose it is."""
    targets = ("title", "scheduled_start", "start_date", "start_time", "times")
    person = next(
        (
            one
            for one in ("assignee_reference", "assignee_email", "assignee", "assignee_name")
            if one in columns
        ),
        "",
    )
    return tuple(name for target in (*targets, person) for name in columns.get(target, ()))


def _missing(mapping: TableMapping) -> Iterator[MappingQuestion]:
    if "title" not in mapping.columns and "title" not in mapping.constants:
        yield MappingQuestion(
            "title",
            gettext("No column is known as the title: which one is it, or what title shall all rows have?"),
        )
    if not mapping.columns.keys() & {"scheduled_start", "start_date"}:
        yield MappingQuestion("scheduled_start", gettext("No column is known as the start: which one is it?"))
    elif (
        "start_date" in mapping.columns
        and not mapping.columns.keys() & {"start_time", "times"}
        and not mapping.all_day_start
    ):
        yield MappingQuestion(
            "all_day_start",
            gettext("No column is known as the time of the start: at which time shall such work begin?"),
        )
