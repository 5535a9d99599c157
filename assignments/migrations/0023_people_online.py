from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper

NAME = "assignee_trigram_idx"
COLUMNS = ("reference", "name", "email")


def build(apps, schema_editor):
    """Only where the index of work was built too (0017): elsewhere PostgreSQL has no trigrams."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'")
        if not cursor.fetchone()[0]:
            return
        # What an attempt that was broken off has left behind is not valid.
        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")
        columns = ", ".join(f"upper({name}) gin_trgm_ops" for name in COLUMNS)
        cursor.execute(f"CREATE INDEX CONCURRENTLY {NAME} ON assignments_assignee USING gin ({columns})")


def remove(apps, schema_editor):
    schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")


class Migration(migrations.Migration):
    """People are listed by name, and found by a part of their reference, name or e-mail address. The table stays writable
    meanwhile."""

    atomic = False

    dependencies = [("assignments", "0022_upload_starts")]

    operations = [
        AddIndexConcurrently(
            "assignee",
            models.Index(
                fields=["name", "id"],
                name="assignee_name_idx",
                condition=models.Q(merged_into__isnull=True, erased_at__isnull=True),
            ),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(build, remove)],
            state_operations=[
                migrations.AddIndex(
                    "assignee",
                    GinIndex(*(OpClass(Upper(name), name="gin_trgm_ops") for name in COLUMNS), name=NAME),
                )
            ],
        )
    ]
