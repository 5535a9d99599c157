"""Redis fails over to its replica, as its sentinels decide: nothing is lost, and sending goes on."""

import subprocess
import sys
import time

import pytest

from tests.chaos.sentinels import watched
from tests.chaos.system import EVERYBODY, System, now
from tests.chaos.test_failover import GOES_ON_WITHIN, first_mail_after
from tests.chaos.test_redis import SLOW
from tests.stack import ROOT, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


@pytest.fixture
def servers(tmp_path):
    with watched(tmp_path) as found:
        yield found


def test_the_master_is_killed_under_load(servers, report):
    system = servers.system
    system.stack.environment["REMINDER_LEASE_SECONDS"] = "25"  # the default: no lease is waited for
    system.crew(*EVERYBODY)
    assert health(system) == 0
    system.mail(**SLOW)
    system.plant(800)
    until(lambda: system.sent() >= 60, within=40, what="the drain is under way", every=0.01)
    before = servers.sentinels[0].master_port()
    servers.master.kill()
    until(
        lambda: servers.sentinels[0].master_port() != before,
        within=30,
        every=0.05,
        what="the sentinels have chosen the replica",
    )
    switched, since = time.time(), now()
    system.plant(50, name="afterwards")
    silence = first_mail_after(servers, switched)
    system.holds()
    assert system.sent() == 850
    done = report("Redis: the master is killed, the sentinels promote the replica", system, since)
    assert silence <= GOES_ON_WITHIN
    assert done.most <= 30
    found = system.stack.manage("reminders_doctor", check=False).stdout
    assert "Redis takes writes" in found
    assert health(system) == 0


def health(system: System) -> int:
    """What a container's check of its worker answers."""
    check = [sys.executable, "-P", "config/container_health.py", "worker"]
    return subprocess.run(check, cwd=ROOT, env=system.stack.environment, timeout=30, check=False).returncode
