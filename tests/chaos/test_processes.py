"""Processes die and stop: at every point of a reminder's life, whole or a child of their pool; deploys; backlogs."""

import os
import signal
from urllib.parse import urlsplit

import pytest

from tests.chaos import checker
from tests.chaos.system import EVERYBODY, LEASE, System, now, pause
from tests.stack import until

ROWS = 20
QUEUE_LIMIT, CLAIM = 10_000, 1_000
WORKER_POINTS = (
    "begin before commit",
    "begin after commit",
    "send before the dot",
    "send after the dot",
    "send after 250",
    "finish before commit",
    "finish after commit",
)
SCANNER_POINTS = (
    "scan between pages",
    "scan before commit",
    "dispatch before commit",
    "dispatch before publish",
    "dispatch after publish",
)
QUICK = ("send after 250", "dispatch before publish")
long = pytest.mark.chaos


def doomed(system: System, kind: str, point: str, who: str, tmp_path, report) -> None:
    """A doomed process meets 20 rows; once it is dead a sound one takes over.

    Workers that see nobody dispatch for 15 s do that themselves, and would take the rows before a doomed scanner that starts
    slowly. So they are started when it has been.
    """
    killed = {"scanner": 0, "worker": 2 if who == "group" else 1}[kind]  # of the processes that send
    workers = ("worker", "worker2")
    system.kill(*workers, *(["scanner"] if kind == "scanner" else []))
    file = tmp_path / "doom"
    system.plant(ROWS)
    if point.startswith("scan"):  # so that it is the scan that finds them
        system.query("DELETE FROM reminders_reminder WHERE state = 'PLANNED'")
    child = system.start(kind, DOOM=point, DOOM_WHO=who, DOOM_FILE=str(file), DOOM_COUNT="1")
    if kind == "scanner":
        system.crew(*workers)
    until(lambda: file.exists() and file.stat().st_size > 0, within=30, what=f"a process dies at {point}")
    since = now()
    if who == "group":
        until(lambda: child.process.poll() is not None, within=30, what="the whole worker is dead")
        system.crew(*EVERYBODY)
    if point.startswith("scan"):
        until(lambda: system.sent() == ROWS, within=60, what="somebody goes on with the scan")
    system.holds(killed=killed)
    child.stop()
    done = report(f"kill -9, {who}: {point}", system, since)
    assert system.sent() == ROWS
    assert done.reminders > 0
    assert done.most <= 30
    assert done.doubles <= done.flagged <= killed
    system.crew(*EVERYBODY)


@pytest.mark.parametrize("point", [p if p in QUICK else pytest.param(p, marks=long) for p in WORKER_POINTS])
def test_a_worker_is_killed(system, point, tmp_path, report):
    doomed(system, "worker", point, "group", tmp_path, report)


@pytest.mark.chaos
@pytest.mark.parametrize("point", ["begin after commit", "send after the dot", "send after 250"])
def test_a_child_of_the_pool_is_killed(system, point, tmp_path, report):
    doomed(system, "worker", point, "child", tmp_path, report)


@pytest.mark.parametrize("point", [p if p in QUICK else pytest.param(p, marks=long) for p in SCANNER_POINTS])
def test_a_scanner_is_killed(system, point, tmp_path, report):
    doomed(system, "scanner", point, "group", tmp_path, report)


def test_a_scrape_says_what_the_ledger_says(system):
    """I7: once the cached figures are renewed, every state's gauge equals its rows."""
    system.plant(30)
    system.plant(5, name="later", start=7000)
    system.holds()
    until(
        lambda: not checker.broken(system.evidence(gauges=system.gauges())),
        within=60,
        what="gauges equal row counts",
        every=1,
    )


def test_no_secret_and_no_address_is_in_any_log_metric_or_attempt(system):
    system.mail(step="rcpt", action="answer", answer="550 5.1.1 <job-1@example.test> unknown", times=2)
    system.plant(5)
    system.settle()
    environment = system.stack.environment
    secrets = [
        environment["SECRET_KEY"],
        *(urlsplit(environment[name]).password or "" for name in ("DATABASE_URL", "REDIS_URL")),
        "@example.test",
    ]
    assert all(len(secret) > 8 for secret in secrets)
    texts = {child.log.name: child.log.read_text(errors="replace") for child in system.stack.children}
    texts["metrics"] = system.metrics()
    texts["attempts"] = str(system.query("SELECT code, detail FROM reminders_attempt"))
    for place, text in texts.items():
        if not place.startswith("sink"):
            assert [secret for secret in secrets if secret in text] == [], place


