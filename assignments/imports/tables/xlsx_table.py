"""The sheets of an XLSX file and their rows. Of a formula the stored result counts; dates are what their format says.

The library runs in a process of its own (`xlsx_process`), whose memory and time the kernel bounds.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from assignments.imports.rows import LONGEST_ROW, UnreadableFile
from assignments.imports.tables.stored_rows import stored_cell
from assignments.imports.tables.table import (
    LONGEST_CELL,
    MAX_COLUMNS,
    MAX_TABLE_ROWS,
    Cell,
    TableRow,
    Unusable,
    letters,
)
from assignments.wording import quoted

PROCESS = Path(__file__).with_name("xlsx_process.py")
MAX_MEMORY, MAX_SECONDS = 250 * 1024 * 1024, 20
"""What the process of the library may take; seconds are those of a processor."""

MAX_FILE, MAX_UNPACKED = 64 * 1024 * 1024, 256 * 1024 * 1024
"""Bytes of the file, and of all its parts as its directory says."""

MAX_CELLS = 2_000_000
"""Cells of the rectangle around all that have a value."""

OLD_FORMAT = b"\xd0\xcf\x11\xe0"
"""How a file in the format of Excel 97, and one that is protected by a password, begins."""

NOT_XLSX = _("this is not an XLSX file: save the table as XLSX or as CSV")
TOO_MUCH = _("reading this file takes more memory or time than is given to one: save the table as CSV")
FORMULA_WITHOUT_RESULT = Unusable(
    gettext_noop("a formula without a stored result: open the file in a spreadsheet program and save it")
)


@dataclass(frozen=True, slots=True)
class SheetName:
    """A sheet by its name; `hidden` ones are read only if they are asked for."""

    name: str
    hidden: bool


class Workbook:
    """An XLSX file. Raises UnreadableFile, as its methods do."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        _check_format(file)
        self.sheets = [SheetName(*one) for line in _lines(file, None) for one in line]
        if not self.sheets:
            raise UnreadableFile(NOT_XLSX)

    def sheet(self, name: str | None) -> SheetName:
        """The sheet of this name, or the only visible one. Raises UnreadableFile, which names the sheets there are."""
        visible = [one for one in self.sheets if not one.hidden] or self.sheets
        names = ", ".join(quoted(one.name) for one in visible[:20])
        if name is None:
            if len(visible) > 1:
                raise UnreadableFile(
                    gettext("the file has several sheets: say with sheet which one of %(names)s is meant")
                    % {"names": names}
                )
            return visible[0]
        for one in self.sheets:
            if one.name.strip().lower() == name.strip().lower():
                return one
        raise UnreadableFile(
            gettext("there is no sheet %(name)s: the file has %(names)s")
            % {"name": quoted(name), "names": names}
        )

    def rows(self, sheet: SheetName) -> Iterator[TableRow]:
        """The rows of a sheet that have values, by their numbers. A cell that is merged over several rows counts in each."""
        for number, cells, wrong in _lines(self._file, sheet.name):
            yield TableRow(number, [_cell(one) for one in cells], _broken(wrong), padded=True)


def _broken(printed: Any) -> str | None:
    if printed == "long":
        return gettext("the row is longer than %(longest_row)s characters") % {
            "longest_row": f"{LONGEST_ROW:,}"
        }
    if printed is None:
        return None
    return gettext("a value stands in column %(letters)s: no more than %(max_columns)s columns are read") % {
        "letters": letters(printed),
        "max_columns": MAX_COLUMNS,
    }


def _cell(printed: Any) -> Cell:
    match printed:
        case {"error": text}:
            return Unusable(gettext("the error %(text)s of a formula") % {"text": quoted(text)})
        case {"formula": _}:
            return FORMULA_WITHOUT_RESULT
        case {"long": text}:
            return Unusable(
                gettext("%(text)s is longer than %(longest_cell)s characters")
                % {"text": quoted(text), "longest_cell": f"{LONGEST_CELL:,}"}
            )
    return stored_cell(printed)


def _lines(file: BinaryIO, sheet: str | None) -> Iterator[Any]:
    """What the process prints: the sheets, or the rows of one. Raises UnreadableFile if it does not come to its end."""
    limits = {
        "sheet": sheet,
        "memory": MAX_MEMORY,
        "seconds": MAX_SECONDS,
        "unpacked": MAX_UNPACKED,
        "rows": MAX_TABLE_ROWS,
        "columns": MAX_COLUMNS,
        "cells": MAX_CELLS,
        "row": LONGEST_ROW,
        "longest": LONGEST_CELL,
    }
    with tempfile.TemporaryFile() as copy:
        file.seek(0)
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-I", str(PROCESS), json.dumps(limits)],
            stdin=copy,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
        )
        with process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    match json.loads(line):
                        case None:
                            return
                        case {"refused": str(why)}:
                            raise UnreadableFile(why)
                        case {"broken": _}:
                            raise UnreadableFile(NOT_XLSX)
                        case found:
                            yield found
            finally:
                process.kill()
    raise UnreadableFile(TOO_MUCH)


def _check_format(file: BinaryIO) -> None:
    file.seek(0)
    if file.read(4) == OLD_FORMAT:
        raise UnreadableFile(
            gettext(
                "this file is protected by a password, or in the format of Excel 97 (.xls): save it as XLSX "
                "without a password"
            )
        )
    if file.seek(0, 2) > MAX_FILE:
        raise UnreadableFile(
            gettext("no more than %(max_file)s bytes of XLSX are read: save the table as CSV")
            % {"max_file": f"{MAX_FILE:,}"}
        )
