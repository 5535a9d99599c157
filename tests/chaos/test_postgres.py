"""PostgreSQL ends sessions, goes away, is read-only, full, locked, silent: what was accepted is still known."""

import contextlib
import signal
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.chaos.system import EVERYBODY, now, pause
from tests.chaos.test_redis import SLOW
from tests.stack import until

WEB_THREADS = 8
"""As `up` and the containers start it; each keeps a connection of its own."""
OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
)
long = pytest.mark.chaos


@long
def test_its_sessions_are_ended_every_second(system, report):
    system.mail(**SLOW)
    system.plant(800)
    for _ in range(8):
        system.query(OTHERS)
        pause(1)
    since = now()
    system.holds()
    assert system.sent() == 800
    report("pg_terminate_backend every second for 8 s", system, since)


@long
def test_stopped_hard_for_ten_seconds(system, report):
    system.mail(**SLOW)
    system.plant(200)
    until(lambda: system.sent() >= 20, within=30, what="the drain is under way", every=0.01)
    system.postgres.kill(signal.SIGQUIT)
    pause(10)
    system.postgres.start()
    since = now()
    system.holds()
    assert system.sent() == 200
    done = report("PostgreSQL stopped hard for 10 s", system, since)
    assert done.most <= 30


def test_gone_between_the_250_and_the_commit(system, report):
    """The mail server has the message, and nobody can be told for longer than the lease: it is told later."""
    system.mail(step="dot", action="tarpit", pause=0.1, accept=True)
    system.plant(1)
    until(lambda: system.stack.mails(), within=30, what="the sink has the message", every=0.01)
    system.to_database.refuse()
    pause(8)
    system.to_database.heal()
    since = now()
    evidence = system.holds()
    assert list(evidence.accepted.values()) == [1]
    assert system.sent() == 1
    report("PostgreSQL gone between the 250 and the commit, 8 s", system, since)


@long
def test_read_only_sends_nothing_at_all(system, report):
    system.kill("worker", "worker2")
    system.plant(50)
    system.query("ALTER SYSTEM SET default_transaction_read_only = on")
    system.query("SELECT pg_reload_conf()")
    system.query(OTHERS)
    try:
        system.crew("worker", "worker2")
        pause(8)
        assert system.stack.mails() == []
    finally:
        with psycopg.connect(
            system.direct.replace("postgres://", "postgresql://", 1), autocommit=True
        ) as link:
            link.execute("SET default_transaction_read_only = off")
            link.execute("ALTER SYSTEM RESET default_transaction_read_only")
            link.execute("SELECT pg_reload_conf()")
    since = now()
    system.crew(*EVERYBODY)
    system.holds()
    assert system.sent() == 50
    report("read-only for 8 s", system, since)


@long
def test_half_open_connections(system, report):
    with ThreadPoolExecutor(2 * WEB_THREADS) as crowd:
        for _ in crowd.map(lambda _: system.metrics(), range(4 * WEB_THREADS)):
            pass
    system.to_database.half_open()
    since = now()
    system.plant(50)
    system.settle(within=120)
    system.holds()
    assert system.sent() == 50
    done = report("half-open connections to PostgreSQL", system, since)
    seen = f"SELECT count(*) FROM reminders_process WHERE kind = 'beat' AND seen_at > '{since}'"
    until(lambda: system.one(seen), within=60, what="beat has noticed too")
    # The figures are read anew every few seconds.
    for _ in range(WEB_THREADS):
        assert "reminder_ledger" in system.metrics()
        pause(2)
    assert done.most <= 60


@long
def test_too_many_connections(system, report):
    address = system.direct.replace("postgres://", "postgresql://", 1)
    with contextlib.ExitStack() as crowd:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                crowd.enter_context(psycopg.connect(address))
        system.to_database.reset()
        pause(8)
    since = now()
    system.plant(50)
    system.crew(*EVERYBODY)
    system.holds()
    assert system.sent() == 50
    report("too many connections for 8 s", system, since)


@long
def test_row_locks_held_for_20_seconds(system, report):
    """Half of the work is locked by somebody else; the other half goes out meanwhile."""
    system.kill("worker", "worker2")
    ids = system.plant(60)
    address = system.direct.replace("postgres://", "postgresql://", 1)
    with psycopg.connect(address) as link:
        link.execute("SELECT 1 FROM assignments_assignment WHERE id = ANY(%s) FOR UPDATE", [ids[:30]])
        system.crew("worker", "worker2")
        until(lambda: system.sent() == 30, within=20, what="the free half is sent")
        pause(20)
        assert system.sent() == 30
    since = now()
    evidence = system.holds()
    assert system.sent() == 60
    assert set(evidence.accepted.values()) == {1}
    report("row locks held for 20 s", system, since)


@long
def test_the_answer_to_commit_is_lost(system, report):
    system.mail(**SLOW)
    system.plant(300)
    until(lambda: system.sent() >= 20, within=30, what="the drain is under way", every=0.01)
    for _ in range(4):
        system.to_database.mute()
        pause(0.5)
        system.to_database.reset()
        system.to_database.heal()
        pause(0.5)
    since = now()
    system.holds()
    assert system.sent() == 300
    report("answers of PostgreSQL lost, four times", system, since)
