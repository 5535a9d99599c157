"""Updates of many rows in one statement."""

from collections.abc import Sequence

from django.db import connection, models

BATCH_SIZE = 500
"""Rows in one statement: their texts are in memory several times while it is made."""


def update_columns(rows: Sequence[models.Model], names: Sequence[str]) -> None:
    """Writes these columns of the rows, which are locked."""
    if not rows:
        return
    table = rows[0]._meta
    fields = [field for field in table.concrete_fields if field.attname in {"id", *names}]
    arrays = ", ".join(f"%s::{field.db_type(connection)}[]" for field in fields)
    given = ", ".join(str(field.column) for field in fields)
    columns = [field.column for field in fields if not field.primary_key]
    assigned = ", ".join(f"{column} = given.{column}" for column in columns)
    statement = f"UPDATE {table.db_table} t SET {assigned} FROM unnest({arrays}) AS given({given}) WHERE t.id = given.id"  # noqa: S608
    with connection.cursor() as cursor:
        for begin in range(0, len(rows), BATCH_SIZE):
            part = rows[begin : begin + BATCH_SIZE]
            cursor.execute(statement, [[getattr(row, field.attname) for row in part] for field in fields])
