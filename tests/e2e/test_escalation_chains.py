"""Real processes and a real mail server: a rule tells a supervisor of overdue work until somebody starts it."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.test_people_act import SETTINGS, Person, to
from tests.e2e.test_whole import one
from tests.stack import Stack, running, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

BOSS = "boss@example.test"

# By hand, since nobody may make a rule that is repeated each minute: a test cannot wait for ten.
PLANT = """
import django; django.setup()
import json, sys
from datetime import UTC, datetime
from assignments import people, services, teams
from assignments.services import NewAssignment
from reminders.ledger.rule_changes import announce_change
from reminders.models import ReminderRule
boss = people.add_assignee(name="Boss", email="boss@example.test", time_zone="UTC")
anna = people.add_assignee(name="Anna", email="anna@example.test", phone="+49 30 1234567", time_zone="UTC")
team = teams.add_team(name="North", supervisors=[boss.pk])
ReminderRule.objects.create(
    name="Every minute", audience="supervisors", trigger="after_overdue", minutes=0, quiet_hours="ignore",
    repeat_minutes=1, repeat_times=20, changed_at=datetime(2026, 1, 1, tzinfo=UTC))
announce_change()
start = datetime.fromisoformat(sys.stdin.read())
work = NewAssignment(title="Pump", scheduled_start=start, assignee_id=anna.pk, team_id=team.pk)
print(json.dumps(services.create(work).pk))
"""


def planted(stack: Stack, *, start: datetime) -> int:
    """Work of a team with a supervisor, whom a rule tells each minute that it is overdue."""
    done = subprocess.run(
        [sys.executable, "-c", PLANT],
        cwd=Path(__file__).resolve().parent.parent.parent,
        env={**stack.environment, "LOG_LEVEL": "ERROR"},
        input=start.isoformat(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    work: int = json.loads(done.stdout)
    return work


def test_a_supervisor_is_told_and_told_again_until_somebody_starts_by_the_link(tmp_path):
    with running(tmp_path, more=SETTINGS) as stack:
        _, web = stack.web()
        stack.scanner()
        stack.beat()
        stack.worker()
        # A minute after the start it is overdue: that is to come when it is made.
        work = planted(stack, start=datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=40))
        until(lambda: len(to(stack, BOSS)) == 2, within=240, what="the supervisor is told twice")
        first, second = sorted(to(stack, BOSS), key=lambda mail: mail["at"])
        assert [mail["subject"].split(",")[0] for mail in (first, second)] == ["Overdue: Pump"] * 2
        for said in ("Anna", "tel:+49301234567", f"/ops/assignments/{work}", f"/ops/act/reassign?ids={work}"):
            assert said in first["text"]
        assert "repeat 1" in second["text"]
        assert 50 < second["at"] - first["at"] < 90

        following = "SELECT count(*) FROM reminders_reminder WHERE closed_at IS NULL AND rule LIKE '%:rule:%'"
        assert one(stack, following) == 1
        assert Person(stack, web, work).act(act="start") == 303
        assert stack.query(
            "SELECT state, reason FROM reminders_reminder WHERE rule LIKE '%:rule:%' ORDER BY id"
        ) == [("SENT", ""), ("SENT", ""), ("SKIPPED", "started")]

        stack.manage("rescan_reminders")
        assert one(stack, following) == 0
        assert len(to(stack, BOSS)) == 2
        assert to(stack, "ops@example.test") == []
