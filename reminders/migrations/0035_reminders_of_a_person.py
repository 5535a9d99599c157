from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('reminders', '0034_verifications'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='reminder',
            index=models.Index(condition=models.Q(('closed_at__isnull', True), ('kind', 'REMINDER')), fields=['recipient', 'next_attempt_at'], name='reminder_person_open_idx'),
        ),
        AddIndexConcurrently(
            model_name='reminder',
            index=models.Index(condition=models.Q(('closed_at__isnull', False), ('kind', 'REMINDER')), fields=['recipient', 'closed_at'], name='reminder_person_closed_idx'),
        ),
    ]
