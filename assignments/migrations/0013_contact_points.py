import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


# The first point that is not opted out, one whose messages come back last; "" where it is the first e-mail address.
FUNCTIONS = """
    CREATE FUNCTION assignments_way_of(person bigint) RETURNS text LANGUAGE sql STABLE AS $$
        SELECT CASE
            WHEN count(*) = 0 THEN ''
            WHEN count(*) FILTER (WHERE p.opted_out_at IS NULL) = 0 THEN 'none'
            ELSE (
                SELECT CASE
                    WHEN EXISTS (
                        SELECT FROM assignments_contactpoint e
                        WHERE e.person_id = f.person_id AND e.channel = f.channel
                          AND (e."order", e.id) < (f."order", f.id))
                    THEN f.channel || ':' || f.id
                    WHEN f.channel = 'email' THEN ''
                    ELSE f.channel END
                FROM assignments_contactpoint f
                WHERE f.person_id = person AND f.opted_out_at IS NULL
                ORDER BY f.failing_since IS NOT NULL, f."order", f.id LIMIT 1) END
        FROM assignments_contactpoint p WHERE p.person_id = person
    $$;

    CREATE FUNCTION assignments_keep_way() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        person bigint := CASE WHEN TG_OP = 'DELETE' THEN OLD.person_id ELSE NEW.person_id END;
    BEGIN
        UPDATE assignments_assignee SET way = assignments_way_of(person)
        WHERE id = person AND way <> assignments_way_of(person);
        RETURN NULL;
    END $$;

    -- A column that gets another address: the point that had the old one gets it, unless the person has it already.
    CREATE FUNCTION assignments_follow_column(person bigint, kind text, former text, present text)
    RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        known assignments_contactpoint;
        old assignments_contactpoint;
    BEGIN
        IF former = present THEN RETURN; END IF;
        SELECT * INTO old FROM assignments_contactpoint
        WHERE person_id = person AND channel = kind AND address = former;
        SELECT * INTO known FROM assignments_contactpoint
        WHERE person_id = person AND channel = kind AND address = present;
        IF present = '' THEN
            DELETE FROM assignments_contactpoint WHERE id = old.id;
        ELSIF known.id IS NOT NULL THEN
            IF old.id IS NOT NULL AND (old."order", old.id) < (known."order", known.id) THEN
                UPDATE assignments_contactpoint SET updated_at = statement_timestamp(),
                    "order" = CASE WHEN id = old.id THEN known."order" ELSE old."order" END
                WHERE id IN (old.id, known.id);
            END IF;
        ELSIF old.id IS NOT NULL THEN
            UPDATE assignments_contactpoint SET address = present, address_since = statement_timestamp(), verified_at = NULL, opted_out_at = NULL,
                failing_since = NULL, failing_reason = '', updated_at = statement_timestamp()
            WHERE id = old.id;
        ELSE
            INSERT INTO assignments_contactpoint
                (person_id, channel, address, "order", address_since, created_at, updated_at)
            SELECT person, kind, present, 1 + coalesce(max("order"), 0), statement_timestamp(), statement_timestamp(),
                statement_timestamp()
            FROM assignments_contactpoint WHERE person_id = person;
        END IF;
    END $$;

    CREATE FUNCTION assignments_keep_contact_points() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            PERFORM assignments_follow_column(NEW.id, 'email', '', NEW.email);
            PERFORM assignments_follow_column(NEW.id, 'sms', '', NEW.phone);
        ELSE
            PERFORM assignments_follow_column(NEW.id, 'email', OLD.email, NEW.email);
            PERFORM assignments_follow_column(NEW.id, 'sms', OLD.phone, NEW.phone);
        END IF;
        RETURN NULL;
    END $$;

    -- A release that does not know the points may delete a person who has some.
    ALTER TABLE assignments_contactpoint ADD CONSTRAINT contact_point_person_fk
        FOREIGN KEY (person_id) REFERENCES assignments_assignee ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;

    INSERT INTO assignments_contactpoint (person_id, channel, address, "order")
    SELECT id, 'email', email, 1 FROM assignments_assignee WHERE email <> '';
    INSERT INTO assignments_contactpoint (person_id, channel, address, "order")
    SELECT id, 'sms', phone, CASE WHEN email = '' THEN 1 ELSE 2 END FROM assignments_assignee WHERE phone <> '';
    UPDATE assignments_assignee SET way = 'sms' WHERE email = '' AND phone <> '';

    SET CONSTRAINTS ALL IMMEDIATE;

    CREATE TRIGGER keep_way AFTER INSERT OR UPDATE OR DELETE ON assignments_contactpoint
        FOR EACH ROW EXECUTE FUNCTION assignments_keep_way();
    CREATE TRIGGER keep_contact_points_of_new AFTER INSERT ON assignments_assignee
        FOR EACH ROW WHEN (NEW.email <> '' OR NEW.phone <> '')
        EXECUTE FUNCTION assignments_keep_contact_points();
    CREATE TRIGGER keep_contact_points AFTER UPDATE OF email, phone ON assignments_assignee
        FOR EACH ROW WHEN (OLD.email <> NEW.email OR OLD.phone <> NEW.phone)
        EXECUTE FUNCTION assignments_keep_contact_points();

"""

REVERSE = """
    DROP TRIGGER keep_contact_points ON assignments_assignee;
    DROP TRIGGER keep_contact_points_of_new ON assignments_assignee;
    DROP TRIGGER keep_way ON assignments_contactpoint;
    DROP FUNCTION assignments_keep_contact_points;
    DROP FUNCTION assignments_follow_column;
    DROP FUNCTION assignments_keep_way;
    DROP FUNCTION assignments_way_of;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('assignments', '0012_import_mappings'),
    ]

    operations = [
        migrations.AddField(
            model_name='assignee',
            name='way',
            field=models.CharField(db_default='', default='', editable=False, max_length=20),
        ),
        migrations.CreateModel(
            name='ContactPoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('channel', models.CharField(choices=[('email', 'e-mail'), ('sms', 'SMS'), ('chat', 'chat')], max_length=20)),
                ('address', models.CharField(max_length=500)),
                ('order', models.PositiveSmallIntegerField()),
                ('address_since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('verified_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('opted_out_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('failing_since', models.DateTimeField(blank=True, editable=False, null=True)),
                ('failing_reason', models.CharField(blank=True, db_default='', default='', editable=False, max_length=200)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('person', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='contact_points', to='assignments.assignee')),
            ],
            options={
                'ordering': ['person', 'order', 'id'],
                'indexes': [models.Index(fields=['channel', 'address'], name='contact_point_address_idx')],
                'constraints': [models.UniqueConstraint(fields=('person', 'channel', 'address'), name='contact_point_once'), models.CheckConstraint(condition=models.Q(('address', ''), _negated=True), name='contact_point_has_address')],
            },
        ),
        migrations.RunSQL(FUNCTIONS, REVERSE),
    ]
