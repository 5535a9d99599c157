"""Names in the code only: tables and columns stay, so that a release from before may run beside this one."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reminders", "0011_webhooks_online")]

    operations = [
        migrations.AlterModelTable("ChannelHold", "reminders_channelhold"),
        migrations.RenameModel("ChannelHold", "CircuitBreaker"),
        migrations.AlterModelTable("KeptAnswer", "reminders_keptanswer"),
        migrations.RenameModel("KeptAnswer", "StoredResponse"),
        migrations.AlterField("StoredResponse", "sent", models.CharField(db_column="sent", max_length=64)),
        migrations.RenameField("StoredResponse", "sent", "request_hash"),
        migrations.AlterModelTable("Figures", "reminders_figures"),
        migrations.RenameModel("Figures", "Statistics"),
        migrations.AlterModelOptions("Statistics", {"verbose_name_plural": "statistics"}),
        migrations.AlterField(
            "Attempt",
            "reminder",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="attempt_rows",
                to="reminders.reminder",
            ),
        ),
    ]
