from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Holds the notices to supervisors of teams too. It serves the release before as well, which asks of those to Ops."""

    atomic = False

    dependencies = [
        ('reminders', '0021_subscription_teams'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='reminder',
            index=models.Index(condition=models.Q(('closed_at__isnull', True), models.Q(('recipient__startswith', 'ops:'), ('recipient__startswith', 'person:'), _connector='OR')), fields=['recipient', 'channel', 'next_attempt_at'], name='reminder_supervisor_idx'),
        ),
        RemoveIndexConcurrently(
            model_name='reminder',
            name='reminder_notice_idx',
        ),
    ]
