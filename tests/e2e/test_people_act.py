"""Real processes and a real mail server: people act by the link in their mail; supervisors hear of it in seconds."""

import http.client
from contextlib import closing
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


def test_a_decline_is_heard_in_seconds_and_a_start_by_link_clears_an_overdue_marker(tmp_path):
    with running(tmp_path, more=SETTINGS) as stack:
        _, web = stack.web()
        stack.scanner()
        stack.beat()
        stack.worker()
        now = datetime.now(UTC).replace(microsecond=0)
        people = [{"email": f"{name}@example.test", "zone": "UTC"} for name in ("anna", "ben")]
        work = [
            {
                "title": "Pump",
                "start": (now + timedelta(minutes=20)).isoformat(),
                "who": 0,
                "then": "",
                "to": None,
            },
            {
                "title": "Roof",
                "start": (now + timedelta(seconds=20)).isoformat(),
                "who": 1,
                "then": "",
                "to": None,
            },
        ]
        pump, roof = plant(stack, people, work)
        until(lambda: len(stack.mails()) == 2, within=60, what="both reminders arrive")

        anna = Person(stack, web, pump)
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

        heard(stack, "Overdue: Roof")
        ben = Person(stack, web, roof)
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
        )
        until(lambda: one(stack, settled) == 0, within=60, what="everything due has ended")
        assert len(to(stack, "anna@example.test")) == len(to(stack, "ben@example.test")) == 1
        assert sorted(mail["subject"].split(",")[0] for mail in to(stack, OPS)) == [
            "Declined: Pump",
            "Overdue: Roof",
        ]
