"""Running embedded servers from preparation to stop: both for a test run, or one on a given state folder."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from config.devstack.postgres import Postgres
from config.devstack.processes import CannotStart, end, tail
from config.devstack.valkey import Valkey

START_SECONDS = 60.0


class Server(Protocol):
    """What `running` and the supervisor of `manage.py up` need of an embedded server."""

    name: str
    stop_signal: signal.Signals

    @property
    def url(self) -> str: ...
    def prepare(self) -> None: ...
    def launch(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]: ...
    def is_ready(self) -> bool: ...


@dataclass(frozen=True)
class Addresses:
    """Where a PostgreSQL and a Redis answer, and their state folder."""

    database_url: str
    redis_url: str
    state: Path
    socket_folder: Path | None = None
    """Where the same PostgreSQL answers on a Unix socket, if it does."""


@contextlib.contextmanager
def temporary_servers(
    *, durable: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[Addresses]:
    """Both servers for the length of a test run or a benchmark; all their data are deleted afterwards.

    TEST_DATABASE_URL and TEST_REDIS_URL name servers to use instead. With `durable` PostgreSQL waits for its disk;
    `settings` are PostgreSQL's.
    """
    database_url, redis_url = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
    with contextlib.ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reminders-test-")))
        state.chmod(0o711)  # started as root, PostgreSQL runs under another account, which must pass through
        socket_folder = None
        if not database_url:
            postgres = Postgres(state, durable=durable, sockets=True, settings=settings)
            stack.callback(postgres.delete_data)
            stack.enter_context(running(postgres, state=state))
            database_url, socket_folder = postgres.url, postgres.socket_folder
        if not redis_url:
            valkey = Valkey(state)
            stack.enter_context(running(valkey, state=state))
            redis_url = valkey.url
        yield Addresses(database_url, redis_url, state, socket_folder)


@contextlib.contextmanager
def running_both(state: Path, *, durable: bool) -> Iterator[Addresses]:
    """Both servers on `state`, stopped when the block ends. Without `durable` a crash of the machine loses data."""
    postgres, valkey = Postgres(state, durable=durable), Valkey(state)
    with running(postgres, state=state), running(valkey, state=state):
        yield Addresses(database_url=postgres.url, redis_url=valkey.url, state=state)


@contextlib.contextmanager
def running(server: Server, *, state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One server, prepared, started and ready; stopped when the block ends."""
    server.prepare()
    log = state / "logs" / f"{server.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = server.launch(output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not server.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise CannotStart(f"{server.name} did not start; {log} ends with:\n{tail(log)}")
            time.sleep(0.02)
        yield process
    finally:
        end(process, order=server.stop_signal)
