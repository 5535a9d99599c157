import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reminders', '0020_corrections_online'),
    ]

    operations = [
        migrations.AddField(
            model_name='subscription',
            name='teams',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), blank=True, null=True, size=None),
        ),
    ]
