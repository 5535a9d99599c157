"""Real processes and a gateway for SMS: a message, what became of it, a reply, and kills in the middle."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes.sms_gateway import Answer, SmsGateway
from tests.sms_stage import ANN, BEN, SITE
from tests.stack import Child, Stack, running, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PLANT = """
import json, sys
from datetime import datetime
from assignments import people, services
from assignments.services import NewAssignment
given = json.load(sys.stdin)
person = people.add_assignee(name=given["name"], email="", phone=given["phone"], time_zone="UTC")
start = datetime.fromisoformat(given["start"])
work = NewAssignment(title="Valve", scheduled_start=start, assignee_id=person.pk)
print(json.dumps(services.create(work).pk))
"""


@dataclass
class Site:
    stack: Stack
    gateway: SmsGateway
    web: str
    worker: Child

    def plant(self, name: str, phone: str) -> int:
        """Work of a person who has a phone alone, whose reminder is due now."""
        start = datetime.now(UTC) + timedelta(minutes=20)
        given = {"name": name, "phone": phone, "start": start.isoformat()}
        found: int = json.loads(self.stack.python(PLANT, given))
        return found

    def post(self, url: str, fields: dict[str, str], *, token: str = "") -> Answer:
        return self.gateway.post(url, fields, at=url.replace(SITE, self.web), token=token)

    def value(self, statement: str) -> object:
        return self.stack.query(statement)[0][0]


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    with SmsGateway() as gateway:
        more = {
            "SMS_URL": gateway.url,
            "PUBLIC_URL": SITE,
            "ALLOWED_HOSTS": "*",
            "REMINDER_SEND_TIMEOUT_SECONDS": "2",
            "REMINDER_LEASE_SECONDS": "6",
        }
        with running(tmp_path, mail=False, more=more) as stack:
            web, worker, _ = stack.crew()
            yield Site(stack, gateway, web, worker)


def test_a_person_who_has_a_phone_alone_is_reached_answers_and_opts_out(site):
    work = site.plant("Ann", ANN)
    until(lambda: site.gateway.taken, within=60, what="the gateway takes the message")
    (taken,) = site.gateway.taken
    state = f"SELECT state FROM reminders_reminder WHERE assignment_id = {work} AND channel = 'sms'"
    until(lambda: site.value(state) == "SENT", within=30, what="it is SENT")

    assert site.post(taken.callback, site.gateway.status(taken, "delivered")).status == 204
    assert site.value("SELECT kind FROM reminders_deliveryevent") == "delivered"
    assert (
        site.post(taken.callback, site.gateway.status(taken, "failed", error=30006), token="forged").status
        == 403
    )
    assert site.value("SELECT count(*) FROM reminders_deliveryevent") == 1

    replies = f"{SITE}/api/inbound/sms"
    assert site.post(replies, site.gateway.reply(ANN, "yes")).messages == []
    assert site.value(f"SELECT answer FROM assignments_assignment WHERE id = {work}") == "CONFIRMED"
    assert (
        site.post(replies, site.gateway.reply(ANN, "pardon?")).messages[0].startswith("We did not understand")
    )
    assert site.post(replies, site.gateway.reply(ANN, "STOP")).messages == []
    assert site.value("SELECT opted_out_at IS NOT NULL FROM assignments_contactpoint") is True
    assert site.value("SELECT messages FROM reminders_smsmonth") == 2


def test_a_worker_that_is_killed_while_the_gateway_is_silent_leaves_a_doubt_and_no_more(site):
    site.gateway.stop_at = "silence"
    work = site.plant("Ben", BEN)
    until(lambda: site.gateway.taken, within=60, what="the gateway takes the message")
    site.worker.kill()
    site.gateway.stop_at = ""
    site.stack.worker()
    row = f"FROM reminders_reminder WHERE assignment_id = {work} AND channel = 'sms'"
    until(lambda: site.value(f"SELECT ambiguous {row}") == 1, within=60, what="the doubt is recorded")
    until(lambda: site.value(f"SELECT state {row}") == "SENT", within=90, what="it is repeated once")
    assert [one.to for one in site.gateway.taken] == [BEN, BEN]
    assert site.value("SELECT messages FROM reminders_smsmonth") == 2
