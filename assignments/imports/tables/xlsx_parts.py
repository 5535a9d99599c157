"""The parts of an XLSX file (ISO/IEC 29500), read within bounds: what a small file may unpack to is not trusted.

Nothing of a part is in memory as a whole. Only parts that hold names, texts, formats and cells are read; macros, links and
drawings are not.
"""

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO
from xml.parsers import expat

from assignments.imports.rows import UnreadableFile

CHUNK = 64 * 1024
MAX_UNPACKED = 256 * 1024 * 1024
"""Bytes of all parts that are read, as they are unpacked."""

MAX_DIRECTORY = 1024 * 1024
"""Bytes of the list of a file's parts."""

MAX_TAG = 1024 * 1024
MAX_DEPTH = 64
OLD_FORMAT = b"\xd0\xcf\x11\xe0"
"""How a file in the format of Excel 97, and one that is protected by a password, begins."""

END_OF_DIRECTORY = b"PK\x05\x06"
ZIP64_LOCATOR = b"PK\x06\x07"
NOT_XLSX = "this is not an XLSX file: save the table as XLSX or as CSV"


class TooMuch(UnreadableFile):
    """The file unpacks to more than is read."""


class Package:
    """The parts of one file by their names. Every method raises UnreadableFile."""

    def __init__(self, file: BinaryIO) -> None:
        self._left = MAX_UNPACKED
        _check_directory(file)
        with _readable():
            self._zip = zipfile.ZipFile(file)
            self._names = {one.filename.lower(): one for one in self._zip.infolist()}

    def has(self, name: str) -> bool:
        return name.lower() in self._names

    def chunks(self, name: str, *, most: int = MAX_UNPACKED) -> Iterator[bytes]:
        """The bytes of a part; no more than `most` of them."""
        part = self._names.get(name.lower())
        if part is None:
            raise UnreadableFile(NOT_XLSX)
        if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or part.flag_bits & 1:
            raise UnreadableFile("this file is compressed or encrypted in a way that XLSX does not use")
        with _readable(), self._zip.open(part) as source:
            while chunk := source.read(CHUNK):
                most -= len(chunk)
                self._left -= len(chunk)
                if most < 0 or self._left < 0:
                    raise TooMuch(
                        f"{part.filename[:100]!r} unpacks to more than is read: save the table as CSV"
                    )
                yield chunk

    def parse(self, name: str, sink: "Sink", *, most: int = MAX_UNPACKED) -> Iterator[None]:
        """Feeds a part to the sink; yields after each piece, so that what was found can be taken."""
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartElementHandler = sink.start
        parser.EndElementHandler = sink.end
        parser.CharacterDataHandler = sink.text
        parser.StartDoctypeDeclHandler = _refuse_doctype
        fed = 0
        with _readable():
            for chunk in self.chunks(name, most=most):
                fed += len(chunk)
                parser.Parse(chunk, False)
                if fed - parser.CurrentByteIndex > MAX_TAG:
                    raise UnreadableFile(f"a tag of this file is longer than {MAX_TAG:,} bytes")
                yield
            parser.Parse(b"", True)
        yield


class Sink:
    """Receives the elements of a part by their local names, inside of how many others."""

    def __init__(self) -> None:
        self._depth = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableFile(f"elements of this file are nested more than {MAX_DEPTH} deep")
        self.opened(name.rpartition("}")[2], attributes)

    def end(self, name: str) -> None:
        self._depth -= 1
        self.closed(name.rpartition("}")[2])

    def opened(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""

    def closed(self, name: str) -> None:
        """An element ends."""

    def text(self, text: str) -> None:
        """Text inside of the innermost element."""


class Elements(Sink):
    """Calls a function for each element that begins."""

    def __init__(self, found: Callable[[str, Mapping[str, str]], None]) -> None:
        super().__init__()
        self._found = found

    def opened(self, name: str, attributes: Mapping[str, str]) -> None:
        self._found(name, attributes)


def each_element(
    package: Package, name: str, found: Callable[[str, Mapping[str, str]], None], *, most: int
) -> None:
    """Calls `found` for each element of a part."""
    for _ in package.parse(name, Elements(found), most=most):
        pass


def _refuse_doctype(*_: Any) -> None:
    raise UnreadableFile("this file declares a document type, which XLSX does not use")


def _check_directory(file: BinaryIO) -> None:
    file.seek(0)
    if file.read(4) == OLD_FORMAT:
        raise UnreadableFile(
            "this file is protected by a password, or in the format of Excel 97 (.xls): save it as XLSX without a password"
        )
    size = file.seek(0, 2)
    file.seek(max(0, size - 22 - 65_535))
    tail = file.read()
    place = tail.rfind(END_OF_DIRECTORY)
    if place < 0 or len(tail) - place < 22:
        raise UnreadableFile(NOT_XLSX)
    (directory,) = struct.unpack_from("<L", tail, place + 12)
    if place >= 76 and tail[place - 20 : place - 16] == ZIP64_LOCATOR:
        (directory,) = struct.unpack_from("<Q", tail, place - 36)
    if directory > MAX_DIRECTORY:
        raise UnreadableFile("this file has more parts than an XLSX file has")
    file.seek(0)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        expat.ExpatError,
        NotImplementedError,
        RuntimeError,
        EOFError,
        ValueError,
        OverflowError,
        struct.error,
    ) as error:
        raise UnreadableFile(NOT_XLSX) from error
