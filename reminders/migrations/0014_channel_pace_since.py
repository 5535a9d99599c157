from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reminders", "0013_channel_pace")]

    operations = [
        migrations.AddField(model_name="channelpace", name="since", field=models.DateTimeField(null=True)),
    ]
