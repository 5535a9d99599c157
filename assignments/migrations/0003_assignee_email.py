from django.db import migrations, models

import assignments.models


class Migration(migrations.Migration):
    """The column stays as it is; only what is accepted for it changes."""

    dependencies = [("assignments", "0002_answers")]

    operations = [
        migrations.AlterField(
            model_name="assignee",
            name="email",
            field=models.CharField(
                blank=True, default="", max_length=254, validators=[assignments.models.validate_email_address]
            ),
        ),
    ]
