"""A sign of life also says how far the host's clock is off, whether the process may send, and under which settings."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reminders", "0005_append_only_audit")]

    operations = [
        migrations.AddField("process", "clock_ahead_seconds", models.FloatField(null=True)),
        migrations.AddField("process", "enabled", models.BooleanField(null=True)),
        migrations.AddField("process", "rules", models.CharField(db_default="", default="", max_length=16)),
    ]
