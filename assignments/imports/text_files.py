"""Files as text: which encodings are accepted, and lines whose length is bounded."""

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO, TextIO

from django.utils.translation import gettext

from assignments.imports.rows import LONGEST_ROW, UnreadableFile
from assignments.wording import quoted

CHARSETS = {
    "utf-8",
    "ascii",
    "iso8859-1",
    "iso8859-2",
    "iso8859-15",
    *(f"cp125{number}" for number in range(9)),
}
"""Python's names of the encodings that may be declared; in all of them ASCII is itself."""

UTF16 = (b"\xff\xfe", b"\xfe\xff")


def python_charset(declared: str | None) -> str:
    """Python's name of a charset that was declared; UTF-8 where none was. Raises UnreadableFile."""
    try:
        name = codecs.lookup(declared or "utf-8").name
    except (LookupError, ValueError, UnicodeError):
        name = ""
    if name not in CHARSETS:
        raise UnreadableFile(
            gettext("the charset %(declared)s is not accepted: save the file in UTF-8")
            % {"declared": quoted(declared)}
        )
    return name


def with_byte_order(file: BinaryIO, charset: str) -> str:
    """The charset that a byte order mark at the beginning of the file says, or the zeros of UTF-16, else this one."""
    start = file.read(4)
    file.seek(0)
    if start.startswith(UTF16):
        return "utf-16"
    if b"\x00" in start:
        return "utf-16-le" if start[1:2] == b"\x00" else "utf-16-be"
    return "utf-8" if start.startswith(codecs.BOM_UTF8) else charset


def refuse_utf16(file: BinaryIO) -> None:
    """Raises UnreadableFile if the file begins as UTF-16 does."""
    start = file.read(4)
    file.seek(0)
    if start.startswith(UTF16) or b"\x00" in start:
        raise UnreadableFile(gettext("this file is in UTF-16: save it in UTF-8"))


def decoded(file: BinaryIO, charset: str) -> TextIO:
    """The file as text, without a byte order mark; line ends are kept."""
    encoding = "utf-8-sig" if charset == "utf-8" else charset
    return io.TextIOWrapper(file, encoding=encoding, newline="")


def bounded_lines(text: TextIO) -> Iterator[str]:
    """The lines of a text, with their ends. Raises UnreadableFile for one that is longer than a row may be."""
    number = 0
    while line := text.readline(LONGEST_ROW + 1):
        number += 1
        if len(line) > LONGEST_ROW:
            raise UnreadableFile(
                gettext("line %(number)s is longer than %(longest_row)s characters")
                % {"number": number, "longest_row": f"{LONGEST_ROW:,}"}
            )
        yield line


class NotInCharset(UnreadableFile):
    """Bytes of the file mean nothing in the charset."""

    def __init__(self, message: str, charset: str) -> None:
        super().__init__(message)
        self.charset = charset


def not_in_charset(charset: str, line: int | None = None) -> NotInCharset:
    """The error for bytes that the charset does not have."""
    where = gettext("this file") if line is None else gettext("line %(line)s") % {"line": line}
    name = charset.upper() if charset.startswith("utf") else charset
    return NotInCharset(
        gettext("%(where)s is not in %(name)s: save the file in UTF-8, or declare its charset")
        % {"where": where, "name": name},
        charset,
    )
