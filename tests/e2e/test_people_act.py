"""Real processes and a real mail server: people act by the link in their mail; supervisors hear of it in seconds, and of
overdue work again and again until somebody starts it.
"""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.test import override_settings

from reminders.content import links
from reminders.content.links import Link
from tests.e2e.test_whole import one, plant
from tests.stack import Stack, running, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

OPS = "ops@example.test"
BOSS = "boss@example.test"
PUBLIC_URL = "https://work.example.test"
SETTINGS = {
    "REMINDER_OPS_EMAILS": OPS,
    "PUBLIC_URL": PUBLIC_URL,
    "REMINDER_OVERDUE_MINUTES": "1",
    "REMINDER_DIGEST_SECONDS": "1",
    "ALLOWED_HOSTS": "*",
}
SOON = timedelta(seconds=5)
"""Within this time of an act its supervisors hear of it."""


class Person:
    """The page behind the link in a mail, as a browser without script uses it."""

    def __init__(self, stack: Stack, web: str, work: int) -> None:
        ((person, version),) = stack.query(
            "SELECT assignee_id, version FROM assignments_assignment WHERE id = %s", [work]
        )
        with override_settings(SECRET_KEY=stack.environment["SECRET_KEY"]):
            token = links.token_of(Link(work, person, version))
        self.web, self.path = urlsplit(web), f"{links.PATH}{token}"

    def page(self) -> tuple[str, str]:
        """The page, and the cookie that it sets."""
        with closing(http.client.HTTPConnection(self.web.hostname or "", self.web.port, timeout=30)) as link:
            link.request("GET", self.path)
            answer = link.getresponse()
            return answer.read().decode(), answer.getheader("Set-Cookie", "").split(";")[0]

    def act(self, **values: str) -> int:
        """Presses a button; returns the status."""
        page, cookie = self.page()
        token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        version = page.split('name="version" value="')[1].split('"')[0]
        form = urlencode({"csrfmiddlewaretoken": token, "version": version, **values})
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        with closing(http.client.HTTPConnection(self.web.hostname or "", self.web.port, timeout=30)) as link:
            link.request("POST", self.path, form, headers)
            return link.getresponse().status


def to(stack: Stack, address: str) -> list[dict[str, Any]]:
    return [mail for mail in stack.mails() if address in mail["recipients"]]


def heard(stack: Stack, prefix: str) -> dict[str, Any]:
    """The mail to Ops whose subject begins so, once it is there."""

    def there() -> list[dict[str, Any]]:
        return [mail for mail in to(stack, OPS) if mail["subject"].startswith(prefix)]

    until(lambda: bool(there()), within=180, what=f"Ops get {prefix!r}")
    (mail,) = there()
    return mail


PLANT_OVERDUE = """
import json, sys
from datetime import UTC, datetime
from assignments import people, services, teams
from assignments.services import NewAssignment
from reminders.ledger.rule_changes import announce_change
from reminders.models import ReminderRule
boss = people.add_assignee(name="Boss", email="boss@example.test", time_zone="UTC")
carla = people.add_assignee(name="Carla", email="carla@example.test", phone="+49 30 1234567", time_zone="UTC")
team = teams.add_team(name="North", supervisors=[boss.pk])
ReminderRule.objects.create(
    name="Every minute", audience="supervisors", trigger="after_overdue", minutes=0, quiet_hours="ignore",
    scope="team", scope_value=str(team.pk),
    repeat_minutes=1, repeat_times=20, changed_at=datetime(2026, 1, 1, tzinfo=UTC))
announce_change()
start = datetime.fromisoformat(json.load(sys.stdin))
work = NewAssignment(title="Valve", scheduled_start=start, assignee_id=carla.pk, team_id=team.pk)
print(json.dumps(services.create(work).pk))
"""
"""By hand, since nobody may make a rule that is repeated each minute: a test cannot wait for ten."""


@dataclass(frozen=True)
class Site:
    """A running system and its work, of which each test takes its own."""

    stack: Stack
    web: str
    pump: int
    """Starts in twenty minutes; anna has it."""
    valve: int
    """Is overdue in seconds: its team has a supervisor, whom a rule tells each minute; carla has it."""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("acts"), more=SETTINGS) as stack:
        web, _, _ = stack.crew()
        now = datetime.now(UTC).replace(microsecond=0)
        # A minute after the start it is overdue: that is to come when it is made.
        valve: int = json.loads(stack.python(PLANT_OVERDUE, (now - timedelta(seconds=40)).isoformat()))
        pump = plant_work(stack, "Pump", "anna", start=now + timedelta(minutes=20))
        yield Site(stack, web, pump, valve)


