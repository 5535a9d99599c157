"""A real Prometheus watches the real system: its figures are those of the database, its alerts fire and resolve."""

import contextlib
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.embedded import free_port
from tests.e2e.test_whole import plant
from tests.stack import ROOT, Stack, running, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

RULES = {
    "REMINDER_POLL_INTERVAL_MS": "2000",
    "REMINDER_LEASE_SECONDS": "6",
    "REMINDER_SEND_TIMEOUT_SECONDS": "2",
}
TOKEN = "a-token-for-the-test"
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
    wanted["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
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
            ],
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


def same_to_the_unit(stack: Stack, watch: Watch) -> None:
    """Prometheus, the database and the Ops summary say the same."""
    rows: dict[str, Callable[[], float]] = {
        'max(reminder_sent_total{status="SCHEDULED"})': lambda: one(
            stack, "SELECT count(*) FROM reminders_reminder WHERE kind = 'REMINDER' AND state = 'SENT'"
        ),
        'max(reminder_failed_total{reason="no_contact"})': lambda: one(
            stack, "SELECT count(*) FROM reminders_reminder WHERE reason = 'no_contact'"
        ),
        'max(reminder_attempts_total{channel="email",outcome="accepted"})': lambda: one(
            stack, "SELECT count(*) FROM reminders_attempt WHERE outcome = 'accepted'"
        ),
        "max(reminder_overdue_marked_total)": lambda: one(
            stack, "SELECT count(*) FROM reminders_reminder WHERE state = 'MARKED'"
        ),
        "max(reminder_overdue)": lambda: one(
            stack,
            "SELECT count(*) FROM assignments_assignment WHERE status = 'SCHEDULED'"
            " AND scheduled_start <= now() - interval '30 minutes'",
        ),
        'max(reminder_ledger{state="SENT"})': lambda: one(
            stack, "SELECT count(*) FROM reminders_reminder WHERE state = 'SENT'"
        ),
        "max(reminder_send_delay_seconds_count)": lambda: one(
            stack, "SELECT count(*) FROM reminders_reminder WHERE state = 'SENT'"
        ),
    }
    for question, said in rows.items():
        until(
            lambda question=question, said=said: watch.value(question) == said(),  # type: ignore[misc]
            within=40,
            every=0.5,
            what=f"{question} is {said()}",
        )


def one(stack: Stack, statement: str) -> int:
    return int(stack.query(statement)[0][0])


def ops_summary(stack: Stack, web: str) -> dict[str, Any]:
    token = stack.manage("create_api_token", "watcher", "--scopes", "read,ops").stdout.strip()
    asked = urllib.request.Request(
        f"{web}/api/admin/reminders/summary", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def test_alerts_fire_and_resolve_and_figures_agree(tmp_path):
    if shutil.which("prometheus") is None:
        pytest.skip("needs prometheus")
    with running(tmp_path, more={**RULES, "METRICS_TOKEN": TOKEN}) as stack:
        _, web = stack.web()
        worker, scanner = stack.worker(), stack.scanner()
        stack.beat()
        with watching(tmp_path, web.removeprefix("http://")) as watch:
            # All is well: what was sent is counted, and nothing fires.
            due(stack, "well", timedelta(minutes=10), 20)
            until(lambda: len(stack.mails()) == 20, within=60, what="the first mails arrive")
            until(
                lambda: watch.value('min(reminder_processes{kind=~"worker|scanner|beat"})') >= 1,
                within=60,
                every=0.5,
                what="all kinds are seen",
            )
            until(lambda: not watch.firing(), within=60, every=0.5, what="nothing fires")

            # The first failure ever, an assignment that nobody starts, and a mail server that refuses.
            next(child for child in stack.children if child.name == "sink").kill()
            due(stack, "held", timedelta(minutes=9), 3)
            (late,) = due(stack, "late", timedelta(minutes=-45))
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
            watch.fires("ReminderOverdue")
            watch.fires("ReminderChannelHeld")

            # The worker is killed and the scanner is gone; meanwhile somebody starts what was overdue.
            worker.kill()
            scanner.kill()
            stack.manage(
                "shell", "-v", "0", "-c", f"from assignments import services; services.start({late})"
            )
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
            until(lambda: not watch.firing(), within=90, every=0.5, what=f"all resolve: {watch.firing()}")
            same_to_the_unit(stack, watch)
            figures = ops_summary(stack, web)
            assert figures["overdue"] == watch.value("max(reminder_overdue)") == 0
            assert figures["unaccounted"] == watch.value("max(reminder_unaccounted)") == 0
            assert figures["due_unsent"] == watch.value("max(reminder_due_unsent)") == 0
