"""The whole system with a PostgreSQL and a Redis of its own, proxies before them and before the mail sink.

Started once for all faults and used again: `fresh` empties it, `crew` starts whoever is missing.
"""

import contextlib
import json
import os
import re
import signal
import smtplib
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import psycopg
import redis
from psycopg.rows import dict_row

from config.devstack.postgres import Postgres
from config.devstack.processes import end, wait_for
from config.devstack.servers import Server
from config.devstack.valkey import Valkey
from reminders.content.message_templates.active import REFRESH_SECONDS
from tests.chaos import checker, texts, ways
from tests.chaos.checker import Evidence
from tests.chaos.proxy import Proxy
from tests.fakes.http_sink import OK, HttpSink
from tests.stack import CELERY, Child, Stack, running, until

LEASE, SEND, TICK, POLL = 6.0, 2.0, 0.5, 3.0
ENVIRONMENT = {
    "REMINDER_LEASE_SECONDS": "6",
    "REMINDER_SEND_TIMEOUT_SECONDS": "2",
    "REMINDER_DISPATCH_INTERVAL_MS": "500",
    "REMINDER_POLL_INTERVAL_MS": "3000",
    "REMINDER_DIGEST_SECONDS": "5",
    "REMINDER_CORRECTION_GRACE_SECONDS": "2",
    # Of one person who is given work again and again, the last reminder would wait for an hour.
    "REMINDER_RATE_PER_HOUR": "0",
    "WEBHOOK_ALLOW_PRIVATE": "true",
    # Whatever of this shows up anywhere is a leak.
    "SECRET_KEY": "canary-of-the-secret-key-canary-of-the-secret-key-canary-of-the-secret-key",
    "METRICS_TOKEN": "canary-of-the-metrics-token",
}
CANARY = "canary-of-"
QUIET = 125.0
"""Seconds within which everything that is due has ended, once the faults are over; for a minute of them a reminder may wait
for the rate of its person."""

EVERYBODY = ("web", "scanner", "beat", "worker", "worker2")
TABLES = (
    "reminders_attempt, reminders_reminder, assignments_assignment, assignments_assignee, reminders_counter,"
    " reminders_channelhold, reminders_channelpace, reminders_digestwindow, reminders_pause, reminders_scanrun,"
    " reminders_subscription, reminders_reminderrule, reminders_rulechange, assignments_team"
)
PLANT = """
import json, sys
from datetime import timedelta
from django.utils import timezone
from assignments import people, services
from assignments.services import NewAssignment
order = json.load(sys.stdin)
start = timezone.now() + timedelta(seconds=order["start"])
made = services.create_many([
    NewAssignment(
        title=f"{order['name']} {n}", scheduled_start=start,
        assignee_id=people.add_assignee(name=f"P{n}", email=f"{order['name']}-{n}@example.test").pk)
    for n in range(order["n"])])
print(json.dumps([a.pk for a in made]))
"""
SUBSCRIBE = """
import json, sys
from reminders.operations import subscriptions
order = json.load(sys.stdin)
made, secret = subscriptions.subscribe(name=order["name"], url=order["url"], events=order["events"], by="chaos")
print(json.dumps(secret))
"""
DUE = """
    SELECT count(*) FROM reminders_reminder
    WHERE closed_at IS NULL AND due_at <= statement_timestamp()
                                         + CASE kind WHEN 'CORRECTION' THEN interval '1 minute' ELSE '0' END
"""
"""What has to end before all is quiet: a correction too that still waits for its change to be taken back."""

END_OPEN = """
    UPDATE reminders_reminder
    SET state = 'SKIPPED', reason = 'operator', lease_until = NULL, closed_at = statement_timestamp()
    WHERE closed_at IS NULL AND state IN ('PLANNED', 'QUEUED')
"""
IN_FLIGHT = "SELECT count(*) FROM reminders_reminder WHERE state = 'SENDING'"


class Kept:
    """A server that can be killed, stopped, and started again on the same data and port."""

    def __init__(self, server: Server, log: Path) -> None:
        self.server, self.log = server, log
        self.start()

    def start(self) -> None:
        self.server.prepare()
        with self.log.open("ab") as output:
            self.process = self.server.launch(output)
        assert wait_for(self.server.is_ready, seconds=60), f"{self.server.name} does not answer"

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(how)
        self.process.wait(timeout=30)

    def stop(self) -> None:
        end(self.process, order=self.server.stop_signal)


