from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reminders", "0014_audit_by_action")]

    operations = [
        migrations.AddField(model_name="channelpace", name="since", field=models.DateTimeField(null=True)),
    ]
