import assignments.models
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    """The release before writes none of the new columns: all may be null."""

    dependencies = [("assignments", "0009_further_leads")]

    operations = [
        migrations.CreateModel(
            name="CalendarSource",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, unique=True)),
                ("url", models.CharField(max_length=2000)),
                ("time_zone", models.CharField(default=assignments.models.default_time_zone, max_length=64, validators=[assignments.models.validate_time_zone])),
                ("all_day", models.TimeField(blank=True, null=True)),
                ("kind", models.CharField(blank=True, db_default="", default="", max_length=60)),
                ("every_minutes", models.PositiveSmallIntegerField(default=15, validators=[django.core.validators.MinValueValidator(5), django.core.validators.MaxValueValidator(1440)])),
                ("days_ahead", models.PositiveSmallIntegerField(default=180, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(731)])),
                ("active", models.BooleanField(db_default=True, default=True)),
                ("etag", models.CharField(blank=True, db_default="", default="", editable=False, max_length=500)),
                ("last_modified", models.CharField(blank=True, db_default="", default="", editable=False, max_length=100)),
                ("full_read_at", models.DateTimeField(editable=False, null=True)),
                ("next_poll_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("leased_until", models.DateTimeField(editable=False, null=True)),
                ("polled_at", models.DateTimeField(editable=False, null=True)),
                ("succeeded_at", models.DateTimeField(editable=False, null=True)),
                ("failing_since", models.DateTimeField(editable=False, null=True)),
                ("failures", models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ("code", models.CharField(blank=True, db_default="", default="", editable=False, max_length=40)),
                ("detail", models.CharField(blank=True, db_default="", default="", editable=False, max_length=500)),
                ("counts", models.JSONField(db_default={}, default=dict, editable=False)),
                ("refused", models.JSONField(db_default=[], default=list, editable=False)),
                ("vanished", models.JSONField(db_default=[], default=list, editable=False)),
                ("asks_since", models.DateTimeField(editable=False, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("created_by", models.CharField(blank=True, db_default="", default="", editable=False, max_length=150)),
                ("team", models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="assignments.team")),
            ],
            options={"ordering": ["name", "id"]},
        ),
        migrations.AddIndex(
            model_name="calendarsource",
            index=models.Index(condition=models.Q(("active", True)), fields=["next_poll_at"], name="calendarsource_due_idx"),
        ),
        migrations.AddField(
            model_name="assignment",
            name="calendar_event",
            field=models.CharField(blank=True, editable=False, max_length=200, null=True),
        ),
        migrations.AddField(
            model_name="assignment",
            name="calendar_source",
            field=models.ForeignKey(blank=True, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="assignments", to="assignments.calendarsource"),
        ),
        migrations.AddField(
            model_name="assignment",
            name="calendar_gone_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
