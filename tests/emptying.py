"""Empties the tables after a test that has committed.

Django's own way truncates every table and then makes content types and permissions anew, table by table: a second for each
test. Those two tables are what no test changes, so they stay; of the others only those are truncated that have rows.
"""

from collections import defaultdict
from functools import cache

from django.db import connection
from django.test import TransactionTestCase

KEPT = frozenset({"django_migrations", "django_content_type", "auth_permission"})
REFERENCES = """
    SELECT DISTINCT c.confrelid::regclass::text, c.conrelid::regclass::text FROM pg_constraint c
    WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
"""


def install() -> None:
    """From now on tests that commit end so."""
    TransactionTestCase._fixture_teardown = lambda _: empty()  # type: ignore[method-assign]


def empty() -> None:
    """Truncates what has rows, and whatever refers to it, as PostgreSQL asks."""
    left = list(filled())
    found = set()
    while left:
        table = left.pop()
        if table not in found:
            found.add(table)
            left += _referring()[table]
    if found:
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(sorted(found))}")


def filled() -> set[str]:
    """The tables that have rows."""
    with connection.cursor() as cursor:
        questions = [f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in _tables()]
        cursor.execute(" UNION ALL ".join(questions))
        return {table for (table,) in cursor.fetchall()}


@cache
def _tables() -> list[str]:
    """Those that a test may fill."""
    found = connection.introspection.table_names(include_views=False)
    return sorted(set(found) - KEPT)


@cache
def _referring() -> dict[str, list[str]]:
    """By table: those with a foreign key to it."""
    found = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(REFERENCES)
        for table, by in cursor.fetchall():
            found[table].append(by)
    return found
