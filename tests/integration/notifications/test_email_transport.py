"""One send over SMTP: how it ends, wherever the server misbehaves, and how the next one fares."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications.channels.email.server import MailServer
from notifications.channels.email.transport import MAX_AGE, MAX_IDLE, MAX_MESSAGES, SmtpTransport
from notifications.message import Delivery, Outcome, Subject
from tests.fakes.smtp_faults import Fault
from tests.fakes.smtp_rules import SessionLimit
from tests.fakes.smtp_server import SmtpServer

SENDER = "reminders@example.com"
ANN, BOB = "ann@example.com", "bob@example.com"
PLENTY = timedelta(seconds=60)
SHORT = timedelta(seconds=0.5)
LONG_ANSWER = " and so on" * 50


@pytest.fixture(params=[True, False], ids=["pipelining", "step by step"])
def server(request: pytest.FixtureRequest) -> Iterator[SmtpServer]:
    with SmtpServer(pipelining=request.param) as server:
        yield server


@pytest.fixture
def transport(server: SmtpServer) -> Iterator[SmtpTransport]:
    transport = SmtpTransport(MailServer("127.0.0.1", server.port))
    yield transport
    transport.close()


def mail(number: int = 1, *, body: bytes = b"Hello\r\n") -> bytes:
    return b"Message-ID: <%d@example.com>\r\n\r\n" % number + body


def send(
    transport: SmtpTransport,
    number: int = 1,
    *,
    to: str = ANN,
    timeout: timedelta = PLENTY,
    sender: str = SENDER,
) -> Delivery:
    return transport.deliver(mail(number), sender=sender, recipient=to, timeout=timeout)


def ids(server: SmtpServer) -> list[str]:
    return [each.message_id for each in server.accepted]


def test_an_accepted_mail_arrives_as_it_was(server: SmtpServer, transport: SmtpTransport) -> None:
    content = mail(body=b".\r\n..\r\nHello\r\n.bye\r\n")
    delivery = transport.deliver(content, sender=SENDER, recipient=ANN, timeout=PLENTY)
    assert delivery == Delivery(Outcome.ACCEPTED, "250", "2.0.0 accepted")
    [accepted] = server.accepted
    assert (accepted.sender, accepted.recipients, accepted.content) == (SENDER, (ANN,), content)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.binary(max_size=8).filter(lambda line: not {10, 13} & set(line)) | st.just(b"."), max_size=6
    )
)
def test_no_connection_of_a_mail_ends_it(
    server: SmtpServer, transport: SmtpTransport, lines: list[bytes]
) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    assert transport.deliver(content, sender=SENDER, recipient=ANN, timeout=PLENTY).accepted
    assert server.accepted[-1].content == (content or b"\r\n")


DOWN, LATER, NEVER = Outcome.CHANNEL_DOWN, Outcome.REFUSED_FOR_NOW, Outcome.REJECTED
REFUSED, PACE = Outcome.CHANNEL_REFUSED, Outcome.THROTTLED
UNKNOWABLE = Outcome.UNKNOWABLE


@pytest.mark.parametrize(
    ("fault", "outcome", "code"),
    [
        (Fault("connect", "answer", "421 too busy"), DOWN, "421"),
        (Fault("connect", "answer", "450 not now"), DOWN, "450"),
        (Fault("connect", "answer", "554 no service"), REFUSED, "554"),
        (Fault("connect", "answer", "SSH-2.0-OpenSSH"), DOWN, "connect"),
        (Fault("connect", "drop"), DOWN, "connect"),
        (Fault("connect", "reset"), DOWN, "connect"),
        (Fault("connect", "hang"), DOWN, "connect"),
        (Fault("ehlo", "answer", "421 closing"), DOWN, "421"),
        (Fault("ehlo", "answer", "550 go away"), REFUSED, "550"),
        (Fault("ehlo", "drop"), DOWN, "ehlo"),
        (Fault("ehlo", "hang"), DOWN, "ehlo"),
        *(
            row
            for step, code in (("mail", "mail"), ("rcpt", "rcpt"), ("data", "data"))
            for row in (
                (Fault(step, "answer", "421 closing"), DOWN, "421"),  # type: ignore[arg-type]
                (Fault(step, "answer", "450 busy"), PACE if step == "mail" else LATER, "450"),  # type: ignore[arg-type]
                (Fault(step, "answer", "451 trouble"), PACE if step == "mail" else LATER, "451"),  # type: ignore[arg-type]
                (Fault(step, "answer", "452 full"), PACE, "452"),  # type: ignore[arg-type]
                (Fault(step, "answer", "530 log in first"), REFUSED, "530"),  # type: ignore[arg-type]
                (Fault(step, "answer", "535 log in anew"), REFUSED, "535"),  # type: ignore[arg-type]
                (Fault(step, "answer", "550 no"), REFUSED if step == "mail" else NEVER, "550"),  # type: ignore[arg-type]
                (Fault(step, "answer", "554 no"), REFUSED if step == "mail" else NEVER, "554"),  # type: ignore[arg-type]
                (Fault(step, "answer", "what?"), DOWN, code),  # type: ignore[arg-type]
                (Fault(step, "answer", "999 what?"), DOWN, code),  # type: ignore[arg-type]
                (Fault(step, "drop"), DOWN, code),  # type: ignore[arg-type]
                (Fault(step, "hang"), DOWN, code),  # type: ignore[arg-type]
            )
        ),
        (Fault("dot", "answer", "421 closing"), DOWN, "421"),
        (Fault("dot", "answer", "450 busy"), LATER, "450"),
        (Fault("dot", "answer", "451 trouble"), LATER, "451"),
        (Fault("dot", "answer", "452 full"), PACE, "452"),
        (Fault("dot", "answer", "550 spam"), NEVER, "550"),
        (Fault("dot", "answer", "554 spam"), NEVER, "554"),
        (Fault("dot", "answer", "354 more"), UNKNOWABLE, "answer"),
        (Fault("dot", "answer", "what?"), UNKNOWABLE, "answer"),
        (Fault("dot", "drop"), UNKNOWABLE, "answer"),
        (Fault("dot", "drop", accept=True), UNKNOWABLE, "answer"),
        (Fault("dot", "reset", accept=True), UNKNOWABLE, "answer"),
        (Fault("dot", "hang", accept=True), UNKNOWABLE, "answer"),
    ],
    ids=lambda value: f"{value.step} {value.action} {value.answer}" if isinstance(value, Fault) else None,
)
def test_how_a_send_ends(
    server: SmtpServer, transport: SmtpTransport, fault: Fault, outcome: Outcome, code: str
) -> None:
    server.plan(fault)
    delivery = send(transport, timeout=timedelta(seconds=1) if fault.action == "hang" else PLENTY)
    assert (delivery.outcome, delivery.code) == (outcome, code)
    assert ids(server) == (["1@example.com"] if fault.accept else [])
    server.clear()
    assert send(transport, 2).accepted
    assert ids(server)[-1] == "2@example.com"
    assert len(ids(server)) == 1 + fault.accept


@pytest.mark.parametrize("step", ["rcpt", "data", "dot"])
@pytest.mark.parametrize("answer", ["450 busy", "550 no"])
def test_a_refused_mail_leaves_the_connection_good_for_the_next(
    server: SmtpServer, transport: SmtpTransport, step: str, answer: str
) -> None:
    server.plan(Fault(step, "answer", answer, times=1))  # type: ignore[arg-type]
    assert [send(transport, number).accepted for number in (1, 2, 3)] == [False, True, True]
    assert ids(server) == ["2@example.com", "3@example.com"]
    assert server.connections == 1


def test_trouble_at_quit_is_harmless(server: SmtpServer, transport: SmtpTransport) -> None:
    for fault in (Fault("quit", "drop"), Fault("quit", "reset"), Fault("quit", "answer", "550 stay")):
        server.clear()
        server.plan(fault)
        assert send(transport).accepted
        transport.close()
    server.clear()
    server.plan(Fault("quit", "hang"))
    assert send(transport).accepted
    transport.close()
    assert len(server.accepted) == 4


def test_commands_travel_together_where_the_server_allows_it(
    server: SmtpServer, transport: SmtpTransport
) -> None:
    assert send(transport).accepted
    pipelining = "PIPELINING" in server._features
    # EHLO; MAIL, RCPT and DATA; the content (3 lines and the dot).
    assert server.groups == ([1, 3, 4] if pipelining else [1, 1, 1, 1, 4])


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("mail", "450 busy"),
        ("mail", "550 suspended"),
        ("rcpt", "452 4.5.3 too many"),
        ("dot", "451 4.4.5 congestion"),
        ("rcpt", "550 5.4.5 quota"),
    ],
)
def test_a_refusal_of_the_channel_closes_the_connection(
    server: SmtpServer, transport: SmtpTransport, step: str, answer: str
) -> None:
    server.plan(Fault(step, "answer", answer, times=1))  # type: ignore[arg-type]
    assert [send(transport, number).accepted for number in (1, 2, 3)] == [False, True, True]
    assert ids(server) == ["2@example.com", "3@example.com"]
    assert server.connections == 2


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("mail", "452 4.4.5 too many in this session"),
        ("rcpt", "452 4.5.3 too many recipients in this session"),
        ("data", "421 4.7.0 too many on this connection"),
        ("dot", "421 4.7.0 too many on this connection"),
        ("dot", "452 too many messages"),
    ],
)
def test_a_session_limit_costs_nobody_a_try(
    server: SmtpServer, transport: SmtpTransport, step: str, answer: str
) -> None:
    server.hold_to(SessionLimit(most=3, step=step, answer=answer))
    assert [send(transport, number).accepted for number in range(10)] == [True] * 10
    assert [each.connection for each in server.accepted] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]


def test_a_hang_on_a_kept_connection_is_reported_where_it_was(
    server: SmtpServer, transport: SmtpTransport
) -> None:
    assert send(transport).accepted
    server.plan(Fault("rcpt", "hang"))
    delivery = send(transport, 2, timeout=SHORT)
    assert (delivery.outcome, delivery.code, delivery.phase) == (DOWN, "rcpt", "rcpt")


class TestOddReplies:
    """What a server may write that is not as RFC 5321 has it, and what is still certain."""

    @pytest.mark.parametrize(
        ("text", "detail"),
        [
            ("x" * 5_000, ""),  # one word: half an address, for all that is known
            ("5.1.1 " + "no " * 30_000, "5.1.1 no"),
            ("\r\n550-".join(["550-more"] * 500)[4:] + "\r\n550 end", "more"),
            ("\x00\x1b[31m r\u00f6t \ud7ff", "[31m r"),
            ("", ""),
        ],
        ids=["a long line", "a very long line", "many lines", "no ASCII", "no text"],
    )
    @pytest.mark.parametrize("step", ["rcpt", "dot"])
    def test_a_refusal_is_a_refusal_whatever_its_text(
        self, server: SmtpServer, transport: SmtpTransport, step: str, text: str, detail: str
    ) -> None:
        first = "550-" if "\r\n" in text else "550 "
        server.plan(Fault(step, "answer", first + text, times=1))  # type: ignore[arg-type]
        delivery = send(transport)
        assert (delivery.outcome, delivery.code) == (NEVER, "550")
        assert delivery.detail.startswith(detail)
        assert len(delivery.detail) <= 500
        assert send(transport, 2).accepted
        assert server.connections == 1

    @pytest.mark.parametrize("text", ["x" * 100_000, "\r\n250-".join(["more"] * 500) + "\r\n250 ok"])
    def test_an_acceptance_is_an_acceptance_whatever_its_text(
        self, server: SmtpServer, transport: SmtpTransport, text: str
    ) -> None:
        first = "250-" if "\r\n" in text else "250 "
        server.plan(Fault("dot", "answer", first + text, accept=True, times=1))
        assert [send(transport, number).accepted for number in (1, 2)] == [True, True]
        assert server.connections == 1

    def test_a_line_that_does_not_end_is_read_no_further_than_a_bound(
        self, server: SmtpServer, transport: SmtpTransport
    ) -> None:
        server.plan(Fault("rcpt", "answer", "550 " + "x" * 3_000_000, times=1))
        assert send(transport) == Delivery(
            DOWN, "rcpt", "the server's reply does not end", phase="rcpt", subject=Subject.CHANNEL
        )

    def test_a_421_that_nobody_asked_for_ends_the_connection_and_no_mail(
        self, server: SmtpServer, transport: SmtpTransport
    ) -> None:
        server.plan(Fault("dot", "answer", "250 ok\r\n421 4.3.2 closing", accept=True, times=1))
        assert [send(transport, number).accepted for number in (1, 2)] == [True, True]
        assert [each.connection for each in server.accepted] == [1, 2]

    def test_a_reply_too_many_is_taken_for_no_other(
        self, server: SmtpServer, transport: SmtpTransport
    ) -> None:
        """Each later reply would be taken for that to the command before; no mail counts as accepted that was not."""
        server.plan(Fault("dot", "answer", "250 ok\r\n250 ok again", accept=True, times=1))
        outcomes = [send(transport, number).accepted for number in (1, 2)]
        assert outcomes == [True, True]
        assert ids(server) == ["1@example.com", "2@example.com"]


class TestPipelining:
    """What happens when later commands have been sent before an earlier one is refused (RFC 2920)."""

    @pytest.fixture
    def server(self) -> Iterator[SmtpServer]:
        with SmtpServer(pipelining=True) as server:
            yield server

    def test_data_that_nobody_is_to_get_is_ended_by_a_lone_dot(
        self, server: SmtpServer, transport: SmtpTransport
    ) -> None:
        server.plan(
            Fault("rcpt", "answer", "550 no such user", times=1), Fault("data", "answer", "354 go", times=1)
        )
        assert send(transport) == Delivery(NEVER, "550", "no such user", phase="rcpt")
        assert send(transport, 2).accepted
        assert ids(server) == ["2@example.com"]
        assert server.connections == 1

    def test_a_server_that_breaks_off_at_the_lone_dot_changes_nothing(
        self, server: SmtpServer, transport: SmtpTransport
    ) -> None:
        server.plan(
            Fault("rcpt", "answer", "451 greylisted", times=1),
            Fault("data", "answer", "354 go", times=1),
            Fault("dot", "drop", times=1),
        )
        assert send(transport) == Delivery(
            LATER, "451", "greylisted", phase="rcpt", subject=Subject.RECIPIENT
        )
        assert send(transport, 2).accepted
        assert ids(server) == ["2@example.com"]

    def test_no_dot_is_sent_where_it_could_send_an_empty_mail(
        self, server: SmtpServer, transport: SmtpTransport
    ) -> None:
        server.plan(
            Fault("mail", "answer", "550 not you", times=1),
            Fault("rcpt", "answer", "250 ok", times=1),
            Fault("data", "answer", "354 go", times=1),
        )
        assert send(transport) == Delivery(REFUSED, "550", "not you", phase="mail", subject=Subject.CHANNEL)
        assert send(transport, 2).accepted
        assert ids(server) == ["2@example.com"]
        assert server.connections == 2

    def test_the_first_refusal_counts(self, server: SmtpServer, transport: SmtpTransport) -> None:
        server.plan(Fault("mail", "answer", "452 full"), Fault("rcpt", "answer", "550 no"))
        assert send(transport) == Delivery(PACE, "452", "full", phase="mail", subject=Subject.CHANNEL)


class TestDeadline:
    @pytest.mark.parametrize(
        ("step", "outcome"),
        [
            ("connect", DOWN),
            ("ehlo", DOWN),
            ("mail", DOWN),
            ("rcpt", DOWN),
            ("data", DOWN),
        ],
    )
    def test_one_octet_at_a_time_does_not_outlive_it(
        self, server: SmtpServer, transport: SmtpTransport, step: str, outcome: Outcome
    ) -> None:
        answer = ("354" if step == "data" else "220" if step == "connect" else "250") + LONG_ANSWER
        server.plan(Fault(step, "tarpit", answer, pause=0.1))  # type: ignore[arg-type]
        start = time.monotonic()
        delivery = send(transport, timeout=SHORT)
        # The whole answer would take 50 seconds, and each octet of it arrives well within the timeout.
        assert time.monotonic() - start < 20
        assert (delivery.outcome, delivery.detail) == (outcome, "time ran out")

    def test_a_reply_to_the_dot_that_has_not_come_to_its_code_leaves_it_open(
        self, server: SmtpServer, transport: SmtpTransport
    ) -> None:
        server.plan(Fault("dot", "tarpit", "250 ok", pause=10, accept=True))
        delivery = send(transport, timeout=SHORT)
        assert (delivery.outcome, delivery.detail) == (UNKNOWABLE, "time ran out")

    @pytest.mark.parametrize(("code", "outcome"), [("250", Outcome.ACCEPTED), ("550", NEVER), ("452", PACE)])
    def test_a_reply_to_the_dot_whose_text_does_not_end_is_known_by_its_code(
        self, server: SmtpServer, transport: SmtpTransport, code: str, outcome: Outcome
    ) -> None:
        server.plan(Fault("dot", "tarpit", code + LONG_ANSWER, pause=0.05, times=1))
        assert send(transport, timeout=timedelta(seconds=2)).outcome is outcome
        assert send(transport, 2).accepted
        assert server.connections == 2

    def test_a_tarpit_that_ends_in_time_is_only_slow(
        self, server: SmtpServer, transport: SmtpTransport
    ) -> None:
        server.plan(Fault("dot", "tarpit", "250 ok", pause=0.01, accept=True))
        assert send(transport).accepted

    def test_the_reply_to_the_dot_may_have_longer(self, server: SmtpServer, transport: SmtpTransport) -> None:
        server.plan(Fault("dot", "late", pause=5, accept=True))
        assert send(transport, timeout=timedelta(seconds=2)).outcome is Outcome.UNKNOWABLE
        delivery = transport.deliver(
            mail(2),
            sender=SENDER,
            recipient=ANN,
            timeout=timedelta(seconds=2),
            final_reply_timeout=PLENTY,
        )
        assert delivery.accepted

    def test_the_longer_time_is_for_that_reply_only(
        self, server: SmtpServer, transport: SmtpTransport
    ) -> None:
        server.plan(Fault("data", "hang"))
        started = time.monotonic()
        delivery = transport.deliver(
            mail(), sender=SENDER, recipient=ANN, timeout=SHORT, final_reply_timeout=PLENTY
        )
        assert (delivery.outcome, delivery.code) == (DOWN, "data")
        assert time.monotonic() - started < 20

    def test_a_slow_name_server_does_not_outlive_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answered = threading.Event()

        def slow(*_: object, **__: object) -> None:
            answered.wait()
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

        monkeypatch.setattr(socket, "getaddrinfo", slow)
        delivery = send(SmtpTransport(MailServer("mail.example.com", 25)), timeout=SHORT)
        answered.set()
        assert delivery == Delivery(DOWN, "connect", "time ran out", phase="connect", subject=Subject.CHANNEL)

    def test_a_server_that_stops_reading_certainly_has_not_accepted(
        self, server: SmtpServer, transport: SmtpTransport
    ) -> None:
        server.plan(Fault("content", "hang"))
        content = mail(body=b"z" * 70 + b"\r\n") + (b"z" * 70 + b"\r\n") * 500_000
        delivery = transport.deliver(content, sender=SENDER, recipient=ANN, timeout=timedelta(seconds=2))
        assert delivery == Delivery(LATER, "content", "time ran out", phase="content")

    def test_a_server_that_breaks_off_in_mid_content_certainly_has_not_accepted(
        self, server: SmtpServer, transport: SmtpTransport
    ) -> None:
        server.plan(Fault("content", "reset", times=1))
        content = mail(body=b"z" * 70 + b"\r\n") + (b"z" * 70 + b"\r\n") * 500_000
        delivery = transport.deliver(content, sender=SENDER, recipient=ANN, timeout=PLENTY)
        assert (delivery.outcome, delivery.code) == (Outcome.REFUSED_FOR_NOW, "content")
        assert send(transport, 2).accepted
        assert ids(server) == ["2@example.com"]


@pytest.mark.parametrize("answer", ["250-more\r\n" * 200_000 + "250 end", "250 " + "x" * 2_000_000])
def test_an_answer_without_end_is_no_answer(
    server: SmtpServer, transport: SmtpTransport, answer: str
) -> None:
    server.plan(Fault("mail", "answer", answer, times=1))
    delivery = send(transport)
    assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "mail")
    assert "reply" in delivery.detail


def test_an_answer_of_many_connections_is_one_answer(server: SmtpServer, transport: SmtpTransport) -> None:
    server.plan(Fault("rcpt", "answer", "550-5.1.1 no such user\r\n550 5.1.1 ask your postmaster", times=1))
    assert send(transport) == Delivery(
        NEVER,
        "550",
        "5.1.1 no such user 5.1.1 ask your postmaster",
        phase="rcpt",
        status="5.1.1",
        subject=Subject.RECIPIENT,
    )
    assert send(transport, 2).accepted


def test_no_address_stands_in_the_detail(server: SmtpServer, transport: SmtpTransport) -> None:
    server.plan(Fault("rcpt", "answer", "550 5.1.1 <Ann@Example.com>: unknown, ask postmaster@example.net"))
    assert send(transport).detail == "5.1.1 <address>: unknown, ask <address>"


def test_a_server_that_is_not_there_is_a_channel_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert send(SmtpTransport(MailServer("127.0.0.1", port))) == Delivery(
        DOWN, "connect", "connection refused", phase="connect", subject=Subject.CHANNEL
    )


def test_a_server_that_knows_no_ehlo_gets_helo(server: SmtpServer, transport: SmtpTransport) -> None:
    server.plan(Fault("ehlo", "answer", "502 what?", times=1))
    assert send(transport).accepted
    assert [command.split()[0] for command in server.commands[:2]] == ["EHLO".lower(), "helo"]


class TestKeptConnection:
    def test_it_serves_many_mails(self, server: SmtpServer, transport: SmtpTransport) -> None:
        assert all(send(transport, number).accepted for number in range(20))
        assert server.connections == 1
        assert "RSET" not in server.commands

    def test_one_that_the_server_has_ended_is_replaced_unseen(
        self, server: SmtpServer, transport: SmtpTransport
    ) -> None:
        assert send(transport, 1).accepted
        server.drop_connections()
        assert send(transport, 2).accepted
        assert ids(server) == ["1@example.com", "2@example.com"]
        assert server.connections == 2

    def test_one_that_says_421_is_replaced_unseen(self, server: SmtpServer, transport: SmtpTransport) -> None:
        assert send(transport, 1).accepted
        server.plan(Fault("mail", "answer", "421 idle for too long", times=1))
        assert send(transport, 2).accepted
        assert ids(server) == ["1@example.com", "2@example.com"]
        assert server.connections == 2

    @pytest.mark.parametrize("answer", ["452 4.4.5 too many in this session", "450 busy", "550 no more here"])
    def test_one_whose_session_takes_no_more_is_replaced_unseen(
        self, server: SmtpServer, transport: SmtpTransport, answer: str
    ) -> None:
        assert send(transport, 1).accepted
        server.plan(Fault("mail", "answer", answer, times=1))
        assert send(transport, 2).accepted
        assert ids(server) == ["1@example.com", "2@example.com"]
        assert server.connections == 2

    def test_it_is_replaced_once_only(self, server: SmtpServer, transport: SmtpTransport) -> None:
        assert send(transport, 1).accepted
        server.plan(Fault("mail", "answer", "421 closing"))
        assert send(transport, 2) == Delivery(DOWN, "421", "closing", phase="mail", subject=Subject.CHANNEL)
        assert server.connections == 2

    @pytest.mark.parametrize("step", ["rcpt", "data"])
    def test_a_mail_that_has_been_begun_is_not_begun_again(
        self, server: SmtpServer, transport: SmtpTransport, step: str
    ) -> None:
        assert send(transport, 1).accepted
        server.plan(Fault(step, "drop", times=1))  # type: ignore[arg-type]
        assert send(transport, 2).outcome is Outcome.CHANNEL_DOWN
        assert server.connections == 1

    def test_what_is_unknowable_is_not_sent_again(self, server: SmtpServer, transport: SmtpTransport) -> None:
        assert send(transport, 1).accepted
        server.plan(Fault("dot", "drop", accept=True, times=1))
        assert send(transport, 2).outcome is Outcome.UNKNOWABLE
        assert ids(server) == ["1@example.com", "2@example.com"]

    def test_it_is_replaced_after_so_many_mails(self, server: SmtpServer, transport: SmtpTransport) -> None:
        assert all(send(transport, number).accepted for number in range(MAX_MESSAGES + 1))
        assert server.connections == 2
        assert server.commands.count("QUIT") + server.commands.count("quit") == 1

    def test_it_is_replaced_after_so_long(self, server: SmtpServer) -> None:
        clock = Clock()
        transport = SmtpTransport(MailServer("127.0.0.1", server.port), clock=clock)
        assert send(transport, 1).accepted
        clock.ahead = MAX_AGE + 1
        assert send(transport, 2).accepted
        assert server.connections == 2
        transport.close()

    def test_after_idle_time_it_is_asked_first(self, server: SmtpServer) -> None:
        clock = Clock()
        transport = SmtpTransport(MailServer("127.0.0.1", server.port), clock=clock)
        assert send(transport, 1).accepted
        clock.ahead = MAX_IDLE + 1
        assert send(transport, 2).accepted
        assert (server.connections, server.commands.count("RSET")) == (1, 1)
        clock.ahead *= 2
        server.plan(Fault("rset", "hang"))
        assert send(transport, 3).accepted
        assert server.connections == 2
        transport.close()

    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_forked_child_opens_its_own(self, server: SmtpServer, transport: SmtpTransport) -> None:
        assert send(transport, 1).accepted
        child = os.fork()
        if child == 0:
            os._exit(0 if send(transport, 2).accepted else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert send(transport, 3).accepted
        assert [(each.message_id, each.connection) for each in server.accepted] == [
            ("1@example.com", 1),
            ("2@example.com", 2),
            ("3@example.com", 1),
        ]


class Clock:
    """The monotonic clock, set ahead; raises what it is told to at its n-th look."""

    def __init__(
        self, *, raise_at: int | None = None, error: type[BaseException] = KeyboardInterrupt
    ) -> None:
        self.ahead = 0.0
        self.looks = 0
        self.raise_at, self.error = raise_at, error

    def __call__(self) -> float:
        self.looks += 1
        if self.looks == self.raise_at:
            raise self.error
        return time.monotonic() + self.ahead


class SoftTimeLimit(Exception):
    """What Celery raises out of nowhere."""


def test_an_exception_out_of_nowhere_never_mixes_up_answers(server: SmtpServer) -> None:
    """The send it hits is lost or accepted; the next one starts on a new connection and counts for itself."""
    counting = Clock()
    transport = SmtpTransport(MailServer("127.0.0.1", server.port), clock=counting)
    assert send(transport).accepted
    looks = counting.looks
    transport.close()
    for look in range(2, looks + 1):
        server.accepted.clear()
        clock = Clock(raise_at=look, error=SoftTimeLimit)
        transport = SmtpTransport(MailServer("127.0.0.1", server.port), clock=clock)
        with pytest.raises(SoftTimeLimit):
            send(transport, 1)
        server.plan(Fault("rcpt", "answer", "550 no", times=1, recipient=BOB))
        assert send(transport, 2, to=BOB).code == "550"
        assert send(transport, 3).accepted
        transport.close()
        assert ids(server)[-1] == "3@example.com"
        assert "2@example.com" not in ids(server)
        server.clear()


class TestAddresses:
    @pytest.fixture
    def international(self) -> Iterator[SmtpServer]:
        with SmtpServer(features=("8BITMIME", "SMTPUTF8")) as server:
            yield server

    def test_an_international_one_is_used_where_the_server_takes_it(self, international: SmtpServer) -> None:
        transport = SmtpTransport(MailServer("127.0.0.1", international.port))
        content = "To: <jörg@example.com>\r\n\r\n".encode()
        assert transport.deliver(
            content, sender=SENDER, recipient="jörg@example.com", timeout=PLENTY
        ).accepted
        assert send(transport).accepted
        transport.close()
        assert international.count() == {"jörg@example.com": 1, ANN: 1}
        mails = [command for command in international.commands if command.startswith("MAIL")]
        assert mails == [f"MAIL FROM:<{SENDER}> SMTPUTF8 BODY=8BITMIME", f"MAIL FROM:<{SENDER}>"]

    def test_an_international_one_is_rejected_clearly_elsewhere(
        self, server: SmtpServer, transport: SmtpTransport
    ) -> None:
        delivery = send(transport, to="jörg@example.com")
        assert (delivery.outcome, delivery.subject, delivery.code) == (NEVER, Subject.RECIPIENT, "smtputf8")
        assert "SMTPUTF8" in delivery.detail
        assert send(transport, 2).accepted
        assert server.connections == 1

    def test_an_international_sender_is_no_fault_of_the_message(
        self, server: SmtpServer, transport: SmtpTransport
    ) -> None:
        delivery = send(transport, sender="jörg@example.com")
        assert (delivery.outcome, delivery.subject, delivery.code) == (REFUSED, Subject.CHANNEL, "smtputf8")


class TestAuthentication:
    @pytest.fixture
    def locked(self) -> Iterator[SmtpServer]:
        with SmtpServer(credentials=("worker", "correct horse")) as server:
            yield server

    def test_right_credentials_open_the_door(self, locked: SmtpServer) -> None:
        transport = SmtpTransport(MailServer("127.0.0.1", locked.port, "worker", "correct horse"))
        assert send(transport).accepted
        transport.close()

    @pytest.mark.parametrize(
        ("password", "outcome", "code"), [("battery staple", REFUSED, "535"), ("schlüssel", DOWN, "auth")]
    )
    def test_wrong_ones_are_about_the_channel(
        self, locked: SmtpServer, password: str, outcome: Outcome, code: str
    ) -> None:
        delivery = send(SmtpTransport(MailServer("127.0.0.1", locked.port, "worker", password)))
        assert (delivery.outcome, delivery.code) == (outcome, code)
        assert password not in delivery.detail

    @pytest.mark.parametrize(
        ("fault", "outcome", "code"),
        [
            (Fault("auth", "answer", "334 a"), DOWN, "auth"),
            (Fault("auth", "answer", "421 4.3.2 closing"), DOWN, "421"),
            (Fault("auth", "answer", "454 4.7.0 temporary failure"), DOWN, "454"),
            (Fault("auth", "answer", "432 4.7.12 change your password"), DOWN, "432"),
            (Fault("auth", "answer", "504 5.5.4 mechanism unknown"), REFUSED, "504"),
            (Fault("auth", "answer", "535-5.7.8 no\r\n535 5.7.8 r\u00f6d"), REFUSED, "535"),
            (Fault("auth", "answer", "550 5.1.1 no such user"), REFUSED, "550"),
            (Fault("auth", "answer", "421 4.7.0 too many logins"), PACE, "421"),
            (Fault("auth", "answer", "what?"), DOWN, "auth"),
            (Fault("auth", "drop"), DOWN, "auth"),
            (Fault("auth", "hang"), DOWN, "auth"),
        ],
        ids=lambda value: f"{value.action} {value.answer}" if isinstance(value, Fault) else None,
    )
    def test_trouble_at_auth_is_about_the_channel(
        self, locked: SmtpServer, fault: Fault, outcome: Outcome, code: str
    ) -> None:
        locked.plan(fault)
        transport = SmtpTransport(MailServer("127.0.0.1", locked.port, "worker", "correct horse"))
        delivery = send(transport, timeout=SHORT if fault.action == "hang" else PLENTY)
        assert (delivery.outcome, delivery.code, delivery.subject) == (outcome, code, Subject.CHANNEL)
        assert locked.accepted == []

    def test_a_server_without_auth_is_a_channel_down(self, server: SmtpServer) -> None:
        delivery = send(SmtpTransport(MailServer("127.0.0.1", server.port, "worker", "correct horse")))
        assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "auth")

    def test_the_password_is_not_shown(self) -> None:
        assert "horse" not in repr(MailServer("127.0.0.1", 25, "worker", "correct horse"))


def test_open_connects_ahead_and_says_why_not(server: SmtpServer, transport: SmtpTransport) -> None:
    assert transport.open(timeout=PLENTY) is None
    assert transport.open(timeout=PLENTY) is None
    assert send(transport).accepted
    assert server.connections == 1
    transport.close()
    server.plan(Fault("ehlo", "answer", "554 no"))
    assert transport.open(timeout=PLENTY) == Delivery(
        REFUSED, "554", "no", phase="ehlo", subject=Subject.CHANNEL
    )


@pytest.mark.parametrize("host", ["no-such-host.invalid", "two..dots.example"])
def test_a_host_without_an_address_is_a_channel_down(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def unknown(name: str, *arguments: object, **options: object) -> object:
        if name.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    delivery = send(SmtpTransport(MailServer(host, 25)))
    assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "connect")
    assert "name" in delivery.detail


def test_a_host_of_several_addresses_is_reached_over_the_one_that_answers(
    server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = listener.getsockname()
    rows = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in (nobody, ("127.0.0.1", server.port))
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    transport = SmtpTransport(MailServer("mail.example.com", 25))
    assert send(transport).accepted
    transport.close()


@pytest.mark.parametrize(
    ("name", "said"),
    [("worker-1.example.com", "worker-1.example.com"), ("worker-1", "[127.0.0.1]"), ("a b.c", "[127.0.0.1]")],
)
def test_ehlo_names_this_host(
    server: SmtpServer, transport: SmtpTransport, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert send(transport).accepted
    assert server.commands[0] == f"ehlo {said}"
