from django.db import migrations, models


class Migration(migrations.Migration):
    """Finds the last decision about a part of the schedule, and the audit page's filter, by an index."""

    dependencies = [("reminders", "0013_channel_pace")]

    operations = [
        migrations.AddIndex(model_name="audit", index=models.Index(fields=["action"], name="audit_action_idx")),
    ]
