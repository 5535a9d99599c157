"""The whole system, for real: every message that should be in the sink is there once, none that should not."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.stack import Stack, running, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ENVIRONMENT = {
    "REMINDER_POLL_INTERVAL_MS": "5000",
    "REMINDER_LEASE_SECONDS": "6",
    "REMINDER_SEND_TIMEOUT_SECONDS": "2",
}
SOON = 10.0
"""Seconds, on a machine that tests something else too; how many it really takes is measured in `benchmarks/`."""
OPEN = "SELECT count(*) FROM reminders_reminder WHERE state IN ('QUEUED', 'SENDING')"
DUE = (
    "SELECT count(*) FROM reminders_reminder WHERE closed_at IS NULL"
    " AND next_attempt_at <= statement_timestamp() + interval '1 second'"
)

# Made by the project's own services in a process of its own, as another program would.
PLANT = """
import json, sys
from datetime import datetime, timedelta
from assignments import acts, people as people_, services
from assignments.history import Actor
from assignments.services import NewAssignment
order = json.load(sys.stdin)
people = [
    people_.add_assignee(name=f"P{n}", email=p["email"], time_zone=p["zone"]).pk
    for n, p in enumerate(order["people"])]
made = services.create_many([
    NewAssignment(title=w["title"], scheduled_start=datetime.fromisoformat(w["start"]), assignee_id=people[w["who"]])
    for w in order["work"]])
for assignment, work in zip(made, order["work"]):
    match work["then"]:
        case "cancel": services.cancel(assignment.pk)
        case "start": acts.start(assignment.pk, actor=Actor.api("plan"))
        case "move": services.reschedule(assignment.pk, start=datetime.fromisoformat(work["to"]))
        case "reassign": services.reassign(assignment.pk, assignee_id=people[work["to"]])
print(json.dumps([a.pk for a in made]))
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running(tmp_path, more=ENVIRONMENT) as system:
        yield system


def plant(stack: Stack, people: list[dict[str, str]], work: list[dict[str, object]]) -> list[int]:
    """Makes people and work; returns the ids of the work."""
    ids: list[int] = json.loads(stack.python(PLANT, {"people": people, "work": work}))
    return ids


def one(stack: Stack, statement: str) -> int:
    return int(stack.query(statement)[0][0])


def settled(stack: Stack) -> bool:
    return one(stack, DUE) == 0


def figures(stack: Stack) -> dict[str, float]:
    """The business counters as the database keeps them."""
    rows = stack.query(
        "SELECT name || CASE WHEN labels = '' THEN '' ELSE '{' || labels || '}' END, sum(value)"
        " FROM reminders_counter GROUP BY 1"
    )
    return {str(name): float(value) for name, value in rows}


def test_a_thousand_assignments_of_every_kind(stack):
    """Two workers, a scanner and two beats; every end agrees with the ledger, the roll-up, metrics and log.

    Without a rate: forty people get 600 messages at once, and each is counted.
    """
    stack.environment |= {"REMINDER_RATE_PER_MINUTE": "0", "REMINDER_RATE_PER_HOUR": "0"}
    now = datetime.now(UTC)
    chance = random.Random(20261123)
    people = [{"email": f"p{n}@example.test", "zone": z} for n, z in enumerate(["Europe/Berlin", "UTC"] * 20)]
    people += [{"email": "", "zone": "Australia/Lord_Howe"}, {"email": "new@example.test", "zone": "UTC"}]
    nobody, new = 40, 41
    work: list[dict[str, object]] = []
    expected: Counter[str] = Counter()

    def add(
        title: str, start: timedelta, *, then: str = "", to: object = None, who: int | None = None
    ) -> None:
        person = chance.randrange(40) if who is None else who
        work.append(
            {"title": title, "start": (now + start).isoformat(), "who": person, "then": then, "to": to}
        )

    minute = timedelta(minutes=1)
    for n in range(400):
        add(f"due-{n}", (n % 25 + 2) * minute)
        expected[f"due-{n}"] = 1
    for n in range(100):
        add(f"later-{n}", (90 + n) * minute)
    for n in range(100):
        add(f"moved-away-{n}", 10 * minute, then="move", to=(now + 300 * minute).isoformat())
    for n in range(100):
        add(f"moved-here-{n}", 200 * minute, then="move", to=(now + 5 * minute).isoformat())
        expected[f"moved-here-{n}"] = 1
    for n in range(100):
        add(f"cancelled-{n}", 10 * minute, then="cancel")
    for n in range(100):
        add(f"reassigned-{n}", 10 * minute, then="reassign", to=new)
        expected[f"reassigned-{n}"] = 1
    for n in range(50):
        add(f"started-{n}", 10 * minute, then="start")
        add(f"past-{n}", -5 * minute)
    for n in range(25):
        add(f"unreachable-{n}", 10 * minute, who=nobody)
        add(f"overdue-{n}", -45 * minute)
    assert len(work) == 1050
    plant(stack, people, work)

    stack.staff()
    stack.worker()
    stack.beat()
    until(lambda: len(stack.mails()) >= sum(expected.values()), within=60, what="all mails arrive")
    until(lambda: settled(stack), within=30, what="nothing due is left")

    got = Counter(str(mail["subject"]).removeprefix("Reminder: ").split(",")[0] for mail in stack.mails())
    assert got == expected
    assert len({mail["message_id"] for mail in stack.mails()}) == 600
    to_new = [m for m in stack.mails() if "reassigned" in m["subject"]]
    assert {address for mail in to_new for address in mail["recipients"]} == {"new@example.test"}

    # Of the hundred later ones those that lie within the look-ahead, which moves on while we wait.
    states = Counter(
        {
            f"{state} {reason}".strip(): count
            for state, reason, count in stack.query(
                "SELECT state, reason, count(*) FROM reminders_reminder WHERE kind = 'REMINDER' GROUP BY 1, 2"
            )
        }
    )
    assert states.pop("PLANNED") in (31, 32, 33, 34)
    assert states == {
        "SENT": 600,
        "SKIPPED moved": 100,
        "SKIPPED cancelled": 100,
        "SKIPPED reassigned": 100,
        "SKIPPED started": 50,
        "SKIPPED past": 75,
        "FAILED no_contact": 25,
    }
    roll_up = dict(stack.query("SELECT reminder_status, count(*) FROM assignments_assignment GROUP BY 1"))
    assert roll_up == {"SENT": 600, "OVERDUE": 25, "NONE": 425}
    counted = figures(stack)
    assert counted["reminder_sent_total{status=SCHEDULED}"] == 600
    assert counted["reminder_failed_total{reason=no_contact}"] == 25
    assert counted["reminder_overdue_marked_total"] == 25
    assert counted["reminder_attempts_total{channel=email,outcome=accepted}"] == 600
    assert "reminder_ambiguous_total{channel=email}" not in counted
    assert len(stack.log_of("Reminder sent")) == 600
    assert len(stack.log_of("Assignment overdue")) == 25
    assert one(stack, "SELECT count(*) FROM reminders_attempt") == 625


