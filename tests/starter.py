"""Starts the project's Python programs in forks of a process which has imported their libraries, as `manage.py up` does.

The program itself, its command line and its settings begin anew (`config.devstack.forked`). To import the libraries takes
half a second of a processor, and a run starts some hundred processes.
"""

import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NoReturn

from config.devstack import forked

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 60.0
FILES = 4
"""What comes with an order: the order itself, the program's output and errors, and the pipe for its number and exit code."""
NUMBER = struct.Struct("i")


class Started:
    """A process that was started so, as far as tests need to know it (compare `subprocess.Popen`)."""

    def __init__(self, tells: int) -> None:
        self._tells, self._lock = tells, threading.Lock()
        self._code: int | None = None
        pid = self._number(PATIENCE_SECONDS)
        assert pid, "the process that starts others is gone, or does not answer"
        self.pid = pid

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, seconds: float | None) -> int | None:
        with self._lock:
            if self._code is None:
                self._code = self._number(seconds)
                if self._code is not None:
                    os.close(self._tells)
            return self._code

    def _number(self, seconds: float | None) -> int | None:
        """The next that is told; None if there is none within this time."""
        if not select.select([self._tells], [], [], seconds)[0]:
            return None
        said = os.read(self._tells, NUMBER.size)
        number: int = NUMBER.unpack(said)[0] if said else -signal.SIGKILL
        return number


FURTHER_LIBRARIES = (
    *(
        "django.contrib.auth.apps",
        "django.contrib.postgres.indexes",
        "django_filters",
        "environ",
        "flufl.bounce",
    ),
    *("icalendar", "imaplib", "phonenumbers", "recurring_ical_events", "whitenoise.middleware"),
)
"""What most processes of a test use, or the web; to import it reads no settings. `up` leaves it to those that need it."""


class Starter:
    """The caller's side. It imports nothing before the first start; what it has started ends with it."""

    def __init__(self) -> None:
        self._line, self._theirs = socket.socketpair()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def _begin(self) -> None:
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.starter", str(self._theirs.fileno())],
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    pass_fds=[self._theirs.fileno()],
                    start_new_session=True,
                )
                self._theirs.close()

    def start(
        self,
        words: Sequence[str],
        *,
        output: int | IO[bytes] | None,
        errors: int | IO[bytes] | None = None,
        environment: Mapping[str, str],
    ) -> Started:
        """As `python -m` with these words, in the project's folder and in a session of its own; `errors` go to `output` too
        unless it is another file.
        """
        self._begin()
        hears, tells = os.pipe()
        try:
            with tempfile.TemporaryFile() as order:
                order.write(json.dumps({"words": words, "environment": dict(environment)}).encode())
                order.seek(0)
                out = _number_of(output, 2)
                socket.send_fds(self._line, [b"o"], [order.fileno(), out, _number_of(errors, out), tells])
        finally:
            os.close(tells)
        return Started(hears)

    def stop(self) -> None:
        for line in (self._line, self._theirs):
            line.close()
        if self._process is not None:
            self._process.wait(timeout=30)


def _number_of(file: int | IO[bytes] | None, otherwise: int) -> int:
    return otherwise if file is None else file if isinstance(file, int) else file.fileno()


of_this_run: Starter | None = None
"""A test run sets it (`tests.conftest`). Benchmarks have none: what they measure shares no memory with anything else."""


def start_process(
    words: Sequence[str],
    *,
    output: int | IO[bytes] | None,
    environment: Mapping[str, str],
    forked: bool = True,
) -> subprocess.Popen[bytes] | Started:
    """A process in the project's folder and a session of its own: a fork where that is possible, unless it must not be."""
    if forked and of_this_run is not None and words[:2] == [sys.executable, "-m"]:
        return of_this_run.start(words[2:], output=output, environment=environment)
    return subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=True,
    )


def run(
    *words: str, environment: Mapping[str, str] | None = None, seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """As `python -m` with these words, to its end, with what it has printed: `manage` stands for manage.py."""
    environment = os.environ if environment is None else environment
    if of_this_run is None:
        command = [sys.executable, "-m", *words]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = of_this_run.start(words, output=out, errors=err, environment=environment)
        try:
            code = started.wait(timeout=seconds)
        finally:
            started.kill()
        printed = []
        for file in (out, err):
            file.seek(0)
            printed.append(file.read().decode())
        return subprocess.CompletedProcess(words, code, *printed)


def run_code(
    code: str, *words: str, environment: Mapping[str, str] | None = None, seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """As `python -c`, to its end, with what it has printed."""
    return run("tests.code", code, *words, environment=environment, seconds=seconds)


def serve(line: socket.socket) -> None:
    """Starts what is asked for and tells what has ended, until the caller is gone."""
    for name in FURTHER_LIBRARIES:
        importlib.import_module(name)
    forked.import_libraries()
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    running: dict[int, forked.Forked] = {}
    while True:
        ready, _, _ = select.select([line.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            for tells, child in list(running.items()):
                if (code := child.poll()) is not None:
                    del running[tells]
                    tell(tells, code)
                    os.close(tells)
        if line.fileno() in ready:
            sign, files, _, _ = socket.recv_fds(line, 1, FILES)
            if not sign:
                return
            asked, output, errors, tells = files
            running[tells] = child = begin(asked, output, errors)
            tell(tells, child.pid)


def begin(asked: int, output: int, errors: int) -> forked.Forked:
    with open(asked, encoding="utf-8") as file:
        order = json.load(file)
    child = forked.start_module(
        order["words"], output=output, errors=errors, folder=ROOT, environment=order["environment"]
    )
    os.close(output)
    os.close(errors)
    # Whoever hears its number may signal its group at once.
    while child.poll() is None and os.getpgid(child.pid) != child.pid:
        time.sleep(0.001)
    return child


def tell(tells: int, number: int) -> None:
    try:
        os.write(tells, NUMBER.pack(number))
    except BrokenPipeError:  # Nobody wants to know.
        pass


def main() -> NoReturn:
    with socket.socket(fileno=int(sys.argv[1])) as line:
        serve(line)
    sys.exit()


if __name__ == "__main__":
    main()
