from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """Holds assignments with a team of their own. The table stays writable while it is built."""

    atomic = False

    dependencies = [("assignments", "0007_teams")]

    operations = [
        AddIndexConcurrently(
            model_name="assignment",
            index=models.Index(
                condition=Q(team__isnull=False),
                fields=["team", "scheduled_start"],
                name="assignment_team_idx",
            ),
        ),
    ]
