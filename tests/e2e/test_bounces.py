"""Real processes, a mail server and a mailbox: who has a wrong address hears by the next one, once, whatever is killed."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.test_whole import one, plant
from tests.fakes import bounces
from tests.fakes.imap_server import ImapServer
from tests.stack import Stack, running, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

EVENTS = "SELECT count(*) FROM reminders_deliveryevent"
OPEN = "SELECT count(*) FROM reminders_reminder WHERE closed_at IS NULL AND kind = 'REMINDER' AND channel <> 'none'"
ANOTHER_ADDRESS = """
import json, sys
from assignments import contact_points
from assignments.models import Assignee
for person in Assignee.objects.filter(email=json.load(sys.stdin)):
    contact_points.add_point(person.pk, "email", "right@example.test")
"""


def receive(stack: Stack, content: bytes) -> int:
    """Hands a mail to the command, as a mail server does; returns its exit code."""
    ended = stack.manage("receive_bounces", given=content, check=False)
    assert ended.stdout == ""
    return ended.returncode


def test_a_bounce_is_recorded_once_though_its_reader_is_killed(tmp_path):
    with ImapServer(fail_at="STORE", fault="silence") as mailbox:
        settings = {
            "BOUNCE_ADDRESS": "bounces@example.test",
            "BOUNCE_MAILBOX_URL": mailbox.url,
            "BOUNCE_POLL_SECONDS": "10",
            "REMINDER_LEASE_SECONDS": "6",
            "REMINDER_SEND_TIMEOUT_SECONDS": "2",
        }
        with running(tmp_path, more=settings) as stack:
            start = (datetime.now(UTC) + timedelta(minutes=20)).isoformat()
            people = [{"email": f"{name}@example.test", "zone": "UTC"} for name in ("wrong", "one", "two")]
            plant(
                stack,
                people,
                [{"title": "Pump", "start": start, "who": n, "then": "", "to": None} for n in range(3)],
            )
            stack.python(ANOTHER_ADDRESS, "wrong@example.test")
            worker, _, _ = stack.staff()
            until(lambda: len(stack.mails()) == 3, within=60, what="all are reminded")
            senders = {mail["recipients"][0]: mail["sender"] for mail in stack.mails()}
            assert len(set(senders.values())) == 3
            bounce = bounces.dsn(to=senders["wrong@example.test"])
            forged = bounces.dsn(to="bounces+1-aaaaaaaaaaaaaaaa@example.test", message_id="<forged@x>")
            mailbox.deliver(bounce)
            mailbox.deliver(forged)

            until(lambda: any(c.startswith("STORE") for c in mailbox.commands), within=60, what="it is read")
            worker.kill()
            assert one(stack, EVENTS) == 1
            assert [message.flags for message in mailbox.messages] == [set(), set()]

            mailbox.fail_at = ""
            stack.query("UPDATE reminders_bouncepoll SET leased_until = NULL, next_at = now()")
            stack.worker()
            until(lambda: len(mailbox.messages) == 1, within=60, what="it is read again")
            until(lambda: bool(mailbox.messages[0].flags), within=60, what="the other is read too")
            assert [(one.content, one.flags) for one in mailbox.messages] == [(forged, {r"\Seen"})]
            until(lambda: one(stack, OPEN) == 0, within=60, what="all messages have ended")

            assert [receive(stack, content) for content in (bounce, forged, b"words")] == [0, 0, 0]
            assert one(stack, EVENTS) == 1
            assert sorted(mail["recipients"][0] for mail in stack.mails()) == sorted(
                ["wrong@example.test", "right@example.test", "one@example.test", "two@example.test"]
            )
            words = stack.manage("explain_reminder", "1").stdout
            assert "bounced for good, as dsn reports: smtp; 550 5.1.1 <address>" in words
