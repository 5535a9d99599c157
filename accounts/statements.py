"""The statements of every request: written out, and planned once for each connection.

To put one together from a queryset, and to have it planned anew, takes several times as long as to answer it.
"""

from collections.abc import Collection
from typing import Any, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, models

M = TypeVar("M", bound=models.Model)


def first_row(statement: str, params: Any) -> tuple[Any, ...] | None:
    """The first row that a statement returns; None where there is none. Errors are Django's.

    A column that is added or becomes longer must not change what a planned statement returns: PostgreSQL would refuse it
    in each process that has it. So none says `SELECT *`, and texts are read as `text`.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, params, binary=True)
        return cursor.fetchone()


def columns(model: type[models.Model]) -> str:
    """Those of a model's table, for a statement whose row `made_of` makes an object of."""
    return ", ".join(
        f"{field.column}::text" if isinstance(field, models.CharField) else str(field.column)
        for field in model._meta.concrete_fields
    )


def made_of(model: type[M], values: Collection[Any]) -> M:
    """The object of a row of `columns`, as a queryset makes it."""
    return model.from_db(DEFAULT_DB_ALIAS, [field.attname for field in model._meta.concrete_fields], values)
