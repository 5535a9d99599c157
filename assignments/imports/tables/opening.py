"""Opens a table of a file: CSV or XLSX by how the file begins, which nobody has to say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import BinaryIO

from assignments.imports.rows import RowFile
from assignments.imports.tables.csv_table import read_csv_rows
from assignments.imports.tables.guessing import HEADER_WITHIN, SAMPLE, Guess, guess
from assignments.imports.tables.mapped_rows import mapped_rows
from assignments.imports.tables.mapping import TableMapping
from assignments.imports.tables.table import TableRow, below
from assignments.imports.tables.xlsx_table import Workbook

XLSX_BEGINS = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")
OTHERS_BEGIN = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b")
"""Files that people choose by mistake: as text they would be told of a wrong charset."""


@dataclass(frozen=True, slots=True)
class Opened:
    """All rows of the table that is meant; `sheets` are those among which nobody has chosen."""

    rows: Iterator[TableRow]
    sheets: Sequence[str] = ()


def is_xlsx(file: BinaryIO) -> bool:
    """Whether this is a spreadsheet file, or claims to be one as far as it is no text."""
    start = file.read(4)
    file.seek(0)
    return start.startswith(XLSX_BEGINS + OTHERS_BEGIN)


def open_rows(
    file: BinaryIO,
    *,
    charset: str = "utf-8",
    separator: str | None = None,
    sheet: str | None = None,
    choose: bool = False,
) -> Opened:
    """The rows of a table. Raises UnreadableFile, also while they are read; with `choose` not for several sheets."""
    if not is_xlsx(file):
        return Opened(read_csv_rows(file, charset, separator))
    book = Workbook(file)
    names = [one.name for one in book.sheets if not one.hidden]
    open_question = choose and sheet is None and len(names) > 1
    found = book.sheet(names[0] if open_question else sheet)
    return Opened(book.rows(found), names if open_question else ())


def read_mapped(file: BinaryIO, charset: str = "utf-8", *, mapping: TableMapping) -> RowFile:
    """The rows of a table under a mapping; a charset that the mapping names goes before. Iterating raises UnreadableFile."""
    opened = partial(open_rows, file, separator=mapping.separator, sheet=mapping.sheet)

    def rows() -> Iterator[object]:
        with file:
            found = opened(charset=mapping.charset or charset)
            yield from mapped_rows(below(found.rows, mapping.header_row), mapping)

    return RowFile(rows())  # type: ignore[arg-type]


def guess_table(file: BinaryIO, *, zone: str, charset: str = "utf-8", **known: object) -> Guess:
    """A mapping for the table of a file; `known` are parts of it that were said.

    Raises UnreadableFile or ValidationError.
    """
    opened = open_rows(
        file,
        charset=charset,
        separator=known.get("separator") or None,  # type: ignore[arg-type]
        sheet=known.get("sheet") or None,  # type: ignore[arg-type]
        choose=True,
    )
    if charset != "utf-8":
        known["charset"] = charset
    return guess(islice(opened.rows, HEADER_WITHIN + SAMPLE), zone=zone, sheets=opened.sheets, **known)
