"""What every measurement needs: a running system of its own, its assignments, meters, and proof of what was sent."""

import contextlib
import json
import smtplib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import cpu
from reminders.conf import ReminderConfig
from tests.stack import Child, Stack, running

DEFAULTS = ReminderConfig()
LIMIT = 170.0
"""Seconds after which a measurement is given up."""

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
TABLES = ("assignments_assignment", "assignments_assignee", "reminders_reminder")
ENVIRONMENT = {
    "API_RATE": "1000000",  # calls are counted, and none is refused
    "REMINDER_POLL_INTERVAL_MS": "300000",
    "REMINDER_LEASE_SECONDS": "120",
    "REMINDER_QUEUE_LIMIT": "1000000",
}
Link = psycopg.Connection[tuple[Any, ...]]
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked for. `channel` is noop or smtp, `batch` how many reminders a message may carry, `answer_after`
    how many seconds the mail sink takes to answer to a mail, or the healthy endpoint to a post. `own_text`: reminders have a
    stored text that says what the built-in one does. `day_seconds`: how long a day takes; 0: as long as it must. `tuned`: a
    day has the settings that are recommended for millions of reminders.
    """

    n: int = 20_000
    workers: int = 1
    concurrency: int = 2
    channel: str = "noop"
    batch: int = DEFAULTS.batch_size
    answer_after: float = 0.0
    own_text: bool = False
    day_seconds: float = 0.0
    tuned: bool = False


@contextlib.contextmanager
def bench_stack(options: Options, rules: Mapping[str, str] | None = None) -> Iterator[tuple[Stack, Link]]:
    """A stack of its own, with the rules of a benchmark (and `rules` besides) and a mail sink that costs little."""
    more = {
        **ENVIRONMENT,
        **(rules or {}),
        "REMINDER_CHANNEL": "noop" if options.channel == "noop" else "email",
        "REMINDER_WORKER_CONCURRENCY": str(options.concurrency),
        "REMINDER_BATCH_SIZE": str(options.batch),
    }
    with (
        tempfile.TemporaryDirectory(prefix="reminders-bench-") as folder,
        running(Path(folder), mail=False, more=more) as stack,
    ):
        if options.channel == "smtp":
            words = [str(stack.mail_port), str(options.answer_after)]
            stack.start("sink", [sys.executable, "-m", "benchmarks.sink", *words])
        address = stack.database_url.replace("postgres://", "postgresql://", 1)
        with psycopg.connect(address, autocommit=True) as link:
            yield stack, link


def seed(link: Link, n: int, *, first: float, last: float) -> None:
    """`n` assignments that start between `first` and `last` seconds from now."""
    for statement in SEED.split(";\n"):
        if statement.strip():
            link.execute(statement.encode(), {"n": n, "first": first, "last": last})
    settle(link, TABLES)


def settle(link: Link, tables: Sequence[str]) -> None:
    """Fresh statistics, and no checkpoint that falls into the measurement."""
    for table in tables:
        link.execute(f"VACUUM ANALYZE {table}".encode())
    link.execute("CHECKPOINT")


def in_process(stack: Stack, body: str) -> Figures:
    """Runs Python in a process of the project and returns the JSON that it printed."""
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
    printed: Figures = json.loads(done.stdout)
    return printed


class Meter:
    """CPU seconds since it was made, by role, per 1,000 reminders."""

    def __init__(self, stack: Stack, link: Link, crew: Sequence[Child]) -> None:
        self.stack, self.link, self.crew = stack, link, crew
        self.before = self._read()

    def _read(self) -> dict[str, float]:
        sinks = [child for child in self.stack.children if child.name == "sink"]
        used = dict.fromkeys([_role(child) for child in self.crew], 0.0)
        for child in self.crew:
            used[_role(child)] += cpu.group(child.pid)
        with self.stack.redis() as client:
            return {
                **used,
                "redis": cpu.broker(client),
                "postgres": cpu.postgres(self.link),
                "sink": sum(cpu.group(child.pid) for child in sinks),
            }

    def per_thousand(self, n: int) -> Figures:
        now = self._read()
        used = {role: (now[role] - self.before[role]) / n * 1000 for role in now}
        return {
            "cpuSPer1000": {role: round(seconds, 3) for role, seconds in used.items()},
            "cpuTotal": round(sum(used.values()), 3),
        }


def _role(child: Child) -> str:
    """'worker' of 'worker0'."""
    return child.name.rstrip("0123456789")


def one(link: Link, statement: str) -> Any:
    """The only value of a statement's only row."""
    row = link.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


def sent(link: Link) -> int:
    return int(one(link, SENT))


def last_sent_at(link: Link) -> float:
    """Seconds since the epoch."""
    return float(one(link, "SELECT extract(epoch FROM max(sent_at))::float8 FROM reminders_reminder"))


def redis_bytes(stack: Stack) -> int:
    """What Redis holds in memory."""
    with stack.redis() as client:
        return int(client.info("memory")["used_memory"])


def verify(stack: Stack, link: Link, options: Options) -> None:
    """Every reminder exactly once: by the ledger's attempts, and by the sink where there is one."""
    row = link.execute(
        "SELECT count(*), count(DISTINCT reminder_id) FROM reminders_attempt WHERE outcome = 'accepted'"
    ).fetchone()
    assert row == (options.n, options.n), f"accepted attempts: {row}"
    if options.channel == "smtp":
        with smtplib.SMTP("127.0.0.1", stack.mail_port) as client:
            counted = json.loads(client.docmd("XSTAT")[1])
        assert counted == {"total": options.n, "unique": options.n}, f"the sink has {counted}"
