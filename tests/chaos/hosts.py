"""Hosts: network namespaces of this machine (ip-netns(8)), each with a name, a cable and, where asked, a clock of its own.

Each host reaches PostgreSQL, Redis and the mail server at an address of its own, and can be cut off from any of the three:
what it sends there is lost, and nobody is told. Needs root, and rights to make namespaces.
"""

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest

from tests.chaos.proxy import Proxy
from tests.chaos.system import System
from tests.stack import Child, Stack

NOWHERE = "02:00:00:00:00:99"
"""A hardware address that nobody has."""
SERVICES = {"database": "DATABASE_URL", "redis": "REDIS_URL", "mail": "EMAIL_URL"}


class Host:
    """A namespace, at 10.213.<number>.2. The servers answer at .11, .12 and .13 of that network."""

    def __init__(self, system: System, number: int, *, clock: str) -> None:
        self.system, self.number, self.clock = system, number, clock
        self.name = f"rem{uuid.uuid4().hex[:6]}"
        self.addresses = {name: f"10.213.{number}.{11 + place}" for place, name in enumerate(SERVICES)}
        self.proxies: list[Proxy] = []
        self.environment: dict[str, str] = {}

    def open(self) -> None:
        ip("netns", "add", self.name)
        outside, inside = f"{self.name}o", f"{self.name}i"
        ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", self.name)
        for address in self.addresses.values():
            ip("address", "add", f"{address}/24", "dev", outside)
        ip("link", "set", outside, "up")
        self.inside = inside
        ip("-n", self.name, "address", "add", f"10.213.{self.number}.2/24", "dev", inside)
        for device in ("lo", inside):
            ip("-n", self.name, "link", "set", device, "up")
        for service, variable in SERVICES.items():
            parts = urlsplit(self.system.stack.environment[variable])
            proxy = Proxy(parts.port or 0, host=self.addresses[service])
            self.proxies.append(proxy)
            place = f"{self.addresses[service]}:{proxy.port}"
            self.environment[variable] = parts._replace(
                netloc=f"{parts.netloc.rpartition('@')[0]}@{place}" if "@" in parts.netloc else place
            ).geturl()
        journal = self.system.stack.folder / f"journal-{self.name}"
        self.environment["REMINDER_JOURNAL_DIR"] = str(journal)

    def close(self) -> None:
        for proxy in self.proxies:
            proxy.stop()
        for words in (("link", "delete", f"{self.name}o"), ("netns", "delete", self.name)):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip(*words)

    def cut_off(self, service: str) -> None:
        """From now on nothing that this host sends to the service arrives."""
        address = self.addresses[service]
        ip(
            "-n",
            self.name,
            "neighbour",
            "replace",
            address,
            "lladdr",
            NOWHERE,
            "dev",
            self.inside,
            "nud",
            "permanent",
        )

    def connect(self, service: str) -> None:
        ip("-n", self.name, "neighbour", "delete", self.addresses[service], "dev", self.inside)

    def start(self, make: Callable[[], Child]) -> Child:
        """Starts a process on this host: `system.stack.worker` and its like."""
        stack = self.system.stack
        usual = dict(stack.environment)
        stack.environment |= self.environment
        original = Stack.start

        def inside(self_: Stack, name: str, words: list[str], **more: str) -> Child:
            return original(self_, f"{name}-{self.name}", [*self._words(), *words], **more)

        try:
            with patch.object(Stack, "start", inside):
                return make()
        finally:
            stack.environment.clear()
            stack.environment.update(usual)

    def _words(self) -> list[str]:
        """Each of these becomes the next one, so the process id stays."""
        name = [
            "ip",
            "netns",
            "exec",
            self.name,
            "unshare",
            "--uts",
            "sh",
            "-c",
            'hostname "$0"; exec "$@"',
            self.name,
        ]
        if not self.clock:
            return name
        off = ["env", "DONT_FAKE_MONOTONIC=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"]
        return [*name, *off, "faketime", "-f", self.clock]


def ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20, text=True)
    return done.stdout


def free_networks(count: int) -> list[int]:
    """Numbers that no host of this run or of another one has."""
    taken = {int(number) for number in re.findall(r"10\.213\.(\d+)\.", ip("-o", "address"))}
    # Not `random`, which begins alike in each of the processes that run tests at the same time.
    return secrets.SystemRandom().sample([number for number in range(1, 255) if number not in taken], count)


@contextlib.contextmanager
def hosts(system: System, *clocks: str) -> Iterator[list[Host]]:
    """One host for each of the clocks: '' or an offset such as '+5m'."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for program in ("ip", "unshare", *(["faketime"] if any(clocks) else [])):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    trial = f"rem{uuid.uuid4().hex[:6]}"
    try:
        ip("netns", "add", trial)
        ip("netns", "delete", trial)
    except subprocess.CalledProcessError:
        pytest.skip("needs rights to make network namespaces")
    with contextlib.ExitStack() as stack:
        found = []
        for number, clock in zip(free_networks(len(clocks)), clocks, strict=True):
            host = Host(system, number, clock=clock)
            stack.callback(host.close)
            host.open()
            found.append(host)
        yield found