class System:
    """What a fault is done to, and what is asked afterwards."""

    def __init__(self, stack: Stack, postgres: Kept, valkey: Kept) -> None:
        self.stack, self.postgres, self.valkey = stack, postgres, valkey
        self.direct = stack.database_url
        self.to_database = self._before("DATABASE_URL", stack.database_url)
        self.to_redis = self._before("REDIS_URL", stack.redis_url)
        self.to_mail = self._before("EMAIL_URL", stack.environment["EMAIL_URL"])
        self.children: dict[str, Child] = {}
        self.counted: dict[tuple[str, str], float] = {}
        self.web = ""
        self.hooks = HttpSink()
        self.secrets = [CANARY, urlsplit(stack.database_url).password or CANARY]

    def _before(self, name: str, address: str) -> Proxy:
        """Puts a proxy before an address, for every process that is started from now on."""
        parts = urlsplit(address)
        assert parts.port is not None
        proxy = Proxy(parts.port)
        self.stack.environment[name] = address.replace(f":{parts.port}", f":{proxy.port}")
        return proxy

    # --- processes -------------------------------------------------------------------------------------

    def crew(self, *names: str) -> None:
        """Starts whoever of these is not alive, all at the same time."""
        begun = [
            name
            for name in names
            if name not in self.children or self.children[name].process.poll() is not None
        ]
        for name in begun:
            self.children[name] = self.start(name, wait=False)
        for name in begun:
            if name == "web":
                self.stack.answers(self.children[name], self.web)
            elif name.rstrip("0123456789") != "beat":
                self.stack.ready(self.children[name])

    def start(self, name: str, *, wait: bool = True, **doom: str) -> Child:
        """A process, doomed if DOOM and its like are given; such a one may die before it is ready."""
        kind = name.rstrip("0123456789")
        if kind == "web":
            child, self.web = self.stack.web(wait=wait)
            return child
        usual = dict(self.stack.environment)
        self.stack.environment |= doom
        try:
            app = [sys.executable, "-m", "celery", "-A", "tests.chaos.doomed"] if doom else CELERY
            with patch("tests.stack.CELERY", app):
                if kind == "beat":
                    return self.stack.beat()
                make = {"worker": self.stack.worker, "scanner": self.stack.scanner}[kind]
                return make(wait=wait and not doom)
        finally:
            self.stack.environment.clear()
            self.stack.environment.update(usual)

    def supervise(self) -> None:
        """Starts again whoever has ended by itself, as `up` and the containers do."""
        self.crew(*(name for name, child in self.children.items() if child.process.poll() is not None))

    def kill(self, *names: str) -> None:
        for name in names:
            self.children.pop(name).kill()

    # --- work ------------------------------------------------------------------------------------------

    def plant(self, n: int, *, name: str = "job", start: float = 600) -> list[int]:
        """Makes `n` assignments that start in so many seconds; their reminders are due if that is within 30 min."""
        done = self.run(PLANT, {"n": n, "name": name, "start": start})
        ids: list[int] = json.loads(done)
        return ids

    def subscribe(self, *events: str, name: str = "planning") -> None:
        """A program behind `hooks` hears of these from now on."""
        order = {"name": name, "url": self.hooks.url, "events": events}
        self.secrets.append(json.loads(self.run(SUBSCRIBE, order)))

    def run(self, body: str, order: Any = None) -> str:
        """Runs Python of the project beside the faults, on the database itself."""
        return self.stack.python(body, order, DATABASE_URL=self.direct)

    def mail(self, **fault: Any) -> None:
        """Plans a fault of the sink (see `tests.fakes.smtp_faults.Fault`); without one the sink is well again."""
        self._ask_sink("XFAULT", json.dumps(fault)) if fault else self._ask_sink("XCLEAR")

    def mail_rule(self, **rule: Any) -> None:
        """Holds the sink's clients to a rule (see `tests.fakes.smtp_rules`) until it is well again."""
        self._ask_sink("XRULE", json.dumps(rule))

    def _ask_sink(self, *command: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.stack.mail_port, timeout=10) as client:
            code, text = client.docmd(*command)
            assert code == 250, text

    @property
    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.stack.redis_url)

    def query(self, statement: str, params: Any = None) -> list[tuple[Any, ...]]:
        return self.stack.query(statement, params)

    def one(self, statement: str) -> Any:
        return self.query(statement)[0][0]

    def sent(self) -> int:
        return int(self.one("SELECT count(*) FROM reminders_reminder WHERE state = 'SENT'"))

    def gauges(self) -> dict[str, float]:
        """How many rows are in each state, as a scrape says."""
        text = self.metrics()
        return {
            state: float(value)
            for state, value in re.findall(r'reminder_ledger\{state="(\w+)"\} (\S+)', text)
        }

    def metrics(self) -> str:
        token = self.stack.environment["METRICS_TOKEN"]
        asked = urllib.request.Request(
            self.web + "/api/metrics", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    def leaks(self) -> list[str]:
        """Where a secret of the settings, or of a subscription, is written that it must not be."""
        places = {str(log.name): log.read_text(errors="replace") for log in self.stack.folder.glob("*.log")}
        places["metrics"] = self.metrics()
        for table in ("attempt", "reminder", "audit", "scanrun", "channelhold", "process", "figures"):
            rows = self.query(f"SELECT t::text FROM reminders_{table} t")
            places[f"table {table}"] = "\n".join(row[0] for row in rows)
        return [
            f"{place} has {secret[:6]}..."
            for place, text in places.items()
            for secret in self.secrets
            if secret in text
        ]

    # --- after a fault ---------------------------------------------------------------------------------

    def heal(self) -> None:
        """All faults are over."""
        for proxy in (self.to_database, self.to_redis, self.to_mail):
            proxy.heal()
        self.mail()
        self.hooks.stop_at, self.hooks.answers = "", [OK]

    def settle(self, *, within: float = QUIET) -> None:
        """Waits until everything that is due has ended; notes meanwhile how far the counters have come."""

        def ended() -> bool:
            self.supervise()
            for name, labels, value in self.query(checker.COUNTERS):
                self.counted[name, labels] = max(self.counted.get((name, labels), 0.0), float(value))
            return bool(self.one(DUE) == 0)

        until(ended, within=within, what="everything that is due has ended", every=0.1)

    def recovery(self, since: datetime) -> list[float]:
        """Seconds from then until each row ended that ended later, sorted."""
        return [
            float(row[0])
            for row in self.query(
                "SELECT extract(epoch FROM closed_at - %s)::float8 FROM reminders_reminder"
                " WHERE closed_at > %s ORDER BY 1",
                [since, since],
            )
        ]

    def evidence(self, **more: Any) -> Evidence:
        found = self._evidence(more)
        assert found is not None
        return found

    def _evidence(self, more: dict[str, Any], *, of_quiet: bool = False) -> Evidence | None:
        """`of_quiet`: None where something has fallen due and has not ended."""
        with (
            psycopg.connect(
                self.direct.replace("postgres://", "postgresql://", 1), autocommit=True, row_factory=dict_row
            ) as link,
            link.transaction(),
        ):
            link.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            snapshot = link.execute("SELECT statement_timestamp() AS now").fetchone()
            due = link.execute(DUE.encode()).fetchone()
            if of_quiet and due and due["count"]:
                return None
            return Evidence(
                now=snapshot["now"],  # type: ignore[index]
                send_deadline=timedelta(seconds=SEND),
                rows=[checker.with_own_id(row) for row in link.execute(checker.ROWS.encode())],
                attempts=link.execute(b"SELECT * FROM reminders_attempt").fetchall(),
                assignments=link.execute(b"SELECT * FROM assignments_assignment").fetchall(),
                counters={
                    (row["name"], row["labels"]): float(row["value"])
                    for row in link.execute(checker.COUNTERS.encode())
                },
                mails=self.stack.mails(),
                refusals=self.stack.mail_refusals(),
                hooks=[
                    {"message_id": one.headers["webhook-id"], "body": one.body.decode(), "at": one.at}
                    for one in self.hooks.taken
                ],
                subscriptions=link.execute(checker.SUBSCRIPTIONS.encode()).fetchall(),
                acts=link.execute(b"SELECT * FROM assignments_act ORDER BY id").fetchall(),
                rules=link.execute(checker.RULES.encode()).fetchall(),
                schedules=link.execute(checker.SCHEDULES.encode()).fetchall(),
                points=link.execute(ways.POINTS.encode()).fetchall(),
                events=link.execute(ways.EVENTS.encode()).fetchall(),
                texts=link.execute(texts.TEMPLATES.encode()).fetchall(),
                text_versions=link.execute(texts.VERSIONS.encode()).fetchall(),
                **more,
            )

    def holds(self, **more: Any) -> Evidence:
        """Waits until all is quiet, and asks the checker. Returns the evidence."""
        self.settle()
        more["before"] = dict(self.counted)
        evidence = until(
            lambda: self._evidence(more, of_quiet=True), within=60, what="all is quiet at one instant"
        )
        assert evidence is not None
        found = checker.broken(evidence)
        assert found == [], "\n".join(found[:20])
        return evidence

    def fresh(self) -> None:
        """Healthy and empty, with everybody at work."""
        self.heal()
        self.hooks.heard.clear()
        self.hooks.taken.clear()
        for server in (self.postgres, self.valkey):
            if server.process.poll() is not None:
                server.start()
            server.process.send_signal(signal.SIGCONT)
        self.query("UPDATE django_celery_beat_periodictask SET enabled = true")
        with self.redis as client:
            client.flushdb()
        # A message that is on its way would arrive in the next test, where its row is unknown.
        until(lambda: self._unless_deadlocked(END_OPEN), within=60, what="nothing is open any more")
        wait_for(lambda: self.one(IN_FLIGHT) == 0, seconds=SEND + LEASE)
        had_texts = self.one("SELECT EXISTS (SELECT FROM reminders_messagetemplate)")
        truncate = f"TRUNCATE {TABLES} CASCADE"
        until(
            lambda: self._unless_deadlocked(truncate),
            within=60,
            what="no other lock crosses those of TRUNCATE",
        )
        if had_texts:
            pause(
                REFRESH_SECONDS
            )  # So long a process may go on with a text that is gone, which no operator can do.
        self.counted.clear()
        for file in (self.stack.ledger, self.stack.refusals):
            if file.exists():
                os.truncate(file, 0)
        for child in self.stack.children:
            left_behind = child.name != "sink" and child not in self.children.values()
            if left_behind and child.process.poll() is None:
                child.kill()  # a test that failed did not get as far
        self.crew(*EVERYBODY)

    def _unless_deadlocked(self, statement: str) -> bool:
        """False where somebody who is at work has locked the same the other way round."""
        try:
            self.query(statement)
        except psycopg.errors.DeadlockDetected:
            return False
        return True


def now() -> datetime:
    """The instant at which a fault ends. One machine, so one clock."""
    return datetime.now(UTC)


def system_on(stack: contextlib.ExitStack, folder: Path, postgres: Kept, valkey: Kept) -> System:
    """A system on servers that run already; nobody is at work yet. What is made for it ends with the stack."""
    addresses = {"DATABASE_URL": postgres.server.url, "REDIS_URL": valkey.server.url}
    stack.enter_context(patch.dict(os.environ, addresses))
    system = System(stack.enter_context(running(folder, more=ENVIRONMENT)), postgres, valkey)
    stack.enter_context(system.hooks)
    for proxy in (system.to_database, system.to_redis, system.to_mail):
        stack.callback(proxy.stop)
    return system


@contextlib.contextmanager
def whole_system(folder: Path) -> Iterator[System]:
    """Servers, proxies, sink and a migrated database; `fresh` starts the crew."""
    folder.chmod(0o711)
    postgres = Kept(Postgres(folder, durable=True), folder / "postgres.log")
    valkey = Kept(Valkey(folder), folder / "redis.log")
    try:
        addresses = {"DATABASE_URL": postgres.server.url, "REDIS_URL": valkey.server.url}
        with patch.dict(os.environ, addresses), running(folder, more=ENVIRONMENT) as stack:
            system = System(stack, postgres, valkey)
            try:
                with system.hooks:
                    yield system
            finally:
                system.heal()
                for server in (postgres, valkey):
                    if server.process.poll() is not None:
                        server.start()
                    server.process.send_signal(signal.SIGCONT)
                stack.stop()
                for proxy in (system.to_database, system.to_redis, system.to_mail):
                    proxy.stop()
    finally:
        valkey.stop()
        postgres.stop()
        postgres.server.delete_data()  # type: ignore[attr-defined]


def figures(seconds: list[float]) -> tuple[float, float]:
    """p50 and max."""
    return (median(seconds), max(seconds)) if seconds else (0.0, 0.0)


def pause(seconds: float) -> None:
    """How long a fault lasts."""
    time.sleep(seconds)
