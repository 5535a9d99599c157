"""Looks for what is known of a person in every column of every table that can hold a text, packed ones included."""

import base64
import binascii
import io
import json
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from psycopg import sql

TEXTS = (
    "text",
    "character varying",
    "character",
    "json",
    "jsonb",
    "bytea",
    "ARRAY",
    "inet",
    "name",
    "USER-DEFINED",
)


def columns() -> list[tuple[str, str]]:
    """Table and column of whatever may hold a text."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN information_schema.tables t"
            " USING (table_schema, table_name) WHERE t.table_type = 'BASE TABLE' AND c.table_schema = 'public'"
            " AND c.data_type = ANY(%s) ORDER BY 1, 2",
            [list(TEXTS)],
        )
        return cursor.fetchall()


def texts() -> Iterator[tuple[str, str]]:
    """Every text that is stored, as "table.column" and what can be read of it."""
    for table, column in columns():
        with connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier("public", table))
            )
            for (value,) in cursor.fetchall():
                if value is not None:
                    for text in _readings(value):
                        yield f"{table}.{column}", text


def traces(words: Mapping[str, str], *, others: Sequence[str] = ()) -> set[str]:
    """Where one of the words is found: "table.column: which"; without regard to case. What is part of one of `others` is
    not."""
    wanted = {which: _same(word) for which, word in words.items()}
    theirs = sorted((_same(one) for one in others), key=len, reverse=True)
    found = set()
    for place, text in texts():
        same = _same(text)
        for one in theirs:
            same = same.replace(one, "")
        found |= {f"{place}: {which}" for which, word in wanted.items() if word in same}
    return found


def _same(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _readings(value: Any) -> Iterator[str]:
    if isinstance(value, bytes | memoryview):
        yield from _unpacked(bytes(value))
        return
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    yield text
    yield unquote_plus(text)
    try:
        yield json.dumps(json.loads(text), ensure_ascii=False)  # without escapes
    except ValueError:
        pass
    if ":" in text and (session := SessionStore().decode(text)):
        yield repr(session)
    try:
        yield from _unpacked(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        pass


def _unpacked(octets: bytes) -> Iterator[str]:
    yield octets.decode("utf-8", "replace")
    try:
        yield zlib.decompress(octets).decode("utf-8", "replace")
    except zlib.error:
        pass
    if zipfile.is_zipfile(io.BytesIO(octets)):
        with zipfile.ZipFile(io.BytesIO(octets)) as packed:
            for name in packed.namelist():
                yield packed.read(name).decode("utf-8", "replace")
