"""Reads rows out of CSV: comma, semicolon or tab separates, the first line names the columns."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from assignments.imports.fields import ASSIGNEE, ROW, Field, Leads, Number
from assignments.imports.formulas import unguarded
from assignments.imports.rows import LONGEST_ROW, ParsedRow, RowError, RowFile, UnreadableFile, read_row
from assignments.imports.text_files import bounded_lines, decoded, not_in_charset, refuse_utf16
from assignments.models import ACT_FIELDS
from assignments.wording import quoted

SEPARATORS = ",;\t"
LONGEST_HEADER = 16 * 1024
ASSIGNEE_PREFIX = "assignee_"
COLUMNS = (*ROW, *(ASSIGNEE_PREFIX + name for name in ASSIGNEE))
"""The columns that an import reads."""

EXPORTED_COLUMNS = (*(name for name in COLUMNS if name != "assignee_id"), *ACT_FIELDS)
"""The columns of an export: people by what names them in any system, and answers, which an import leaves alone."""

MOST_READ_AGAIN = 16 * LONGEST_ROW
"""Characters that are read a second time behind broken rows, beside as many as the file has had until there."""

WHOLE_NUMBER = re.compile(r"-?\d{1,100}", re.ASCII)
"""More digits than any number has that is accepted, so that one that is too large is refused as that."""


def read_csv(file: BinaryIO, charset: str = "utf-8") -> RowFile:
    """The rows of a CSV file, numbered as a spreadsheet does: the header is row 1. Iterating raises UnreadableFile."""
    return RowFile(_rows(file, charset))


def _rows(file: BinaryIO, charset: str) -> Iterator[ParsedRow]:
    refuse_utf16(file)
    try:
        with decoded(file, charset) as text:
            header = text.readline(LONGEST_HEADER + 1)
            if len(header) > LONGEST_HEADER:
                raise UnreadableFile(f"the first line is longer than {LONGEST_HEADER:,} characters")
            separator = max(SEPARATORS, key=header.count)
            names = _columns(next(csv.reader([header], delimiter=separator), []))
            for number, record in enumerate(_records(bounded_lines(text), separator), start=2):
                if isinstance(record, str):
                    yield [RowError(number, None, "broken_csv", record)]
                elif any(cell.strip() for cell in record):
                    yield _row(number, names, record)
    except UnicodeDecodeError as error:
        raise not_in_charset(charset) from error


def _columns(header: list[str]) -> list[str]:
    """The names of the columns as this module knows them: case and blanks do not count."""
    names = [re.sub(r"[\s-]+", "_", name.strip().lower()) for name in header]
    if not any(names):
        raise UnreadableFile(
            f"there is no header: the first line names the columns, such as {', '.join(COLUMNS)}"
        )
    known = {*COLUMNS, *ACT_FIELDS}
    seen: set[str] = set()
    for name, written in zip(names, header, strict=True):
        if name not in known:
            raise UnreadableFile(f"{quoted(written)} is not a column: {', '.join(COLUMNS)} are accepted")
        if name in seen:
            raise UnreadableFile(f"the column {quoted(name)} occurs twice")
        seen.add(name)
    for name, declared in ROW.items():
        if declared.required and name not in seen:
            raise UnreadableFile(f"there is no column {quoted(name)}: the first line names the columns")
    return names


def _records(lines: Iterable[str], separator: str) -> Iterator[list[str] | str]:
    """The cells of each record, or what is wrong with it; reading goes on with the line after the broken one.

    Raises UnreadableFile where so many quotation marks are not closed that this would take long.
    """
    source, returned = iter(lines), deque[str]()
    gone_through = read_again = 0
    while True:
        taken: list[str] = []
        try:
            cells = next(
                csv.reader(_one_record(source, returned, taken), delimiter=separator, strict=True), None
            )
        except csv.Error as error:
            message = f"{quoted(taken[0].rstrip())} is not CSV: {_explained(error)}"
            read_again += sum(map(len, taken[1:]))
            if read_again > MOST_READ_AGAIN + gone_through:
                raise UnreadableFile(f"{message}, and so in many rows before it") from error
            returned.extendleft(reversed(taken[1:]))
            gone_through += len(taken[0])
            yield message
        else:
            if cells is None:
                return
            gone_through += sum(map(len, taken))
            yield cells


def _one_record(source: Iterator[str], returned: deque[str], taken: list[str]) -> Iterator[str]:
    """Lines as the reader asks for them, until they are longer than a row may be."""
    size = 0
    while True:
        line = returned.popleft() if returned else next(source, None)
        if line is None:
            return
        taken.append(line)
        size += len(line)
        if size > LONGEST_ROW:
            raise csv.Error("unexpected end of data")
        yield line


def _explained(error: csv.Error) -> str:
    if "unexpected end" in str(error):
        return "a quotation mark is not closed"
    if "expected after" in str(error):
        return "text follows a closing quotation mark; one inside of a cell is written twice"
    if "field larger" in str(error):
        return f"a cell is longer than {csv.field_size_limit():,} characters"
    return str(error)


def _row(number: int, names: list[str], cells: list[str]) -> ParsedRow:
    if len(cells) != len(names):
        message = (
            f"{len(cells)} cells under {len(names)} columns: a cell that contains the separator needs quotes"
        )
        return [RowError(number, None, "columns", message)]
    given: dict[str, Any] = {}
    person: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=True):
        if not cell.strip() or name in ACT_FIELDS:
            continue
        if name.startswith(ASSIGNEE_PREFIX):
            own = name.removeprefix(ASSIGNEE_PREFIX)
            person[own] = _value(ASSIGNEE[own], cell)
        else:
            given[name] = _value(ROW[name], cell)
    return read_row(number, {**given, "assignee": person} if person else given)


def _value(declared: Field, cell: str) -> Any:
    text = unguarded(cell)
    if isinstance(declared.form, Number) and WHOLE_NUMBER.fullmatch(text.strip()):
        return int(text)
    if isinstance(declared.form, Leads) and (numbers := text.replace(",", " ").replace(";", " ").split()):
        minutes = [int(one) if WHOLE_NUMBER.fullmatch(one) else one for one in numbers]
        return minutes[0] if len(minutes) == 1 else minutes
    return text
