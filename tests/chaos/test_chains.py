"""Escalation chains while workers and the mail server fail: nobody hears a step twice, and no chain stops."""

import pytest

from tests.chaos.system import EVERYBODY, now

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

DECLINE = """
import json, sys
from datetime import UTC, datetime
from assignments import acts, people, services, teams
from assignments.history import Actor
from assignments.models import Assignment
from reminders.ledger.rule_changes import announce_change
from reminders.models import ReminderRule
ids = json.load(sys.stdin)
bosses = [people.add_assignee(name=f"Boss {n}", email=f"boss-{n}@example.test").pk for n in range(3)]
Assignment.objects.filter(pk__in=ids).update(team=teams.add_team(name="Chains", supervisors=bosses).pk)
ReminderRule.objects.create(
    name="Declined", audience="supervisors", trigger="on_decline", quiet_hours="ignore", repeat_minutes=10, repeat_times=3,
    changed_at=datetime(2026, 1, 1, tzinfo=UTC))
announce_change()
for pk in ids:
    acts.decline(pk, actor=Actor.api("chaos"))
for pk in ids[::5]:
    acts.start(pk, actor=Actor.api("chaos"))
"""


def test_steps_are_told_once_and_followed_by_the_next_though_workers_are_killed(system, report):
    ids = system.plant(100, start=100 * 60)
    system.mail(step="dot", action="drop", accept=True, times=2)
    system.run(DECLINE, ids)
    for _ in range(3):
        system.kill("worker", "worker2")
        system.crew(*EVERYBODY)
    since = now()
    system.mail()
    evidence = system.holds()
    steps = [row for row in evidence.rows if row["kind"] == "ESCALATION"]
    assert all(":rule:" in row["rule"] for row in steps)
    first = [row for row in steps if "#" not in row["rule"]]
    assert len({row["recipient"] for row in first}) == 3
    assert {row["state"] for row in first} <= {"SENT", "UNKNOWN", "SKIPPED"}
    waiting = [row for row in steps if row["state"] == "PLANNED"]
    assert {row["rule"].partition("#")[2] for row in waiting} == {"1"}
    assert {row["assignment_id"] for row in waiting} == set(ids) - set(ids[::5])
    assert len(waiting) == 80 * 3
    report("100 declined with chains, workers killed", system, since)
