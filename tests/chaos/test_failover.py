"""PostgreSQL fails over to a synchronous standby: what was acknowledged is still there, and sending goes on."""

import re
import subprocess
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from config.devstack.postgres import Postgres
from config.devstack.processes import minimal_environment
from tests.chaos.cluster import Callers, cluster, crash
from tests.chaos.system import EVERYBODY, Kept, now, pause
from tests.chaos.test_redis import SLOW
from tests.stack import ROOT, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

SENT = "SELECT id FROM reminders_reminder WHERE state = 'SENT'"
GOES_ON_WITHIN = 15.0
"""Seconds from the promotion to the next mail."""


SECTION = (ROOT / "docs" / "install.md").read_text().split("\n## Several hosts\n")[1].split("\n## ")[0]
COMMANDS = "".join(re.findall(r"^```sh\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)).splitlines()
"""What docs/install.md tells its reader to run for a standby and a failover, in this order."""


@pytest.fixture
def servers(tmp_path):
    with cluster(tmp_path) as found:
        yield found


def first_mail_after(servers: Any, instant: float) -> float:
    """Seconds until the sink has accepted the next mail."""

    def later() -> list[float]:
        return [mail["at"] for mail in servers.system.stack.mails() if mail["at"] > instant]

    return min(until(later, within=100, what="mails arrive again")) - instant


def test_the_primary_is_killed_under_load(servers, report):
    """Start and doctor warn until commits wait for the standby; while nobody takes writes web says so."""
    system = servers.system
    system.crew("worker")
    events = system.children["worker"].events
    (warned,) = until(lambda: events("No synchronous standby"), within=20, what="the worker warns")
    assert warned["reason"].startswith("synchronous_standby_names is empty")
    servers.synchronous()
    system.crew(*EVERYBODY)
    assert "commits wait for standby_1" in system.stack.manage("reminders_doctor", check=False).stdout
    token = system.stack.manage("create_api_token", "calls", "--scopes", "write").stdout.strip()
    system.mail(**SLOW)
    with Callers(system.web, token) as callers:
        system.plant(800)
        until(lambda: system.sent() >= 60, within=40, what="the drain is under way", every=0.01)
        acknowledged = set(servers.ask(servers.primary, SENT))
        crash(servers.primary)
        pause(4)
        assert requests.get(f"{system.web}/readyz", timeout=30).status_code == 503
        promoted = servers.promote()
        since = now()
        silence = first_mail_after(servers, promoted)
        made_before = len(callers.made)
        until(lambda: len(callers.made) > made_before, within=30, what="web takes work again")
    evidence = system.holds()
    there = {row["assignment_id"] for row in evidence.rows}
    assert set(callers.made) <= there
    assert acknowledged <= set(servers.ask(servers.standby, SENT))
    assert system.sent() >= 800 + len(callers.made)
    assert silence <= GOES_ON_WITHIN
    report("PostgreSQL: the primary is killed, the synchronous standby promoted after 4 s", system, since)

    # The former primary comes back as it was, and nobody goes to it although it is named first.
    servers.primary.start()
    before = servers.ask(servers.primary, "SELECT count(*) FROM assignments_assignment")
    system.kill("web", "worker", "scanner")
    system.crew(*EVERYBODY)
    system.plant(40, name="afterwards")
    system.holds()
    assert servers.ask(servers.primary, "SELECT count(*) FROM assignments_assignment") == before
    assert servers.ask(servers.standby, "SELECT count(*) FROM assignments_assignment") > before


def test_a_primary_that_is_cut_off_and_comes_back_takes_nothing(servers, report):
    """It goes on running, so its sessions do not end, and its machine confirms each packet: only the deadline of a
    transaction tells (60 s)."""
    system = servers.system
    servers.synchronous()
    system.crew(*EVERYBODY)
    system.mail(**SLOW)
    system.plant(400)
    until(lambda: system.sent() >= 40, within=40, what="the drain is under way", every=0.01)
    to_primary, _ = servers.proxies
    to_primary.black_hole()
    pause(4)
    promoted = servers.promote()
    since = now()
    silence = first_mail_after(servers, promoted)
    to_primary.half_open()  # what was open before is dead, and the server can be reached again
    to_primary.heal()
    evidence = system.holds()
    assert len(evidence.accepted) == 400
    assert system.sent() == 400
    report("PostgreSQL: the primary is cut off, the standby promoted, the primary back", system, since)
    assert silence <= 75
    assert servers.ask(servers.primary, "SELECT pg_is_in_recovery()") == [(False,)]


def test_a_standby_and_a_failover_as_docs_install_says(tmp_path):
    """The commands of the page, with real servers; a server is started as this project's tests do."""
    tmp_path.chmod(0o711)
    for name in ("first", "second"):
        (tmp_path / name).mkdir(mode=0o711)
    primary = Kept(Postgres(tmp_path / "first", durable=True), tmp_path / "first.log")
    other = Postgres(tmp_path / "second", durable=True)
    other.saved["password"] = primary.server.saved["password"]
    other._choose_home()
    data = {"PRIMARY_DATA": primary.server.home / "data", "STANDBY_DATA": other.home / "data"}
    place = urlsplit(primary.server.url)
    variables = {
        "PRIMARY_URL": primary.server.url,
        "REPLICATION_URL": f"postgres://replicator:CHANGE_ME@127.0.0.1:{place.port}/postgres"
        "?application_name=standby_1",
        **{name: str(path) for name, path in data.items()},
    }

    def run(command: str) -> str:
        server, account = primary.server, primary.server.account
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=server.home,
            env={**minimal_environment(), "PATH": f"{server.programs}:/usr/bin:/bin", **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    role, copy, waits, shows, promotes, rewinds = COMMANDS
    try:
        run(role)
        run(copy)
        standby = Kept(other, tmp_path / "second.log")
        variables["STANDBY_URL"] = standby.server.url
        run(waits)
        until(lambda: "quorum" in run(shows), within=20, what="commits wait for the standby", every=0.5)
        run('psql "$PRIMARY_URL" -c "CREATE TABLE kept AS SELECT 42 AS n"')
        crash(primary)
        run(promotes)
        assert "42" in run('psql "$STANDBY_URL" -c "SELECT n FROM kept"')
        run('psql "$STANDBY_URL" -c "INSERT INTO kept VALUES (43)"')
        run(rewinds)
        primary.start()
        follows = (
            'psql "$PRIMARY_URL" --no-align --tuples-only -c "SELECT pg_is_in_recovery(), max(n) FROM kept"'
        )
        until(lambda: "t|43" in run(follows), within=30, what="the former primary follows", every=0.5)
    finally:
        for server in (primary, *([standby] if "STANDBY_URL" in variables else [])):
            server.stop()
            server.server.delete_data()
