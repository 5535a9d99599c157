from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('reminders', '0016_digests'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='reminder',
            index=models.Index(condition=models.Q(('closed_at__isnull', True), ('recipient__startswith', 'ops:')), fields=['recipient', 'channel', 'next_attempt_at'], name='reminder_notice_idx'),
        ),
        AddIndexConcurrently(
            model_name='reminder',
            index=models.Index(condition=models.Q(('digest_id__isnull', False)), fields=['digest_id'], name='reminder_digest_idx'),
        ),
    ]
