"""How values travel to PostgreSQL."""

import pytest

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
