"""Starts a Python module in a fork of this process: what both have imported is in memory once.

Where all that are forked have the same environment, and so the same settings, those are read once, before the first fork.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import io
import os
import runpy
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from config.devstack.processes import LINUX, ending_with_parent

LIBRARIES = (
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "cron_descriptor",
    "crontab",
    "django.core.handlers.wsgi",
    "django.core.management",
    "django.db.backends.postgresql.base",
    "django.db.models",
    "email_validator",
    "kombu.transport.redis",
    "requests",
    "runpy",
)
"""Much of the memory of web, worker, scanner and beat. To import them reads no settings and starts nothing."""


HANDLED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD}
"""What a supervisor handles (`config.devstack.supervisor`)."""
ARG_START, ARG_END = 45, 46
"""Where the command line stands in memory: fields 48 and 49 of /proc/PID/stat, counted from the third."""


class Forked:
    """A process that was forked, as far as a supervisor needs to know it (compare `subprocess.Popen`)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def can_fork() -> bool:
    """Whether a fork is as good as a process that begins anew: no other thread may hold a lock."""
    return LINUX and threading.active_count() == 1


def import_libraries() -> None:
    """Before the first fork, where those that are forked differ in their settings."""
    for name in LIBRARIES:
        importlib.import_module(name)
    _leave_alone()


def import_application(environment: Mapping[str, str]) -> dict[str, str]:
    """Before the first fork: libraries, settings, models and tasks, as a process with this environment has them, and what
    the system checks find. It connects to nothing.

    Returns what they have added to the environment: those that are forked need it too.
    """
    import_libraries()
    own = dict(os.environ)
    _replace_environment(environment)
    try:
        celery = importlib.import_module("config.celery")
        importlib.import_module("django").setup()
        celery.app.loader.import_default_modules()
        celery.app.finalize()
        celery.run_checks()
        return {name: value for name, value in os.environ.items() if name not in environment}
    finally:
        _replace_environment(own)
        _leave_alone()


def _leave_alone() -> None:
    """The collector does nothing with what is there by now, and so does not write to it."""
    gc.collect()
    gc.freeze()


def _replace_environment(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def start_module(
    words: Sequence[str],
    *,
    output: int,
    errors: int | None = None,
    folder: Path,
    environment: Mapping[str, str],
) -> Forked:
    """As `python -m` with these words, a module and its arguments, in a session of its own. It ends with this process.

    Standard error goes to `output` too, unless `errors` is another file.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    tie_to_parent = ending_with_parent(signal.SIGTERM)
    # No handler of the parent may run in the child: what is sent to the child meanwhile waits for its own.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return Forked(pid)
    code = 1
    try:
        _forget_handlers()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.setsid()
        if tie_to_parent is not None:
            tie_to_parent()
        errors = output if errors is None else errors
        _become(words, output=output, errors=errors, folder=folder, environment=environment)
        code = 0
    except SystemExit as end:
        code = _code_of(end)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _end(code)


def _forget_handlers() -> None:
    signal.set_wakeup_fd(-1)
    for number in HANDLED - {signal.SIGINT}:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _become(
    words: Sequence[str], *, output: int, errors: int, folder: Path, environment: Mapping[str, str]
) -> None:
    """What `exec` would do, and then the module. The caller must end the process and return to no frame of the parent: what
    those hold, such as files, is closed here, and its numbers are given to other files.
    """
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    os.chdir(folder)
    _replace_environment(environment)
    _show_as(["python", "-m", *words])
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def _stream(descriptor: int) -> io.TextIOWrapper:
    raw = io.FileIO(descriptor, "wb", closefd=False)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


def _show_as(words: Sequence[str]) -> None:
    """Lets `ps` show this command line, as far as there is room where that of the parent stood (proc(5))."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[ARG_START]), int(fields[ARG_END])
    room = end - start
    if start and room > 1:
        text = b"\0".join(word.encode() for word in words)[: room - 1]
        ctypes.memmove(start, text.ljust(room, b"\0"), room)


def _code_of(end: SystemExit) -> int:
    if isinstance(end.code, int):
        return end.code
    if end.code is not None:
        print(end.code, file=sys.stderr)
    return 0 if end.code is None else 1


def _end(code: int) -> NoReturn:
    """As an interpreter ends: threads, then what was registered to be called."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code & 0xFF)
