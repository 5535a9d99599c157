"""Mail over an encrypted connection: STARTTLS and TLS from the first octet, and none without the right one."""

import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from notifications.channels.email.server import MailServer
from notifications.channels.email.transport import SmtpTransport
from notifications.message import Delivery, Outcome, Subject
from tests.fakes.smtp_faults import Fault
from tests.fakes.smtp_server import SmtpServer

CERTIFICATE = Path(__file__).parents[2] / "loopback.pem"
PLENTY = timedelta(seconds=60)
SMALL = b"A: b\r\n\r\nHello\r\n"


@pytest.fixture(params=["starttls", "implicit"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(way: str) -> Iterator[SmtpServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with SmtpServer(
        tls=context, implicit_tls=way == "implicit", credentials=("worker", "correct horse"), chunking=True
    ) as server:
        yield server


@pytest.fixture
def address(server: SmtpServer, way: str) -> MailServer:
    return MailServer(
        "127.0.0.1",
        server.port,
        "worker",
        "correct horse",
        starttls=way == "starttls",
        implicit_tls=way == "implicit",
    )


@pytest.fixture
def transport(address: MailServer) -> Iterator[SmtpTransport]:
    transport = SmtpTransport(address, tls=ssl.create_default_context(cafile=CERTIFICATE))
    yield transport
    transport.close()


def send(transport: SmtpTransport, *, timeout: timedelta = PLENTY, content: bytes = SMALL) -> Delivery:
    return transport.deliver(content, sender="a@example.com", recipient="b@example.com", timeout=timeout)


def test_mails_travel_over_one_encrypted_connection(server: SmtpServer, transport: SmtpTransport) -> None:
    large = b"A: b\r\n\r\n" + b"0123456789\r\n" * 100_000
    assert [send(transport, content=content).accepted for content in (SMALL, SMALL, large, SMALL)] == [
        True
    ] * 4
    assert [len(each.content) for each in server.accepted] == [15, 15, len(large), 15]
    assert server.connections == 1
    verbs = [command.split()[0] for command in server.commands]
    assert (verbs.count("DATA"), verbs.count("BDAT")) == (
        2,
        2,
    )  # the first and the large one; those after another


def test_a_connection_that_the_server_has_ended_is_replaced_unseen(
    server: SmtpServer, transport: SmtpTransport
) -> None:
    assert send(transport).accepted
    server.drop_connections()
    server.wait_until(lambda: server.open_connections == 0)
    assert send(transport).accepted
    assert [each.connection for each in server.accepted] == [1, 2]


def test_credentials_travel_only_after_the_handshake(
    server: SmtpServer, transport: SmtpTransport, way: str
) -> None:
    assert send(transport).accepted
    verbs = [command.split()[0].upper() for command in server.commands]
    start = ["EHLO", "STARTTLS"] if way == "starttls" else []
    assert verbs == [*start, "EHLO", "AUTH", "MAIL", "RCPT", "DATA"]


def test_a_certificate_that_nobody_trusts_is_a_channel_down(server: SmtpServer, address: MailServer) -> None:
    delivery = send(SmtpTransport(address))
    assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "tls")
    assert "certificate" in delivery.detail
    assert server.accepted == []
    assert not [command for command in server.commands if command.upper().startswith(("AUTH", "MAIL"))]


def test_a_certificate_of_another_host_is_a_channel_down(server: SmtpServer, address: MailServer) -> None:
    elsewhere = replace(address, host="localhost")
    delivery = send(SmtpTransport(elsewhere, tls=ssl.create_default_context(cafile=CERTIFICATE)))
    assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "tls")
    assert "localhost" in delivery.detail
    assert server.accepted == []


def test_no_mail_goes_unencrypted_where_starttls_is_asked_for() -> None:
    with SmtpServer() as plain:
        delivery = send(SmtpTransport(MailServer("127.0.0.1", plain.port, starttls=True)))
        assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "tls")
        assert plain.accepted == []


def test_a_handshake_that_never_comes_ends_with_the_deadline() -> None:
    with SmtpServer() as plain:
        # It waits for a command, while the other side waits for the handshake.
        server = MailServer("127.0.0.1", plain.port, implicit_tls=True)
        plain.plan(Fault("connect", "hang"))
        assert send(SmtpTransport(server), timeout=timedelta(seconds=0.5)) == Delivery(
            Outcome.CHANNEL_DOWN, "tls", "time ran out", phase="tls", subject=Subject.CHANNEL
        )


