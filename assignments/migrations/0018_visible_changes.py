"""How often what people see of an assignment in their calendars has changed; a trigger counts, since many statements write."""

from django.db import migrations, models

COUNT = """
    CREATE FUNCTION assignments_count_visible_changes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.visible_changes := OLD.visible_changes + CASE
            WHEN (OLD.title, OLD.location, OLD.scheduled_start, OLD.scheduled_end, OLD.assignee_id,
                  OLD.status = 'CANCELLED')
                IS DISTINCT FROM
                 (NEW.title, NEW.location, NEW.scheduled_start, NEW.scheduled_end, NEW.assignee_id,
                  NEW.status = 'CANCELLED')
            THEN 1 ELSE 0 END;
        RETURN NEW;
    END $$;

    -- Of these columns alone: that a reminder was sent, or an answer, costs nothing. Whoever writes a whole row that they
    -- have read before writes visible_changes too, and does not set it back.
    CREATE TRIGGER count_visible_changes
        BEFORE UPDATE OF title, location, scheduled_start, scheduled_end, assignee_id, status, visible_changes
        ON assignments_assignment FOR EACH ROW EXECUTE FUNCTION assignments_count_visible_changes();
"""

REVERSE = """
    DROP TRIGGER count_visible_changes ON assignments_assignment;
    DROP FUNCTION assignments_count_visible_changes;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('assignments', '0017_trigrams_online'),
    ]

    operations = [
        migrations.AddField(
            model_name='assignment',
            name='visible_changes',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.RunSQL(COUNT, REVERSE),
    ]
