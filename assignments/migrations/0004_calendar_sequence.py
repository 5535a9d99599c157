from django.db import migrations, models

import assignments.models


class Migration(migrations.Migration):
    """Adds a column that may be null, so that the release before can run beside this one."""

    dependencies = [("assignments", "0003_assignee_email")]

    operations = [
        migrations.AlterField(
            model_name="assignment",
            name="renudge_at",
            field=models.DateTimeField(blank=True, db_column="renudge_at", editable=False, null=True),
        ),
        migrations.RenameField(model_name="assignment", old_name="renudge_at", new_name="reset_at"),
        migrations.AddField(
            model_name="assignment",
            name="calendar_sequence",
            field=models.PositiveIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name="assignee",
            name="language",
            field=models.CharField(
                default="en", max_length=16, validators=[assignments.models.validate_language]
            ),
        ),
    ]
