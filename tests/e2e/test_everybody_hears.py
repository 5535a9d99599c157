"""Real processes, a mail server and a gateway for SMS: one address is refused for good, one bounces later, one person has a
phone alone. Workers are killed in the middle, and everybody hears once, as the explanation had said.
"""

import json
import smtplib
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.test_bounces import EVENTS, receive
from tests.e2e.test_whole import one
from tests.fakes import bounces
from tests.fakes.sms_gateway import SmsGateway
from tests.sms_stage import ANN, BEN, SITE
from tests.stack import Stack, running, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

REFUSED = {
    "step": "rcpt",
    "action": "answer",
    "answer": "550 5.1.1 no such mailbox",
    "recipient": "wrong@example.test",
    "about": "recipient",
}
PLANT = """
import json, sys
from datetime import datetime
from assignments import contact_points, people, services
from assignments.services import NewAssignment
made = {}
for name, email, phone, second, start in json.load(sys.stdin):
    person = people.add_assignee(name=name, email=email, phone=phone, time_zone="UTC")
    if second:
        contact_points.add_point(person.pk, "email", second)
    work = NewAssignment(title="Valve", scheduled_start=datetime.fromisoformat(start), assignee_id=person.pk)
    made[name] = services.create(work).pk
print(json.dumps(made))
"""
SENT = "SELECT count(*) FROM reminders_reminder WHERE assignment_id = {} AND kind = 'REMINDER' AND state = 'SENT'"
OPEN = "SELECT count(*) FROM reminders_reminder WHERE kind = 'REMINDER' AND channel <> 'none' AND closed_at IS NULL"
DOUBTFUL = "SELECT coalesce(sum(ambiguous), 0) FROM reminders_reminder"


def refuse(stack: Stack, **fault: object) -> None:
    with smtplib.SMTP("127.0.0.1", stack.mail_port, timeout=10) as sink:
        assert sink.docmd("XFAULT", json.dumps(fault))[0] == 250


def test_everybody_hears_once_over_the_address_that_works(tmp_path):
    with SmsGateway() as gateway:
        more = {
            "SMS_URL": gateway.url,
            "PUBLIC_URL": SITE,
            "BOUNCE_ADDRESS": "bounces@example.test",
            "REMINDER_SEND_TIMEOUT_SECONDS": "2",
            "REMINDER_LEASE_SECONDS": "6",
        }
        with running(tmp_path, more=more) as stack:
            refuse(stack, **REFUSED)
            start = (datetime.now(UTC) + timedelta(minutes=20)).isoformat()
            work = json.loads(
                stack.python(
                    PLANT,
                    [
                        ("Refused", "wrong@example.test", ANN, "", start),
                        ("Bounced", "moved@example.test", "", "new@example.test", start),
                        ("Phone", "", BEN, "", start),
                    ],
                )
            )
            before = {name: stack.manage("explain_reminder", str(pk)).stdout for name, pk in work.items()}
            assert "by e-mail now" in before["Refused"]
            assert "if it is refused, SMS is tried next" in before["Refused"]
            assert "if it is refused, e-mail (contact point " in before["Bounced"]
            assert "is tried next" not in before["Phone"]

            worker, _, _ = stack.staff()
            until(lambda: stack.mail_refusals(), within=60, what="the wrong address is refused")
            worker.kill()
            worker = stack.worker()
            until(
                lambda: one(stack, SENT.format(work["Bounced"])),
                within=60,
                what="the other address is accepted",
            )
            (sender,) = {
                mail["sender"] for mail in stack.mails() if mail["recipients"] == ["moved@example.test"]
            }
            bounce = bounces.dsn(to=sender)
            assert receive(stack, bounce) == 0
            worker.kill()
            stack.worker()
            assert receive(stack, bounce) == 0
            forged = bounces.dsn(
                to="bounces+1-aaaaaaaaaaaaaaaa@example.test", message_id="<forged@example.test>"
            )
            assert receive(stack, forged) == 0
            until(lambda: one(stack, OPEN) == 0, within=90, what="all messages have ended")

            assert one(stack, EVENTS) == 1
            # A worker that was killed after the other side had its message leaves a doubt, and one more copy.
            doubts = one(stack, DOUBTFUL)
            assert doubts <= 2
            heard = sorted(mail["recipients"][0] for mail in stack.mails())
            texts = sorted(taken.to for taken in gateway.taken)
            assert set(heard) == {"moved@example.test", "new@example.test"}
            assert set(texts) == {ANN, BEN}
            assert len(heard) + len(texts) <= 4 + doubts

            after = {name: stack.manage("explain_reminder", str(pk)).stdout for name, pk in work.items()}
            assert "was refused by e-mail (550), and was accepted by SMS" in after["Refused"]
            assert "bounced by e-mail, and was accepted by e-mail (contact point " in after["Bounced"]
            assert "was accepted" in after["Phone"]
