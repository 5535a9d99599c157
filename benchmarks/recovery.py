"""How long nothing is sent after a process was killed, or the broker was emptied, in the middle of a drain; and doubles.

With the default lease. What ended is started again after half a second, as `up` does. The longest silence is the longest
time between two mails from the fault to the last mail.
"""

import json
import os
import signal
import smtplib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.stage import DEFAULTS, Figures, Link, Options, bench_stack, one
from tests.stack import Child, Stack, until

RULES = {
    "REMINDER_LEASE_SECONDS": f"{DEFAULTS.lease.total_seconds():g}",
    "REMINDER_QUEUE_LIMIT": str(DEFAULTS.queue_limit),
}
ANSWER_AFTER = 0.01
"""Seconds that the mail server takes to answer to a mail: the drain lasts long enough to be met by a fault."""
RESTART_AFTER = 0.5
GIVE_UP_AFTER = 60.0
FLAGGED = "SELECT count(*) FROM reminders_attempt WHERE outcome = 'unknowable'"
SEED = """
    WITH people AS (
        INSERT INTO assignments_assignee (name, email, phone, time_zone, language)
        SELECT 'Person ' || i, %(fault)s || i || '@example.test', '', 'Europe/Berlin', 'en'
        FROM generate_series(1, %(n)s) i
        RETURNING id
    )
    INSERT INTO assignments_assignment (title, kind, location, notes, assignee_id, status, scheduled_start, version,
        reminder_status)
    SELECT 'Assignment ' || id, '', '', '', id, 'SCHEDULED', now() + interval '10 minutes', 1, 'NONE' FROM people
"""
OPEN = "SELECT count(*) FROM reminders_reminder WHERE closed_at IS NULL"


@dataclass(slots=True)
class Crew:
    """Who is at work on a stack."""

    stack: Stack
    link: Link
    options: Options
    worker: Child
    scanner: Child

    def kill_worker(self) -> None:
        self.worker.kill()

    def kill_child(self) -> None:
        """One process of the worker's pool."""
        pid = self.worker.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)

    def kill_scanner(self) -> None:
        self.scanner.kill()

    def empty_broker(self) -> None:
        with self.stack.redis() as client:
            client.flushdb()

    def kill_worker_and_empty_broker(self) -> None:
        self.kill_worker()
        self.empty_broker()

    def restart(self) -> None:
        """Starts again what has ended, without waiting until it is ready."""
        if self.worker.process.poll() is not None:
            self.worker = self.stack.worker(concurrency=self.options.concurrency, wait=False)
        if self.scanner.process.poll() is not None:
            self.scanner = self.stack.scanner(wait=False)


FAULTS: dict[str, Callable[[Crew], None]] = {
    "worker": Crew.kill_worker,
    "child": Crew.kill_child,
    "scanner": Crew.kill_scanner,
    "flush": Crew.empty_broker,
    "workerAndFlush": Crew.kill_worker_and_empty_broker,
}


def recovery(options: Options) -> Figures:
    """The figures of each fault, on one system after another."""
    figures: Figures = {}
    with bench_stack(replace(options, channel="smtp", answer_after=ANSWER_AFTER), RULES) as (stack, link):
        stack.beat()
        crew = Crew(stack, link, options, stack.worker(concurrency=options.concurrency), stack.scanner())
        for name, fault in FAULTS.items():
            for figure, value in _survived(crew, name, fault).items():
                figures[name + figure] = value
    return figures


def _survived(crew: Crew, name: str, fault: Callable[[Crew], None]) -> Figures:
    n = crew.options.n
    with smtplib.SMTP("127.0.0.1", crew.stack.mail_port) as sink:
        before, flagged_before = _counted(sink), one(crew.link, FLAGGED)
        crew.link.execute(SEED.encode(), {"n": n, "fault": name})
        crew.stack.start("rescan", [sys.executable, "manage.py", "rescan_reminders"])
        until(
            lambda: _counted(sink)["total"] - before["total"] >= n // 5,
            within=GIVE_UP_AFTER,
            what=f"the drain before the fault {name}",
            every=0.002,
        )
        fault(crew)
        began = last = time.monotonic()
        silence, seen, restarted = 0.0, _counted(sink), False
        while time.monotonic() - began < GIVE_UP_AFTER:
            if not restarted and time.monotonic() - began >= RESTART_AFTER:
                restarted = True
                crew.restart()
            now = _counted(sink)
            if now["total"] > seen["total"]:
                silence, last, seen = max(silence, time.monotonic() - last), time.monotonic(), now
            if now["unique"] - before["unique"] == n and one(crew.link, OPEN) == 0:
                break
            time.sleep(0.01)
        total, unique = seen["total"] - before["total"], seen["unique"] - before["unique"]
    assert unique == n, f"{unique} of {n} have arrived"
    return {
        "SilenceS": round(silence, 2),
        "DoneS": round(last - began, 2),
        "Doubles": total - unique,
        "Flagged": one(crew.link, FLAGGED) - flagged_before,
    }


def _counted(sink: smtplib.SMTP) -> dict[str, int]:
    counted: dict[str, int] = json.loads(sink.docmd("XSTAT")[1])
    return counted
