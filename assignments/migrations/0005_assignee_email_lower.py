from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Lower


class Migration(migrations.Migration):
    """Addresses are looked up without case. The table stays writable while the index is built."""

    atomic = False

    dependencies = [("assignments", "0004_calendar_sequence")]

    operations = [
        AddIndexConcurrently(
            model_name="assignee",
            index=models.Index(Lower("email"), name="assignee_email_lower_idx"),
        ),
    ]
