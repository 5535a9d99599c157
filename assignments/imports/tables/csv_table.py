"""The rows of a CSV file: encodings, separators, quotation marks and sizes. What is broken costs only its own row."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO, TextIO

from django.utils.translation import gettext

from assignments.imports.rows import LONGEST_ROW, UnreadableFile
from assignments.imports.tables.table import MAX_COLUMNS, TableRow
from assignments.imports.text_files import decoded, not_in_charset, with_byte_order
from assignments.wording import quoted

SEPARATORS = ",;\t|"
SEPARATOR_LINE = "sep="
"""How a first line begins with which spreadsheets name the separator; it is no row."""

MOST_READ_AGAIN = 16 * LONGEST_ROW
"""Characters that are read a second time behind broken rows, beside as many as the file has had until there."""

LINES_BEFORE_SEPARATOR = 20
"""In so many first lines a separator is looked for."""


def read_csv_rows(file: BinaryIO, charset: str = "utf-8", separator: str | None = None) -> Iterator[TableRow]:
    """All rows, numbered as a spreadsheet does, the first is 1. Iterating raises UnreadableFile.

    Without a separator that is given or named by the file it is the most frequent one of the first line that has any.
    A byte order mark goes before the charset.
    """
    charset = with_byte_order(file, charset)
    try:
        with decoded(file, charset) as text:
            lines = _lines(text)
            first = [line for _, line in zip(range(LINES_BEFORE_SEPARATOR), lines, strict=False)]
            if first and first[0].lower().startswith(SEPARATOR_LINE):
                separator = separator or first[0][len(SEPARATOR_LINE) :].rstrip("\r\n")[:1] or None
                first = first[1:]
            if separator is None:
                with_one = (line for line in first if any(one in line for one in SEPARATORS))
                separator = max(SEPARATORS, key=next(with_one, "").count)
            for number, record in enumerate(_records(chain(first, lines), separator), start=1):
                if isinstance(record, str):
                    yield TableRow(number, [], record)
                elif any(cell.strip() for cell in record[MAX_COLUMNS:]):
                    yield TableRow(
                        number,
                        [],
                        gettext("the row has more than %(max_columns)s cells: no more are read")
                        % {"max_columns": MAX_COLUMNS},
                    )
                else:
                    yield TableRow(number, list(record[:MAX_COLUMNS]))
    except UnicodeError as error:
        raise not_in_charset(charset) from error


def _lines(text: TextIO) -> Iterator[str]:
    """The lines with their ends; of one that is longer than a row may be only so much that it can be seen."""
    while line := text.readline(LONGEST_ROW + 1):
        if len(line) > LONGEST_ROW:
            rest = line
            while rest and not rest.endswith("\n"):
                rest = text.readline(LONGEST_ROW)
        yield line


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
            message = gettext("%(rstrip)s is not CSV: %(explained)s") % {
                "rstrip": quoted(taken[0].rstrip()),
                "explained": _explained(error),
            }
            read_again += sum(map(len, taken[1:]))
            if read_again > MOST_READ_AGAIN + gone_through:
                raise UnreadableFile(
                    gettext("%(message)s, and so in many rows before it") % {"message": message}
                ) from error
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
        if len(line) > LONGEST_ROW:
            raise csv.Error("row too long")
        size += len(line)
        if size > LONGEST_ROW:
            raise csv.Error("unexpected end of data")
        yield line


def _explained(error: csv.Error) -> str:
    if "row too long" in str(error):
        return gettext("the row is longer than %(longest_row)s characters") % {
            "longest_row": f"{LONGEST_ROW:,}"
        }
    if "unexpected end" in str(error):
        return gettext("a quotation mark is not closed")
    if "expected after" in str(error):
        return gettext("text follows a closing quotation mark; one inside of a cell is written twice")
    if "field larger" in str(error):
        return gettext("a cell is longer than %(field_size_limit)s characters") % {
            "field_size_limit": f"{csv.field_size_limit():,}"
        }
    return str(error)
