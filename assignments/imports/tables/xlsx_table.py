"""The sheets of an XLSX file and their rows. Of a formula the stored result counts; dates are what their format says."""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import BinaryIO

from assignments.imports.rows import UnreadableFile
from assignments.imports.tables.table import (
    LONGEST_CELL,
    MAX_COLUMNS,
    MAX_TABLE_ROWS,
    Cell,
    TableRow,
    Unusable,
    letters,
)
from assignments.imports.tables.xlsx_parts import NOT_XLSX, Package, Sink, each_element
from assignments.wording import quoted

SMALL_PART = 8 * 1024 * 1024
MAX_TEXTS, MAX_TEXT_BYTES = 500_000, 48 * 1024 * 1024
"""Texts that cells share, and the bytes of the part that holds them."""

MAX_CELLS = 2_000_000
MAX_SHEETS = 256
MAX_MERGED = 20_000
DATE_FORMATS = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
"""The built-in number formats that show a date or a time (ISO/IEC 29500-1, 18.8.30)."""

ELAPSED = 46
NOT_SHOWN = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
"""Parts of a number format that show no part of the number: texts, colours, conditions, locales."""

ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*ref="([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})"')
PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7})")
EPOCHS = {False: datetime(1899, 12, 30), True: datetime(1904, 1, 1)}  # noqa: DTZ001 (local)
LAST_SERIAL = 2_958_465
FORMULA_WITHOUT_RESULT = Unusable(
    "a formula without a stored result: open the file in a spreadsheet program and save it"
)


@dataclass(frozen=True, slots=True)
class SheetName:
    """A sheet by its name; `hidden` ones are read only if they are asked for."""

    name: str
    hidden: bool
    part: str


class Workbook:
    """An XLSX file. Raises UnreadableFile, as its methods do."""

    def __init__(self, file: BinaryIO) -> None:
        self._package = Package(file)
        self._from_1904 = False
        self.sheets = self._sheet_names()

    def _sheet_names(self) -> list[SheetName]:
        found: list[tuple[str, str, bool]] = []
        targets: dict[str, str] = {}

        def of_book(name: str, given: Mapping[str, str]) -> None:
            if name == "workbookPr":
                self._from_1904 = given.get("date1904", "0") in ("1", "true")
            elif name == "sheet" and len(found) < MAX_SHEETS:
                key = next((value for key, value in given.items() if key.endswith("}id")), "")
                found.append((given.get("name", "")[:100], key, given.get("state", "visible") != "visible"))

        def of_targets(name: str, given: Mapping[str, str]) -> None:
            if name == "Relationship" and len(targets) < 10 * MAX_SHEETS:
                target = given.get("Target", "")
                targets[given.get("Id", "")] = (
                    target.lstrip("/") if target.startswith("/") else f"xl/{target}"
                )

        each_element(self._package, "xl/workbook.xml", of_book, most=SMALL_PART)
        each_element(self._package, "xl/_rels/workbook.xml.rels", of_targets, most=SMALL_PART)
        sheets = [
            SheetName(name, hidden, targets[key])
            for name, key, hidden in found
            if self._package.has(targets.get(key, ""))
        ]
        if not sheets:
            raise UnreadableFile(NOT_XLSX)
        return sheets

    def sheet(self, name: str | None) -> SheetName:
        """The sheet of this name, or the only visible one. Raises UnreadableFile, which names the sheets there are."""
        visible = [one for one in self.sheets if not one.hidden] or self.sheets
        names = ", ".join(quoted(one.name) for one in visible[:20])
        if name is None:
            if len(visible) > 1:
                raise UnreadableFile(
                    f"the file has several sheets: say with sheet which one of {names} is meant"
                )
            return visible[0]
        for one in self.sheets:
            if one.name.strip().lower() == name.strip().lower():
                return one
        raise UnreadableFile(f"there is no sheet {quoted(name)}: the file has {names}")

    def rows(self, sheet: SheetName) -> Iterator[TableRow]:
        """The rows of a sheet that have cells, by their numbers. A cell that is merged over several rows counts in each."""
        merged = _Merged(self._package, sheet.part)
        sink = _Cells(self._texts(), self._formats(), from_1904=self._from_1904)
        last = 0
        for _ in self._package.parse(sheet.part, sink):
            while sink.rows:
                row = sink.rows.popleft()
                if row.number > MAX_TABLE_ROWS:
                    raise UnreadableFile(
                        f"no more than {MAX_TABLE_ROWS:,} rows of a sheet are read: save it as CSV"
                    )
                if row.number <= last:
                    raise UnreadableFile(f"row {row.number} comes after row {last}")
                last = row.number
                yield merged.filled(row)

    def _texts(self) -> list[bytes]:
        """In UTF-8, which is shorter than Python's texts where these are wide."""
        sink = _Texts()
        if self._package.has("xl/sharedStrings.xml"):
            for _ in self._package.parse("xl/sharedStrings.xml", sink, most=MAX_TEXT_BYTES):
                pass
        return sink.found

    def _formats(self) -> list[str]:
        """What the cells of each style show: '', date or elapsed."""
        own: dict[str, str] = {}
        kinds: list[str] = []
        inside = ""

        def found(name: str, given: Mapping[str, str]) -> None:
            nonlocal inside
            if name == "numFmt":
                own[given.get("numFmtId", "")] = _kind_of_format(given.get("formatCode", ""))
            elif name in ("cellXfs", "cellStyleXfs", "dxfs"):
                inside = name
            elif name == "xf" and inside == "cellXfs":
                key = given.get("numFmtId", "0")
                number = int(key) if key.isdigit() and len(key) < 6 else 0
                builtin = "elapsed" if number == ELAPSED else "date" if number in DATE_FORMATS else ""
                kinds.append(own.get(key, builtin))

        if self._package.has("xl/styles.xml"):
            each_element(self._package, "xl/styles.xml", found, most=SMALL_PART)
        return kinds


