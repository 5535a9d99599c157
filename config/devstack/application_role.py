"""The database role of the processes: it reads and writes rows, and neither owns nor changes a table."""

from urllib.parse import unquote, urlsplit

from django.db import connection, transaction
from psycopg import sql

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

    The password of an existing role stays. Runs on the default connection, as the owner of the tables.
    """
    parts = urlsplit(application_url)
    name, password = unquote(parts.username or ""), unquote(parts.password or "")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user = %s, EXISTS (SELECT 1 FROM pg_roles WHERE rolname = %s)", [name, name]
        )
        is_owner, exists = cursor.fetchone()
        if is_owner:
            return
        role = sql.Identifier(name)
        if not exists:
            cursor.execute(
                sql.SQL(
                    "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {}"
                ).format(role, sql.Literal(password))
            )
        for statement in RIGHTS:
            cursor.execute(sql.SQL(statement).format(role=role))
