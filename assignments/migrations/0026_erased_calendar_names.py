"""The record of changes lets a person's name go out of that of a calendar, as who made a change, while they are being erased.

The names of accounts and tokens stay. The release before leaves all of them, which the trigger allows as well.
"""

from django.db import migrations

FUNCTION = """
    CREATE OR REPLACE FUNCTION assignments_changerecord_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND OLD.at < statement_timestamp() - interval '2 years' THEN
            RETURN OLD;
        END IF;
        IF TG_OP = 'UPDATE'
           AND assignments_only_erased(to_jsonb(OLD), to_jsonb(NEW), {columns}) THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'the record of changes is append-only: it keeps its lines for two years'
            USING ERRCODE = 'restrict_violation';
    END $$;
"""
COLUMNS = "ARRAY['before', 'after']"
WITH_CALENDARS = f"""{COLUMNS} || CASE WHEN OLD.actor LIKE 'calendar %' AND NEW.actor LIKE 'calendar %'
                                   THEN ARRAY['actor'] ELSE ARRAY[]::text[] END"""


class Migration(migrations.Migration):
    dependencies = [("assignments", "0025_entered_by")]

    operations = [
        migrations.RunSQL(FUNCTION.format(columns=WITH_CALENDARS), FUNCTION.format(columns=COLUMNS)),
    ]
