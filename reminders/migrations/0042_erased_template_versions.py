"""Versions of message templates let words be taken out of them while a person is being erased; processes that send follow."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reminders", "0041_briefs"), ("assignments", "0021_erasures")]

    operations = [
        migrations.RunSQL(
            """
            CREATE OR REPLACE FUNCTION reminders_templateversion_is_never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF assignments_only_erased(to_jsonb(OLD), to_jsonb(NEW), ARRAY['subject', 'body', 'note']) THEN
                    UPDATE reminders_messagetemplate SET revision = revision + 1 WHERE id = OLD.template_id;
                    RETURN NEW;
                END IF;
                RAISE EXCEPTION 'a version of a message template is never changed: save another one';
            END
            $$;
            """,
            """
            CREATE OR REPLACE FUNCTION reminders_templateversion_is_never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'a version of a message template is never changed: save another one';
            END
            $$;
            """,
        ),
    ]