SENT = "SELECT count(*) FROM reminders_reminder WHERE kind = 'REMINDER' AND state = 'SENT'"


@pytest.fixture
def seldom_scanned(tmp_path: Path) -> Iterator[Stack]:
    with running(tmp_path, more=ENVIRONMENT | {"REMINDER_POLL_INTERVAL_MS": "600000"}) as system:
        yield system


def test_it_is_punctual_and_quick(seldom_scanned):
    """Neither waits for a scan, which is minutes away: what falls due, and what is made with less than the lead left."""
    stack = seldom_scanned
    stack.staff()
    people = [{"email": "a@example.test", "zone": "UTC"}]
    start = datetime.now(UTC) + timedelta(minutes=30, seconds=8)
    (due_soon,) = plant(
        stack, people, [{"title": "on time", "start": start.isoformat(), "who": 0, "then": "", "to": None}]
    )
    until(lambda: stack.query(SENT)[0] == (1,), within=30, what="the reminder is recorded as sent")
    (lag,) = stack.query(
        "SELECT extract(epoch FROM sent_at - due_at)::float8 FROM reminders_reminder WHERE assignment_id = %s",
        [due_soon],
    )[0]
    assert -0.06 <= lag <= SOON

    (short,) = plant(
        stack,
        [{"email": "b@example.test", "zone": "UTC"}],
        [
            {
                "title": "short notice",
                "start": (datetime.now(UTC) + timedelta(minutes=5)).isoformat(),
                "who": 0,
                "then": "",
                "to": None,
            }
        ],
    )
    until(
        lambda: stack.query(SENT)[0] == (2,), within=30, what="the short notice reminder is recorded as sent"
    )
    assert len(stack.mails()) == 2
    (after,) = stack.query(
        "SELECT extract(epoch FROM r.sent_at - a.created_at)::float8 FROM reminders_reminder r"
        " JOIN assignments_assignment a ON a.id = r.assignment_id WHERE a.id = %s AND r.kind = 'REMINDER'",
        [short],
    )[0]
    assert after <= SOON


def test_kill_and_flush_in_mid_drain_lose_nothing(stack):
    """kill -9 of a worker that sends, FLUSHALL while others do: all arrive, and what may be double is flagged."""
    people = [{"email": f"p{n}@example.test", "zone": "UTC"} for n in range(1500)]
    start = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    plant(
        stack,
        people,
        [{"title": f"job-{n}", "start": start, "who": n, "then": "", "to": None} for n in range(1500)],
    )
    victim, _, _ = stack.staff()
    until(lambda: len(stack.mails()) > 100, within=60, what="the drain is under way", every=0.01)
    victim.kill()
    stack.redis().flushdb()
    stack.worker()
    until(lambda: len(stack.mails()) > 700, within=60, what="the drain goes on", every=0.01)
    stack.redis().flushdb()
    until(lambda: settled(stack) and one(stack, OPEN) == 0, within=90, what="everything has ended")

    sends = Counter(str(mail["message_id"]) for mail in stack.mails())
    assert len(sends) == 1500
    flagged = one(stack, "SELECT count(*) FROM reminders_reminder WHERE ambiguous > 0")
    doubles = sum(1 for times in sends.values() if times > 1)
    assert max(sends.values()) <= 2
    assert doubles <= flagged <= 200
    assert (
        one(stack, "SELECT count(*) FROM reminders_reminder WHERE kind = 'REMINDER' AND state = 'SENT'")
        == 1500
    )
    assert figures(stack)["reminder_sent_total{status=SCHEDULED}"] == 1500


def test_off_means_off_and_on_again_sends_no_flood(stack):
    """REMINDER_WORKER_ENABLED=false in every process: nothing is planned or sent; true again: what is useful is."""
    stack.environment["REMINDER_WORKER_ENABLED"] = "false"
    people = [{"email": "a@example.test", "zone": "UTC"}]
    start = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    plant(stack, people, [{"title": "waits", "start": start, "who": 0, "then": "", "to": None}])
    started = stack.staff()
    until(lambda: stack.log_of("Scan skipped"), within=30, what="a scan is refused")
    assert one(stack, "SELECT count(*) FROM reminders_reminder") == 0
    assert stack.mails() == []
    for child in started:
        child.process.terminate()
    for child in started:
        child.stop()
    stack.environment["REMINDER_WORKER_ENABLED"] = "true"
    stack.staff()
    until(lambda: len(stack.mails()) == 1, within=30, what="the reminder that is still useful arrives")
