from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reminders', '0015_channel_pace_since'),
    ]

    operations = [
        migrations.CreateModel(
            name='DigestWindow',
            fields=[
                ('pk', models.CompositePrimaryKey('recipient', 'channel', blank=True, editable=False, primary_key=True, serialize=False)),
                ('recipient', models.CharField(max_length=80)),
                ('channel', models.CharField(max_length=20)),
                ('until', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='reminder',
            name='digest_id',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='reminder',
            name='reason',
            field=models.CharField(blank=True, choices=[('moved', 'Moved'), ('cancelled', 'Cancelled'), ('reassigned', 'Reassigned'), ('started', 'Started'), ('replanned', 'Replanned'), ('too_late', 'Too Late'), ('past', 'Past'), ('already_told', 'Already Told'), ('imported', 'Imported'), ('operator', 'Operator'), ('unsubscribed', 'Unsubscribed'), ('no_contact', 'No Contact'), ('rejected', 'Rejected'), ('exhausted', 'Exhausted'), ('template', 'Template'), ('internal', 'Internal'), ('ambiguous', 'Ambiguous'), ('disabled', 'Disabled'), ('paused', 'Paused'), ('too_early', 'Too Early'), ('channel_held', 'Channel Held'), ('to_be_joined', 'To Be Joined'), ('stale', 'Stale')], db_default='', default='', max_length=24),
        ),
    ]
