"""The supervisor restarts what dies, gives up on what never starts, and in the end nothing is left."""

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from config.devstack import processes, supervisor
from config.devstack.state import write_private
from config.devstack.supervisor import Child, GaveUp, StopRequested, Supervisor

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here'); time.sleep(120)"
)
ECHO = "import itertools, time\nfor n in itertools.count(): print('tick', n, 'x' * 500); time.sleep(0.01)"
SLEEPER = "import time; print('here'); time.sleep(120)"


@dataclass
class Harness:
    """A supervisor and what it reported."""

    folder: Path
    lines: list[tuple[str, str]] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)
    changes: int = 0

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(
            self.folder,
            on_line=lambda child, line: self.lines.append((child.name, line)),
            on_change=self._count,
            report=self.reported.append,
        )

    def _count(self) -> None:
        self.changes += 1

    def child(self, name: str, program: str, *, restart: bool = True) -> Child:
        def launch(output: int) -> subprocess.Popen[bytes]:
            return processes.start_child(
                [sys.executable, "-u", "-c", program],
                output=output,
                folder=self.folder,
                environment=dict(os.environ),
            )

        return Child(name=name, launch=launch, restart=restart)

    def until(self, condition: Callable[[], bool], *needs: Child) -> None:
        self.supervisor.wait_until("it", condition, needs=needs, seconds=30)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(tmp_path)
    yield harness
    harness.supervisor.stop(harness.supervisor.children, timeout=0.0)
    harness.supervisor.close()


def pid_of(child: Child) -> int:
    assert child.process is not None
    return child.process.pid


def test_a_child_that_dies_is_started_again_and_said_in_one_line(harness: Harness) -> None:
    child = harness.supervisor.start(harness.child("worker", SLEEPER))
    first = pid_of(child)
    os.kill(first, signal.SIGKILL)

    harness.until(lambda: child.process is not None and child.process.pid != first)

    assert harness.reported == ["worker was killed by SIGKILL; restarting in 0.5 s"]
    assert harness.changes == 3


PARENT = """
import subprocess, sys, time
one = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
print("here", one.pid)
one.wait()
print("ended", one.returncode)
time.sleep(120)
"""
linux = pytest.mark.skipif(not processes.LINUX, reason="only Linux tells which processes are suspended")


