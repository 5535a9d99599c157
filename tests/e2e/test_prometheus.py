"""A real Prometheus watches the real system: its figures are those of the database, its alerts fire and resolve."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.devstack.processes import free_port
from tests.e2e.agreement import Desk, counted
from tests.e2e.test_whole import plant
from tests.stack import ROOT, Stack, running, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

ENVIRONMENT = {
    "REMINDER_POLL_INTERVAL_MS": "2000",
    "REMINDER_LEASE_SECONDS": "6",
    "REMINDER_SEND_TIMEOUT_SECONDS": "2",
}
TOKEN = "a-token-for-the-test"
RUNBOOK = "https://wiki.example.test/runbook.md"
MARKED = "SELECT count(*) FROM reminders_reminder WHERE state = 'MARKED'"
MONITORING = ROOT / "docs" / "monitoring"


class Watch:
    """What Prometheus says over its API."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, path: str, **asked: str) -> Any:
        words = urllib.parse.urlencode(asked)
        with urllib.request.urlopen(f"{self.address}{path}?{words}", timeout=10) as answer:
            return json.load(answer)["data"]

    def firing(self) -> set[str]:
        """The alerts that fire, with the label that tells one from its like."""
        return {
            " ".join(
                [alert["labels"]["alertname"], *filter(None, map(alert["labels"].get, ("kind", "reason")))]
            )
            for alert in self.get("/api/v1/alerts")["alerts"]
            if alert["state"] == "firing"
        }

    def runbooks(self) -> set[str]:
        """Where the alerts that are known now send whoever is called."""
        return {alert["annotations"]["runbook_url"] for alert in self.get("/api/v1/alerts")["alerts"]}

    def value(self, question: str) -> float:
        """One number; NaN where there is none."""
        found = self.get("/api/v1/query", query=question)["result"]
        return float(found[0]["value"][1]) if found else float("nan")

    def fires(self, name: str, *, within: float = 90) -> None:
        until(lambda: name in self.firing(), within=within, every=0.5, what=f"{name} fires")

    def resolves(self, name: str, *, within: float = 90) -> None:
        until(lambda: name not in self.firing(), within=within, every=0.5, what=f"{name} resolves")


def hurried(folder: Path, target: str) -> Path:
    """The shipped configuration and rules with minutes turned into seconds, for one web process."""
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        rule["expr"] = re.sub(r"\[(\d+)[mh]\]", "[15s]", rule["expr"])
        if "for" in rule:
            rule["for"] = "1s"
    # Two minutes of age are too long for a test; all other conditions stay as they are shipped.
    text = yaml.safe_dump(rules).replace(
        "reminder_oldest_due_age_seconds) > 120", "reminder_oldest_due_age_seconds) > 5"
    )
    (folder / "alerts.yml").write_text(text)
    wanted = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    wanted["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    wanted["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    wanted["scrape_configs"][0]["authorization"] = {"credentials": TOKEN}
    del wanted["alerting"]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(wanted))
    return path


@contextlib.contextmanager
def watching(folder: Path, target: str) -> Iterator[Watch]:
    program = shutil.which("prometheus")
    assert program is not None
    address = f"127.0.0.1:{free_port()}"
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={hurried(folder, target)}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address={address}",
                "--enable-feature=expand-external-labels",  # Prometheus 3 does so unasked
            ],
            env={**os.environ, "RUNBOOK_URL": RUNBOOK},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        watch = Watch(f"http://{address}")

        def ready() -> bool:
            with contextlib.suppress(OSError, urllib.error.HTTPError):
                return bool(watch.value("reminder_worker_enabled") == 1)
            return False

        until(ready, within=60, every=0.2, what="Prometheus has scraped web")
        yield watch
    finally:
        process.terminate()
        process.wait(timeout=30)


def due(stack: Stack, title: str, start: timedelta, number: int = 1) -> list[int]:
    people = [{"email": f"{title}{n}@example.test", "zone": "UTC"} for n in range(number)]
    at = (datetime.now(UTC) + start).isoformat()
    return plant(
        stack,
        people,
        [{"title": f"{title}-{n}", "start": at, "who": n, "then": "", "to": None} for n in range(number)],
    )


def same_to_the_unit(stack: Stack, watch: Watch, web: str) -> dict[str, int]:
    """Prometheus, the Ops summary, the Ops page and the rows themselves say the same; returns what they say.

    Figures are up to 15 seconds old: all are asked until all agree, while nothing changes.
    """
    desk = Desk(stack, web)
    different = [""]

    def agree() -> bool:
        said = {"rows": counted(stack), "summary": desk.summary(), "page": desk.page()}
        different[:] = [
            f"{series}: Prometheus {seen:g}, {who} {number}"
            for who, numbers in said.items()
            for series, number in numbers.items()
            if (seen := watch.value(f"max({series})")) != number
        ]
        return not different

    try:
        until(agree, within=60, every=0.5, what="all agree")
    except AssertionError:
        raise AssertionError("\n".join(different)) from None
    return counted(stack)


