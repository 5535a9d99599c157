"""A process of the project that waits, and does each order in a fork of its own.

It stands for `python -c` and `manage.py` beside a running stack: the start of Python and Django, which takes a second of a
processor, is paid once for each stack. An order begins as a new process would: nothing of another order is in its memory.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from typing import Any, NoReturn

from config.devstack import bootstrap
from tests.starter import start_process

PATIENCE_SECONDS = 120.0
FILES = 5
"""What comes with an order: the order itself, standard input, output and error, and the pipe for the exit code."""


class Console:
    """The caller's side. Orders may be given from several threads at once.

    A console that is not `forked` has nothing in its memory but what it needs itself.
    """

    def __init__(self, environment: Mapping[str, str], *, forked: bool = True) -> None:
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as door:
            door.bind(f"{folder}/door")
            door.listen()
            door.settimeout(PATIENCE_SECONDS)
            command = [sys.executable, "-m", "tests.console", f"{folder}/door"]
            self.process = start_process(command, output=None, environment=environment, forked=forked)
            self.line, _ = door.accept()

    def manage(self, words: tuple[str, ...], given: bytes = b"") -> subprocess.CompletedProcess[str]:
        """As `manage.py` with these words; `given` is its standard input."""
        return self._do(["manage.py", *words], {"words": words}, given)

    def python(self, body: str, given: str) -> subprocess.CompletedProcess[str]:
        """As `python -c` after `django.setup()`; `given` is its standard input."""
        return self._do(["python", "-c", body], {"body": body}, given.encode())

    def _do(
        self, words: list[str], order: Mapping[str, Any], given: bytes
    ) -> subprocess.CompletedProcess[str]:
        with contextlib.ExitStack() as stack:
            asked, fed, out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(4))
            for file, content in ((asked, json.dumps(order).encode()), (fed, given)):
                file.write(content)
                file.seek(0)
            ended, tells = os.pipe()
            stack.callback(os.close, ended)
            try:
                files = [asked.fileno(), fed.fileno(), out.fileno(), err.fileno(), tells]
                socket.send_fds(self.line, [b"o"], files)
            finally:
                os.close(tells)
            if not select.select([ended], [], [], PATIENCE_SECONDS)[0]:
                raise subprocess.TimeoutExpired(words, PATIENCE_SECONDS)
            said = os.read(ended, 16)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(
                words,
                int(said) if said else -signal.SIGKILL,
                out.read().decode(errors="replace"),
                err.read().decode(errors="replace"),
            )

    def stop(self) -> None:
        self.line.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)


def serve(line: socket.socket) -> None:
    """Forks for each order, until the caller is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody waits for the forks.
    while True:
        sign, files, _, _ = socket.recv_fds(line, 1, FILES)
        if not sign:
            return
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            line.close()
            obey(*files)
        for file in files:
            os.close(file)


def obey(asked: int, fed: int, out: int, err: int, tells: int) -> NoReturn:
    """Does one order, tells its exit code and ends."""
    code = 1
    try:
        os.dup2(fed, 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        with open(asked, encoding="utf-8") as file:
            order = json.load(file)
        code = exit_code(order)
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.write(tells, str(code).encode())
        os._exit(code)


def exit_code(order: Mapping[str, Any]) -> int:
    try:
        if "words" in order:
            bootstrap.run_command(["manage.py", *order["words"]])
        else:
            exec(compile(order["body"], "<order>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
            return 1
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    with socket.socket(socket.AF_UNIX) as to_caller:
        to_caller.connect(sys.argv[1])

        import django

        django.setup()
        serve(to_caller)
