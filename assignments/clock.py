"""The clock that decides: the database's, the same for every process and host."""

from datetime import datetime

from django.db import connection


def database_now() -> datetime:
    """The start of the present statement by PostgreSQL's clock, as aware UTC."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        instant: datetime = cursor.fetchone()[0]
        return instant
