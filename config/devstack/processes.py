"""Processes on this machine: starting one that ends with its parent, its command line, what it answers, how it ended."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

HOST = "127.0.0.1"
STOP_SECONDS = 15.0
LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent dies."""

_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None


class CannotStart(Exception):
    """A server cannot be started; the message says why, for people."""


@dataclass(frozen=True)
class Account:
    """The account that a process runs under, where it is not the current one."""

    uid: int
    gid: int


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
    """Start a process in a process group of its own: Ctrl-C reaches the parent only, which stops children in order.

    On Linux the child also ends when this process is killed. Call this from the main thread only: to Linux the
    parent is the thread that started the child. Without `output` the child inherits stdout and stderr.
    """
    return subprocess.Popen(
        command,
        cwd=folder,
        env=minimal_environment() if environment is None else environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=own_group,
        preexec_fn=ending_with_parent(when_parent_dies),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def ending_with_parent(order: signal.Signals) -> Callable[[], None] | None:
    """What a child calls first (after a change of account, which would undo it): it ties the child to this process."""
    libc, parent = _libc, os.getpid()
    if libc is None:
        return None

    def set_up() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(order), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return set_up


def end_with_parent() -> None:
    """Asks Linux to send SIGTERM to this process when its parent dies; elsewhere nothing happens."""
    if _libc is None:
        return
    parent = os.getppid()
    _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        # The parent died before the call, so the signal will never come.
        raise SystemExit(0)


def end(process: subprocess.Popen[bytes], *, order: signal.Signals, patience: float = STOP_SECONDS) -> None:
    """Send the signal, and SIGKILL if the process still runs after `patience` seconds."""
    if process.poll() is None:
        process.send_signal(order)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def minimal_environment() -> dict[str, str]:
    """No PG* or LC_* variable of the caller may change how a server behaves."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC", "HOME": "/"}


def free_port(preferred: str | None = None) -> int:
    """The preferred loopback port if it is free, otherwise any free one."""
    for port in (int(preferred or 0), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CannotStart("No free port on the loopback address.")


def command_line(pid: int) -> list[str] | None:
    """The arguments of a living process, or None; a zombie counts as gone."""
    if LINUX:
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return None
        return [word.decode(errors="replace") for word in raw.split(b"\0") if word] or None
    listed = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return listed.stdout.split() or None


def suspended(pid: int) -> set[int]:
    """Which of this process and its children a signal has stopped (SIGSTOP). Empty where the system does not tell."""
    if not LINUX:
        return set()
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {one for one in (pid, *map(int, children)) if _state(one) == "T"}
    return set()


def _state(pid: int) -> str:
    """The letter of proc(5); '' for a process that is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def wait_for(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Whether the condition became true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def tail(path: Path, lines: int = 8) -> str:
    """The last lines of a file, indented; '' if it cannot be read."""
    with contextlib.suppress(OSError):
        return "\n".join(f"  {line}" for line in path.read_text(errors="replace").splitlines()[-lines:])
    return ""


def http_status(address: str) -> int:
    """The HTTP status of the address; 0 if there is no answer."""
    # A proxy of the environment must not be used for the loopback address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=2) as response:
            return int(response.status)
    except urllib.error.HTTPError as response:
        return response.code
    except (OSError, ValueError):
        return 0


def json_fields(line: str) -> Mapping[str, Any]:
    """The fields of a line of output that is a JSON object; none of any other line."""
    try:
        fields = json.loads(line) if line.startswith("{") else {}
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def describe_exit(code: int) -> str:
    """How a process ended, for people."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def group_is_alive(group: int) -> bool:
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
