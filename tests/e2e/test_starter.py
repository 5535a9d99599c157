"""A process of a stack is forked from one that has imported the libraries, and is like one that begins by itself."""

import os
import signal
import subprocess
import sys

import pytest

from config.devstack.processes import LINUX
from tests.stack import QUEUE_READY, running, running_now, until
from tests.starter import Started, run_code, start_process

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(not LINUX, reason="forks only on Linux")]


def start(tmp_path, *words):
    with (tmp_path / "output").open("wb") as output:
        started = start_process([sys.executable, "-m", *words], output=output, environment={"LANG": "C"})
    assert isinstance(started, Started)
    return started


def test_it_has_its_command_line_and_ends_with_its_own_code(tmp_path):
    child = start(tmp_path, "json.tool", str(tmp_path / "nothing"))
    assert child.wait(timeout=30) == child.poll() == 2
    assert "nothing" in (tmp_path / "output").read_text()
    child.terminate()  # It is gone, and its number may be another's.


def test_one_that_comes_to_its_end_has_ended_well_and_its_errors_are_apart():
    done = run_code("import sys; print(sys.argv[1]); print('an error', file=sys.stderr)", "a word")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a word\n", "an error\n")
    assert run_code("import sys; sys.exit('a reason')").returncode == 1


def test_its_group_can_be_killed_as_soon_as_it_has_a_number(tmp_path):
    child = start(tmp_path, "http.server", "0")
    assert os.getsid(child.pid) == child.pid
    os.killpg(child.pid, signal.SIGKILL)
    assert child.wait(timeout=30) == -signal.SIGKILL


def test_whoever_waits_for_one_that_runs_is_told_so(tmp_path):
    child = start(tmp_path, "http.server", "0")
    assert child.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(timeout=0.01)
    until(lambda: "Serving" in (tmp_path / "output").read_text(), within=30, what="it serves")
    child.terminate()
    assert child.wait(timeout=30) == -signal.SIGTERM


def fail(tmp_path):
    with running(tmp_path) as stack:
        assert running_now == [stack]
        stack.worker()
        raise ZeroDivisionError


def test_a_test_that_fails_shows_what_the_processes_of_its_system_said(tmp_path):
    with pytest.raises(ZeroDivisionError) as failed:
        fail(tmp_path)
    assert QUEUE_READY in failed.value.__notes__[0]
    assert running_now == []
