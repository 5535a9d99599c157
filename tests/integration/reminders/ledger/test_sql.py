"""How values travel to PostgreSQL."""

from datetime import datetime, timedelta

import pytest
from django.db import connection

from reminders.ledger.sql import bigints, prepared_cursor, run, texts

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        [
            "a@example.test",
            "NULL",
            "null",
            " b ",
            "c,d",
            "{e}",
            'f"g',
            "h\\i",
            'j\\"',
            "k\nl\tm",
            "n'o",
            "ä漢",
        ],
    ],
)
def test_texts_arrive_as_they_are(values):
    with prepared_cursor() as cursor:
        run(cursor, "SELECT %s::text[]", [texts(values)])
        assert cursor.fetchone() == (values,)


@pytest.mark.parametrize("values", [[], [1], [2, 0, -3, 9_223_372_036_854_775_807]])
def test_whole_numbers_arrive_as_they_are(values):
    with prepared_cursor() as cursor:
        run(cursor, "SELECT %s::bigint[]", [bigints(values)])
        assert cursor.fetchone() == (values,)


@pytest.mark.parametrize(
    "value",
    [
        "NULL::timestamptz",
        "'2026-11-27 12:00:00.000001+00'::timestamptz",
        "'2026-03-29 03:30:00+02'::timestamptz",
        "ARRAY['2026-11-27 12:00:00+00']::timestamptz[]",
        "'2026-11-27'::date",
        "'12:30'::time",
        "interval '1 day 2 hours 3.5 seconds'",
        "TRUE",
        "1::smallint",
        "2::int",
        "9223372036854775807::bigint",
        "0.1::float8",
        "1.10::numeric",
        "'ä漢'::text",
        "'a'::varchar(5)",
        "ARRAY['a', NULL, 'b']::text[]",
        "ARRAY[1, 2]::bigint[]",
        """'{"a": ["ä", null]}'::jsonb""",
        """'{"a": 1}'::jsonb -> 'a'""",
        "'00000000-0000-0000-0000-000000000001'::uuid",
    ],
)
def test_values_come_as_from_a_cursor_of_django(value):
    with connection.cursor() as usual, prepared_cursor() as cursor:
        usual.execute(f"SELECT {value}")
        run(cursor, f"SELECT {value}")
        expected, found = usual.fetchone()[0], cursor.fetchone()[0]
    assert (found, type(found)) == (expected, type(expected))
    if isinstance(found, datetime):
        assert found.utcoffset() == expected.utcoffset() == timedelta()
