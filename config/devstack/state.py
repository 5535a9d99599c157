"""The state folder: values that survive a restart, in files that only their owner can read (mode 600)."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from pathlib import Path


class CannotGoUp(Exception):
    """`up` cannot start; the message says why, for people."""


class SavedValues:
    """A few values in `<state>/<name>.json`; each assignment is written to the file at once."""

    def __init__(self, state: Path, name: str) -> None:
        self._file = state / f"{name}.json"
        try:
            self._values: dict[str, str] = json.loads(self._file.read_text())
        except (OSError, ValueError):
            self._values = {}

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __setitem__(self, name: str, value: str) -> None:
        if self._values.get(name) != value:
            self._values[name] = value
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_private(self._file, json.dumps(self._values))

    def get(self, name: str) -> str | None:
        return self._values.get(name)

    def setdefault(self, name: str, value: str) -> None:
        if name not in self._values:
            self[name] = value


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step; at no time can anybody but its owner read it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_text(text)
    unfinished.replace(path)


def read_or_create_secret(path: Path) -> str:
    """The secret in the file, created on first use."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(50))
    return path.read_text().strip()


def make_state_folder(state: Path) -> None:
    """The folder, with what every `up` needs in it. Raises CannotGoUp."""
    try:
        if not state.exists():
            state.mkdir(parents=True)
            # Started as root, PostgreSQL runs under another account, which must pass through to its own folder.
            state.chmod(0o711 if os.geteuid() == 0 else 0o700)
        (state / "logs").mkdir(mode=0o700, exist_ok=True)
        (state / "up.lock").open("a").close()
    except OSError as error:
        raise CannotGoUp(
            f"The state folder {state} cannot be used ({error.strerror}). REMINDERS_STATE names another one."
        ) from error


def try_lock(descriptor: int) -> bool:
    """Whether the lock of the file is now this process's."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_set(variable: str) -> bool:
    """Whether the environment has it, or names a file that holds it."""
    return bool(os.environ.get(variable) or os.environ.get(f"{variable}_FILE"))
