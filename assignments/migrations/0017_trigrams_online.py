from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import migrations
from django.db.models.functions import Upper

NAME = "assignment_trigram_idx"
COLUMNS = ("reference", "title", "location")


def build(apps, schema_editor):
    """Where PostgreSQL has no such extension, or this role may not create it, a search reads the table instead."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'),"
            " (SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'),"
            " has_database_privilege(current_database(), 'CREATE')"
        )
        installed, available, allowed = cursor.fetchone()
        if not installed and not (available and allowed):
            return
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        # What an attempt that was broken off has left behind is not valid.
        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")
        columns = ", ".join(f"upper({name}) gin_trgm_ops" for name in COLUMNS)
        cursor.execute(f"CREATE INDEX CONCURRENTLY {NAME} ON assignments_assignment USING gin ({columns})")


def remove(apps, schema_editor):
    schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")


class Migration(migrations.Migration):
    """Work is found by a part of its reference, title or place. The table stays writable while the index is built."""

    atomic = False

    dependencies = [("assignments", "0016_change_records")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(build, remove)],
            state_operations=[
                migrations.AddIndex(
                    "assignment",
                    GinIndex(*(OpClass(Upper(name), name="gin_trgm_ops") for name in COLUMNS), name=NAME),
                )
            ],
        )
    ]
