"""Runs as a process of its own, without the rest of the project: prints as JSON what the XLSX file on standard input holds.

The library holds a whole sheet in memory, and a small file can make that large, so the kernel bounds this process. What
the library leaves out without a word is looked for in the markup: errors, formulas without a result, rows out of order.
"""

import json
import posixpath
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from itertools import chain
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import python_calamine

CHUNK = 256 * 1024
MAX_PARTS, MAX_SHEETS = 10_000, 256
LONGEST_MARK = 32 * 1024
"""Bytes of a cell with a formula: 8,192 characters at most."""

MARKS = re.compile(
    rb'<(?:\w+:)?row\s(?:[^<>]*?\s)?r\s*=\s*["\'](?P<row>\d+)'
    rb"|<(?:\w+:)?c\b(?P<cell>[^<>]*)(?<!/)>\s*(?P<formula><(?:\w+:)?f\b[^<>]*(?:/>|>[^<]*</(?:\w+:)?f\s*>)\s*)?"
    rb"(?:<(?:\w+:)?v\b[^<>]*(?:/>|>(?P<value>[^<]*)</(?:\w+:)?v\s*>)\s*)?(?P<end></(?:\w+:)?c\s*>)?"
)
IS_ERROR = re.compile(rb'\st\s*=\s*["\']e["\']')
PLACE = re.compile(rb'\sr\s*=\s*["\']([A-Z]{1,3})(\d{1,7})["\']')


class TableRefused(Exception):
    """The file is not read. The text says what is needed instead."""


