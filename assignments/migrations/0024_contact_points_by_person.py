from django.db import migrations

# As 0013 made it, but for the comparison of channels, which must not be answered by the index of addresses: a session
# whose first people came into empty tables kept that plan, and read every address of the channel for each further person.
WAY_OF = """
    CREATE OR REPLACE FUNCTION assignments_way_of(person bigint) RETURNS text LANGUAGE sql STABLE AS $$
        SELECT CASE
            WHEN count(*) = 0 THEN ''
            WHEN count(*) FILTER (WHERE p.opted_out_at IS NULL) = 0 THEN 'none'
            ELSE (
                SELECT CASE
                    WHEN EXISTS (
                        SELECT FROM assignments_contactpoint e
                        WHERE e.person_id = f.person_id AND {same_channel}
                          AND (e."order", e.id) < (f."order", f.id))
                    THEN f.channel || ':' || f.id
                    WHEN f.channel = 'email' THEN ''
                    ELSE f.channel END
                FROM assignments_contactpoint f
                WHERE f.person_id = person AND f.opted_out_at IS NULL
                ORDER BY f.failing_since IS NOT NULL, f."order", f.id LIMIT 1) END
        FROM assignments_contactpoint p WHERE p.person_id = person
    $$;
"""


# What is small when a session plans may be large when it goes on: these never read the whole table.
FUNCTIONS = (
    "assignments_way_of(bigint)",
    "assignments_keep_way()",
    "assignments_follow_column(bigint, text, text, text)",
)


def each_function(change: str) -> str:
    return "".join(f"ALTER FUNCTION {name} {change};" for name in FUNCTIONS)


class Migration(migrations.Migration):
    """A first import of 50,000 people took minutes in the trigger that keeps their contact points."""

    dependencies = [("assignments", "0023_people_online")]

    operations = [
        migrations.RunSQL(
            WAY_OF.format(same_channel="e.channel || '' = f.channel") + each_function("SET enable_seqscan = off"),
            each_function("RESET enable_seqscan") + WAY_OF.format(same_channel="e.channel = f.channel"),
        )
    ]
