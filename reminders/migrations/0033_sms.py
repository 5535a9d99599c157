import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reminders', '0032_room_on_pages'),
    ]

    operations = [
        migrations.CreateModel(
            name='SmsMonth',
            fields=[
                ('month', models.DateField(primary_key=True, serialize=False)),
                ('messages', models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='SmsReply',
            fields=[
                ('sid', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True)),
                ('contact_point', models.BigIntegerField(db_index=True)),
                ('outcome', models.CharField(max_length=20)),
                ('answer', models.TextField(blank=True, default='')),
            ],
            options={
                'verbose_name_plural': 'SMS replies',
            },
        ),
    ]
