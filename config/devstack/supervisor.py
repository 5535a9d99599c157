"""Starts a few processes, reads their output, restarts those that die, and finally stops them all.

It knows nothing of reminders: `config.devstack.launch` says what to start and what a line of output means. It is
single-threaded, because on Linux a child that ends with its parent ends with the thread that started it.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from types import FrameType
from typing import Protocol

from config.devstack.processes import describe_exit, group_is_alive, kill_group, suspended

LOG_LIMIT = 5_000_000
LINE_LIMIT = 65_536
MAX_RESTART_DELAY = 30.0
STABLE_AFTER = 60.0
FROZEN_AFTER = 30.0
"""Seconds for which a process may be suspended before it is killed."""
LOOK_EVERY = 5.0
LEFTOVER_TIMEOUT = 5.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(Exception):
    """A signal asked for a stop: Ctrl-C, SIGTERM, or a closed terminal."""


class GaveUp(Exception):
    """A process did not start or end in time; the message names it and shows its last output."""


class SupervisedProcess(Protocol):
    """What is needed of a process: `subprocess.Popen` has it."""

    pid: int

    def poll(self) -> int | None: ...
    def send_signal(self, number: signal.Signals, /) -> None: ...


@dataclass(eq=False)
class Child:
    """A process to keep running. `launch` starts it with its output going to the given descriptor.

    `restart`: start it again when it dies. `failures`: failures in a row without a stable run between them.
    """

    name: str
    launch: Callable[[int], SupervisedProcess]
    stop_signal: signal.Signals = signal.SIGTERM
    restart: bool = True
    process: SupervisedProcess | None = None
    code: int | None = None
    failures: int = 0
    started: float = 0.0
    next_start: float | None = None
    last_lines: list[str] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        return self.process is not None


@dataclass(eq=False)
class Stream:
    """The output of one run of a child. It ends when the last process that inherited it ends."""

    child: Child
    descriptor: int
    partial_line: bytes = b""


class BoundedLog:
    """A log file that is rotated at its size limit; one earlier file is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None

    def write(self, line: bytes) -> None:
        """Raises OSError, for example on a full disk; the next call then opens the file again."""
        try:
            if self._file is None:
                self._file = FileIO(self._path, "ab")
            if self._file.tell() > LOG_LIMIT:
                self.close()
                self._path.replace(self._path.with_suffix(".log.1"))
                self._file = FileIO(self._path, "ab")
            self._file.write(line + b"\n")
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class Supervisor:
    """`start` children, `wait_until` something, `watch` for ever, `stop` what was started."""

    def __init__(
        self,
        logs: Path,
        *,
        on_line: Callable[[Child, str], None],
        on_change: Callable[[], None],
        report: Callable[[str], None],
    ) -> None:
        self.children: list[Child] = []
        self._logs_folder = logs
        self._logs: dict[str, BoundedLog] = {}
        self._on_line, self._on_change, self._report = on_line, on_change, report
        self._selector = selectors.DefaultSelector()
        self._leftovers: set[int] = set()
        self._suspended_since: dict[int, float] = {}
        self._look_at = 0.0
        self._lines_lost = 0
        self._change_pending = False
        self._wake: list[int] = []
        self._stop_requests = 0
        self._stopping = False

    # -- for callers -------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Install signal handlers: from now on stop signals and SIGCHLD wake the event loop at once."""
        woken, waker = os.pipe()
        for descriptor in (woken, waker):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self._wake = [waker]
        self._selector.register(woken, selectors.EVENT_READ, None)
        for number in STOP_SIGNALS:
            # Under nohup SIGHUP is ignored, and stays so.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_stop_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def start(self, child: Child) -> Child:
        if child not in self.children:
            self.children.append(child)
        readable, writable = os.pipe()
        try:
            child.process = child.launch(writable)
        except BaseException:
            os.close(readable)
            raise
        finally:
            os.close(writable)
        os.set_blocking(readable, False)
        self._selector.register(readable, selectors.EVENT_READ, Stream(child, readable))
        child.started, child.next_start, child.code = time.monotonic(), None, None
        self._notify_change()
        return child

    def wait_until(
        self, what: str, condition: Callable[[], bool], *, needs: Sequence[Child], seconds: float
    ) -> None:
        """Return when the condition holds. Raises StopRequested, or GaveUp if a needed child keeps dying."""
        deadline = time.monotonic() + seconds
        while not condition():
            for child in needs:
                if child.failures >= (3 if child.restart else 1):
                    raise GaveUp(f"{child.name} does not start. Its last output:\n" + last_output(child))
            if time.monotonic() > deadline:
                output = "".join(
                    f"\nLast output of {child.name}:\n{last_output(child)}"
                    for child in needs
                    if child.last_lines
                )
                raise GaveUp(f"{what} was not ready within {seconds:.0f} s.{output}")
            self.pump(0.1)

    def run_to_end(self, child: Child, *, seconds: float) -> int:
        """Run a child once; returns its exit code."""
        self.start(child)
        deadline = time.monotonic() + seconds
        while child.alive:
            if time.monotonic() > deadline:
                raise GaveUp(
                    f"{child.name} did not end within {seconds:.0f} s. Its last output:\n{last_output(child)}"
                )
            self.pump(0.1)
        self.pump(0.0)
        assert child.code is not None
        return child.code

    def watch(self) -> None:
        """Keep all children running until StopRequested is raised."""
        while True:
            self.pump(1.0)
            if self._change_pending:
                self._notify_change()

    def pump(self, seconds: float) -> None:
        """One turn of the event loop: wait at most so long for an event, then process what happened."""
        delays = [
            child.next_start - time.monotonic() for child in self.children if child.next_start is not None
        ]
        for key, _ in self._selector.select(max(0.0, min([seconds, *delays]))):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(key.fd, 4096)
            else:
                self._read(key.data)
        for child in self.children:
            if child.process is not None and (code := child.process.poll()) is not None:
                self._reap(child, code)
        self._drop_ended_leftovers()
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_EVERY
            self._end_frozen()
        if self._stop_requests and not self._stopping:
            raise StopRequested
        for child in self.children:
            if child.next_start is not None and not self._stopping and time.monotonic() >= child.next_start:
                self._restart(child)

    def stop(self, *groups: Sequence[Child], timeout: float) -> None:
        """Stop all children, group after group: signal, wait, and kill what still runs after `timeout` seconds.

        Another stop signal ends the waiting.
        """
        self._stopping = True
        requests_before = self._stop_requests
        for members in groups:
            for child in members:
                child.next_start = None
                if child.process is not None:
                    child.process.send_signal(child.stop_signal)
            deadline = time.monotonic() + timeout
            while any(child.alive for child in members):
                if time.monotonic() > deadline or self._stop_requests > requests_before:
                    for child in members:
                        if child.process is not None:
                            kill_group(child.process.pid)
                self.pump(0.1)
        deadline = time.monotonic() + LEFTOVER_TIMEOUT
        while self._leftovers:
            if time.monotonic() > deadline or self._stop_requests > requests_before:
                for group in self._leftovers:
                    kill_group(group)
            self.pump(0.1)

    def close(self) -> None:
        """Close log files and pipes, after `stop`."""
        if self._wake:
            signal.set_wakeup_fd(-1)
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fd)
            os.close(key.fd)
        for waker in self._wake:
            os.close(waker)
        self._wake = []
        for log in self._logs.values():
            log.close()
        self._logs = {}

    # -- inside ------------------------------------------------------------------------------------------

    def _on_stop_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_requests += 1

    def _read(self, stream: Stream) -> bool:
        """Read what is there, at most LINE_LIMIT bytes; False if there was nothing, or at the end."""
        try:
            got = os.read(stream.descriptor, LINE_LIMIT)
        except BlockingIOError:
            return False
        lines = (stream.partial_line + got).split(b"\n")
        stream.partial_line = lines.pop()
        if not got or len(stream.partial_line) > LINE_LIMIT:
            lines, stream.partial_line = [*lines, stream.partial_line], b""
        for line in filter(None, (line.rstrip(b"\r") for line in lines)):
            self._on_output_line(stream.child, line)
        if not got:
            self._selector.unregister(stream.descriptor)
            os.close(stream.descriptor)
        return bool(got)

    def _on_output_line(self, child: Child, line: bytes) -> None:
        log = self._logs.get(child.name)
        if log is None:
            log = self._logs[child.name] = BoundedLog(self._logs_folder / f"{child.name}.log")
        self._write(log, line)
        text = line.decode(errors="replace")
        child.last_lines = [*child.last_lines[-7:], text]
        self._on_line(child, text)

    def _write(self, log: BoundedLog, line: bytes) -> None:
        """On a full disk lines are lost, but the supervised processes and this one go on."""
        try:
            log.write(line)
        except OSError as error:
            if not self._lines_lost:
                self._report(
                    f"log files cannot be written ({error.strerror}); all processes go on without them"
                )
            self._lines_lost += 1
        else:
            if self._lines_lost:
                self._report(f"log files are written again; {self._lines_lost} lines were lost")
            self._lines_lost = 0

    def _notify_change(self) -> None:
        """Calls `on_change`; if it cannot write its file, `watch` calls it again."""
        try:
            self._on_change()
        except OSError as error:
            if not self._change_pending:
                self._report(f"the list of processes cannot be written ({error.strerror}); trying again")
            self._change_pending = True
        else:
            self._change_pending = False

    def _reap(self, child: Child, code: int) -> None:
        assert child.process is not None
        group = child.process.pid
        for key in list(self._selector.get_map().values()):
            if key.data is not None and key.data.child is child:
                while self._read(key.data):
                    pass
        # Processes left in its group (those of a pool) may finish what they are doing. While one of them lives, the
        # group's id cannot be reused.
        if group_is_alive(group):
            self._leftovers.add(group)
        uptime = time.monotonic() - child.started
        child.process, child.code = None, code
        child.failures = 1 if uptime > STABLE_AFTER else child.failures + 1
        if child.restart and not self._stopping:
            delay = min(MAX_RESTART_DELAY, 0.5 * 2 ** (child.failures - 1))
            child.next_start = time.monotonic() + delay
            self._report(f"{child.name} {describe_exit(code)}; restarting in {delay:g} s")
        self._notify_change()

    def _end_frozen(self) -> None:
        """Kills what has been suspended for too long: a child with its group, or one process of its pool alone."""
        now = time.monotonic()
        found = {
            pid: child
            for child in self.children
            if child.process is not None
            for pid in suspended(child.process.pid)
        }
        self._suspended_since = {pid: self._suspended_since.get(pid, now) for pid in found}
        for pid, child in found.items():
            if now - self._suspended_since[pid] < FROZEN_AFTER or child.process is None:
                continue
            self._report(f"{child.name} has been suspended for {FROZEN_AFTER:g} s: process {pid} is killed")
            if pid == child.process.pid:
                kill_group(pid)
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _restart(self, child: Child) -> None:
        try:
            self.start(child)
        except (OSError, RuntimeError) as error:
            child.failures += 1
            child.next_start = time.monotonic() + MAX_RESTART_DELAY
            self._report(
                f"{child.name} could not be started: {error}; trying again in {MAX_RESTART_DELAY:g} s"
            )

    def _drop_ended_leftovers(self) -> None:
        self._leftovers = {group for group in self._leftovers if group_is_alive(group)}


def last_output(child: Child) -> str:
    return "\n".join(f"  {line[:400]}" for line in child.last_lines) or "  (nothing)"
