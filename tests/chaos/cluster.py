"""A primary of PostgreSQL and a standby that streams from it, for failovers made by hand."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import requests

from config.devstack.postgres import Postgres
from config.devstack.processes import HOST, CannotStart
from config.devstack.valkey import Valkey
from tests.chaos.proxy import Proxy
from tests.chaos.system import Kept, System, system_on
from tests.stack import until

NAME = "standby_1"
"""What the standby calls itself, and synchronous_standby_names names."""


class Standby(Postgres):
    """A server whose data begin as a copy of another one's, which it follows."""

    def __init__(self, state: Path, *, primary: Postgres) -> None:
        super().__init__(state, durable=True)
        self.primary = primary

    def prepare(self) -> None:
        self.saved["password"] = self.primary.saved["password"]
        super().prepare()

    def _create_cluster(self, data: Path) -> None:
        made = self._run(
            [
                self.programs / "pg_basebackup",
                *("--pgdata", data, "--dbname", conninfo(self.primary), "--wal-method=stream"),
                *("--checkpoint=fast", "--write-recovery-conf"),
            ],
            folder=self.home,
        )
        if made.returncode != 0:
            raise CannotStart(made.stdout)


def conninfo(server: Postgres) -> str:
    """How a standby connects to it."""
    parts = urlsplit(server.url)
    return (
        f"host={HOST} port={parts.port} user={parts.username} password={parts.password}"
        f" application_name={NAME} dbname=postgres"
    )


def crash(server: Kept) -> None:
    """What a host's power failure does to its PostgreSQL: every process of it is killed at once."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for one in (pid, *map(int, children)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    server.process.wait(timeout=30)


@dataclass
class Cluster:
    """The whole system before two servers of PostgreSQL, each behind a proxy."""

    system: System
    primary: Kept
    standby: Kept
    proxies: list[Proxy]
    database: str

    def url(self, server: Kept) -> str:
        return f"{server.server.url.rpartition('/')[0]}/{self.database}"

    def ask(self, server: Kept, statement: str) -> list[tuple[Any, ...]]:
        address = self.url(server).replace("postgres://", "postgresql://", 1)
        with psycopg.connect(address, autocommit=True) as link:
            cursor = link.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def synchronous(self) -> None:
        """From now on commits wait for the standby."""
        self.ask(self.primary, f"ALTER SYSTEM SET synchronous_standby_names = '{NAME}'")
        self.ask(self.primary, "SELECT pg_reload_conf()")
        state = "SELECT sync_state FROM pg_stat_replication"
        until(
            lambda: self.ask(self.primary, state) == [("sync",)],
            within=30,
            what="the standby is a synchronous one",
        )

    def promote(self) -> float:
        """Returns when the standby was told to take over; whoever asks the system from now on asks this server."""
        at = time.time()
        assert self.ask(self.standby, "SELECT pg_promote()") == [(True,)]
        self.system.direct = self.system.stack.database_url = self.url(self.standby)
        return at


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Nobody is at work yet: `system.crew` starts them. The processes know both servers."""
    folder.chmod(0o711)
    for name in ("primary", "standby", "redis", "stack"):
        (folder / name).mkdir()
        (folder / name).chmod(0o711)
    with contextlib.ExitStack() as stack:
        primary = Kept(Postgres(folder / "primary", durable=True), folder / "primary.log")
        stack.callback(primary.server.delete_data)  # type: ignore[attr-defined]
        stack.callback(primary.stop)
        valkey = Kept(Valkey(folder / "redis"), folder / "redis.log")
        stack.callback(valkey.stop)
        system = system_on(stack, folder / "stack", primary, valkey)
        whole = system.stack

        follower = Standby(folder / "standby", primary=primary.server)  # type: ignore[arg-type]
        standby = Kept(follower, folder / "standby.log")
        stack.callback(standby.server.delete_data)  # type: ignore[attr-defined]
        stack.callback(standby.stop)
        proxies = [Proxy(urlsplit(each.server.url).port or 0) for each in (primary, standby)]
        for proxy in proxies:
            stack.callback(proxy.stop)
        login, _, place = whole.database_url.rpartition("@")
        servers = ",".join(f"{HOST}:{proxy.port}" for proxy in proxies)
        whole.environment["DATABASE_URL"] = f"{login}@{servers}/{place.partition('/')[2]}"
        found = Cluster(system, primary, standby, proxies, place.partition("/")[2])
        stack.callback(_forget_standby, found)
        stack.callback(whole.stop)
        yield found


def _forget_standby(found: Cluster) -> None:
    """The first server is alone again, so that the end of the stack can remove its database."""
    settings = Path(found.primary.server.saved["home"]) / "data" / "postgresql.auto.conf"  # type: ignore[attr-defined]
    if found.primary.process.poll() is None:
        found.primary.kill(signal.SIGQUIT)
    settings.write_text("")
    found.primary.start()


@dataclass
class Callers:
    """A program that makes assignments over the API, whatever happens; `made` are those that web has confirmed."""

    web: str
    token: str
    made: list[int] = field(default_factory=list)
    refused: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Callers":
        self.thread = threading.Thread(target=self._call, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join(timeout=60)

    def _call(self) -> None:
        number = 0
        while not self.stopped.wait(0.05):
            number += 1
            start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 900))
            body = {
                "title": f"called {number}",
                "scheduled_start": start,
                "assignee": {"reference": f"C-{number}", "name": "C", "email": f"c-{number}@example.test"},
            }
            try:
                answer = requests.post(
                    f"{self.web}/api/assignments",
                    json=body,
                    headers={"Authorization": f"Bearer {self.token}"},
                    timeout=90,
                )
            except requests.RequestException:
                self.refused += 1
                continue
            if answer.status_code == 201:
                self.made.append(answer.json()["id"])
            else:
                self.refused += 1