def _kind_of_format(code: str) -> str:
    shown = NOT_SHOWN.sub("", code[:1_000].split(";")[0])
    if re.search(r"\[[hms]+\]", shown, re.IGNORECASE):
        return "elapsed"
    return "date" if re.search("[dmyhs]", shown, re.IGNORECASE) and "general" not in shown.lower() else ""


class _Texts(Sink):
    """The texts that cells share; phonetic guides are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[bytes] = []
        self._pieces: list[str] = []
        self._length = 0
        self._shown = True
        self._in_text = False

    def opened(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "si":
            self._pieces, self._length = [], 0
        elif name == "rPh":
            self._shown = False
        self._in_text = name == "t" and self._shown

    def closed(self, name: str) -> None:
        self._in_text = False
        if name == "rPh":
            self._shown = True
        elif name == "si":
            if len(self.found) >= MAX_TEXTS:
                raise UnreadableFile(
                    f"the file has more than {MAX_TEXTS:,} different texts: save the table as CSV"
                )
            self.found.append("".join(self._pieces).encode("utf-8", "surrogatepass"))

    def text(self, text: str) -> None:
        if self._in_text and self._length <= LONGEST_CELL:
            self._length += len(text)
            self._pieces.append(text[: LONGEST_CELL + 1])


class _Cells(Sink):
    """The rows of a sheet as they are complete."""

    def __init__(self, texts: list[bytes], formats: list[str], *, from_1904: bool) -> None:
        super().__init__()
        self.rows: deque[TableRow] = deque()
        self._texts, self._formats, self._from_1904 = texts, formats, from_1904
        self._number = self._place = self._cells_seen = 0
        self._row: list[Cell] = []
        self._broken: str | None = None
        self._kind = self._style = ""
        self._pieces: list[str] = []
        self._length = 0
        self._in_value = self._has_formula = self._has_value = False

    def opened(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "c":
            self._begin_cell(attributes)
        elif name == "row":
            given = attributes.get("r", "")
            self._number = int(given) if given.isdigit() and len(given) < 8 else self._number + 1
            self._row, self._broken, self._place = [], None, -1
        elif name in ("v", "t"):
            self._in_value = self._has_value = True
        elif name == "f":
            self._has_formula = True
        elif name == "rPh":
            self._in_value = False

    def closed(self, name: str) -> None:
        if name in ("v", "t"):
            self._in_value = False
        elif name == "c":
            self._end_cell()
        elif name == "row":
            self.rows.append(TableRow(self._number, self._row, self._broken, padded=True))

    def text(self, text: str) -> None:
        if self._in_value and self._length <= LONGEST_CELL:
            self._length += len(text)
            self._pieces.append(text[: LONGEST_CELL + 1])

    def _begin_cell(self, attributes: Mapping[str, str]) -> None:
        self._cells_seen += 1
        if self._cells_seen > MAX_CELLS:
            raise UnreadableFile(f"the sheet has more than {MAX_CELLS:,} cells: save the table as CSV")
        found = PLACE.fullmatch(attributes.get("r", ""))
        self._place = _column(found[1]) if found else self._place + 1
        self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "0")
        self._pieces, self._length = [], 0
        self._in_value = self._has_formula = self._has_value = False

    def _end_cell(self) -> None:
        if not self._has_value and not self._has_formula:
            return
        if self._place >= MAX_COLUMNS:
            self._broken = f"a value stands in column {letters(self._place)}: no more than {MAX_COLUMNS} columns are read"
            return
        missing = self._place - len(self._row)
        if missing >= 0:
            self._row.extend([""] * (missing + 1))
        self._row[self._place] = self._value("".join(self._pieces))

    def _value(self, text: str) -> Cell:
        match self._kind:
            case "s":
                if not text.isdigit() or len(text) > 9 or int(text) >= len(self._texts):
                    return Unusable("a text that the file does not have")
                return _usable(self._texts[int(text)].decode("utf-8", "surrogatepass"))
            case "inlineStr" | "str" | "d":
                return _usable(text) if self._has_value else FORMULA_WITHOUT_RESULT
            case "b":
                return text.strip() in ("1", "true")
            case "e":
                return Unusable(f"the error {quoted(text)} of a formula")
        if not text.strip():
            return FORMULA_WITHOUT_RESULT if self._has_formula else ""
        try:
            number = float(text)
        except ValueError:
            return _usable(text)
        place = int(self._style) if self._style.isdigit() and len(self._style) < 6 else 0
        kind = self._formats[place] if place < len(self._formats) else ""
        if kind == "elapsed" and 0 <= number < 10_000:
            return timedelta(seconds=round(number * 86_400))
        return instant_of_serial(number, from_1904=self._from_1904) if kind else number


def instant_of_serial(number: float, *, from_1904: bool = False) -> Cell:
    """A local date and time as spreadsheets count days, to the second; below one day a time of day."""
    if not 0 <= number <= LAST_SERIAL:
        return Unusable(f"{number:g} is not a date")
    seconds = round(number * 86_400)
    if number < 1:
        return time() if seconds >= 86_400 else (EPOCHS[False] + timedelta(seconds=seconds)).time()
    # Excel has a 29th of February 1900, which never was.
    days_before = 1 if not from_1904 and number < 60 else 0
    return EPOCHS[from_1904] + timedelta(days=days_before, seconds=seconds)


def _usable(text: str) -> Cell:
    if len(text) > LONGEST_CELL:
        return Unusable(f"{quoted(text)} is longer than {LONGEST_CELL:,} characters")
    return ESCAPE.sub(_escaped, text) if "_x" in text else text


def _escaped(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return "\ufffd" if code == 0 or 0xD800 <= code < 0xE000 else chr(code)


def _column(name: str) -> int:
    place = 0
    for letter in name:
        place = place * 26 + ord(letter) - 64
    return place - 1


class _Merged:
    """Which cells are merged over several rows: known before the rows are read, though the file says it behind them."""

    def __init__(self, package: Package, part: str) -> None:
        self._until: dict[tuple[int, int], int] = {}
        self._active: dict[int, tuple[int, Cell]] = {}
        tail, seen = b"", 0
        for chunk in package.chunks(part):
            tail += chunk
            if b"mergeCell" not in tail:
                tail = tail[-200:]
                continue
            for found in MERGED.finditer(tail):
                place, first, last = _column(found[1].decode()), int(found[2]), int(found[3])
                if last > first and place < MAX_COLUMNS:
                    self._until[first, place] = last
                seen += 1
            if seen > MAX_MERGED:
                raise UnreadableFile(
                    f"the sheet has more than {MAX_MERGED:,} merged cells: save the table as CSV"
                )
            tail = tail[-200:]

    def filled(self, row: TableRow) -> TableRow:
        """The row with the values of the cells that reach down into it."""
        if not self._until:
            return row
        cells = row.cells
        for place, (last, value) in list(self._active.items()):
            if row.number > last:
                del self._active[place]
            else:
                cells.extend([""] * (place + 1 - len(cells)))
                if cells[place] == "":
                    cells[place] = value
        for place, cell in enumerate(cells):
            if last := self._until.get((row.number, place), 0):
                self._active[place] = last, cell
        return row
