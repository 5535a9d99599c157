from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('assignments', '0008_assignment_team_index'),
    ]

    operations = [
        migrations.AddField(
            model_name='assignment',
            name='further_lead_minutes',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=40),
        ),
    ]
