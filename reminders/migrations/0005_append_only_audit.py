"""The audit trail is append-only by the database itself: nothing is changed, and nothing younger than two years removed.

What retention removes is older, so it needs no exception.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reminders", "0004_archive")]

    operations = [
        migrations.RunSQL(
            """
            CREATE FUNCTION reminders_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'DELETE' AND OLD.at < statement_timestamp() - interval '2 years' THEN
                    RETURN OLD;
                END IF;
                RAISE EXCEPTION 'the audit trail is append-only: it keeps its lines for two years'
                    USING ERRCODE = 'restrict_violation';
            END $$;
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON reminders_audit
                FOR EACH ROW EXECUTE FUNCTION reminders_audit_is_append_only();
            """,
            """
            DROP TRIGGER append_only ON reminders_audit;
            DROP FUNCTION reminders_audit_is_append_only();
            """,
        )
    ]
