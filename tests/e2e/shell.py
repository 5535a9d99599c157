"""Runs the commands of the documents as they are written."""

import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests import starter
from tests.stack import ROOT

MANAGE = "python3 manage.py"
CLIENT = Path(__file__).with_name("manage_client.py")
FILES = 2
"""What comes with an order: the output and the errors of whoever gives it."""


def run_script(script: str, *, folder: Path, environment: Mapping[str, str], seconds: float) -> str:
    """What the script prints; AssertionError with all of it where a command fails.

    Its commands of manage.py are forked where that is possible (`tests.starter`): each start of Django takes a second.
    """
    with commands() as manage:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script.replace(MANAGE, manage)],
            cwd=folder,
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def commands() -> Iterator[str]:
    """What a script may write in place of `python3 manage.py`."""
    if starter.of_this_run is None:
        yield shlex.join([sys.executable, str(ROOT / "manage.py")])
        return
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as door:
        door.bind(f"{folder}/door")
        door.listen()
        serving = threading.Thread(target=serve, args=(door, starter.of_this_run), daemon=True)
        serving.start()
        try:
            yield shlex.join([sys.executable, "-S", "-E", str(CLIENT), f"{folder}/door"])
        finally:
            door.shutdown(socket.SHUT_RDWR)
            serving.join(timeout=30)


def serve(door: socket.socket, programs: starter.Starter) -> None:
    """Until the script has ended. What a pipe joins runs at the same time."""
    with contextlib.suppress(OSError):
        while True:
            caller, _ = door.accept()
            threading.Thread(target=answer, args=(caller, programs), daemon=True).start()


def answer(caller: socket.socket, programs: starter.Starter) -> None:
    """Runs one command to its end, and tells its exit code."""
    with caller:
        order, (out, err), _, _ = socket.recv_fds(caller, 1, FILES)
        try:
            while not order.endswith(b"\n"):
                order += caller.recv(65_536)
            asked = json.loads(order)
            words = ["manage", *asked["words"]]
            started = programs.start(words, output=out, errors=err, environment=asked["environment"])
        finally:
            os.close(out)
            os.close(err)
        caller.sendall(str(started.wait()).encode())
