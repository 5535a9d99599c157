"""Real processes tell a real endpoint, and a second one that hangs costs nobody a reminder."""

import json
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.test_whole import one, plant
from tests.fakes.http_sink import HttpSink
from tests.stack import Stack, running, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

QUICK = {
    "REMINDER_LEASE_SECONDS": "6",
    "REMINDER_SEND_TIMEOUT_SECONDS": "2",
    "WEBHOOK_ALLOW_PRIVATE": "true",
}
IN_DOUBT = """
    SELECT count(*) FROM reminders_attempt t JOIN reminders_reminder r ON r.id = t.reminder_id
    JOIN reminders_subscription s ON r.recipient = 'subscription:' || s.id
    WHERE t.outcome = 'unknowable' AND s.name = 'well'
"""
LEFT = "SELECT count(*) FROM reminders_reminder WHERE kind = 'REMINDER' AND state <> 'SENT'"


def call(web: str, token: str, path: str, body: object) -> dict[str, object]:
    asked = urllib.request.Request(
        web + path,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        found: dict[str, object] = json.load(answer)
        return found


def soon(stack: Stack, title: str, number: int) -> None:
    at = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    people = [{"email": f"{title}{n}@example.test", "zone": "UTC"} for n in range(number)]
    plant(
        stack,
        people,
        [{"title": f"{title}-{n}", "start": at, "who": n, "then": "", "to": None} for n in range(number)],
    )


def test_who_listens_is_told_and_who_hangs_costs_nobody_a_reminder(tmp_path):
    with running(tmp_path, more=QUICK) as stack, HttpSink() as well, HttpSink(stop_at="silence") as hangs:
        web, worker, _ = stack.crew()
        token = stack.manage("create_api_token", "hooks", "--scopes", "ops").stdout.strip()
        for name, url in (("well", well.url), ("hangs", hangs.url)):
            wanted = {"name": name, "url": url, "events": ["reminder.sent"]}
            assert str(call(web, token, "/api/webhooks", wanted)["secret"]).startswith("whsec_")

        soon(stack, "first", 20)
        until(lambda: len(stack.mails()) == 20, within=60, what="the first mails arrive")
        until(lambda: hangs.heard, within=60, what="the endpoint that hangs is tried")
        soon(stack, "second", 20)
        until(lambda: len(stack.mails()) == 40, within=60, what="the second mails arrive meanwhile")
        until(lambda: one(stack, LEFT) == 0, within=30, what="all is recorded")
        until(lambda: len(well.heard) >= 40, within=120, what="all is told")

        # The worker dies in mid-event, and what was on its way comes again under the same id.
        soon(stack, "third", 20)
        until(lambda: len(well.heard) > 40, within=60, what="the third are being told")
        worker.kill()
        stack.worker()
        # What the kill has cut off in its header was not told.
        told = lambda: [heard for heard in well.heard if "webhook-id" in heard.headers]  # noqa: E731
        ids = lambda: {heard.headers["webhook-id"] for heard in told()}  # noqa: E731
        until(lambda: len(ids()) == 60, within=120, what="all are told")
        bodies = {heard.headers["webhook-id"]: heard.body for heard in told()}
        assert all(heard.body == bodies[heard.headers["webhook-id"]] for heard in told())
        told = {json.loads(body)["data"]["assignment"]["title"] for body in bodies.values()}
        assert len(told) == 60
        assert len(well.heard) <= 60 + one(stack, IN_DOUBT)


PATIENT = {**QUICK, "REMINDER_LEASE_SECONDS": "150", "REMINDER_SEND_TIMEOUT_SECONDS": "60"}
HANGS = """
    SELECT count(*) FROM reminders_reminder r JOIN reminders_subscription s ON r.recipient = 'subscription:' || s.id
    WHERE s.name = 'hangs' AND r.state = 'SENDING'
"""


def test_while_one_hangs_the_others_and_people_are_told_at_once(tmp_path):
    """The endpoint that hangs is given a minute for its first event; the rest happens within that minute."""
    with (
        running(tmp_path, more=PATIENT) as stack,
        HttpSink(keeps=True) as well,
        HttpSink(stop_at="silence") as hangs,
    ):
        web, *_ = stack.crew()
        token = stack.manage("create_api_token", "hooks", "--scopes", "ops").stdout.strip()
        for name, url in (("well", well.url), ("hangs", hangs.url)):
            call(web, token, "/api/webhooks", {"name": name, "url": url, "events": ["reminder.sent"]})
        soon(stack, "first", 20)
        until(lambda: hangs.heard, within=60, what="the endpoint that hangs is tried")
        until(lambda: len(well.heard) == 20, within=60, what="the other one is told of the first")
        soon(stack, "second", 50)
        until(lambda: len(stack.mails()) == 70, within=60, what="the second mails arrive")
        until(lambda: len(well.heard) == 70, within=60, what="the other one is told of the second")
        assert one(stack, HANGS) == 1
        assert len(hangs.heard) == 1
        assert len({heard.headers["webhook-id"] for heard in well.heard}) == 70
        assert well.connections < 70