EVERYBODY_CONFIRMS = """
from assignments.models import Assignment
from tests import acting
for work in Assignment.objects.filter(status="SCHEDULED").exclude(reminder_status="OVERDUE"): acting.confirm(work)
"""
"""Also who has no address: somebody has called them."""


def one(stack: Stack, statement: str) -> int:
    return int(stack.query(statement)[0][0])


def test_alerts_fire_and_resolve_and_figures_agree(tmp_path):
    if shutil.which("prometheus") is None:
        pytest.skip("needs prometheus")
    with running(tmp_path, more={**ENVIRONMENT, "METRICS_TOKEN": TOKEN}) as stack:
        web, worker, scanner = stack.crew()
        with watching(tmp_path, web.removeprefix("http://")) as watch:
            # All checks passed: what was sent is counted, and nothing fires.
            due(stack, "well", timedelta(minutes=10), 20)
            until(lambda: len(stack.mails()) == 20, within=60, what="the first mails arrive")
            until(
                lambda: watch.value('min(reminder_processes{kind=~"worker|scanner|beat"})') >= 1,
                within=60,
                every=0.5,
                what="all kinds are seen",
            )
            until(lambda: not watch.firing(), within=60, every=0.5, what="nothing fires")

            # The first failure ever: somebody without an address. A mail server that works lets it be tried at once;
            # behind one that is down it would wait for the channel, as all the others do.
            plant(
                stack,
                [{"email": "", "zone": "UTC"}],
                [
                    {
                        "title": "unreachable",
                        "start": (datetime.now(UTC) + timedelta(minutes=10)).isoformat(),
                        "who": 0,
                        "then": "",
                        "to": None,
                    }
                ],
            )
            watch.fires("ReminderFailures no_contact")
            watch.fires("ReminderPeopleUntold")

            # An assignment that nobody starts, and a mail server that refuses.
            next(child for child in stack.children if child.name == "sink").kill()
            due(stack, "held", timedelta(minutes=9), 3)
            (late,) = due(stack, "late", timedelta(minutes=-45))
            watch.fires("ReminderOverdue")
            watch.fires("ReminderChannelHeld")
            assert f"{RUNBOOK}#work-is-overdue" in watch.runbooks()

            # The worker is killed and the scanner is gone; meanwhile somebody starts what was overdue.
            worker.kill()
            scanner.kill()
            stack.manage("shell", "-v", "0", "-c", f"from tests import acting; acting.start({late})")
            watch.fires("ReminderNotScanning")
            watch.fires("ReminderLate")
            watch.fires("ReminderProcessMissing worker")
            watch.fires("ReminderProcessMissing scanner")
            watch.resolves("ReminderOverdue")
            watch.resolves("ReminderFailures no_contact")

            # All come back.
            stack.sink()
            stack.worker()
            stack.scanner()
            until(lambda: len(stack.mails()) == 23, within=90, what="what waited arrives")
            # All who were told have not answered yet; then they do.
            watch.fires("ReminderWorkUnanswered")
            stack.manage("shell", "-v", "0", "-c", EVERYBODY_CONFIRMS)
            until(lambda: not watch.firing(), within=90, every=0.5, what=f"all resolve: {watch.firing()}")

            # A pause, so that some are due; more that is overdue and cancelled; then nothing moves any more.
            stack.manage("pause_reminders", "--reason", "figures are compared")
            due(stack, "waits", timedelta(minutes=8), 4)
            due(stack, "forgotten", timedelta(minutes=-50), 2)
            gone = due(stack, "gone", timedelta(minutes=20), 5)
            stack.manage(
                "shell",
                "-v",
                "0",
                "-c",
                f"from assignments import services\nfor number in {gone[:3]}: services.cancel(number)",
            )
            until(lambda: one(stack, MARKED) == 3, within=60, what="what was forgotten is marked")
            said = same_to_the_unit(stack, watch, web)
            assert said['reminder_sent_total{status="SCHEDULED"}'] == 23
            assert said["reminder_due_unsent"] == 6
            assert said["reminder_overdue"] == 2
            assert said['reminder_failed_total{reason="no_contact"}'] == 1
            assert said['reminder_skipped_total{reason="cancelled"}'] == 3
            assert said['reminder_attempts_total{channel="email",outcome="channel_down"}'] >= 1