@pytest.mark.chaos
def test_a_worker_that_sleeps_past_its_lease_writes_and_sends_nothing_when_it_wakes(system, report):
    system.kill("worker2")
    system.mail(step="dot", action="tarpit", pause=0.02, accept=True)
    system.plant(200)
    sleeper = system.children["worker"]
    until(lambda: len(system.stack.mails()) >= 5, within=30, what="it sends", every=0.01)
    os.killpg(sleeper.pid, signal.SIGSTOP)
    since = now()
    system.mail()
    system.crew("worker2")
    pause(LEASE + 3)
    system.settle()
    before = len(system.stack.mails())
    os.killpg(sleeper.pid, signal.SIGCONT)
    pause(3)
    evidence = system.holds()
    # The one mail that was on its way when it fell asleep may still be answered; no other may follow.
    assert len(system.stack.mails()) - before <= 2
    assert len(evidence.rows) == system.sent() == 200
    report("SIGSTOP of a worker past its lease", system, since)


@pytest.mark.chaos
def test_term_term_again_and_kill_under_load(system, report):
    system.plant(600)
    until(lambda: system.sent() >= 50, within=30, what="the drain is under way", every=0.01)
    system.children["worker"].process.terminate()
    since = now()
    second = system.children["worker2"].process
    second.terminate()
    pause(0.2)
    second.terminate()
    system.kill("worker2")
    system.children["worker"].process.wait(timeout=60)
    system.crew(*EVERYBODY)
    system.holds()
    assert system.sent() == 600
    report("TERM, second TERM and KILL under load", system, since)


@pytest.mark.chaos
@pytest.mark.timeout(400)  # It takes what the processors can do, and other systems are at work meanwhile.
def test_a_backlog_after_two_hours_goes_out_oldest_first_and_bounded(system, report):
    """What is too late is SKIPPED with its reason; the broker never holds more than its share."""
    system.kill("worker", "worker2", "scanner", "beat")
    system.query(
        """
        WITH people AS (
            INSERT INTO assignments_assignee (name, email, phone, time_zone, language)
            SELECT 'P' || i, 'late-' || i || '@example.test', '', 'UTC', 'en' FROM generate_series(1, 20000) i
            RETURNING id
        )
        INSERT INTO assignments_assignment (title, kind, location, notes, assignee_id, status, scheduled_start,
            version, reminder_status, known_at)
        SELECT 'Late', '', '', '', id, 'SCHEDULED',
               now() - interval '100 minutes' + (row_number() OVER (ORDER BY id)) * interval '0.36 seconds',
               1, 'NONE', now() - interval '3 hours'
        FROM people
        """
    )
    since = now()
    system.crew("scanner", "beat", "worker", "worker2")
    most = 0

    def over() -> bool:
        nonlocal most
        with system.redis as client:
            most = max(most, int(client.llen("reminders")))
        counted = system.query(
            "SELECT count(*), count(closed_at) FROM reminders_reminder WHERE kind = 'REMINDER'"
        )
        return counted[0] == (20_000, 20_000)

    until(over, within=240, what="the backlog has ended", every=0.2)
    evidence = system.holds()
    ends = {(row["state"], row["reason"]) for row in evidence.rows if row["kind"] == "REMINDER"}
    assert ends == {("SENT", ""), ("SKIPPED", "too_late")}
    assert most <= QUEUE_LIMIT
    # Oldest first, as they were handed over for the first time (a lease that ran out hands over again). The scanner's
    # two processes log at the same time: one that waits for the processor is overtaken by claims that the other logs.
    first: dict[int, str] = {}
    for line in system.children["scanner"].events("Queued reminder"):
        if line["kind"] == "REMINDER":
            first.setdefault(line["reminder_id"], line["due_at"])
    dues = list(first.values())
    assert (
        len(dues)
        >= sum(row["state"] == "SENT" for row in evidence.rows if row["kind"] == "REMINDER")
        > 3 * CLAIM
    )
    assert not [1 for earlier, later in zip(dues, dues[3 * CLAIM :], strict=False) if earlier > later]
    report("20,000 due after two hours without anybody", system, since)