@linux
def test_a_child_that_stays_suspended_is_killed_and_started_again(harness: Harness, monkeypatch) -> None:
    monkeypatch.setattr(supervisor, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(supervisor, "FROZEN_AFTER", 1.0)
    child = harness.supervisor.start(harness.child("beat", SLEEPER))
    harness.until(lambda: ("beat", "here") in harness.lines, child)
    first = pid_of(child)
    os.kill(first, signal.SIGSTOP)
    suspended_at = time.monotonic()
    harness.until(lambda: child.process is not None and child.process.pid != first)
    assert time.monotonic() - suspended_at >= 1.0
    assert harness.reported == [
        f"beat has been suspended for 1 s: process {first} is killed",
        "beat was killed by SIGKILL; restarting in 0.5 s",
    ]


@linux
def test_a_child_that_goes_on_in_time_is_left_alone(harness: Harness, monkeypatch) -> None:
    monkeypatch.setattr(supervisor, "LOOK_EVERY", 0.1)
    child = harness.supervisor.start(harness.child("beat", ECHO))
    harness.until(lambda: bool(harness.lines), child)
    first = pid_of(child)
    for _ in range(3):
        os.kill(first, signal.SIGSTOP)
        harness.until(lambda: first in harness.supervisor._suspended_since, child)
        os.kill(first, signal.SIGCONT)
        harness.until(lambda: first not in harness.supervisor._suspended_since, child)
    assert (pid_of(child), harness.reported) == (first, [])


@linux
def test_one_suspended_process_of_a_pool_is_killed_alone(harness: Harness, monkeypatch) -> None:
    monkeypatch.setattr(supervisor, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(supervisor, "FROZEN_AFTER", 1.0)
    child = harness.supervisor.start(harness.child("worker", PARENT))
    harness.until(lambda: bool(harness.lines), child)
    one = int(harness.lines[0][1].split()[1])
    os.kill(one, signal.SIGSTOP)
    harness.until(lambda: ("worker", f"ended {-signal.SIGKILL}") in harness.lines, child)
    assert harness.reported == [f"worker has been suspended for 1 s: process {one} is killed"]


def test_the_pause_grows_with_every_death(harness: Harness) -> None:
    child = harness.supervisor.start(harness.child("worker", "raise SystemExit(7)"))

    with pytest.raises(GaveUp, match=r"worker does not start"):
        harness.until(lambda: False, child)

    assert harness.reported == [
        f"worker ended with exit code 7; restarting in {pause} s" for pause in ("0.5", "1", "2")
    ]


def test_what_a_child_that_never_starts_said_last_is_shown(harness: Harness) -> None:
    child = harness.supervisor.start(harness.child("worker", "print('no luck'); raise SystemExit(1)"))

    with pytest.raises(GaveUp, match="no luck"):
        harness.until(lambda: False, child)


def test_a_single_run_gives_its_exit_code_and_is_not_repeated(harness: Harness) -> None:
    child = harness.child("prepare", "print('done'); raise SystemExit(3)", restart=False)

    assert harness.supervisor.run_to_end(child, seconds=30) == 3

    assert harness.lines == [("prepare", "done")]
    assert harness.reported == []
    assert (harness.folder / "prepare.log").read_text() == "done\n"


def test_who_does_not_listen_is_killed_after_the_patience(harness: Harness) -> None:
    child = harness.supervisor.start(harness.child("worker", STUBBORN))
    harness.until(lambda: harness.lines != [])
    pid = pid_of(child)
    before = time.monotonic()

    harness.supervisor.stop([child], timeout=0.5)

    assert time.monotonic() - before >= 0.5
    assert processes.command_line(pid) is None


def test_what_a_dead_child_leaves_in_its_group_is_gone_in_the_end(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LEFTOVER_TIMEOUT", 0.2)
    parent = f"import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}])\n"
    child = harness.supervisor.start(harness.child("worker", parent + "print(p.pid); time.sleep(120)"))
    harness.until(lambda: any(line.isdigit() for _, line in harness.lines))
    grandchild = next(int(line) for _, line in harness.lines if line.isdigit())

    harness.supervisor.stop([child], timeout=5.0)

    assert processes.wait_for(lambda: processes.command_line(grandchild) is None, seconds=10)


def test_a_stop_is_heard_at_once_and_a_second_one_ends_the_patience(harness: Harness) -> None:
    before = {number: signal.getsignal(number) for number in (*supervisor.STOP_SIGNALS, signal.SIGCHLD)}
    try:
        harness.supervisor.listen()
        child = harness.supervisor.start(harness.child("worker", STUBBORN))
        harness.until(lambda: harness.lines != [])

        signal.raise_signal(signal.SIGINT)
        with pytest.raises(StopRequested):
            harness.supervisor.watch()

        ask_again = f"import os, signal; os.kill({os.getpid()}, signal.SIGINT)"
        helper = subprocess.Popen([sys.executable, "-c", ask_again])
        started = time.monotonic()
        harness.supervisor.stop([child], timeout=60.0)
        helper.wait()

        assert time.monotonic() - started < 30
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_log_starts_anew_at_its_limit(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOG_LIMIT", 100)
    program = "for n in range(40): print('line', n)"

    harness.supervisor.run_to_end(harness.child("talker", program, restart=False), seconds=30)

    kept = (harness.folder / "talker.log.1").read_text() + (harness.folder / "talker.log").read_text()
    assert kept.endswith("line 39\n")
    assert len(kept) < 300


def test_a_full_disk_costs_log_lines_and_nothing_else(harness: Harness) -> None:
    log = harness.folder / "talker.log"
    log.symlink_to("/dev/full")
    child = harness.supervisor.start(harness.child("talker", ECHO))
    harness.until(lambda: len(harness.lines) > 2)

    assert child.alive
    assert harness.reported == [
        "log files cannot be written (No space left on device); all processes go on without them"
    ]
    log.unlink()
    harness.until(lambda: len(harness.reported) == 2)
    assert re.fullmatch(r"log files are written again; \d+ lines were lost", harness.reported[1])
    assert log.read_text().startswith("tick")


def test_the_list_of_processes_is_written_once_there_is_room(harness: Harness) -> None:
    full = [True]

    def write() -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        harness.supervisor._stop_requests = 1

    harness.supervisor._on_change = write
    child = harness.supervisor.start(harness.child("sleeper", SLEEPER))

    assert child.alive
    assert harness.reported == [
        "the list of processes cannot be written (No space left on device); trying again"
    ]
    full[0] = False
    with pytest.raises(StopRequested):
        harness.supervisor.watch()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_small_disk_that_is_filled_and_emptied(harness: Harness) -> None:
    """The same with a real file system: the file that exists cannot grow, and a new one cannot be made."""
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", harness.folder], check=False
    ).returncode:
        pytest.skip("needs root")
    try:
        ballast = harness.folder / "ballast"
        child = harness.supervisor.start(harness.child("talker", ECHO))
        harness.until(lambda: len(harness.lines) > 2)
        with contextlib.suppress(OSError):
            ballast.write_bytes(b"x" * 64_000)
        harness.until(lambda: any("cannot be written (No space left" in text for text in harness.reported))
        with pytest.raises(OSError, match="No space left"):
            write_private(harness.folder / "up.json", "{}" * 5_000)
        ballast.unlink()
        harness.until(lambda: any("are written again" in text for text in harness.reported))
        write_private(harness.folder / "up.json", "{}")

        assert child.alive
        harness.supervisor.stop([child], timeout=5.0)
        harness.supervisor.close()
    finally:
        subprocess.run(["umount", harness.folder], check=True)


def test_a_line_without_end_is_cut_and_not_collected_for_ever(harness: Harness) -> None:
    program = "import sys; sys.stdout.write('x' * 300_000)"

    harness.supervisor.run_to_end(harness.child("talker", program, restart=False), seconds=30)

    assert sum(len(line) for _, line in harness.lines) == 300_000
    assert max(len(line) for _, line in harness.lines) <= 2 * supervisor.LINE_LIMIT
