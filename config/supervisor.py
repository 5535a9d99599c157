"""Keeps a handful of processes running: starts, reads, restarts and in the end stops every one of them.

It knows nothing of reminders; `config.launch` says what to start and what a line of output means. All of it
runs in one thread: to Linux a child belongs to the thread that started it, and dies with that thread.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

LOG_LIMIT = 5_000_000
LINE_LIMIT = 65_536
LONGEST_PAUSE = 30.0
STEADY_AFTER = 60.0
LEFT_OVER_PATIENCE = 5.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """Somebody asked us to stop (Ctrl-C, SIGTERM, a closed terminal)."""


class GaveUp(Exception):
    """What was waited for did not come; the message says what, and what was seen instead."""


@dataclass(eq=False)
class Child:
    """A process to keep running. `launch` starts it with its output going to the given descriptor."""

    name: str
    launch: Callable[[int], subprocess.Popen[bytes]]
    stop_signal: signal.Signals = signal.SIGTERM
    again: bool = True
    process: subprocess.Popen[bytes] | None = None
    code: int | None = None
    deaths: int = 0
    started: float = 0.0
    next_start: float | None = None
    last_lines: list[str] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        return self.process is not None


@dataclass(eq=False)
class Stream:
    """What one run of a child says. It ends when the last process that holds it ends."""

    child: Child
    end: int
    rest: bytes = b""


class BoundedLog:
    """A file that starts anew at its limit; one predecessor is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handle = path.open("ab")

    def write(self, line: bytes) -> None:
        # A full disk must not end what is supervised: the line is lost, the process is not.
        with contextlib.suppress(OSError):
            if self.handle.tell() > LOG_LIMIT:
                self.handle.close()
                self.path.replace(self.path.with_suffix(".log.1"))
                self.handle = self.path.open("ab")
            self.handle.write(line + b"\n")
            self.handle.flush()


