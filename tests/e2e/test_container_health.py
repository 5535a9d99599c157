"""The containers' own words without containers: each command of the compose file runs, and its health check tells
a process at work from one that is gone.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from config.devstack import processes, servers
from config.devstack.valkey import Valkey
from tests.stack import ROOT, Child, Stack, running, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
DEFAULTS = re.compile(r"\$\{[A-Z_]+:-([^}]*)\}")


@pytest.fixture
def stack(tmp_path) -> Iterator[Stack]:
    """With a Redis of its own: there, as in a container's network, nobody else asks from the same address."""
    valkey = Valkey(tmp_path / "redis")
    with (
        servers.running(valkey, state=tmp_path / "redis"),
        running(tmp_path, mail=False, more={"REDIS_URL": valkey.url, **of_container()}) as whole,
    ):
        yield whole


def of_container() -> dict[str, str]:
    """What a container's environment has beside the addresses of its servers."""
    return {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PORT": str(processes.free_port())}


def without_servers() -> dict[str, str]:
    away = {"REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": "postgres://u:p@127.0.0.1:1/d"}
    return {**os.environ, **of_container(), **away}


def words(service: str, port: str) -> list[str]:
    """A container's command, with the defaults of its variables; only the port is this machine's."""
    text = SERVICES[service].get("command")
    if text is not None:
        return shlex.split(DEFAULTS.sub(lambda found: found[1], text))
    (command,) = re.findall(r"^CMD (\[.+\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    spoken: list[str] = json.loads(command)
    assert spoken.count("0.0.0.0:8000") == 1
    return [word.replace("0.0.0.0:8000", f"127.0.0.1:{port}") for word in spoken]


def begin(stack: Stack, service: str) -> Child:
    """Its program, which is there, as the module of its name: so that it may be a fork (`tests.starter`)."""
    program, *rest = words(service, stack.environment["PORT"])
    assert shutil.which(program, path=stack.environment["PATH"])
    return stack.start(service, [sys.executable, "-m", program, *rest])


def start(stack: Stack, service: str) -> Child:
    child = begin(stack, service)
    # Each look at its health is a process of its own, so there is none before it could be well.
    if service == "web":
        stack.answers(child, f"http://127.0.0.1:{stack.environment['PORT']}")
    else:
        stack.ready(child)
    until(lambda: health(stack.environment, service)[0] == 0, within=60, every=0.3, what=f"{service} is well")
    return child


def health(environment: Mapping[str, str], service: str, *more: str) -> tuple[int, str]:
    """What the container's health check answers: exit code and reason."""
    how, *check = SERVICES[service]["healthcheck"]["test"]
    assert how == "CMD"
    done = subprocess.run(
        [*check, *more],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr.strip()


def test_each_container_is_well_at_work_and_unwell_without(stack):
    migrate = subprocess.run(
        words("migrate", ""), cwd=ROOT, env=stack.environment, capture_output=True, timeout=90, check=False
    )
    assert migrate.returncode == 0, migrate.stderr

    web = start(stack, "web")
    web.kill()
    assert health(stack.environment, "web") == (1, "web: URLError")

    # A worker is found by its address in Redis, so it comes before the others, who share the address here.
    assert health(stack.environment, "worker") == (1, "worker: has no connection to Redis")
    assert health(stack.environment, "scanner", "--alive") == (1, "scanner: has no connection to Redis")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(stack.folder / "notify"))
        systemd.settimeout(60)
        waits = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "900000"}
        stack.environment |= waits
        worker = start(stack, "worker")
        assert [systemd.recv(100) for _ in range(2)] == [b"READY=1", b"WATCHDOG=1"]
        for name in waits:
            del stack.environment[name]
    worker.kill()
    until(
        lambda: health(stack.environment, "worker") == (1, "worker: has no connection to Redis"),
        within=30,
        every=0.3,
        what="the worker's absence is seen",
    )

    # The scanner is at work once somebody asks it; a minute and ten minutes of silence are written, not waited for.
    beat = begin(stack, "beat")
    scanner = start(stack, "scanner")
    assert health(stack.environment, "beat")[0] == 0
    scanner.kill()
    beat.kill()
    stack.query("UPDATE reminders_process SET seen_at = seen_at - interval '1 minute' RETURNING 1")
    assert health(stack.environment, "scanner") == (1, "scanner: has not dispatched for a minute")
    stack.query(
        "UPDATE django_celery_beat_periodictask SET date_changed = now() - interval '11 minutes',"
        " last_run_at = now() - interval '11 minutes' RETURNING 1"
    )
    assert health(stack.environment, "beat") == (1, "beat: has not requested a dispatch for ten minutes")
    stack.query("UPDATE django_celery_beat_periodictask SET enabled = false RETURNING 1")
    assert health(stack.environment, "beat")[0] == 0  # switched off on purpose: no fault of beat's


def test_without_its_servers_a_container_says_what_is_away():
    away = without_servers()
    assert health(away, "worker") == (1, "worker: ConnectionError")
    assert health(away, "scanner") == (1, "scanner: OperationalError")


def test_nobody_is_ended_because_a_server_is_away():
    away = without_servers()
    assert [health(away, name, "--alive")[0] for name in ("worker", "scanner", "beat")] == [0, 0, 0]
    assert health(away, "web", "--alive") == (1, "web: URLError")
    assert health(away, "worker", "--dead")[0] == 2
