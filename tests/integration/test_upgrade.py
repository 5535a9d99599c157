"""A database of the release before the packages were sorted anew, with rows in every table, becomes one of today."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from tests.integration.data.fill_release_before import TOKEN
from tests.starter import run

DUMP = Path(__file__).parent / "data" / "release_before.sql"
KEPT_BY_DJANGO = {"django_migrations", "django_content_type", "auth_permission"}
"""Tables whose rows `migrate` itself adds to and renames: there the ids must stay."""

CHECKS = """
import json
from django.contrib.auth import get_user_model
from django.test import Client
from accounts import roles
from reminders.models import CircuitBreaker, Reminder, StoredResponse
olga = get_user_model().objects.get(username="olga")
site = Client()
called = Client().get("/api/assignments", headers={{"Authorization": "Bearer {token}"}})
refused = Client().get("/api/assignments", headers={{"Authorization": "Bearer {token}x"}})
site.force_login(olga)
print(json.dumps({{
    "token": [called.status_code, len(called.json()["results"]), refused.status_code],
    "operator": [olga.has_perm(roles.OPERATE), olga.has_perms(roles.VIEW)],
    "pages": [site.get(path).status_code for path in ("/ops/", "/ops/assignments/1", "/admin/access/apitoken/")],
    "renamed": [CircuitBreaker.objects.count(), StoredResponse.objects.get().request_hash],
    "attempts": Reminder.objects.get(state="SENT").attempt_rows.count(),
}}))
"""


@dataclass(frozen=True)
class Upgrade:
    """A migrated database, and the rows that it had before."""

    address: str
    before: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def upgrade() -> Iterator[Upgrade]:
    """A database of its own with the dump, after `manage.py prepare`."""
    server = settings.DATABASE_URL
    name = f"release_before_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    address = urlsplit(server)._replace(path=f"/{name}").geturl()
    try:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(DUMP.read_bytes())
        before = rows_of(address)
        manage(address, "prepare")
        yield Upgrade(address, before)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def manage(address: str, *words: str) -> str:
    environment = {**os.environ, "DATABASE_URL": address, "ALLOWED_HOSTS": "testserver"}
    done = run("manage", *words, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows_of(address: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables."""
    with psycopg.connect(address, autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        found = {}
        for (table,) in tables:
            rows = connection.execute(
                sql.SQL('SELECT to_jsonb(t) FROM {} t ORDER BY t::text COLLATE "C"').format(
                    sql.Identifier(table)
                )
            )
            found[table] = [row for (row,) in rows]
        return found


def is_still_there(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    return any(row.items() <= each.items() for each in map(_comparable, rows))


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(value, sort_keys=True) for name, value in row.items()}


def test_an_old_database_is_migrated_with_every_row_and_works(upgrade: Upgrade) -> None:
    before, after = upgrade.before, rows_of(upgrade.address)
    assert {table: rows for table, rows in before.items() if not rows} == {}
    assert before.keys() <= after.keys()
    lost = [
        (table, row)
        for table, rows in before.items()
        for row in rows
        if not is_still_there(
            _comparable({"id": row["id"]} if table in KEPT_BY_DJANGO else row), after[table]
        )
    ]
    assert lost == []
    recorded = {(row["app"], row["name"]) for row in after["django_migrations"]}
    assert {name for app, name in recorded if app == "access"} == {
        "0001_initial",
        "0002_allowance",
        "0003_team_limits",
        "0004_preferences",
        "0005_language",
    }
    assert manage(upgrade.address, "makemigrations", "--check", "--dry-run") == "No changes detected\n"

    assert json.loads(
        manage(upgrade.address, "shell", "--verbosity", "0", "-c", CHECKS.format(token=TOKEN))
    ) == {
        "token": [200, 2, 401],
        "operator": [True, True],
        "pages": [200, 200, 403],
        "renamed": [1, "0" * 64],
        "attempts": 2,
    }


def test_a_process_of_the_old_release_may_still_insert(upgrade: Upgrade) -> None:
    """A column that it does not know has a default of the database, or may be null."""
    known = {table: {name for row in rows for name in row} for table, rows in upgrade.before.items()}
    with psycopg.connect(upgrade.address) as connection:
        needed = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'"
        ).fetchall()
    assert [(table, name) for table, name in needed if table in known and name not in known[table]] == []


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE assignments_assignment SET expected_start = NULL, times_late = NULL", "times_late"),
        ("UPDATE reminders_audit SET reason = 'another'", "append-only"),
        ("DELETE FROM reminders_audit", "append-only"),
        ("UPDATE reminders_reminder SET closed_at = NULL WHERE state = 'SENT'", "reminder_closed_when_final"),
        ("UPDATE access_apitoken SET digest = (SELECT digest FROM access_apitoken), name = NULL", "not-null"),
        ("INSERT INTO access_apitoken SELECT * FROM access_apitoken", "duplicate key"),
    ],
)
def test_its_guards_still_hold(upgrade: Upgrade, statement: str, refusal: str) -> None:
    with (
        psycopg.connect(upgrade.address) as connection,
        pytest.raises(psycopg.errors.IntegrityError, match=refusal),
    ):
        connection.execute(statement)
