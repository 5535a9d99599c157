"""Reads rows out of JSON, one object in memory at a time: a list, {"assignments": [...]}, or one object a line."""

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from assignments.imports.json_text import parsed
from assignments.imports.rows import LONGEST_ROW, ParsedRow, RowError, RowFile, UnreadableFile, read_row
from assignments.imports.text_files import refuse_utf16
from assignments.wording import quoted

CHUNK = 64 * 1024
BLANKS = re.compile(rb"[ \t\r\n]*")
LIST_NEEDED = 'a list of assignments is needed, or {"assignments": [...]}'
TOKEN = re.compile(rb'[\[{]|[\]}]|"[^"\\]*(?:\\.[^"\\]*)*"|"', re.DOTALL)
"""What decides where a value ends: brackets, strings, and a string that is not complete yet."""

SCALAR = re.compile(rb'[^\s\[\]{}",]*')


def read_json(file: BinaryIO, charset: str = "utf-8") -> RowFile:
    """The rows of a list, numbered from 1. Iterating raises UnreadableFile."""
    return RowFile(_list_rows(file))


def read_json_lines(file: BinaryIO, charset: str = "utf-8") -> RowFile:
    """The rows of a file with one object a line, numbered as its lines. Iterating raises UnreadableFile."""
    return RowFile(_line_rows(file))


def _list_rows(file: BinaryIO) -> Iterator[ParsedRow]:
    refuse_utf16(file)
    with file:
        source = _Source(file)
        wrapped = source.skip(b"{")
        if wrapped and (source.value("the first name") != "assignments" or not source.skip(b":")):
            raise UnreadableFile(LIST_NEEDED)
        if not source.skip(b"["):
            raise UnreadableFile(LIST_NEEDED)
        number = 0
        if not source.skip(b"]"):
            while True:
                number += 1
                yield read_row(number, source.value(f"row {number}"))
                if source.skip(b"]"):
                    break
                if not source.skip(b","):
                    raise UnreadableFile(f"this is not JSON: a comma or ] is missing after row {number}")
        if wrapped and not source.skip(b"}"):
            raise UnreadableFile(LIST_NEEDED)
        if not source.at_end():
            raise UnreadableFile(f"this is not JSON: there is text after the list of {number} rows")


def _line_rows(file: BinaryIO) -> Iterator[ParsedRow]:
    refuse_utf16(file)
    with file:
        number = 0
        while line := file.readline(LONGEST_ROW + 1):
            number += 1
            if len(line) > LONGEST_ROW:
                raise UnreadableFile(f"line {number} is longer than {LONGEST_ROW:,} bytes")
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                value = parsed(line)
            except ValueError as error:
                yield [RowError(number, None, "parse_error", f"{_start(line)} is not JSON: {error}")]
            else:
                yield read_row(number, value)


def _start(text: bytes) -> str:
    return quoted(text[:100].decode(errors="replace").strip())


class _Source:
    """The values of a JSON text, taken one after the other. Its structure is ASCII, so bytes are enough to find it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._text = b""
        self._position = 0
        self._ended = False
        self._more()
        self._text = self._text.removeprefix(b"\xef\xbb\xbf")

    def _more(self) -> bool:
        """Reads on; what has been taken is dropped. False at the end."""
        chunk = b"" if self._ended else self._file.read(CHUNK)
        self._ended = not chunk
        self._text = self._text[self._position :] + chunk
        self._position = 0
        return bool(chunk)

    def _next(self) -> bytes:
        """The next byte that is no blank, which stays; b"" at the end."""
        while True:
            self._position = BLANKS.match(self._text, self._position).end()  # type: ignore[union-attr]
            if self._position < len(self._text):
                return self._text[self._position : self._position + 1]
            if not self._more():
                return b""

    def skip(self, byte: bytes) -> bool:
        """Whether this byte is next; then it is taken."""
        if self._next() != byte:
            return False
        self._position += 1
        return True

    def at_end(self) -> bool:
        """Whether only blanks are left."""
        return not self._next()

    def value(self, what: str) -> Any:
        """The next value. Raises UnreadableFile, which names it as `what`."""
        text = self._value_text(what)
        try:
            return parsed(text)
        except ValueError as error:
            raise UnreadableFile(f"{what} is not JSON: {error}") from error

    def _value_text(self, what: str) -> bytes:
        self._next()
        depth, place = 0, self._position
        while True:
            if depth == 0 and self._text[place : place + 1] not in (b"[", b"{", b'"'):
                end = SCALAR.match(self._text, place).end()  # type: ignore[union-attr]
                if end < len(self._text) or self._ended:
                    return self._take(end)
                found = None
            else:
                found = TOKEN.search(self._text, place)
            if found is None or found[0] == b'"':
                # Not complete yet. The search goes on where it has seen nothing, or the beginning of a string.
                place = len(self._text) if found is None and depth else found.start() if found else place
                place -= self._position
                if len(self._text) - self._position > LONGEST_ROW:
                    raise UnreadableFile(f"{what} is longer than {LONGEST_ROW:,} bytes")
                if not self._more():
                    raise UnreadableFile(f"{what} is not JSON: the text ends inside of it")
                continue
            place = found.end()
            depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(found[0], 0)
            if place - self._position > LONGEST_ROW:
                raise UnreadableFile(f"{what} is longer than {LONGEST_ROW:,} bytes")
            if depth <= 0:
                return self._take(place)

    def _take(self, end: int) -> bytes:
        text = self._text[self._position : end]
        self._position = end
        return text
