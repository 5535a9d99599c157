from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Allowance',
            fields=[
                ('caller', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('full_at', models.DateTimeField()),
            ],
        ),
        # Not logged: it is written with each call, and after a crash everybody starts with a full allowance.
        migrations.RunSQL('ALTER TABLE access_allowance SET UNLOGGED', 'ALTER TABLE access_allowance SET LOGGED'),
    ]
