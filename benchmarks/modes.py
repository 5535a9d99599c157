"""The measurements: each builds its state, runs the real processes, and verifies that every reminder went out once."""

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from benchmarks import cpu
from tests.stack import Child, Stack, running, until

LIMIT = 110.0
SENT = "SELECT coalesce(sum(value), 0)::bigint FROM reminders_counter WHERE name = 'reminder_sent_total'"
SEED = """
    INSERT INTO assignments_assignee (name, email, phone, time_zone, language)
    SELECT 'Person ' || i, 'user' || i || '@example.test', '', 'Europe/Berlin', 'en' FROM generate_series(1, %(n)s) i;
    INSERT INTO assignments_assignment (title, kind, location, notes, assignee_id, status, scheduled_start, version,
        reminder_status)
    SELECT 'Assignment ' || id, '', '', '', id, 'SCHEDULED',
           now() + make_interval(
               secs => %(first)s + (%(last)s - %(first)s)::float8 * row_number() OVER (ORDER BY id) / %(n)s),
           1, 'NONE'
    FROM assignments_assignee;
"""
RULES = {
    "REMINDER_POLL_INTERVAL_MS": "300000",
    "REMINDER_LEASE_SECONDS": "120",
    "REMINDER_QUEUE_LIMIT": "1000000",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked for. `channel` is noop or smtp."""

    n: int = 20_000
    workers: int = 1
    concurrency: int = 2
    channel: str = "noop"


@contextlib.contextmanager
def bench_stack(options: Options) -> Iterator[tuple[Stack, "psycopg.Connection[tuple[Any, ...]]"]]:
    """A stack of its own, with the rules of a benchmark."""
    more = {
        **RULES,
        "REMINDER_CHANNEL": "noop" if options.channel == "noop" else "email",
        "REMINDER_WORKER_CONCURRENCY": str(options.concurrency),
    }
    with tempfile.TemporaryDirectory(prefix="reminders-bench-") as folder:
        smtp = options.channel == "smtp"
        with running(Path(folder), mail=smtp, more=more) as stack:
            address = stack.database_url.replace("postgres://", "postgresql://", 1)
            with psycopg.connect(address, autocommit=True) as link:
                yield stack, link


def seed(link: "psycopg.Connection[tuple[Any, ...]]", n: int, *, first: float, last: float) -> None:
    """`n` assignments that start between `first` and `last` seconds from now."""
    for statement in SEED.split(";\n"):
        if statement.strip():
            link.execute(statement.encode(), {"n": n, "first": first, "last": last})
    for table in ("assignments_assignment", "assignments_assignee", "reminders_reminder"):
        link.execute(f"VACUUM ANALYZE {table}".encode())
    link.execute("CHECKPOINT")


def in_process(stack: Stack, body: str) -> str:
    """Runs Python in the project's own process and returns what it printed."""
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()\n" + body],
        env={**stack.environment, "LOG_LEVEL": "ERROR"},
        cwd=Path(__file__).resolve().parent.parent,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return done.stdout


SCAN = """
import json, time
from reminders import conf, lifecycle
t = time.perf_counter(); c = time.process_time()
done = lifecycle.scan(trigger="cli", config=conf.current())
print(json.dumps({"planned": done.counts.planned, "s": time.perf_counter() - t, "cpu": time.process_time() - c}))
"""
DISPATCH = """
import json, time
from reminders import conf, lifecycle
from reminders.broker import CeleryBroker
broker = CeleryBroker(); broker.depth()
t = time.perf_counter(); c = time.process_time()
done = lifecycle.dispatch(config=conf.current(), broker=broker)
print(json.dumps({"n": done.handed_over, "messages": done.messages, "s": time.perf_counter() - t,
                  "cpu": time.process_time() - c}))
"""


class Meter:
    """CPU seconds between two instants, by role, per 1,000 reminders."""

    def __init__(self, stack: Stack, link: "psycopg.Connection[tuple[Any, ...]]", crew: list[Child]) -> None:
        self.stack, self.link, self.crew = stack, link, crew
        self.before = self._read()

    def _read(self) -> dict[str, float]:
        sinks = [child for child in self.stack.children if child.name == "sink"]
        with self.stack.redis() as client:
            return {
                "worker": sum(cpu.group(child.pid) for child in self.crew),
                "redis": cpu.broker(client),
                "postgres": cpu.postgres(self.link),
                "sink": sum(cpu.group(child.pid) for child in sinks),
            }

    def per_thousand(self, n: int) -> dict[str, float]:
        now = self._read()
        return {role: round((now[role] - self.before[role]) / n * 1000, 3) for role in now}


def sent(link: "psycopg.Connection[tuple[Any, ...]]") -> int:
    row = link.execute(SENT.encode()).fetchone()
    assert row is not None
    return int(row[0])


def verify(stack: Stack, link: "psycopg.Connection[tuple[Any, ...]]", options: Options) -> None:
    """Every reminder exactly once: by the ledger's attempts, and by the sink where there is one."""
    row = link.execute(
        "SELECT count(*), count(DISTINCT reminder_id) FROM reminders_attempt WHERE outcome = 'accepted'"
    ).fetchone()
    assert row == (options.n, options.n), f"accepted attempts: {row}"
    if options.channel == "smtp":
        mails = stack.mails()
        assert len(mails) == len({mail["message_id"] for mail in mails}) == options.n, f"{len(mails)} mails"


def drain(options: Options) -> dict[str, Any]:
    """Everything is in the queue beforehand; then the workers may begin."""
    import json

    with bench_stack(options) as (stack, link):
        seed(link, options.n, first=60, last=1440)
        in_process(stack, SCAN)
        link.execute("VACUUM ANALYZE reminders_reminder")
        crew = [stack.worker(concurrency=options.concurrency) for _ in range(options.workers)]
        for child in crew:
            os.killpg(child.pid, signal.SIGSTOP)
        handed = json.loads(in_process(stack, DISPATCH))
        link.execute("CHECKPOINT")
        meter = Meter(stack, link, crew)
        started = time.time()
        for child in crew:
            os.killpg(child.pid, signal.SIGCONT)
        until(lambda: sent(link) >= options.n, within=LIMIT, what="everything is sent", every=0.05)
        row = link.execute(
            "SELECT extract(epoch FROM max(sent_at))::float8 FROM reminders_reminder"
        ).fetchone()
        assert row is not None
        seconds = float(row[0]) - started
        used = meter.per_thousand(options.n)
        verify(stack, link, options)
        rss = [round(cpu.rss_mib(child.pid), 1) for child in crew]
        return {
            "perSec": round(options.n / seconds),
            "cpuSPer1000": used,
            "cpuTotal": round(sum(used.values()), 3),
            "ms": round(seconds * 1000),
            "messages": handed["messages"],
            "rssMiB": rss,
        }


def enqueue(options: Options) -> dict[str, Any]:
    """Claim and hand over everything that is due, with no worker running."""
    import json

    with bench_stack(options) as (stack, link):
        seed(link, options.n, first=60, last=1440)
        scanned = json.loads(in_process(stack, SCAN))
        link.execute("VACUUM ANALYZE reminders_reminder")
        meter = Meter(stack, link, [])
        handed = json.loads(in_process(stack, DISPATCH))
        assert handed["n"] == options.n
        used = meter.per_thousand(options.n) | {"worker": round(handed["cpu"] / options.n * 1000, 3)}
        return {
            "perSec": round(options.n / handed["s"]),
            "scanMs": round(scanned["s"] * 1000),
            "cpuSPer1000": used,
            "messages": handed["messages"],
        }


def cycle(options: Options) -> dict[str, Any]:
    """Everything falls due at one instant: scan, queue and drain, with beat, scanner and workers as they run."""
    with bench_stack(options) as (stack, link):
        crew = [stack.worker(concurrency=options.concurrency) for _ in range(options.workers)]
        crew.append(stack.scanner())
        crew.append(stack.beat())
        seed(link, options.n, first=60, last=1440)
        meter = Meter(stack, link, crew)
        started = time.time()
        stack.manage("rescan_reminders")
        until(lambda: sent(link) >= options.n, within=LIMIT, what="everything is sent", every=0.05)
        row = link.execute(
            "SELECT extract(epoch FROM max(sent_at))::float8 FROM reminders_reminder"
        ).fetchone()
        assert row is not None
        seconds = float(row[0]) - started
        used = meter.per_thousand(options.n)
        verify(stack, link, options)
        return {
            "perSec": round(options.n / seconds),
            "cpuSPer1000": used,
            "cpuTotal": round(sum(used.values()), 3),
            "ms": round(seconds * 1000),
        }


def punctual(options: Options) -> dict[str, Any]:
    """Reminders spread over 30 s: how long after its due instant each was sent."""
    with bench_stack(options) as (stack, link):
        crew = [stack.worker(concurrency=options.concurrency) for _ in range(options.workers)]
        stack.scanner()
        stack.beat()
        seed(link, options.n, first=1800 + 8, last=1800 + 38)
        stack.manage("rescan_reminders")
        until(lambda: sent(link) >= options.n, within=90, what="everything is sent", every=0.2)
        verify(stack, link, options)
        lags = sorted(
            float(row[0]) * 1000
            for row in link.execute(
                "SELECT extract(epoch FROM sent_at - due_at)::float8 FROM reminders_reminder WHERE sent_at IS NOT NULL"
            )
        )
        return {
            "spreadS": 30,
            "minMs": round(lags[0], 1),
            "p50Ms": round(median(lags), 1),
            "p99Ms": round(lags[int(len(lags) * 0.99) - 1], 1),
            "maxMs": round(lags[-1], 1),
            "rssMiB": [round(cpu.rss_mib(child.pid), 1) for child in crew],
        }


def waiting(options: Options) -> dict[str, Any]:
    """Reminders that wait for their time: what they cost in Redis and in a worker."""
    with bench_stack(options) as (stack, link):
        crew = [stack.worker(concurrency=options.concurrency), stack.scanner()]
        stack.beat()
        with stack.redis() as client:
            before = int(client.info("memory")["used_memory"])
        rss = [cpu.rss_mib(child.pid) for child in crew]
        seed(link, options.n, first=1800 + 1200, last=7000)
        stack.manage("rescan_reminders")
        row = link.execute("SELECT count(*) FROM reminders_reminder WHERE state = 'PLANNED'").fetchone()
        assert row is not None
        assert row[0] >= options.n
        with stack.redis() as client:
            waiting_messages = int(client.llen("reminders"))
            after = int(client.info("memory")["used_memory"])
        return {
            "jobs": options.n,
            "redisMessages": waiting_messages,
            "redisKiB": round((after - before) / 1024),
            "workerRssMiB": [round(was, 1) for was in rss],
            "workerRssAfterMiB": [round(cpu.rss_mib(child.pid), 1) for child in crew],
        }


MODES: dict[str, Callable[[Options], dict[str, Any]]] = {
    "drain": drain,
    "cycle": cycle,
    "enqueue": enqueue,
    "punctual": punctual,
    "waiting": waiting,
}
DEFAULT_N = {"drain": 20_000, "cycle": 20_000, "enqueue": 20_000, "punctual": 2_000, "waiting": 100_000}
