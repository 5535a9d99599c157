"""Mail over an encrypted line: STARTTLS and TLS from the first octet, and no mail without the right one."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from notifications.message import Delivery, Outcome
from notifications.smtp import Courier, Server
from tests.smtp_server import Fault, SmtpServer

CERTIFICATE = Path(__file__).parent.parent / "loopback.pem"
PLENTY = timedelta(seconds=60)


@pytest.fixture(params=["starttls", "implicit"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(way: str) -> Iterator[SmtpServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with SmtpServer(
        tls=context, implicit_tls=way == "implicit", credentials=("worker", "correct horse")
    ) as server:
        yield server


@pytest.fixture
def address(server: SmtpServer, way: str) -> Server:
    return Server(
        "127.0.0.1",
        server.port,
        "worker",
        "correct horse",
        starttls=way == "starttls",
        implicit_tls=way == "implicit",
    )


@pytest.fixture
def courier(address: Server) -> Iterator[Courier]:
    courier = Courier(address, tls=ssl.create_default_context(cafile=CERTIFICATE))
    yield courier
    courier.close()


def send(
    courier: Courier, *, timeout: timedelta = PLENTY, content: bytes = b"A: b\r\n\r\nHello\r\n"
) -> Delivery:
    return courier.deliver(content, sender="a@example.com", recipient="b@example.com", timeout=timeout)


def test_mails_travel_over_one_encrypted_connection(server: SmtpServer, courier: Courier) -> None:
    large = b"A: b\r\n\r\n" + b"0123456789\r\n" * 100_000
    assert [send(courier).accepted, send(courier, content=large).accepted, send(courier).accepted] == [
        True
    ] * 3
    assert [len(each.content) for each in server.accepted] == [15, len(large), 15]
    assert server.connections == 1


def test_credentials_travel_only_after_the_handshake(server: SmtpServer, courier: Courier, way: str) -> None:
    assert send(courier).accepted
    verbs = [command.split()[0].upper() for command in server.commands]
    start = ["EHLO", "STARTTLS"] if way == "starttls" else []
    assert verbs == [*start, "EHLO", "AUTH", "MAIL", "RCPT", "DATA"]


def test_a_certificate_that_nobody_trusts_is_a_channel_down(server: SmtpServer, address: Server) -> None:
    delivery = send(Courier(address))
    assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "tls")
    assert "certificate" in delivery.detail
    assert server.accepted == []
    assert not [command for command in server.commands if command.upper().startswith(("AUTH", "MAIL"))]


def test_a_certificate_of_another_host_is_a_channel_down(server: SmtpServer, address: Server) -> None:
    elsewhere = replace(address, host="localhost")
    delivery = send(Courier(elsewhere, tls=ssl.create_default_context(cafile=CERTIFICATE)))
    assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "tls")
    assert "localhost" in delivery.detail
    assert server.accepted == []


def test_no_mail_goes_unencrypted_where_starttls_is_asked_for() -> None:
    with SmtpServer() as plain:
        delivery = send(Courier(Server("127.0.0.1", plain.port, starttls=True)))
        assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "tls")
        assert plain.accepted == []


def test_a_handshake_that_never_comes_ends_with_the_deadline() -> None:
    with SmtpServer() as plain:
        # It waits for a command, while the other side waits for the handshake.
        server = Server("127.0.0.1", plain.port, implicit_tls=True)
        plain.plan(Fault("connect", "hang"))
        assert send(Courier(server), timeout=timedelta(seconds=0.5)) == Delivery(
            Outcome.CHANNEL_DOWN, "tls", "time ran out"
        )


@pytest.mark.parametrize("action", ["drop", "hang"])
def test_a_lost_answer_is_unknowable_here_too(server: SmtpServer, courier: Courier, action: str) -> None:
    assert send(courier).accepted
    server.plan(Fault("dot", action, accept=True, times=1))  # type: ignore[arg-type]
    delivery = send(courier, timeout=timedelta(seconds=2))
    assert (delivery.outcome, delivery.code) == (Outcome.UNKNOWABLE, "answer")
    assert send(courier).accepted
    assert len(server.accepted) == 3
    assert server.connections == 2


def test_an_idle_connection_that_was_ended_is_replaced_unseen(server: SmtpServer, courier: Courier) -> None:
    assert send(courier).accepted
    server.drop_connections()
    assert send(courier).accepted
    assert server.connections == 2


def test_a_client_certificate_that_cannot_be_read_is_a_channel_down(server: SmtpServer) -> None:
    there = Server("127.0.0.1", server.port, starttls=True, certfile="no-such-file.pem")
    assert send(Courier(there)) == Delivery(
        Outcome.CHANNEL_DOWN, "connect", "the client certificate cannot be read"
    )


@pytest.mark.parametrize("way", ["starttls"])
def test_a_server_that_refuses_starttls_is_a_channel_down(server: SmtpServer, courier: Courier) -> None:
    server.plan(Fault("starttls", "answer", "454 no TLS today", times=1))
    assert send(courier) == Delivery(Outcome.CHANNEL_DOWN, "454", "no TLS today")
    assert send(courier).accepted


@pytest.mark.parametrize("way", ["starttls"])
def test_what_came_before_the_handshake_is_forgotten(server: SmtpServer, courier: Courier) -> None:
    server.plan(Fault("starttls", "answer", "220 go on\r\n250-injected\r\n250 SMTPUTF8"))
    assert send(courier).accepted
    assert courier.deliver(
        b"A: b\r\n\r\n", sender="a@example.com", recipient="j\u00f6rg@example.com", timeout=PLENTY
    ) == Delivery(
        Outcome.REJECTED,
        "smtputf8",
        "the mail server takes no addresses with characters beyond ASCII (SMTPUTF8)",
    )
