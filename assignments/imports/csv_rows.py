"""Reads rows out of CSV and XLSX whose first row names our own columns; other tables need a mapping (`tables`)."""

import re
from collections.abc import Iterator
from datetime import datetime, time
from typing import Any, BinaryIO

from django.utils.translation import gettext

from assignments.imports.fields import ASSIGNEE, ROW, Field, Leads, Number
from assignments.imports.formulas import unguarded
from assignments.imports.rows import ParsedRow, RowError, RowFile, UnreadableFile, read_row
from assignments.imports.tables.csv_table import read_csv_rows
from assignments.imports.tables.table import Cell, TableRow, wrong_width
from assignments.imports.tables.values import ValueNotAccepted, as_text
from assignments.imports.tables.xlsx_table import Workbook
from assignments.models import ACT_FIELDS
from assignments.wording import quoted

LONGEST_HEADER = 16 * 1024
ASSIGNEE_PREFIX = "assignee_"
COLUMNS = (*ROW, *(ASSIGNEE_PREFIX + name for name in ASSIGNEE))
"""The columns that an import reads."""

EXPORTED_COLUMNS = (*(name for name in COLUMNS if name != "assignee_id"), *ACT_FIELDS)
"""The columns of an export: people by what names them in any system, and answers, which an import leaves alone."""

WHOLE_NUMBER = re.compile(r"-?\d{1,100}", re.ASCII)
"""More digits than any number has that is accepted, so that one that is too large is refused as that."""


def read_csv(file: BinaryIO, charset: str = "utf-8") -> RowFile:
    """The rows of a CSV file, numbered as a spreadsheet does: the header is row 1. Iterating raises UnreadableFile."""
    return RowFile(_rows(file, read_csv_rows(file, charset)))


def read_xlsx(file: BinaryIO, charset: str = "utf-8") -> RowFile:
    """The rows of the one visible sheet of an XLSX file, whose columns are named as those of CSV."""
    return RowFile(_rows(file, _of_only_sheet(file)))


def _of_only_sheet(file: BinaryIO) -> Iterator[TableRow]:
    book = Workbook(file)
    yield from book.rows(book.sheet(None))


def _rows(file: BinaryIO, rows: Iterator[TableRow]) -> Iterator[ParsedRow]:
    with file:
        first = next(rows, None)
        header = (
            []
            if first is None or first.broken
            else [one if isinstance(one, str) else "" for one in first.cells]
        )
        if first is not None and sum(map(len, header)) + len(header) > LONGEST_HEADER:
            raise UnreadableFile(
                gettext("the first line is longer than %(longest_header)s characters")
                % {"longest_header": f"{LONGEST_HEADER:,}"}
            )
        names = _columns(header)
        for row in rows:
            if row.broken is not None:
                yield [RowError(row.number, None, "broken_csv", row.broken)]
            elif not row.blank:
                yield _row(row, names)


def _columns(header: list[str]) -> list[str]:
    """The names of the columns as this module knows them: case and blanks do not count."""
    names = [re.sub(r"[\s-]+", "_", name.strip().lower()) for name in header]
    if not any(names):
        raise UnreadableFile(
            gettext("there is no header: the first line names the columns, such as %(list)s")
            % {"list": ", ".join(COLUMNS)}
        )
    known = {*COLUMNS, *ACT_FIELDS}
    seen: set[str] = set()
    for name, written in zip(names, header, strict=True):
        if name not in known:
            raise UnreadableFile(
                gettext("%(written)s is not a column: %(list)s are accepted")
                % {"written": quoted(written), "list": ", ".join(COLUMNS)}
            )
        if name in seen:
            raise UnreadableFile(gettext("the column %(name)s occurs twice") % {"name": quoted(name)})
        seen.add(name)
    for name, declared in ROW.items():
        if declared.required and name not in seen:
            raise UnreadableFile(
                gettext("there is no column %(name)s: the first line names the columns")
                % {"name": quoted(name)}
            )
    return names


def _row(row: TableRow, names: list[str]) -> ParsedRow:
    number, cells = row.number, row.cells
    if row.padded:
        cells = cells + [""] * (len(names) - len(cells))
    if len(cells) != len(names):
        return [wrong_width(row, len(names))]
    given: dict[str, Any] = {}
    person: dict[str, Any] = {}
    errors: list[RowError] = []
    for name, cell in zip(names, cells, strict=True):
        if name in ACT_FIELDS:
            continue
        try:
            text = _text(cell)
        except ValueNotAccepted as refusal:
            errors.append(
                RowError(number, name.replace("assignee_", "assignee.", 1), refusal.code, str(refusal))
            )
            continue
        if not text.strip():
            continue
        if name.startswith(ASSIGNEE_PREFIX):
            own = name.removeprefix(ASSIGNEE_PREFIX)
            person[own] = _value(ASSIGNEE[own], text)
        else:
            given[name] = _value(ROW[name], text)
    return errors or read_row(number, {**given, "assignee": person} if person else given)


def _text(cell: Cell) -> str:
    if isinstance(cell, (datetime, time)):
        needed = gettext(
            "is a local date or time: an RFC 3339 instant as text is needed here, or a mapping with a zone"
        )
        raise ValueNotAccepted(as_text(cell), needed, "naive")
    return cell if isinstance(cell, str) else as_text(cell)


def _value(declared: Field, cell: str) -> Any:
    text = unguarded(cell)
    if isinstance(declared.form, Number) and WHOLE_NUMBER.fullmatch(text.strip()):
        return int(text)
    if isinstance(declared.form, Leads) and (numbers := text.replace(",", " ").replace(";", " ").split()):
        minutes = [int(one) if WHOLE_NUMBER.fullmatch(one) else one for one in numbers]
        return minutes[0] if len(minutes) == 1 else minutes
    return text
