"""How the ledger talks to PostgreSQL: prepared statements, arrays, rows by name."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

Cursor = CursorWrapper | psycopg.Cursor[tuple[Any, ...]]


class _JsonbText(Loader):
    """JSON as its text, as Django's own cursors give it: what needs it read does that."""

    format = Format.BINARY

    def load(self, data: Buffer) -> str:
        return bytes(data)[1:].decode()  # The first byte is the version of the format (jsonb_send).


def run(cursor: Cursor, statement: str, params: Any = None) -> None:
    """Executes a statement; psycopg adapts more types (timedelta, lists) than the stubs of Django know."""
    cursor.execute(statement, params)


@contextmanager
def prepared_cursor() -> Iterator[Cursor]:
    """A cursor on Django's connection whose statements PostgreSQL plans once for each connection.

    For the statements of the hot path: planning them anew is most of what a lone reminder costs the database. What they
    return comes as PostgreSQL holds it: a row that is begun has ten instants, and to write and to read them as text took
    4 % of what a reminder costs. Errors are Django's, as everywhere.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.format = Format.BINARY
        cursor.adapters.register_loader("jsonb", _JsonbText)
        yield cursor


def bigints(values: Iterable[int]) -> str:
    """Whole numbers as the text of an array; psycopg writes a list element by element, which takes ten times as long."""
    return "{" + ",".join(map(str, values)) + "}"


def texts(values: Iterable[str]) -> str:
    """Texts as the text of an array, for the same reason (PostgreSQL manual, 8.15.2: what must be escaped)."""
    escaped = [value.replace("\\", r"\\").replace('"', r"\"") for value in values]
    return '{"' + '","'.join(escaped) + '"}' if escaped else "{}"


def fetch_one(cursor: Cursor) -> Any:
    """The first value of the first row; None where there is none."""
    found = cursor.fetchone()
    return found[0] if found else None


def fetch(cursor: Cursor) -> Iterator[dict[str, Any]]:
    names = [column[0] for column in cursor.description or []]
    for values in cursor.fetchall():
        yield dict(zip(names, values, strict=True))