def plant_work(stack: Stack, title: str, name: str, *, start: datetime) -> int:
    """Work for somebody new."""
    work = {"title": title, "start": start.isoformat(), "who": 0, "then": "", "to": None}
    (planted,) = plant(stack, [{"email": f"{name}@example.test", "zone": "UTC"}], [work])
    return planted


def test_a_decline_is_heard_in_seconds_and_a_start_by_link_clears_an_overdue_marker(site):
    stack, pump = site.stack, site.pump
    until(lambda: to(stack, "anna@example.test"), within=60, what="the reminder arrives")

    anna = Person(stack, site.web, pump)
    before = datetime.now(UTC)
    assert anna.act(act="decline", note="The car is broken") == 303
    notice = heard(stack, "Declined: Pump")
    assert datetime.fromtimestamp(notice["at"], UTC) - before < SOON
    for said in ("P0", "The car is broken", f"/ops/assignments/{pump}", f"/ops/act/reassign?ids={pump}"):
        assert said in notice["text"]
    until(
        lambda: "Your dispatcher has been told" in anna.page()[0],
        within=30,
        what="the page says that the dispatcher has been told",
    )
    assert anna.act(act="decline", note="The car is broken") == 303

    # Only now: a notice that is due in the same second would share the mail.
    roof = plant_work(stack, "Roof", "ben", start=datetime.now(UTC) + timedelta(seconds=5))
    heard(stack, "Overdue: Roof")
    ben = Person(stack, site.web, roof)
    assert ben.act(act="start") == 303
    assert stack.query("SELECT status FROM assignments_assignment WHERE id = %s", [roof]) == [
        ("IN_PROGRESS",)
    ]
    open_rows = "SELECT count(*) FROM reminders_reminder WHERE closed_at IS NULL AND assignment_id = "
    assert one(stack, f"{open_rows}{roof}") == 0

    # Nothing more comes: neither to who has declined nor to Ops, who know.
    stack.manage("rescan_reminders")
    settled = (
        "SELECT count(*) FROM reminders_reminder WHERE closed_at IS NULL AND next_attempt_at < now()"
        f" AND assignment_id IN ({pump}, {roof})"
    )
    until(lambda: one(stack, settled) == 0, within=60, what="everything due has ended")
    assert len(to(stack, "anna@example.test")) == len(to(stack, "ben@example.test")) == 1
    assert sorted(mail["subject"].split(",")[0] for mail in to(stack, OPS)) == [
        "Declined: Pump",
        "Overdue: Roof",
    ]


def test_a_supervisor_is_told_and_told_again_until_somebody_starts_by_the_link(site):
    stack, valve = site.stack, site.valve
    until(lambda: len(to(stack, BOSS)) >= 2, within=240, what="the supervisor is told twice")
    first, second, *later = sorted(to(stack, BOSS), key=lambda mail: mail["at"])
    assert {mail["subject"].split(",")[0] for mail in (first, second, *later)} == {"Overdue: Valve"}
    for said in ("Carla", "tel:+49301234567", f"/ops/assignments/{valve}", f"/ops/act/reassign?ids={valve}"):
        assert said in first["text"]
    assert "repeat 1" in second["text"]
    assert 50 < second["at"] - first["at"] < 90

    following = "SELECT count(*) FROM reminders_reminder WHERE closed_at IS NULL AND rule LIKE '%:rule:%'"
    waits = f"{following} AND next_attempt_at > now() + interval '5 seconds'"
    until(lambda: one(stack, waits) == 1, within=60, what="none is about to leave")
    assert one(stack, following) == 1
    assert Person(stack, site.web, valve).act(act="start") == 303
    ends = stack.query("SELECT state, reason FROM reminders_reminder WHERE rule LIKE '%:rule:%' ORDER BY id")
    told = len(to(stack, BOSS))
    assert ends == [*[("SENT", "")] * told, ("SKIPPED", "started")]

    stack.manage("rescan_reminders")
    assert one(stack, following) == 0
    assert len(to(stack, BOSS)) == told
    assert [mail["subject"] for mail in to(stack, OPS) if "Valve" in mail["subject"]] == []
