"""What became of a message is shown: in the explanation, in the API, in the metrics, and by the doctor."""

from datetime import timedelta

import pytest

from config import addresses
from notifications.bounces.imap import MailboxAddress
from reminders.bounces import poll, receiving
from reminders.delivery import tasks
from reminders.insight.doctor import bounces as doctor
from reminders.insight.explain.explain import explain
from reminders.ledger import archive
from reminders.models import Reminder
from tests.fakes import bounces
from tests.fakes.api_caller import ApiCaller
from tests.fakes.imap_server import ImapServer

pytestmark = pytest.mark.django_db

DETAIL = "smtp; 550 5.1.1 <address>: Recipient address rejected: User unknown"


@pytest.fixture
def bounced(sent, config, clock):
    clock.advance(timedelta(seconds=2))
    receiving.receive(bounces.dsn(to=sent.return_path), config=config)
    Reminder.objects.filter(channel="sms").delete()  # what follows from it is another test's
    return sent


def history_of(sent, config) -> list[str]:
    return [step.summary for step in explain(sent.row.assignment, config=config).history]


def test_the_explanation_says_it_in_its_place(bounced, config):
    told = history_of(bounced, config)
    at = next(place for place, line in enumerate(told) if "bounced for good" in line)
    assert told[at] == f"REMINDER of version 1 by e-mail bounced for good, as dsn reports: {DETAIL}."
    assert any("was accepted" in line for line in told[:at])
    [row] = [
        one for one in explain(bounced.row.assignment, config=config).reminders if one.channel == "email"
    ]
    assert [(event.kind, event.permanent, event.detail) for event in row.delivery_events] == [
        ("bounced", True, DETAIL)
    ]
    assert row.summary.endswith("; it has bounced")


def test_a_later_delivery_takes_the_word_of_the_bounce_back(bounced, config):
    content = bounces.dsn(
        to=bounced.return_path, action="delivered", status="2.0.0", message_id="<ok@mx.example.net>"
    )
    receiving.receive(content, config=config)
    assert any("was delivered, as dsn reports" in line for line in history_of(bounced, config))
    [row] = [
        one for one in explain(bounced.row.assignment, config=config).reminders if one.channel == "email"
    ]
    assert "has bounced" not in row.summary


def test_the_api_answers_with_it_also_from_the_archive(bounced, clock):
    api = ApiCaller("read")

    def answered() -> list[list[dict[str, object]]]:
        body = api.get(f"/api/assignments/{bounced.row.assignment_id}/reminders").json()
        return [row["delivery_events"] for row in body["results"] if row["channel"] == "email"]

    [[event]] = answered()
    assert {name: event[name] for name in ("kind", "permanent", "source", "detail")} == {
        "kind": "bounced",
        "permanent": True,
        "source": "dsn",
        "detail": DETAIL,
    }
    bounced.row.assignment.__class__.objects.filter(pk=bounced.row.assignment_id).update(status="COMPLETED")
    clock.advance(timedelta(days=100))
    assert archive.archive_batch(after=timedelta(days=90)) == 1
    assert answered() == [[event]]


def test_the_doctor_reads_the_mailbox_and_looks_at_its_polls(settings, config, clock):
    assert list(doctor.mailbox(usable=True)) == []
    with ImapServer() as server:
        settings.BOUNCE_MAILBOX = MailboxAddress(**addresses.mailbox(server.url))
        server.deliver(b"From: x@example.net\n\n")

        def levels() -> list[str]:
            return [check.level.value for check in doctor.mailbox(usable=True)]

        assert levels() == ["pass", "warn"]
        assert next(doctor.mailbox(usable=False)).seen == "it can be read; 1 new in it"
        poll.poll(config=config)
        assert levels() == ["pass", "pass"]
        clock.advance(timedelta(minutes=6))
        assert levels() == ["pass", "fail"]
        server.password = "changed"
        poll.poll(config=config)
        checks = list(doctor.mailbox(usable=True))
        assert [check.level.value for check in checks] == ["fail", "fail"]
        assert checks[0].seen == "the mailbox refuses user or password (login)"
        assert all("secret" not in f"{check.seen} {check.fix}" for check in checks)


def test_dispatch_has_a_worker_poll_once_an_interval(settings, clock, monkeypatch):
    from reminders.bounces import polls

    asked = []

    class Broker:
        def poll_bounces(self, *, expires):
            asked.append(expires)

    monkeypatch.setattr(polls, "_looked_at", float("-inf"))
    monkeypatch.setattr(polls, "LOOK_EVERY_SECONDS", 0.0)
    tasks._request_bounces(Broker())
    assert asked == []
    settings.BOUNCE_MAILBOX = object()
    for _ in range(3):
        tasks._request_bounces(Broker())
    assert asked == [timedelta(seconds=60)]


def test_the_task_polls(settings, sent):
    with ImapServer() as server:
        settings.BOUNCE_MAILBOX = MailboxAddress(**addresses.mailbox(server.url))
        server.deliver(bounces.dsn(to=sent.return_path))
        tasks.poll_bounces_task()
        assert (server.messages, len(sent.events())) == ([], 1)
