"""Rows that were made once and are there again in the next test, which is quicker than to make them again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from tests.emptying import filled

COLUMNS = """
    SELECT table_name, column_name, data_type = 'timestamp with time zone' FROM information_schema.columns
    WHERE table_schema = 'public' AND is_generated = 'NEVER' ORDER BY table_name, ordinal_position
"""


@dataclass(frozen=True)
class Remembered:
    """The rows of some tables, as they were at one instant."""

    at: datetime
    rows: dict[str, str]
    """As JSON, by table."""

    @classmethod
    def since(cls, before: set[str], at: datetime) -> "Remembered":
        """The rows of the tables that were empty."""
        rows = {}
        with connection.cursor() as cursor:
            for table in filled() - before:
                cursor.execute(f"SELECT json_agg(one)::text FROM {table} AS one")
                rows[table] = cursor.fetchone()[0]
        return cls(at, rows)

    def put_back(self) -> None:
        """As if all of it had happened at this moment; no trigger answers, since what it made is here too.

        Work begins at whole seconds, so the rows move by whole seconds.
        """
        later = timedelta(seconds=(timezone.now() - self.at) // timedelta(seconds=1))
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(COLUMNS)
            columns = cursor.fetchall()
            cursor.execute("SET LOCAL session_replication_role = replica")
            for table, rows in self.rows.items():
                own = [(name, is_time) for of, name, is_time in columns if of == table]
                values = ", ".join(
                    f'"{name}" + %(later)s' if is_time else f'"{name}"' for name, is_time in own
                )
                names = ", ".join(f'"{name}"' for name, _ in own)
                cursor.execute(
                    f"INSERT INTO {table} ({names}) SELECT {values}"
                    f" FROM json_populate_recordset(NULL::{table}, %(rows)s::json)",
                    {"later": later, "rows": rows},
                )
