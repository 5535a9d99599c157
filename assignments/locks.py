"""Advisory locks: calls that create rows by the same key wait for each other."""

from collections.abc import Iterable

from django.db import connection

IMPORT_LOCK = 0x1A5516
"""An import of many rows holds it alone; a call with one key shares it with other such calls."""


def lock_keys(keys: Iterable[str]) -> None:
    """Waits for calls with the same keys, and for imports, until their transactions have ended."""
    with connection.cursor() as cursor:
        # One statement each: PostgreSQL promises no order within a statement.
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [IMPORT_LOCK])
        for key in sorted(set(keys)):
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


def lock_imports() -> None:
    """Waits for every call that creates rows by a key, and blocks others until this transaction has ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [IMPORT_LOCK])
