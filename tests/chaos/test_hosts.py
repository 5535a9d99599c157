"""Processes on hosts of their own: cut off from a server for a minute, with another one's clock, two scanners."""

import itertools

import pytest

from tests.chaos.hosts import SERVICES, hosts
from tests.chaos.system import EVERYBODY, now, pause
from tests.chaos.test_redis import SLOW
from tests.stack import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]
APART = 60


def test_a_host_is_cut_off_from_each_server_for_a_minute(system, report):
    """Three hosts, each without another server, and a fourth that goes on; a scanner on two of them."""
    with hosts(system, "", "", "", "") as (*apart, whole):
        system.kill("worker", "worker2", "scanner")
        workers = {host.name: host.start(system.stack.worker) for host in (*apart, whole)}
        scanners = [host.start(system.stack.scanner) for host in (apart[0], whole)]
        try:
            system.mail(**SLOW)
            system.plant(900)
            until(lambda: system.sent() >= 60, within=60, what="the drain is under way", every=0.01)
            for host, service in zip(apart, SERVICES, strict=True):
                host.cut_off(service)
            since = now()
            pause(APART)
            # The fourth has gone on, more slowly: the host without mail opens the circuit breaker, which is everybody's.
            assert system.sent() >= 300
            for host, service in zip(apart, SERVICES, strict=True):
                host.connect(service)
            system.settle(within=120)
            report(
                "three hosts cut off for 60 s, from the database, Redis and mail; a fourth goes on",
                system,
                since,
            )
            before = {name: len(worker.events("Reminder sent")) for name, worker in workers.items()}
            rounds = itertools.count()

            def all_at_work() -> bool:
                """Which of them take a few messages is chance."""
                system.plant(200, name=f"afterwards{next(rounds)}")
                system.settle()
                return all(len(w.events("Reminder sent")) > before[name] for name, w in workers.items())

            until(all_at_work, within=90, what="each of them is at work again")
            system.holds()
            assert all(scanner.process.poll() is None for scanner in scanners)
        finally:
            for child in (*workers.values(), *scanners):
                child.kill()


def test_clocks_apart_by_five_minutes(system, report):
    """The scanner's host is ahead, a worker's behind: what is due is decided by the database's clock."""
    with hosts(system, "+5m", "-5m") as (ahead, behind):
        system.kill("worker", "worker2", "scanner")
        children = [ahead.start(system.stack.scanner), behind.start(system.stack.worker)]
        try:
            since = now()
            system.plant(100)
            system.plant(30, name="later", start=1800 + 8)  # due in eight seconds
            until(lambda: system.sent() == 130, within=60, what="all are sent, also what was not due at once")
            system.holds()
            report("a scanner's clock 5 minutes ahead, a worker's 5 minutes behind", system, since)
            found = system.stack.manage("reminders_doctor", check=False).stdout
            assert all(f"clock of host {host.name}" in found for host in (ahead, behind))
        finally:
            for child in children:
                child.kill()
            system.crew(*EVERYBODY)
