"""The database role of the processes: it reads and writes rows, and neither owns nor changes a table."""

from typing import Any

from django.db import connection, transaction
from psycopg import sql

from config import addresses

RIGHTS = (
    "GRANT USAGE ON SCHEMA public TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
    # For tables of later migrations, should somebody run `migrate` alone.
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {role}",
)
"""Not TRUNCATE, REFERENCES or TRIGGER: so the trigger of the audit trail cannot be bypassed."""


@transaction.atomic
def set_up(application_url: str) -> None:
    """Creates the role of this URL if it is missing, and grants it its rights; idempotent.

    The password of an existing role stays. For a pooler in transaction mode the role also gets the settings of a
    session. Runs on the default connection, as the owner of the tables.
    """
    address = addresses.postgres(application_url)
    name, password = address.user, address.password
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user = %s, EXISTS (SELECT 1 FROM pg_roles WHERE rolname = %s)", [name, name]
        )
        is_owner, exists = cursor.fetchone()
        role = sql.Identifier(name)
        pooled = address.query.get("pooler") == addresses.TRANSACTION
        if is_owner:
            if pooled:
                _give_settings(cursor, role)
            return
        if not exists:
            cursor.execute(
                sql.SQL(
                    "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {}"
                ).format(role, sql.Literal(password))
            )
        for statement in RIGHTS:
            cursor.execute(sql.SQL(statement).format(role=role))
        if pooled:
            _give_settings(cursor, role)


def _give_settings(cursor: Any, role: sql.Identifier) -> None:
    """Its sessions begin with the settings that a connection cannot ask for through a pooler in transaction mode."""
    database = sql.Identifier(connection.settings_dict["NAME"])
    for name, value in addresses.SESSION.items():
        cursor.execute(
            sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                role, database, sql.Identifier(name), sql.Literal(value)
            )
        )
