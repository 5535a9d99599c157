"""The audit trail lets words be taken out of it while the erasure of a person is under way that it tells of itself."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reminders", "0039_template_faults_online"), ("assignments", "0021_erasures")]

    operations = [
        migrations.AlterModelOptions(
            name="audit",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("operate", "May pause, resume, rescan, reset and resend"),
                    ("privacy", "May export what is known of a person, and erase them"),
                ],
                "verbose_name_plural": "audit trail",
            },
        ),
        migrations.RunSQL(
            """
            CREATE OR REPLACE FUNCTION reminders_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'DELETE' AND OLD.at < statement_timestamp() - interval '2 years' THEN
                    RETURN OLD;
                END IF;
                IF TG_OP = 'UPDATE' AND assignments_only_erased(
                       to_jsonb(OLD), to_jsonb(NEW), ARRAY['reason', 'selection', 'before', 'after']) THEN
                    RETURN NEW;
                END IF;
                RAISE EXCEPTION 'the audit trail is append-only: it keeps its lines for two years'
                    USING ERRCODE = 'restrict_violation';
            END $$;
            """,
            """
            CREATE OR REPLACE FUNCTION reminders_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'DELETE' AND OLD.at < statement_timestamp() - interval '2 years' THEN
                    RETURN OLD;
                END IF;
                RAISE EXCEPTION 'the audit trail is append-only: it keeps its lines for two years'
                    USING ERRCODE = 'restrict_violation';
            END $$;
            """,
        ),
    ]