class Supervisor:
    """`start` children, `wait_until` something, `watch` for ever, `stop` what was started."""

    def __init__(
        self,
        logs: Path,
        *,
        on_line: Callable[[Child, str], None],
        on_change: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.children: list[Child] = []
        self._logs_folder = logs
        self._logs: dict[str, BoundedLog] = {}
        self._on_line, self._on_change, self._say = on_line, on_change, say
        self._selector = selectors.DefaultSelector()
        self._left_over: dict[int, float] = {}
        self._wake: list[int] = []
        self._asked_to_stop = 0
        self._stopping = False

    # -- the sentence ------------------------------------------------------------------------------------

    def listen(self) -> None:
        """From now on a signal to stop, and the death of a child, are noticed at once."""
        woken, waker = os.pipe()
        for end in (woken, waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self._wake = [waker]
        self._selector.register(woken, selectors.EVENT_READ, None)
        for number in STOP_SIGNALS:
            # nohup asked for SIGHUP to be ignored, and that stands.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._hear)
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
        self._on_change()
        return child

    def wait_until(
        self, what: str, condition: Callable[[], bool], *, needs: Sequence[Child], seconds: float
    ) -> None:
        """Returns when the condition holds. Raises Stopped, or GaveUp when a needed child keeps dying."""
        deadline = time.monotonic() + seconds
        while not condition():
            for child in needs:
                if child.deaths >= (3 if child.again else 1):
                    raise GaveUp(f"{child.name} does not start. The last that it said:\n" + said(child))
            if time.monotonic() > deadline:
                talk = "".join(f"\n{child.name} said:\n{said(child)}" for child in needs if child.last_lines)
                raise GaveUp(f"{what} did not come about in {seconds:.0f} s.{talk}")
            self.pump(0.1)

    def run_to_end(self, child: Child, *, seconds: float) -> int:
        """Run a child once; returns its exit code."""
        self.start(child)
        deadline = time.monotonic() + seconds
        while child.alive:
            if time.monotonic() > deadline:
                raise GaveUp(
                    f"{child.name} did not end in {seconds:.0f} s. The last that it said:\n{said(child)}"
                )
            self.pump(0.1)
        self.pump(0.0)
        assert child.code is not None
        return child.code

    def watch(self) -> None:
        """Keep everything running until Stopped is raised."""
        while True:
            self.pump(1.0)

    def pump(self, seconds: float) -> None:
        """Wait at most so long for something to happen, and do what it asks for."""
        pauses = [
            child.next_start - time.monotonic() for child in self.children if child.next_start is not None
        ]
        for key, _ in self._selector.select(max(0.0, min([seconds, *pauses]))):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(key.fd, 4096)
            else:
                self._read(key.data)
        for child in self.children:
            if child.process is not None and (code := child.process.poll()) is not None:
                self._bury(child, code)
        self._forget_left_over()
        if self._asked_to_stop and not self._stopping:
            raise Stopped
        for child in self.children:
            if child.next_start is not None and not self._stopping and time.monotonic() >= child.next_start:
                self._start_again(child)

    def stop(self, *rounds: Sequence[Child], patience: float) -> None:
        """End all children, round after round: ask, wait, and kill what has not gone by then.

        A second request to stop ends the waiting.
        """
        self._stopping = True
        heard = self._asked_to_stop
        for members in rounds:
            for child in members:
                child.next_start = None
                if child.process is not None:
                    child.process.send_signal(child.stop_signal)
            deadline = time.monotonic() + patience
            while any(child.alive for child in members):
                if time.monotonic() > deadline or self._asked_to_stop > heard:
                    for child in members:
                        if child.process is not None:
                            kill_group(child.process.pid)
                self.pump(0.1)
        patient_until = time.monotonic() + LEFT_OVER_PATIENCE
        while self._left_over:
            if time.monotonic() > patient_until or self._asked_to_stop > heard:
                for group in self._left_over:
                    kill_group(group)
            self.pump(0.1)

    def close(self) -> None:
        """Let go of the log files and pipes, after `stop`."""
        if self._wake:
            signal.set_wakeup_fd(-1)
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fd)
            os.close(key.fd)
        for waker in self._wake:
            os.close(waker)
        self._wake = []
        for log in self._logs.values():
            log.handle.close()
        self._logs = {}

    # -- what it is made of ------------------------------------------------------------------------------

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self._asked_to_stop += 1

    def _read(self, stream: Stream) -> bool:
        """Take what there is, at most LINE_LIMIT of it; False when there was nothing or it was the end."""
        try:
            got = os.read(stream.end, LINE_LIMIT)
        except BlockingIOError:
            return False
        lines = (stream.rest + got).split(b"\n")
        stream.rest = lines.pop()
        if not got or len(stream.rest) > LINE_LIMIT:
            lines, stream.rest = [*lines, stream.rest], b""
        for line in filter(None, (line.rstrip(b"\r") for line in lines)):
            self._hear_line(stream.child, line)
        if not got:
            self._selector.unregister(stream.end)
            os.close(stream.end)
        return bool(got)

    def _hear_line(self, child: Child, line: bytes) -> None:
        log = self._logs.get(child.name)
        if log is None:
            log = self._logs[child.name] = BoundedLog(self._logs_folder / f"{child.name}.log")
        log.write(line)
        text = line.decode(errors="replace")
        child.last_lines = [*child.last_lines[-7:], text]
        self._on_line(child, text)

    def _bury(self, child: Child, code: int) -> None:
        assert child.process is not None
        group = child.process.pid
        for key in list(self._selector.get_map().values()):
            if key.data is not None and key.data.child is child:
                while self._read(key.data):
                    pass
        # Whoever is still in its group (a pool's processes) may finish what it has in hand; the group's
        # number cannot be taken by strangers as long as one of them lives.
        if group_lives(group):
            self._left_over[group] = time.monotonic()
        lasted = time.monotonic() - child.started
        child.process, child.code = None, code
        child.deaths = 1 if lasted > STEADY_AFTER else child.deaths + 1
        if child.again and not self._stopping:
            pause = min(LONGEST_PAUSE, 0.5 * 2 ** (child.deaths - 1))
            child.next_start = time.monotonic() + pause
            self._say(f"{child.name} {how_it_ended(code)}; it is started again in {pause:g} s")
        self._on_change()

    def _start_again(self, child: Child) -> None:
        try:
            self.start(child)
        except (OSError, RuntimeError) as trouble:
            child.deaths += 1
            child.next_start = time.monotonic() + LONGEST_PAUSE
            self._say(
                f"{child.name} could not be started: {trouble}; it is tried again in {LONGEST_PAUSE:g} s"
            )

    def _forget_left_over(self) -> None:
        self._left_over = {group: since for group, since in self._left_over.items() if group_lives(group)}


def how_it_ended(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def said(child: Child) -> str:
    return "\n".join(f"  {line[:400]}" for line in child.last_lines) or "  (nothing)"


def group_lives(group: int) -> bool:
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
