from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('reminders', '0023_escalations'),
    ]

    operations = [
        ValidateConstraint(
            model_name='reminder',
            name='reminder_state_known',
        ),
    ]