@pytest.mark.parametrize("action", ["drop", "hang"])
def test_a_lost_answer_is_unknowable_here_too(
    server: SmtpServer, transport: SmtpTransport, action: str
) -> None:
    assert send(transport).accepted
    server.plan(Fault("dot", action, accept=True, times=1))  # type: ignore[arg-type]
    delivery = send(transport, timeout=timedelta(seconds=2))
    assert (delivery.outcome, delivery.code) == (Outcome.UNKNOWABLE, "answer")
    assert send(transport).accepted
    assert len(server.accepted) == 3
    assert server.connections == 2


def test_replies_that_come_octet_by_octet_are_read_to_their_end(
    server: SmtpServer, transport: SmtpTransport
) -> None:
    assert send(transport).accepted
    server.plan(Fault("dot", "tarpit", accept=True, pause=0.01, times=1))
    assert send(transport).accepted
    assert send(transport).accepted
    assert (len(server.accepted), server.connections) == (3, 1)


def test_a_mail_that_is_larger_than_every_buffer_arrives_whole(
    server: SmtpServer, transport: SmtpTransport
) -> None:
    large = b"A: b\r\n\r\n" + b"A line of the mail, as long as most.\r\n" * 200_000
    assert send(transport, content=large).accepted
    assert server.accepted[0].content == large


def test_a_server_that_stops_reading_is_waited_for_without_work(
    server: SmtpServer, transport: SmtpTransport
) -> None:
    assert send(transport).accepted
    server.plan(Fault("content", "hang", times=1))
    large = b"A: b\r\n\r\n" + b"A line of the mail, as long as most.\r\n" * 500_000
    used = time.process_time()
    delivery = send(transport, timeout=timedelta(seconds=3), content=large)
    assert (delivery.outcome, delivery.detail) == (Outcome.REFUSED_FOR_NOW, "time ran out")
    assert time.process_time() - used < 1.5
    assert send(transport).accepted


def test_an_idle_connection_that_was_ended_is_replaced_unseen(
    server: SmtpServer, transport: SmtpTransport
) -> None:
    assert send(transport).accepted
    server.drop_connections()
    assert send(transport).accepted
    assert server.connections == 2


def test_a_client_certificate_that_cannot_be_read_is_a_channel_down(server: SmtpServer) -> None:
    there = MailServer("127.0.0.1", server.port, starttls=True, certfile="no-such-file.pem")
    assert send(SmtpTransport(there)) == Delivery(
        Outcome.CHANNEL_DOWN,
        "connect",
        "the client certificate cannot be read",
        phase="connect",
        subject=Subject.CHANNEL,
    )


@pytest.mark.parametrize("way", ["starttls"])
@pytest.mark.parametrize(
    ("fault", "outcome", "code"),
    [
        (Fault("starttls", "answer", "454 no TLS today", times=1), Outcome.CHANNEL_DOWN, "454"),
        (Fault("starttls", "answer", "421 closing", times=1), Outcome.CHANNEL_DOWN, "421"),
        (Fault("starttls", "answer", "502 5.5.1 what?", times=1), Outcome.CHANNEL_REFUSED, "502"),
        (Fault("starttls", "answer", "554 5.7.1 not you", times=1), Outcome.CHANNEL_REFUSED, "554"),
        (Fault("starttls", "answer", "what?", times=1), Outcome.CHANNEL_DOWN, "tls"),
        (Fault("starttls", "drop", times=1), Outcome.CHANNEL_DOWN, "tls"),
        (Fault("starttls", "hang", times=1), Outcome.CHANNEL_DOWN, "tls"),
    ],
    ids=lambda value: f"{value.action} {value.answer}" if isinstance(value, Fault) else None,
)
def test_trouble_at_starttls_is_about_the_channel(
    server: SmtpServer, transport: SmtpTransport, fault: Fault, outcome: Outcome, code: str
) -> None:
    server.plan(fault)
    delivery = send(transport, timeout=timedelta(seconds=1) if fault.action == "hang" else PLENTY)
    assert (delivery.outcome, delivery.code, delivery.phase, delivery.subject) == (
        outcome,
        code,
        "tls",
        Subject.CHANNEL,
    )
    assert not [command for command in server.commands if command.upper().startswith(("AUTH", "MAIL"))]
    assert send(transport).accepted


@pytest.mark.parametrize("way", ["starttls"])
def test_what_came_before_the_handshake_is_forgotten(server: SmtpServer, transport: SmtpTransport) -> None:
    server.plan(Fault("starttls", "answer", "220 go on\r\n250-injected\r\n250 SMTPUTF8"))
    assert send(transport).accepted
    assert transport.deliver(
        b"A: b\r\n\r\n", sender="a@example.com", recipient="j\u00f6rg@example.com", timeout=PLENTY
    ) == Delivery(
        Outcome.REJECTED,
        "smtputf8",
        "the mail server accepts only ASCII addresses (it does not offer SMTPUTF8)",
        phase="mail",
        subject=Subject.RECIPIENT,
    )
