from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reminders', '0018_declined'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='reminder',
            name='reminder_state_known',
        ),
        migrations.AddField(
            model_name='reminder',
            name='announced',
            field=models.JSONField(null=True),
        ),
        migrations.AlterField(
            model_name='reminder',
            name='kind',
            field=models.CharField(choices=[('REMINDER', 'Reminder'), ('OVERDUE', 'Overdue'), ('CORRECTION', 'Correction'), ('EVENT', 'Event')], max_length=12),
        ),
        migrations.AlterField(
            model_name='reminder',
            name='reason',
            field=models.CharField(blank=True, choices=[('moved', 'Moved'), ('cancelled', 'Cancelled'), ('reassigned', 'Reassigned'), ('started', 'Started'), ('replanned', 'Replanned'), ('too_late', 'Too Late'), ('past', 'Past'), ('already_told', 'Already Told'), ('imported', 'Imported'), ('operator', 'Operator'), ('unsubscribed', 'Unsubscribed'), ('declined', 'Declined'), ('as_told', 'As Told'), ('merged', 'Merged'), ('no_contact', 'No Contact'), ('rejected', 'Rejected'), ('exhausted', 'Exhausted'), ('template', 'Template'), ('internal', 'Internal'), ('ambiguous', 'Ambiguous'), ('disabled', 'Disabled'), ('paused', 'Paused'), ('too_early', 'Too Early'), ('channel_held', 'Channel Held'), ('to_be_joined', 'To Be Joined'), ('stale', 'Stale')], db_default='', default='', max_length=24),
        ),
        # Validated by the next migration, which does not stop those who write.
        AddConstraintNotValid(
            model_name='reminder',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['PLANNED', 'QUEUED', 'SENDING', 'SENT', 'FAILED', 'SKIPPED', 'UNKNOWN', 'MARKED']), ('kind__in', ['REMINDER', 'OVERDUE', 'CORRECTION', 'EVENT'])), name='reminder_state_known'),
        ),
    ]
