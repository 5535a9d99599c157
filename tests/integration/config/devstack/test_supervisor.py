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
class Desk:
    """A supervisor and what it said."""

    folder: Path
    lines: list[tuple[str, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    changes: int = 0

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(
            self.folder,
            on_line=lambda child, line: self.lines.append((child.name, line)),
            on_change=self._count,
            report=self.said.append,
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
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.supervisor.stop(desk.supervisor.children, timeout=0.0)
    desk.supervisor.close()


def pid_of(child: Child) -> int:
    assert child.process is not None
    return child.process.pid


def test_a_child_that_dies_is_started_again_and_said_in_one_line(desk: Desk) -> None:
    child = desk.supervisor.start(desk.child("worker", SLEEPER))
    first = pid_of(child)
    os.kill(first, signal.SIGKILL)

    desk.until(lambda: child.process is not None and child.process.pid != first)

    assert desk.said == ["worker was killed by SIGKILL; restarting in 0.5 s"]
    assert desk.changes == 3


def test_the_pause_grows_with_every_death(desk: Desk) -> None:
    child = desk.supervisor.start(desk.child("worker", "raise SystemExit(7)"))

    with pytest.raises(GaveUp, match=r"worker does not start"):
        desk.until(lambda: False, child)

    assert desk.said == [
        f"worker ended with exit code 7; restarting in {pause} s" for pause in ("0.5", "1", "2")
    ]


def test_what_a_child_that_never_starts_said_last_is_shown(desk: Desk) -> None:
    child = desk.supervisor.start(desk.child("worker", "print('no luck'); raise SystemExit(1)"))

    with pytest.raises(GaveUp, match="no luck"):
        desk.until(lambda: False, child)


def test_a_single_run_gives_its_exit_code_and_is_not_repeated(desk: Desk) -> None:
    child = desk.child("prepare", "print('done'); raise SystemExit(3)", restart=False)

    assert desk.supervisor.run_to_end(child, seconds=30) == 3

    assert desk.lines == [("prepare", "done")]
    assert desk.said == []
    assert (desk.folder / "prepare.log").read_text() == "done\n"


def test_who_does_not_listen_is_killed_after_the_patience(desk: Desk) -> None:
    child = desk.supervisor.start(desk.child("worker", STUBBORN))
    desk.until(lambda: desk.lines != [])
    pid = pid_of(child)
    before = time.monotonic()

    desk.supervisor.stop([child], timeout=0.5)

    assert time.monotonic() - before >= 0.5
    assert processes.command_line(pid) is None


def test_what_a_dead_child_leaves_in_its_group_is_gone_in_the_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LEFTOVER_TIMEOUT", 0.2)
    parent = f"import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}])\n"
    child = desk.supervisor.start(desk.child("worker", parent + "print(p.pid); time.sleep(120)"))
    desk.until(lambda: any(line.isdigit() for _, line in desk.lines))
    grandchild = next(int(line) for _, line in desk.lines if line.isdigit())

    desk.supervisor.stop([child], timeout=5.0)

    assert processes.wait_for(lambda: processes.command_line(grandchild) is None, seconds=10)


def test_a_stop_is_heard_at_once_and_a_second_one_ends_the_patience(desk: Desk) -> None:
    before = {number: signal.getsignal(number) for number in (*supervisor.STOP_SIGNALS, signal.SIGCHLD)}
    try:
        desk.supervisor.listen()
        child = desk.supervisor.start(desk.child("worker", STUBBORN))
        desk.until(lambda: desk.lines != [])

        signal.raise_signal(signal.SIGINT)
        with pytest.raises(StopRequested):
            desk.supervisor.watch()

        ask_again = f"import os, signal; os.kill({os.getpid()}, signal.SIGINT)"
        helper = subprocess.Popen([sys.executable, "-c", ask_again])
        started = time.monotonic()
        desk.supervisor.stop([child], timeout=60.0)
        helper.wait()

        assert time.monotonic() - started < 30
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_log_starts_anew_at_its_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOG_LIMIT", 100)
    program = "for n in range(40): print('line', n)"

    desk.supervisor.run_to_end(desk.child("talker", program, restart=False), seconds=30)

    kept = (desk.folder / "talker.log.1").read_text() + (desk.folder / "talker.log").read_text()
    assert kept.endswith("line 39\n")
    assert len(kept) < 300


def test_a_full_disk_costs_log_lines_and_nothing_else(desk: Desk) -> None:
    log = desk.folder / "talker.log"
    log.symlink_to("/dev/full")
    child = desk.supervisor.start(desk.child("talker", ECHO))
    desk.until(lambda: len(desk.lines) > 2)

    assert child.alive
    assert desk.said == [
        "log files cannot be written (No space left on device); all processes go on without them"
    ]
    log.unlink()
    desk.until(lambda: len(desk.said) == 2)
    assert re.fullmatch(r"log files are written again; \d+ lines were lost", desk.said[1])
    assert log.read_text().startswith("tick")


def test_the_list_of_processes_is_written_once_there_is_room(desk: Desk) -> None:
    full = [True]

    def write() -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        desk.supervisor._stop_requests = 1

    desk.supervisor._on_change = write
    child = desk.supervisor.start(desk.child("sleeper", SLEEPER))

    assert child.alive
    assert desk.said == ["the list of processes cannot be written (No space left on device); trying again"]
    full[0] = False
    with pytest.raises(StopRequested):
        desk.supervisor.watch()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_small_disk_that_is_filled_and_emptied(desk: Desk) -> None:
    """The same with a real file system: the file that exists cannot grow, and a new one cannot be made."""
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", desk.folder], check=False
    ).returncode:
        pytest.skip("needs root")
    try:
        ballast = desk.folder / "ballast"
        child = desk.supervisor.start(desk.child("talker", ECHO))
        desk.until(lambda: len(desk.lines) > 2)
        with contextlib.suppress(OSError):
            ballast.write_bytes(b"x" * 64_000)
        desk.until(lambda: any("cannot be written (No space left" in text for text in desk.said))
        with pytest.raises(OSError, match="No space left"):
            write_private(desk.folder / "up.json", "{}" * 5_000)
        ballast.unlink()
        desk.until(lambda: any("are written again" in text for text in desk.said))
        write_private(desk.folder / "up.json", "{}")

        assert child.alive
        desk.supervisor.stop([child], timeout=5.0)
        desk.supervisor.close()
    finally:
        subprocess.run(["umount", desk.folder], check=True)


def test_a_line_without_end_is_cut_and_not_collected_for_ever(desk: Desk) -> None:
    program = "import sys; sys.stdout.write('x' * 300_000)"

    desk.supervisor.run_to_end(desk.child("talker", program, restart=False), seconds=30)

    assert sum(len(line) for _, line in desk.lines) == 300_000
    assert max(len(line) for _, line in desk.lines) <= 2 * supervisor.LINE_LIMIT
