"""Real processes and a real mail server: who was told otherwise is corrected once, whatever happens in between."""

import json
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.test_whole import one, plant
from tests.stack import Stack, running, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

GRACE = 2
QUICK = {
    "REMINDER_LEASE_SECONDS": "6",
    "REMINDER_SEND_TIMEOUT_SECONDS": "2",
    "REMINDER_CORRECTION_GRACE_SECONDS": str(GRACE),
}
OPEN = "SELECT count(*) FROM reminders_reminder WHERE kind = 'CORRECTION' AND closed_at IS NULL"
MANY_EDITS = 40


class Caller:
    """The one assignment, changed over HTTP."""

    def __init__(self, stack: Stack, web: str, token: str) -> None:
        self.stack, self.web, self.token = stack, web, token
        self.id = one(stack, "SELECT id FROM assignments_assignment")

    def patch(self, **values: object) -> dict[str, Any]:
        asked = urllib.request.Request(
            f"{self.web}/api/assignments/{self.id}",
            json.dumps(values).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            method="PATCH",
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def quiet(self) -> list[str]:
        """The subjects of all mails once no correction is open any more."""
        until(lambda: one(self.stack, OPEN) == 0, within=90, what="every correction has ended")
        return [mail["subject"] for mail in self.stack.mails()]


def test_a_moved_assignee_hears_of_it_once_and_of_back_and_forth_nothing(tmp_path):
    with running(tmp_path, more=QUICK) as stack:
        web, worker, _ = stack.crew()
        token = stack.manage("create_api_token", "planner", "--scopes", "read,write").stdout.strip()
        start = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=10)
        person = [{"email": "anna@example.test", "zone": "UTC"}]
        plant(
            stack, person, [{"title": "Pump", "start": start.isoformat(), "who": 0, "then": "", "to": None}]
        )
        until(lambda: len(stack.mails()) == 1, within=60, what="the reminder arrives")
        work = Caller(stack, web, token)

        later = start + timedelta(hours=26)
        work.patch(scheduled_start=later.isoformat())
        assert [subject.split(":")[0] for subject in work.quiet()][1:] == [
            f"Moved from {start:%a} {start.day} {start:%b, %H}"
        ]

        work.patch(scheduled_start=(later + timedelta(hours=1)).isoformat())
        work.patch(scheduled_start=later.isoformat())
        assert len(work.quiet()) == 2

        # Ten edits a second, and the worker is killed among them: what was told last is what is planned.
        for n in range(MANY_EDITS):
            planned = work.patch(
                scheduled_start=(later + timedelta(minutes=n % 7)).isoformat(), location=f"Hall {n}"
            )
            if n == MANY_EDITS // 2:
                worker.kill()
                stack.worker()
            time.sleep(0.1)  # the pace of the edits
        work.quiet()
        (announced,) = stack.query(
            "SELECT announced -> -1 FROM reminders_reminder WHERE kind = 'CORRECTION' AND state = 'SENT'"
            " ORDER BY sent_at DESC LIMIT 1"
        )[0]
        assert announced["place"] == planned["location"]
        assert datetime.fromisoformat(announced["start"]) == datetime.fromisoformat(
            planned["scheduled_start"]
        )
