"""A Redis, its replica and three sentinels that watch them."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from unittest.mock import patch
from urllib.parse import urlsplit

import redis

from config.devstack.postgres import Postgres
from config.devstack.processes import HOST, free_port, start_child, wait_for
from config.devstack.state import write_private
from config.devstack.valkey import Valkey, redis_program
from tests.chaos.system import Kept, System, system_on

NAME = "reminders"
QUORUM = 2


class Replica(Valkey):
    """Follows another server, and has its password."""

    def __init__(self, state: Path, *, master: Valkey) -> None:
        super().__init__(state)
        self.master = master

    def prepare(self) -> None:
        self.saved["password"] = self.master.saved["password"]
        super().prepare()
        with self._settings.open("a") as file:
            file.write(f"replicaof {HOST} {self.master.saved['port']}\nmasterauth {self.saved['password']}\n")

    def is_ready(self) -> bool:
        """Once it has all that its master has."""
        return super().is_ready() and _info(self, "replication").get("master_link_status") == "up"


class Sentinel(Valkey):
    """Watches a master, and makes a replica of it the master when it is gone."""

    def __init__(self, state: Path, *, master: Valkey) -> None:
        super().__init__(state)
        self.master = master

    def prepare(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.saved["password"] = ""
        self.saved["port"] = str(free_port(self.saved.get("port")))
        watched = self.master.saved
        lines = [
            f"bind {HOST}",
            f"port {self.saved['port']}",
            f'dir "{self.home}"',
            f"sentinel monitor {NAME} {HOST} {watched['port']} {QUORUM}",
            f"sentinel auth-pass {NAME} {watched['password']}",
            f"sentinel down-after-milliseconds {NAME} 2000",
            f"sentinel failover-timeout {NAME} 10000",
        ]
        write_private(self._settings, "\n".join(lines) + "\n")

    def launch(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        return start_child([redis_program(), self._settings, "--sentinel"], output=output, folder=self.home)

    def is_ready(self) -> bool:
        """Once it knows the replica and the other sentinels."""
        with contextlib.suppress(redis.RedisError), self.client() as client:
            found = client.sentinel_master(NAME)
            return found["num-slaves"] >= 1 and found["num-other-sentinels"] >= 2
        return False

    def answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def client(self) -> "redis.Redis":
        return redis.Redis(host=HOST, port=int(self.saved["port"]), socket_timeout=2)

    def master_port(self) -> int:
        """Where the master is, as this sentinel says."""
        with self.client() as client:
            return int(client.sentinel_get_master_addr_by_name(NAME)[1])


def _info(server: Valkey, section: str) -> dict[str, str]:
    with redis.Redis.from_url(server.url, socket_timeout=2) as client:
        return dict(client.info(section))


class Watched:
    """The whole system, which knows nothing of Redis but its sentinels."""

    def __init__(self, system: System, master: Kept, sentinels: list[Sentinel]) -> None:
        self.system, self.master, self.sentinels = system, master, sentinels


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Nobody is at work yet: `system.crew` starts them."""
    folder.chmod(0o711)
    names = ("master", "replica", "sentinel0", "sentinel1", "sentinel2", "stack", "postgres")
    for name in names:
        (folder / name).mkdir(mode=0o711)
    with contextlib.ExitStack() as stack:
        postgres = Kept(Postgres(folder / "postgres", durable=True), folder / "postgres.log")
        stack.callback(postgres.server.delete_data)  # type: ignore[attr-defined]
        stack.callback(postgres.stop)
        master = Kept(Valkey(folder / "master"), folder / "master.log")
        stack.callback(master.stop)
        replica = Kept(Replica(folder / "replica", master=master.server), folder / "replica.log")  # type: ignore[arg-type]
        stack.callback(replica.stop)
        sentinels = [Sentinel(folder / f"sentinel{n}", master=master.server) for n in range(3)]  # type: ignore[arg-type]
        for number, sentinel in enumerate(sentinels):
            with patch.object(sentinel, "is_ready", sentinel.answers):
                kept = Kept(sentinel, folder / f"sentinel{number}.log")
            stack.callback(kept.stop)
        for sentinel in sentinels:
            assert wait_for(sentinel.is_ready, seconds=60), "the sentinels find each other"
        system = system_on(stack, folder / "stack", postgres, master)
        whole = system.stack
        parts = urlsplit(whole.redis_url)
        places = ",".join(f"{HOST}:{sentinel.saved['port']}" for sentinel in sentinels)
        whole.environment["REDIS_URL"] = (
            f"sentinel://:{parts.password}@{places}{parts.path}?master_name={NAME}"
        )
        stack.callback(whole.stop)
        yield Watched(system, master, sentinels)
