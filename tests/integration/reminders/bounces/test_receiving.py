"""A mail that comes back is recorded with the message that it is about, once, in any order, and never for another."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from assignments import services
from reminders.bounces import receiving
from reminders.bounces.receiving import Receipt, ReceiptOutcome
from reminders.content import tracking
from reminders.delivery import retention
from reminders.ledger import counters
from reminders.models import Counter, DeliveryEvent, Reminder
from tests.factories import AssignmentFactory
from tests.fakes import bounces

pytestmark = pytest.mark.django_db

RECORDED = Receipt(ReceiptOutcome.RECORDED, settled=True)
KNOWN = Receipt(ReceiptOutcome.KNOWN, settled=True)


@pytest.fixture
def receive(config):
    return lambda content, **more: receiving.receive(content, config=config, **more)


def counted(kind: str) -> int:
    label = counters.labels(channel="email", kind=kind)
    rows = Counter.objects.filter(name=counters.DELIVERY_EVENTS, labels=label)
    return int(sum(row.value for row in rows))


def test_a_message_carries_its_token_only_where_somebody_hands_it_back(sent, settings, send_due, messages):
    assert [message.tracking for message in messages] == [sent.token]
    settings.TRACKED_CHANNELS = frozenset()
    AssignmentFactory(soon=True)
    send_due()
    assert [message.tracking for message in messages] == [sent.token, ""]


def test_a_permanent_bounce_is_kept_marks_the_address_and_plans_the_next_way(sent, receive):
    assert receive(bounces.dsn(to=sent.return_path)) == RECORDED
    detail = "smtp; 550 5.1.1 <address>: Recipient address rejected: User unknown"
    assert sent.events() == [("bounced", True, "dsn", detail)]
    assert sent.is_failing()
    assert sent.ways() == ["email SENT", "sms PLANNED"]
    sent.row.refresh_from_db()
    assert sent.row.state == "SENT"


def test_the_same_mail_again_changes_nothing(sent, receive, send_due):
    for expected in (RECORDED, KNOWN, KNOWN):
        assert receive(bounces.dsn(to=sent.return_path)) == expected
    assert receive(b"Received: from elsewhere\r\n" + bounces.dsn(to=sent.return_path)) == KNOWN
    assert (len(sent.events()), counted("bounced")) == (1, 1)
    send_due()
    assert sent.ways() == ["email SENT", "sms SENT"]


@pytest.mark.parametrize(
    ("status", "diagnostic"),
    [("4.2.2", "smtp; 452 4.2.2 mailbox full"), ("5.7.1", "smtp; 550 5.7.1 blocked by policy")],
)
def test_a_bounce_that_says_nothing_of_the_address_is_kept_and_changes_nothing(
    sent, receive, status, diagnostic
):
    assert receive(bounces.dsn(to=sent.return_path, status=status, diagnostic=diagnostic)) == RECORDED
    assert sent.events() == [("bounced", False, "dsn", diagnostic)]
    assert not sent.is_failing()
    assert sent.ways() == ["email SENT"]


def test_the_own_header_names_the_message_where_the_address_does_not(sent, receive):
    assert receive(bounces.dsn(to="bounces@example.org", token=sent.token)) == RECORDED
    assert len(sent.events()) == 1


def test_the_address_that_the_mail_server_names_counts(sent, receive):
    assert receive(bounces.qmail(to="root@localhost"), recipient=sent.return_path) == RECORDED
    assert sent.events() == [("bounced", True, "dsn", "5.1.1")]


def test_a_complaint_opts_the_address_out(sent, receive):
    assert receive(bounces.complaint(token=sent.token)) == RECORDED
    assert sent.events() == [("complained", False, "arf", "abuse")]
    assert sent.person.contact_points.get(channel="email").opted_out_at is not None


def test_a_forged_token_is_ignored(sent, receive):
    number, _, signature = sent.token.partition("-")
    forged = [f"{int(number) + 1}-{signature}", f"{number}-{'a' * 16}", number, "1-1"]
    for token in forged:
        content = bounces.dsn(to=f"bounces+{token}@example.org", token=token)
        assert receive(content) == Receipt(ReceiptOutcome.UNKNOWN, settled=False)
    assert not DeliveryEvent.objects.exists()


def test_a_good_token_beside_a_forged_one_counts(sent, receive):
    assert receive(bounces.dsn(to="bounces+1-aaaaaaaaaaaaaaaa@example.org", token=sent.token)) == RECORDED


def test_the_row_of_a_good_token_may_be_gone(sent, receive):
    content = bounces.dsn(token=tracking.token_of(sent.row.pk + 1_000_000))
    assert receive(content) == KNOWN
    assert not DeliveryEvent.objects.exists()


def test_a_key_that_was_replaced_still_counts(sent, receive, settings):
    content = bounces.dsn(to=sent.return_path)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another" * 8
    assert receive(content) == RECORDED


def test_a_late_bounce_of_a_former_plan_is_kept_and_plans_nothing(sent, receive, send_due):
    work = sent.row.assignment
    services.change(work.pk, {"scheduled_start": work.scheduled_start.replace(day=20)})
    former = Reminder.objects.filter(version=sent.row.version)
    before = list(former.values_list("channel", "state"))
    assert receive(bounces.dsn(to=sent.return_path)) == RECORDED
    assert len(sent.events()) == 1
    assert list(former.values_list("channel", "state")) == before == [("email", "SENT")]


@pytest.mark.parametrize("first", ["delivered", "bounced"])
def test_events_are_kept_in_whatever_order_they_come(sent, receive, first):
    mails = {
        "delivered": bounces.dsn(
            to=sent.return_path, action="delivered", status="2.0.0", message_id="<ok@mx.example.net>"
        ),
        "bounced": bounces.dsn(to=sent.return_path),
    }
    for kind in sorted(mails, key=lambda kind: kind != first):
        assert receive(mails[kind]) == RECORDED
    assert sorted(kind for kind, *_ in sent.events()) == ["bounced", "delivered"]


@pytest.mark.parametrize("kind", ["away", "delayed", "no_report", "unreadable"])
def test_what_reports_nothing_is_left_out_and_kept_where_somebody_may_want_to_read_it(sent, receive, kind):
    mails = {
        "away": bounces.out_of_office(to=sent.return_path),
        "delayed": bounces.dsn(to=sent.return_path, action="delayed", status="4.4.1"),
        "no_report": f"From: ada@example.net\nTo: {sent.return_path}\n\nThank you!\n".encode(),
        "unreadable": b"\x00\x01\x02",
    }
    receipt = receive(mails[kind])
    assert receipt.outcome is (ReceiptOutcome.UNKNOWN if kind == "unreadable" else ReceiptOutcome.IGNORED)
    assert receipt.settled is (kind in ("away", "delayed"))
    assert not DeliveryEvent.objects.exists()


def test_no_log_line_holds_an_address(sent, receive, caplog):
    caplog.set_level(logging.DEBUG)
    mails = [
        bounces.dsn(to=sent.return_path),
        bounces.qmail(to=sent.return_path),
        bounces.exim(to="bounces@example.org", token=sent.token),
        bounces.out_of_office(to=sent.return_path),
        b"From:\nTo: ada@example.net\n\n<bob@example.net>\n",
    ]
    for content in mails:
        receive(content)
    lines = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    ours = [line for line in lines if "reminders.bounces" in line]
    assert len(ours) == len(mails)
    assert not [line for line in lines if "@example." in line]
    assert not [line for line in lines if sent.token in line]


def test_events_are_forgotten_after_two_years(sent, receive, clock, config):
    receive(bounces.dsn(to=sent.return_path))
    DeliveryEvent.objects.update(received_at=clock.now())
    for days, left in ((730, 1), (2, 0)):
        clock.advance(timedelta(days=days))
        retention.prune(config)
        assert DeliveryEvent.objects.count() == left


def test_a_report_from_the_future_happened_now(sent, receive, clock):
    receive(bounces.dsn(to=sent.return_path).replace(b"26 Nov 2026", b"26 Nov 2036"))
    [event] = DeliveryEvent.objects.all()
    assert event.at <= clock.now()
    DeliveryEvent.objects.all().delete()
    receive(bounces.dsn(to=sent.return_path).replace(b"26 Nov 2026", b"14 Jun 2026"))
    [event] = DeliveryEvent.objects.all()
    assert event.at == datetime(2026, 6, 14, 10, 0, 2, tzinfo=UTC)
