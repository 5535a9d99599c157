from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('reminders', '0036_verified_only'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='audit',
            index=models.Index(fields=['at'], name='audit_at_idx'),
        ),
    ]