def sheets(package: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """The name of each sheet, and that of its part."""
    targets = {
        one.get("Id"): posixpath.normpath(posixpath.join("/xl", one.get("Target", ""))).lstrip("/")
        for one in ElementTree.parse(package.open("xl/_rels/workbook.xml.rels")).iter()  # noqa: S314 (bounded)
    }
    for one in ElementTree.parse(package.open("xl/workbook.xml")).iterfind(".//{*}sheet"):  # noqa: S314
        key = next((value for key, value in one.items() if key.endswith("}id")), None)
        yield one.get("name", ""), targets.get(key, "")


def left_out(package: zipfile.ZipFile, part: str, most_rows: int) -> dict[int, dict[int, dict[str, str]]]:
    """The cells of which the library says nothing, by their rows and columns from 0. Raises Refused."""
    found: dict[int, dict[int, dict[str, str]]] = {}
    buffer, last = b"", 0
    with package.open(part) as source:
        while True:
            chunk = source.read(CHUNK)
            buffer += chunk
            # A mark that begins behind this may not have come to its end.
            cut = max(0, len(buffer) - LONGEST_MARK) if chunk else len(buffer)
            for mark in MARKS.finditer(buffer):
                if mark.start() >= cut:
                    break
                if mark["row"]:
                    last = _next_row(int(mark["row"][:9]), last, most_rows)
                elif kind := _kind(mark):
                    place = PLACE.search(mark["cell"])
                    if place is None:
                        raise TableRefused(
                            "a cell with an error or without a result does not say its place: "
                            "open the file in a spreadsheet program and save it"
                        )
                    found.setdefault(int(place[2]) - 1, {})[column_place(place[1])] = kind
            if not chunk:
                return found
            buffer = buffer[cut:]


def _next_row(number: int, last: int, most_rows: int) -> int:
    _check_number(number, most_rows)
    if number <= last:
        raise TableRefused(f"row {number} comes after row {last}")
    return number


def _check_number(number: int, most_rows: int) -> None:
    if number > most_rows:
        raise TableRefused(f"no more than {most_rows:,} rows of a sheet are read: save it as CSV")


def _kind(mark: re.Match[bytes]) -> dict[str, str] | None:
    value = (mark["value"] or b"").strip()
    if IS_ERROR.search(mark["cell"]):
        return {"error": value.decode(errors="replace")[:40]}
    return {"formula": ""} if mark["end"] and mark["formula"] and not value else None


def rows(
    sheet: python_calamine.CalamineSheet, marked: dict[int, dict[int, Any]], limits: Any
) -> Iterator[Any]:
    """The number of each row that is not empty, with its cells, or with what is wrong with it."""
    height, width = (sheet.end[0] + 1, sheet.end[1] + 1) if sheet.end else (0, 0)
    further = range(height, max(marked, default=-1) + 1)
    _check_number(max(height, further.stop), limits["rows"])
    if height * width > limits["cells"]:
        raise TableRefused(f"the sheet has more than {limits['cells']:,} cells: save the table as CSV")
    until = {first: last[0] for first, last in sheet.merged_cell_ranges or () if last[0] > first[0]}
    active: dict[int, tuple[int, Any]] = {}
    for number, values in chain(enumerate(sheet.iter_rows()), ((number, []) for number in further)):
        cells = [_plain(one, limits["longest"]) for one in values]
        for place, kind in marked.get(number, {}).items():
            _put(cells, place, kind)
        for place, (last, value) in list(active.items()):
            if number > last:
                del active[place]
            elif place >= len(cells) or cells[place] == "":
                _put(cells, place, value)
        for place in range(len(cells)) if until else ():
            if last := until.get((number, place), 0):
                active[place] = last, cells[place]
        while cells and cells[-1] == "":
            cells.pop()
        if len(cells) > limits["columns"]:
            yield number + 1, [], len(cells) - 1
        elif sum(len(one) for one in cells if isinstance(one, str)) > limits["row"]:
            yield number + 1, [], "long"
        elif cells:
            yield number + 1, cells, None


def _put(cells: list[Any], place: int, value: Any) -> None:
    cells.extend([""] * (place + 1 - len(cells)))
    cells[place] = value


def _plain(value: Any, longest: int) -> Any:
    """As JSON; dates and times to the second."""
    match value:
        case str():
            return value.replace("\0", "\ufffd") if len(value) <= longest else {"long": value[:100]}
        case datetime():
            return {"at": _to_second(value).isoformat()}
        case date():
            return {"at": datetime.combine(value, time()).isoformat()}
        case time():
            return {"time": _to_second(datetime.combine(date(1970, 1, 1), value)).time().isoformat()}
        case timedelta():
            return {"seconds": round(value.total_seconds())}
    return value


def _to_second(moment: datetime) -> datetime:
    return (moment + timedelta(microseconds=500_000)).replace(microsecond=0)


def column_place(name: bytes) -> int:
    """The column with these letters, counted from 0."""
    place = 0
    for letter in name:
        place = place * 26 + letter - 64
    return place - 1


def _answer(limits: Any) -> Iterator[Any]:
    file = open(0, "rb")  # noqa: SIM115 (standard input)
    package = zipfile.ZipFile(file)
    # Neither zipfile nor the library unpacks more of a part than the directory says.
    if sum(one.file_size for one in package.infolist()) > limits["unpacked"]:
        raise TableRefused("this file unpacks to more than is read: save the table as CSV")
    if len(package.infolist()) > MAX_PARTS:
        raise TableRefused("this file has more parts than an XLSX file has")
    parts = dict(sheets(package))
    wanted = limits["sheet"]
    marked = {} if wanted is None else left_out(package, parts[wanted], limits["rows"])
    file.seek(0)
    book = python_calamine.CalamineWorkbook.from_filelike(file)
    if wanted is not None:
        yield from rows(book.get_sheet_by_name(wanted), marked, limits)
        return
    shown, table = python_calamine.SheetVisibleEnum.Visible, python_calamine.SheetTypeEnum.WorkSheet
    known = [
        one for one in book.sheets_metadata if one.typ == table and parts.get(one.name) in package.NameToInfo
    ]
    yield [(one.name, one.visible != shown) for one in known[:MAX_SHEETS]]


def _bound(memory: int, seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Where all processes together need more than there is, this one ends and not the one that serves requests.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def main() -> None:
    """Prints a line for each row, or one for the sheets; the last line is `null`, or says why there is no more."""
    limits = json.loads(sys.argv[1])
    _bound(limits["memory"], limits["seconds"])
    last: Any = None
    try:
        for line in _answer(limits):
            print(json.dumps(line))
    except TableRefused as refusal:
        last = {"refused": str(refusal)}
    except MemoryError:
        return
    except Exception:
        last = {"broken": True}
    print(json.dumps(last))


if __name__ == "__main__":
    main()
