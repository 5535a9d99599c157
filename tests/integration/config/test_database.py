"""A kept connection that refuses to write, as after a failover: everybody drops it and goes on with a fresh one."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest
from celery.signals import task_prerun
from django.contrib.auth.models import User
from django.db import InternalError, close_old_connections, connection
from django.test import Client

from assignments import transactions
from config.database import base, timelines
from reminders.delivery import heartbeats, standby, tasks
from reminders.models import Pause, Process
from tests.chaos.proxy import Proxy

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh_session(transactional_db: None) -> Iterator[None]:
    """No test leaves its session to the next one."""
    connection.close()
    yield
    connection.close()


def make_read_only() -> None:
    """What a session is after the server behind it became a standby: it answers, and refuses every write."""
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")


def another_connection() -> psycopg.Connection:
    """One that may write, whatever holds for new sessions."""
    params = {**connection.get_connection_params(), "options": "-c default_transaction_read_only=off"}
    for unknown in ("cursor_factory", "context", "prepare_threshold", "server_side_binding"):
        params.pop(unknown, None)
    return psycopg.connect(**params, autocommit=True)


@pytest.fixture
def database_is_read_only(transactional_db: None) -> Iterator[None]:
    """Every new session refuses to write, until the end."""
    name = connection.settings_dict["NAME"]
    with another_connection() as admin:
        admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        connection.close()
        try:
            yield
        finally:
            admin.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
            connection.close()


def write() -> None:
    heartbeats.write("web")


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid: int = cursor.fetchone()[0]
        return pid


def test_a_connection_that_refuses_to_write_is_not_usable():
    write()
    assert connection.is_usable()
    make_read_only()
    with pytest.raises(InternalError):
        write()
    assert not connection.is_usable()


def test_before_a_request_or_a_round_of_beat_it_is_replaced():
    """Django calls this before each request, and beat's scheduler before each look at its entries."""
    first = backend()
    make_read_only()
    close_old_connections()
    write()
    assert backend() != first
    assert Process.objects.get().kind == "web"


def test_before_a_task_it_is_replaced(monkeypatch):
    make_read_only()
    monkeypatch.setattr(tasks, "_asked_at", float("-inf"))
    task_prerun.send(sender=tasks.dispatch_task)
    tasks.dispatch_task()
    assert Process.objects.get().kind == "scanner"


def test_before_tasks_in_quick_succession_the_server_is_asked_once(monkeypatch):
    monkeypatch.setattr(tasks, "_asked_at", float("-inf"))
    write()
    asked = []
    monkeypatch.setattr(connection, "is_usable", lambda: asked.append(None) or True)
    for _ in range(3):
        task_prerun.send(sender=tasks.deliver_task)
    assert len(asked) == 1


def test_a_session_that_the_server_has_ended_is_replaced_however_soon(monkeypatch):
    first = backend()
    monkeypatch.setattr(tasks, "_asked_at", float("-inf"))
    task_prerun.send(sender=tasks.deliver_task)
    with another_connection() as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [first])
    task_prerun.send(sender=tasks.deliver_task)
    assert backend() != first


def test_a_connection_that_writes_is_kept():
    first = backend()
    close_old_connections()
    write()
    assert backend() == first


def test_a_transaction_that_meets_a_refusal_runs_again_over_a_fresh_connection():
    make_read_only()
    runs = []

    @transactions.atomically
    def step() -> None:
        runs.append(None)
        write()

    step()
    assert len(runs) == 2
    assert Process.objects.count() == 1


def test_a_heartbeat_that_is_refused_leaves_no_such_connection_behind():
    make_read_only()
    assert heartbeats.record("worker", at_once=True) is False
    assert heartbeats.record("worker", at_once=True) is True


def test_a_request_succeeds_after_a_failover_that_left_its_connection_read_only():
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    make_read_only()
    close_old_connections()  # Django's test client leaves out what request_started does.
    reply = client.post("/api/admin/reminders/pause", {"reason": "a test"}, content_type="application/json")
    assert reply.status_code in (200, 201), reply.content
    assert Pause.objects.count() == 1


def test_a_read_only_database_is_not_ready_and_says_why(database_is_read_only, client):
    reply = client.get("/readyz")
    assert (reply.status_code, json.loads(reply.content)) == (
        503,
        {"status": "unavailable", "database": "read-only: it refuses every write"},
    )


def test_it_is_ready_again_as_soon_as_the_database_takes_writes(client):
    make_read_only()
    assert client.get("/readyz").status_code == 503
    close_old_connections()
    assert client.get("/readyz").status_code == 200


def test_of_several_servers_the_one_that_takes_writes_is_used(monkeypatch):
    """The first does not answer. What this process has seen of timelines is not for other tests."""
    monkeypatch.setattr(base, "latest", timelines.Latest())
    before = dict(connection.settings_dict)
    host, port = before["HOST"], str(before["PORT"])
    monkeypatch.setitem(connection.settings_dict, "HOST", f"{host},{host}")
    monkeypatch.setitem(connection.settings_dict, "PORT", f"1,{port}")
    options = {**before["OPTIONS"], "target_session_attrs": "read-write"}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    connection.close()
    try:
        write()
        assert base.latest.timeline >= 1
        assert base.latest.server == {"host": host, "port": port}
        assert standby.replication().problem.startswith("synchronous_standby_names is empty")
    finally:
        connection.close()


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before the server, through which Django connects from now on."""
    address = urlsplit(os.environ["DATABASE_URL"])
    assert address.port is not None
    proxy = Proxy(address.port)
    monkeypatch.setitem(connection.settings_dict, "HOST", proxy.host)
    monkeypatch.setitem(connection.settings_dict, "PORT", str(proxy.port))
    monkeypatch.setattr(base, "ANSWER_SECONDS", 0.3)
    yield proxy
    connection.close()
    proxy.stop()


def in_a_thread(ask: Callable[[], bool]) -> bool:
    """As in web: no alarm ends what a thread waits for."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(ask).result(timeout=60)


def test_a_connection_whose_server_no_longer_answers_is_not_usable_in_any_thread(proxied):
    def is_replaced() -> bool:
        before = backend()
        was_usable = connection.is_usable()
        proxied.half_open()
        is_usable = connection.is_usable()
        connection.close()
        after = backend()
        connection.close()
        return was_usable and not is_usable and before != after

    assert in_a_thread(is_replaced)


def test_a_connection_that_the_server_has_ended_is_not_usable():
    gone = backend()
    with another_connection() as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", [gone])
    assert not connection.is_usable()
    connection.close()
    assert connection.connection is None
    assert backend() != gone
