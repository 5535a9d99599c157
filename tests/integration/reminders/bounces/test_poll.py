"""The mailbox is polled: what is settled is deleted, all else is marked as seen, and nothing is lost in between."""

from datetime import timedelta

import pytest

from config import addresses
from notifications.bounces.imap import MailboxAddress
from notifications.bounces.mailbox import Mailbox
from reminders.bounces import poll, polls, receiving
from reminders.bounces.polls import MailboxPollResult
from reminders.models import BouncePoll, DeliveryEvent
from tests.fakes import bounces
from tests.fakes.imap_server import ImapServer

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def server(settings):
    with ImapServer() as server:
        settings.BOUNCE_MAILBOX = MailboxAddress(**addresses.mailbox(server.url))
        yield server


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch):
    monkeypatch.setattr(polls, "_looked_at", float("-inf"))
    monkeypatch.setattr(polls, "LOOK_EVERY_SECONDS", 0.0)


def left_in(server: ImapServer) -> list[tuple[bytes, set[str]]]:
    return [(message.content, message.flags) for message in server.messages]


def test_what_is_settled_is_deleted_and_all_else_is_marked_as_seen(server, sent, config):
    foreign = b"From: x@example.net\nTo: bounces@example.org\n\nBuy this!\n"
    person = f"From: x@example.net\nTo: {sent.return_path}\n\nThank you!\n".encode()
    contents = (
        bounces.dsn(to=sent.return_path),
        foreign,
        bounces.out_of_office(to=sent.return_path),
        person,
        bounces.dsn(to="bounces+1-aaaaaaaaaaaaaaaa@example.org", message_id="<forged@x>"),
    )
    for content in contents:
        server.deliver(content)
    assert poll.poll(config=config) == MailboxPollResult(read=5, recorded=1)
    assert left_in(server) == [(foreign, {r"\Seen"}), (person, {r"\Seen"}), (contents[4], {r"\Seen"})]
    assert len(sent.events()) == 1
    assert poll.poll(config=config) == MailboxPollResult(read=0)


def test_who_dies_between_recording_and_marking_reads_it_again_without_effect(
    server, sent, config, monkeypatch
):
    class Killed(BaseException):
        pass

    def killed(*_, **__):
        raise Killed

    server.deliver(bounces.dsn(to=sent.return_path))
    with monkeypatch.context() as patch:
        patch.setattr(Mailbox, "finish", killed)
        with pytest.raises(Killed):
            poll.poll(config=config)
    assert (len(sent.events()), left_in(server)[0][1]) == (1, set())
    assert poll.poll(config=config) is None
    BouncePoll.objects.update(leased_until=None)
    assert poll.poll(config=config) == MailboxPollResult(read=1, recorded=0)
    assert (len(sent.events()), sent.ways()) == (1, ["email SENT", "sms PLANNED"])
    assert server.messages == []


def test_a_bounce_that_is_quicker_than_the_record_of_its_message_stays_new(server, sent, config):
    content = bounces.dsn(to=sent.return_path)
    server.deliver(content)
    sent.is_again_being_sent()
    assert poll.poll(config=config) == MailboxPollResult(read=1, recorded=0)
    assert left_in(server) == [(content, set())]
    sent.has_been_sent()
    assert poll.poll(config=config) == MailboxPollResult(read=1, recorded=1)
    assert (server.messages, sent.ways()) == ([], ["email SENT", "sms PLANNED"])


def test_a_lease_of_a_dead_process_ends(server, config, clock):
    assert polls.claim() is not None
    assert poll.poll(config=config) is None
    clock.advance(polls.LEASE + timedelta(seconds=1))
    assert poll.poll(config=config) == MailboxPollResult()


def test_one_mail_that_cannot_be_recorded_does_not_hold_up_the_others(server, sent, config, monkeypatch):
    bad = b"From: bad@example.net\n\n"
    receive = receiving.receive

    def fragile(content, **more):
        if content == bad:
            raise RuntimeError("a fault of ours")
        return receive(content, **more)

    monkeypatch.setattr(receiving, "receive", fragile)
    server.deliver(bad)
    server.deliver(bounces.dsn(to=sent.return_path))
    assert poll.poll(config=config) == MailboxPollResult(read=2, recorded=1)
    assert left_in(server) == [(bad, {r"\Seen"})]


def test_a_mailbox_that_cannot_be_read_is_asked_less_and_less_often(server, config, clock):
    server.password = "changed"
    waits = []
    for _ in range(6):
        result = poll.poll(config=config)
        assert result == MailboxPollResult(code="login", detail="the mailbox refuses user or password")
        status = polls.status()
        waits.append((status.next_at - clock.now()) / MINUTE)
    assert waits == [1, 2, 4, 8, 15, 15]
    assert status.failures == 6
    assert status.failing_since == clock.now()
    server.password = "secret"
    assert poll.poll(config=config) == MailboxPollResult()
    status = polls.status()
    assert (status.failing_since, status.failures, status.code) == (None, 0, "")
    assert status.next_at == clock.now() + MINUTE


def test_a_full_mailbox_is_read_in_several_visits(server, config, clock, monkeypatch):
    monkeypatch.setattr(poll, "MOST_MAILS", 2)
    for _ in range(3):
        server.deliver(b"From: x@example.net\n\n")
    results = []
    for _ in range(2):
        results.append(poll.poll(config=config))
        assert polls.status().next_at == (clock.now() if results[-1].more else clock.now() + MINUTE)
    assert results == [MailboxPollResult(read=2, more=True), MailboxPollResult(read=1)]


def test_a_poll_is_handed_over_once_an_interval(clock):
    asked = [polls.request_due(every=MINUTE) for _ in range(3)]
    assert asked == [True, False, False]
    clock.advance(MINUTE)
    assert [polls.request_due(every=MINUTE) for _ in range(2)] == [True, False]
    assert polls.claim() is not None
    clock.advance(MINUTE)
    assert not polls.request_due(every=MINUTE)


def test_a_process_asks_the_database_every_few_seconds_only(clock, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(polls, "LOOK_EVERY_SECONDS", 60.0)
    assert polls.request_due(every=MINUTE)
    with django_assert_num_queries(0):
        assert not polls.request_due(every=MINUTE)


def test_without_a_mailbox_nothing_is_asked(settings, config, django_assert_num_queries):
    assert settings.BOUNCE_MAILBOX is None
    with django_assert_num_queries(0):
        assert poll.poll(config=config) is None
    assert not DeliveryEvent.objects.exists()
