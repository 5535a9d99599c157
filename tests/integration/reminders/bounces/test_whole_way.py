"""A message leaves over SMTP, its bounce comes back over IMAP, and the person hears by the next address: once."""

from dataclasses import replace
from email import message_from_bytes

import pytest

from assignments import contact_points
from config import addresses
from notifications.bounces.imap import MailboxAddress
from notifications.channels import registry
from reminders.bounces import poll
from reminders.delivery import deliver, dispatch, scan
from reminders.models import Reminder
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes import bounces
from tests.fakes.broker import MemoryBroker
from tests.fakes.imap_server import ImapServer
from tests.fakes.smtp_server import SmtpServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def mail_server(settings):
    with SmtpServer() as server:
        settings.EMAIL_BACKEND = "notifications.channels.email.backend.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.DEFAULT_FROM_EMAIL = "Assignment reminders <reminders@example.org>"
        yield server
        registry.get("email").close()


@pytest.fixture
def mailbox(settings):
    with ImapServer() as server:
        settings.BOUNCE_MAILBOX = MailboxAddress(**addresses.mailbox(server.url))
        yield server


@pytest.mark.parametrize("subaddresses", [True, False])
def test_who_has_a_wrong_address_hears_by_the_next_one(mail_server, mailbox, settings, config, subaddresses):
    if not subaddresses:
        settings.BOUNCE_ADDRESS = ""
    only_mail = replace(config, further_channels=())

    def send_due() -> None:
        scan.scan(trigger="cli", config=only_mail)
        broker = MemoryBroker()
        dispatch.dispatch(config=only_mail, broker=broker)
        for batch in broker.batches:
            deliver.deliver(batch.hints, config=only_mail)

    person = AssigneeFactory(email="wrong@example.net")
    second = contact_points.add_point(person.pk, "email", "right@example.net")
    AssignmentFactory(soon=True, assignee=person)
    others = AssignmentFactory.create_batch(2, soon=True)
    send_due()
    [message] = [one for one in mail_server.accepted if one.recipients == ("wrong@example.net",)]
    returned = message_from_bytes(message.content)
    assert (message.sender == "reminders@example.org") is not subaddresses
    headers = "".join(f"{name}: {value}\n" for name, value in returned.items())
    mailbox.deliver(bounces.dsn(to=message.sender, returned=headers.replace("{", "{{").replace("}", "}}")))
    for _ in range(2):
        poll.poll(config=only_mail)
        send_due()
    assert mail_server.count() == {
        "wrong@example.net": 1,
        "right@example.net": 1,
        **{work.assignee.email: 1 for work in others},
    }
    rows = Reminder.objects.filter(assignment__assignee=person).order_by("id")
    assert [(row.channel, row.state) for row in rows if row.channel != "none"] == [
        ("email", "SENT"),
        (f"email:{second.pk}", "SENT"),
    ]
    senders = [one.sender for one in mail_server.accepted]
    assert len(set(senders)) == (len(senders) if subaddresses else 1)
    assert mailbox.messages == []
