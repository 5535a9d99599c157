"""Request bodies of the API: JSON, CSV and calendars, at most as large as this server keeps in memory."""

import io
import zlib
from typing import Any, BinaryIO

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.request import Request

from assignments.imports.formats import XLSX
from assignments.imports.json_text import parsed
from reminders.web.api.errors import BadEncoding, TooLarge, UnsupportedEncoding

GZIP = ("gzip", "x-gzip")
ACCEPTED_ENCODINGS = ("", "identity", *GZIP)
GZIP_WINDOW = 16 + zlib.MAX_WBITS
"""Tells zlib to expect the header of gzip (zlib manual, inflateInit2)."""


class BoundedJson(JSONParser):
    """JSON."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        body = read_body(stream, parser_context["request"])
        try:
            return parsed(body)
        except ValueError as error:
            raise ParseError(f"the body is not JSON: {error}") from error


class BoundedFile(BaseParser):
    """A file of assignments; `assignments.imports` reads its rows, and closes it so that its memory is free."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return io.BytesIO(read_body(stream, parser_context["request"]))


class BoundedCsv(BoundedFile):
    """A CSV file."""

    media_type = "text/csv"


class BoundedCalendar(BoundedFile):
    """A calendar."""

    media_type = "text/calendar"


class BoundedXlsx(BoundedFile):
    """A spreadsheet."""

    media_type = XLSX


def media_type(request: Request) -> str:
    """The Content-Type of the body, without its parameters."""
    return (request.content_type or "").split(";")[0].strip().lower()


def content_encoding(request: Request) -> str:
    return str(request.headers.get("Content-Encoding", "")).strip().lower()


def read_body(stream: BinaryIO, request: Request) -> bytes:
    """The body, decoded; the limit holds before and after. Raises TooLarge, UnsupportedEncoding or BadEncoding."""
    most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    encoding = content_encoding(request)
    if encoding not in ACCEPTED_ENCODINGS:
        raise UnsupportedEncoding
    body = stream.read(most + 1)
    if len(body) <= most and encoding in GZIP:
        body = _decompressed(body, most + 1)
    if len(body) > most:
        raise TooLarge(f"no more than {most} bytes are read")
    return body


def _decompressed(body: bytes, most: int) -> bytes:
    """At most that many bytes of what is compressed, so that a small body cannot become a large one in memory."""
    decoder = zlib.decompressobj(GZIP_WINDOW)
    try:
        found = decoder.decompress(body, most)
    except zlib.error as error:
        raise BadEncoding from error
    if not decoder.eof and len(found) < most:
        raise BadEncoding
    return found
