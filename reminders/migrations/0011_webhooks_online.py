from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('reminders', '0010_webhooks'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='reminder',
            index=models.Index(condition=models.Q(('closed_at__isnull', True), ('kind', 'EVENT')), fields=['recipient', 'next_attempt_at'], name='reminder_event_idx'),
        ),
        ValidateConstraint(
            model_name='reminder',
            name='reminder_state_known',
        ),
    ]
