from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('reminders', '0038_message_templates'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='attempt',
            index=models.Index(condition=models.Q(('template_fault', ''), _negated=True), fields=['finished_at'], name='attempt_template_fault_idx'),
        ),
    ]
