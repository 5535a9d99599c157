from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Find the work of an event and of a feed. The table stays writable while they are built."""

    atomic = False

    dependencies = [("assignments", "0010_calendar_sources")]

    operations = [
        AddIndexConcurrently(
            model_name="assignment",
            index=models.Index(
                condition=models.Q(calendar_event__isnull=False),
                fields=["calendar_event"],
                name="assignment_event_idx",
            ),
        ),
        AddIndexConcurrently(
            model_name="assignment",
            index=models.Index(
                condition=models.Q(calendar_source__isnull=False),
                fields=["calendar_source", "scheduled_start"],
                name="assignment_source_idx",
            ),
        ),
    ]
