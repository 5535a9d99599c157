"""PgBouncer in transaction mode before PostgreSQL: refused where the address does not say so, and of use where it does.

The whole integration part can be run through it: TEST_DATABASE_URL=postgres://...?pooler=transaction.
"""

import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from config.database import pooler
from tests.fakes.pgbouncer import pgbouncer
from tests.stack import ROOT, Stack, running, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
WORKER = ["-m", "celery", "-A", "config", "worker", "-Q", "reminders", "--concurrency", "1"]
PROCESSES = {"web": ["-c", "import config.wsgi"], "worker": WORKER}


def run(stack: Stack, words: list[str], address: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**stack.environment, "DATABASE_URL": address},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("pooled")) as found:
        yield found


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("ignores", ["", "options"], ids=["refuses options", "swallows options"])
def test_no_process_starts_through_a_pooler_that_its_address_does_not_name(stack, name, ignores):
    with pgbouncer(server=stack.database_url, ignores=ignores) as address:
        done = run(stack, PROCESSES[name], address)
    assert done.returncode != 0
    assert pooler.NOT_TOLD in done.stderr


def test_prepare_gives_the_role_what_its_sessions_need_and_then_all_works(stack):
    """A whole reminder, through a pool of few sessions."""
    role, password = "reminders_app_pooled", "of-a-role"
    owner = stack.database_url
    admin = owner.replace("postgres://", "postgresql://", 1)
    with psycopg.connect(admin, autocommit=True) as link:
        link.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), password))
        try:
            with pgbouncer(server=owner) as address:
                pooled = through(address, role, password)
                assert "lock_timeout=15s" in run(stack, PROCESSES["web"], pooled).stderr
                stack.environment |= {"DATABASE_URL": pooled, "DATABASE_OWNER_URL": owner}
                stack.manage("prepare")
                stack.environment.pop("DATABASE_OWNER_URL")
            with pgbouncer(server=owner) as address:  # as after RECONNECT
                pooled = stack.environment["DATABASE_URL"] = through(address, role, password)
                assert run(stack, PROCESSES["web"], pooled).returncode == 0
                stack.worker(wait=False), stack.scanner(), stack.beat()
                stack.manage("shell", "-c", WORK)
                until(lambda: len(stack.mails()) == 30, within=60, what="all are sent")
                until(lambda: stack.query(SENT) == [(30,)], within=20, what="all are recorded")
                for child in stack.children[1:]:
                    child.stop()
            assert len(stack.mails()) == 30
        finally:
            stack.environment["DATABASE_URL"] = owner
            for statement in ("DROP OWNED BY {}", "DROP ROLE {}"):
                link.execute(sql.SQL(statement).format(sql.Identifier(role)))


SENT = "SELECT count(*) FROM reminders_reminder WHERE state = 'SENT'"


def through(address: str, role: str, password: str) -> str:
    return f"postgres://{role}:{password}@{address.rpartition('@')[2]}?pooler=transaction"


WORK = """
import datetime
from django.utils import timezone
from assignments import people, services
from assignments.services import NewAssignment
start = timezone.now() + datetime.timedelta(minutes=10)
services.create_many([
    NewAssignment(title=f'job {n}', scheduled_start=start,
                  assignee_id=people.add_assignee(name='P', email=f'p-{n}@example.test').pk)
    for n in range(30)])
"""
