"""A module that is started in a fork is like one that `python -m` starts, in a process of its own for each test."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from config.devstack.processes import LINUX, wait_for

pytestmark = pytest.mark.skipif(not LINUX, reason="forks only where the child can be tied to its parent")

ROOT = Path(__file__).parents[4]
STARTER = """
import os, sys, time
from pathlib import Path
from config.devstack import forked
secret = open("/dev/null")
environment, own = {"PATH": "/bin", "NAME": "value", "TIME_ZONE": "Europe/Berlin"}, dict(os.environ)
loaded = forked.import_application(environment) if "config.settings" in sys.argv.pop(1) else {}
assert forked.can_fork()
if loaded:
    from django.db import connections
    assert [one.connection for one in connections.all(initialized_only=True) if one.connection] == []
assert dict(os.environ) == own
out = os.open("out", os.O_WRONLY | os.O_CREAT)
child = forked.start_module(sys.argv[1:], output=out, folder=Path.cwd(), environment=environment | loaded)
Path("pid").write_text(str(child.pid))
while (code := child.poll()) is None:
    time.sleep(0.02)
print(code)
"""
TELLS = """
import atexit, json, os, signal, sys
from pathlib import Path
atexit.register(lambda: print("at exit"))
print(json.dumps({
    "argv": sys.argv[1:], "name": __name__, "environment": dict(os.environ), "stdin": sys.stdin.read(),
    "open": sorted(int(n) for n in os.listdir("/proc/self/fd")), "session": os.getsid(0) == os.getpid(),
    "term": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
    "shown": Path("/proc/self/cmdline").read_text().rstrip(chr(0)).split(chr(0)),
    "loaded": [name for name in ("reminders.delivery.tasks", "config.urls") if name in sys.modules],
    "zone": sys.modules["config.settings"].TIME_ZONE,
    "checked": sys.modules["config.celery"].run_checks.cache_info().currsize,
}))
print("to stderr", file=sys.stderr)
sys.exit(3)
"""
WAITS = "import time\nprint('waits', flush=True)\ntime.sleep(60)\n"
BREAKS = "raise RuntimeError('on purpose')\n"


def start(folder: Path, source: str, *words: str) -> subprocess.Popen[str]:
    """A process that starts a module of this source in a fork, and prints its exit code.

    It has imported the application before if that is what the module looks at.
    """
    (folder / "tells.py").write_text(source)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"}
    command = [sys.executable, "-c", STARTER, source, "tells", *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def test_it_is_as_if_it_had_been_started_by_itself(tmp_path: Path) -> None:
    printed, _ = start(tmp_path, TELLS, "worker", "-Q", "reminders").communicate(timeout=60)
    first, *rest = (tmp_path / "out").read_text().splitlines()
    told = json.loads(first)
    assert printed == "3\n"
    assert rest == ["to stderr", "at exit"]
    assert told["argv"] == ["worker", "-Q", "reminders"]
    assert (told["name"], told["stdin"], told["session"], told["term"]) == ("__main__", "", True, True)
    assert told["environment"] == {
        "PATH": "/bin",
        "NAME": "value",
        "TIME_ZONE": "Europe/Berlin",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "CELERY_SKIP_CHECKS": "1",
        "TZ": "Europe/Berlin",
    }
    assert told["open"] == [0, 1, 2, 3]  # the last one is the folder that it lists
    assert told["shown"] == ["python", "-m", "tells", "worker", "-Q", "reminders"]
    assert (told["loaded"], told["zone"]) == (["reminders.delivery.tasks"], "Europe/Berlin")
    assert told["checked"] == 1  # and so not again, which would take memory of its own


def test_an_exception_is_shown_and_ends_it_with_1(tmp_path: Path) -> None:
    printed, _ = start(tmp_path, BREAKS).communicate(timeout=60)
    assert printed == "1\n"
    assert "RuntimeError: on purpose" in (tmp_path / "out").read_text()


def started(tmp_path: Path) -> int:
    assert wait_for(lambda: "waits" in read(tmp_path / "out") and read(tmp_path / "pid") != "", seconds=60)
    return int(read(tmp_path / "pid"))


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_signal_is_its_exit_code(tmp_path: Path) -> None:
    process = start(tmp_path, WAITS)
    os.kill(started(tmp_path), signal.SIGTERM)
    printed, _ = process.communicate(timeout=60)
    assert printed == f"{-signal.SIGTERM}\n"


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    process = start(tmp_path, WAITS)
    pid = started(tmp_path)
    process.kill()
    process.communicate(timeout=60)
    assert wait_for(lambda: is_gone(pid), seconds=20)


def test_beside_another_thread_it_is_not_done() -> None:
    program = (
        "import threading\nfrom config.devstack import forked\nassert forked.can_fork()\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\nassert not forked.can_fork()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 0
