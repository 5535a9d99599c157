"""Mails that go in one piece, behind BDAT: when they do, how each ends, and what is known of it."""

import itertools
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications.channels.email.one_piece import MAX_OCTETS, MAX_PAUSE
from notifications.channels.email.server import MailServer
from notifications.channels.email.transport import SmtpTransport
from notifications.message import Delivery, Outcome, Subject
from tests.depth import examples
from tests.fakes.smtp_faults import Fault
from tests.fakes.smtp_server import SmtpServer
from tests.integration.notifications.test_email_transport import Clock

SENDER, ANN = "reminders@example.com", "ann@example.com"
PLENTY, SHORT = timedelta(seconds=60), timedelta(seconds=0.5)
LATER, NEVER = Outcome.REFUSED_FOR_NOW, Outcome.REJECTED
REFUSED = Outcome.CHANNEL_REFUSED
UNKNOWABLE = Outcome.UNKNOWABLE


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer(chunking=True) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def transport(server: SmtpServer, clock: Clock) -> Iterator[SmtpTransport]:
    """One that has just sent mail 0, so that the next one goes in one piece."""
    transport = SmtpTransport(MailServer("127.0.0.1", server.port), clock=clock)
    assert send(transport, 0).accepted
    yield transport
    transport.close()


def send(
    transport: SmtpTransport, number: int, *, body: bytes = b"Hello\r\n", timeout: timedelta = PLENTY
) -> Delivery:
    content = b"Message-ID: <%d@example.com>\r\n\r\n" % number + body
    return transport.deliver(content, sender=SENDER, recipient=ANN, timeout=timeout)


def ids(server: SmtpServer) -> list[str]:
    return [each.message_id.partition("@")[0] for each in server.accepted]


def pieces(server: SmtpServer) -> int:
    return sum(command.startswith("BDAT") for command in server.commands)


@pytest.mark.parametrize(
    "body", [b".\r\n..\r\nHello\r\n.bye\r\n", b"\r\n.\r\nMAIL FROM:<x@y.z>\r\n", b"", b"\xff\r\n"]
)
def test_the_mail_after_another_goes_in_one_write_and_arrives_as_it_was(
    server: SmtpServer, transport: SmtpTransport, body: bytes
) -> None:
    before = len(server.groups)
    assert send(transport, 1, body=body) == Delivery(Outcome.ACCEPTED, "250", "2.0.0 accepted")
    assert server.accepted[-1].content == b"Message-ID: <1@example.com>\r\n\r\n" + body
    assert (pieces(server), server.connections) == (1, 1)
    assert server.groups[before:] == [
        5 + body.count(b"\r\n")
    ]  # MAIL, RCPT, BDAT, two lines of the header, the body


def test_the_last_line_is_ended(server: SmtpServer, transport: SmtpTransport) -> None:
    assert send(transport, 1, body=b"no end").accepted
    assert server.accepted[-1].content.endswith(b"no end\r\n")
    assert send(transport, 2).accepted


def test_many_go_so_over_one_connection(server: SmtpServer, transport: SmtpTransport) -> None:
    assert all(send(transport, number).accepted for number in range(1, 21))
    assert ids(server) == [str(number) for number in range(21)]
    assert (pieces(server), server.connections) == (20, 1)


def test_after_a_pause_the_server_is_asked_first(
    server: SmtpServer, transport: SmtpTransport, clock: Clock
) -> None:
    clock.ahead = MAX_PAUSE + 0.1
    assert send(transport, 1).accepted
    assert pieces(server) == 0


def test_what_is_large_waits_for_the_server(server: SmtpServer, transport: SmtpTransport) -> None:
    assert send(transport, 1, body=b"z" * 70 + b"\r\n" * (MAX_OCTETS // 2)).accepted
    assert pieces(server) == 0


@pytest.mark.parametrize(("pipelining", "chunking"), [(True, False), (False, True)])
def test_a_server_that_does_not_offer_both_gets_none(pipelining: bool, chunking: bool) -> None:
    with SmtpServer(pipelining=pipelining, chunking=chunking) as server:
        transport = SmtpTransport(MailServer("127.0.0.1", server.port))
        assert all(send(transport, number).accepted for number in range(3))
        transport.close()
        assert pieces(server) == 0


def test_it_is_announced_before_anything_of_it_is_written(
    server: SmtpServer, transport: SmtpTransport
) -> None:
    commands: list[int] = []
    transport.deliver(
        b"\r\n",
        sender=SENDER,
        recipient=ANN,
        timeout=PLENTY,
        before_last_octet=lambda: commands.append(len(server.commands)),
    )
    assert commands == [4]  # EHLO, MAIL, RCPT and DATA of the mail before
    assert pieces(server) == 1


@pytest.mark.parametrize(
    ("step", "answer", "outcome", "connections"),
    [
        ("rcpt", "450 busy", LATER, 1),
        ("rcpt", "550 no such user", NEVER, 1),
        ("data", "450 busy", LATER, 1),
        ("data", "554 no", NEVER, 1),
        ("dot", "451 4.7.1 greylisted", LATER, 1),
        ("dot", "552 5.2.2 full", NEVER, 1),
        ("dot", "550-spam\r\n550 it is", NEVER, 1),
        ("dot", "530 log in first", REFUSED, 2),
    ],
)
def test_a_refusal_ends_that_mail_and_no_other(
    server: SmtpServer, transport: SmtpTransport, step: str, answer: str, outcome: Outcome, connections: int
) -> None:
    server.plan(Fault(step, "answer", answer, times=1))  # type: ignore[arg-type]
    delivery = send(transport, 1)
    assert (delivery.outcome, delivery.code) == (outcome, answer[:3])
    assert delivery.phase == ("rcpt" if step == "rcpt" else "answer")
    assert send(transport, 2).accepted
    assert (ids(server), server.connections) == (["0", "2"], connections)


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("mail", "421 closing"),
        ("mail", "452 4.4.5 too many in this session"),
        ("mail", "550 no more here"),
        ("rcpt", "421 closing"),
        ("rcpt", "452 4.5.3 too many in this session"),
    ],
)
def test_a_connection_that_takes_no_more_is_replaced_unseen(
    server: SmtpServer, transport: SmtpTransport, step: str, answer: str
) -> None:
    server.plan(Fault(step, "answer", answer, times=1))  # type: ignore[arg-type]
    assert send(transport, 1).accepted
    assert (ids(server), server.connections) == (["0", "1"], 2)


def test_the_first_refusal_counts(server: SmtpServer, transport: SmtpTransport) -> None:
    server.plan(Fault("mail", "answer", "550 not you", times=2), Fault("rcpt", "answer", "450 later"))
    assert send(transport, 1) == Delivery(
        REFUSED, "550", "not you", phase="mail", subject=Subject.CHANNEL
    )  # by the kept connection, and by a new one


@pytest.mark.parametrize(
    "fault",
    [
        Fault("mail", "drop"),
        Fault("mail", "hang"),
        Fault("mail", "answer", "999 what?"),
        Fault("mail", "answer", "354 go on", accept=True),
        Fault("rcpt", "reset"),
        Fault("rcpt", "answer", "250-more\r\n" * 200_000 + "250 end", accept=True),
        Fault("data", "drop"),
        Fault("content", "drop"),
        Fault("dot", "hang"),
        Fault("dot", "drop"),
        Fault("dot", "drop", accept=True),
        Fault("dot", "answer", "354 go on"),
    ],
    ids=lambda fault: f"{fault.step} {fault.action} {fault.answer[:6]}",
)
def test_without_a_reply_nobody_knows_and_nothing_is_sent_again(
    server: SmtpServer, transport: SmtpTransport, fault: Fault
) -> None:
    server.plan(fault)
    delivery = send(transport, 1, timeout=SHORT if fault.action == "hang" else PLENTY)
    assert (delivery.outcome, delivery.code, delivery.phase) == (UNKNOWABLE, "answer", "answer")
    server.clear()
    so_far = pieces(server)
    assert all(send(transport, number).accepted for number in (2, 3))
    assert ids(server) == ["0", *(["1"] if fault.accept else []), "2", "3"]
    # From now on the server is asked before each mail: with one that breaks off so, less is in doubt then.
    assert (pieces(server), server.connections) == (so_far, 2)


@pytest.mark.parametrize(("code", "outcome"), [(250, UNKNOWABLE), (550, NEVER)])
def test_a_reply_to_rcpt_that_is_cut_short_counts_if_it_refuses(
    server: SmtpServer, transport: SmtpTransport, code: int, outcome: Outcome
) -> None:
    server.plan(Fault("rcpt", "tarpit", f"{code} " + "and so on " * 50, pause=0.1, times=1))
    assert send(transport, 1, timeout=timedelta(seconds=2)).outcome is outcome
    assert ids(server) == ["0"]


def test_a_connection_that_the_server_has_closed_is_replaced_unseen(
    server: SmtpServer, transport: SmtpTransport
) -> None:
    server.drop_connections()
    server.wait_until(lambda: server.open_connections == 0)
    assert send(transport, 1).accepted
    assert (ids(server), server.connections) == (["0", "1"], 2)


@pytest.mark.parametrize("more", ["250 ok again", "421 4.3.2 closing"])
def test_a_reply_that_nobody_asked_for_is_taken_for_no_other(
    server: SmtpServer, transport: SmtpTransport, more: str
) -> None:
    server.plan(Fault("dot", "answer", f"250 ok\r\n{more}", accept=True, times=1))
    assert [send(transport, number).accepted for number in (1, 2)] == [True, True]
    assert [each.connection for each in server.accepted] == [1, 1, 2]


@pytest.mark.parametrize("answer", ["500 what?", "502 5.5.1 not implemented", "503 5.5.1 need DATA"])
def test_a_server_that_does_not_know_what_it_offers_is_not_tried_again(
    server: SmtpServer, transport: SmtpTransport, answer: str
) -> None:
    server.plan(Fault("data", "answer", answer, times=1))
    assert all(send(transport, number).accepted for number in range(1, 5))
    assert ids(server) == ["0", "1", "2", "3", "4"]
    assert (pieces(server), server.connections) == (1, 2)


def test_a_mail_that_is_accepted_from_a_sender_that_is_not_is_not_sent_again(
    server: SmtpServer, transport: SmtpTransport
) -> None:
    server.plan(Fault("mail", "answer", "550 not you", times=1), Fault("rcpt", "answer", "250 ok", times=1))
    assert send(transport, 1).outcome is UNKNOWABLE
    assert ids(server) == ["0", "1"]


FAULTS = [
    Fault(step, action, answer, accept=accept, times=1)  # type: ignore[arg-type]
    for step, action, answer, accept in [
        *itertools.product(
            ("mail", "rcpt", "data", "dot"), ("answer",), ("421 a", "450 b", "550 c", "502 d"), (False,)
        ),
        *itertools.product(("mail", "rcpt", "data", "content", "dot"), ("drop", "reset"), ("",), (False,)),
        ("dot", "drop", "", True),
        ("dot", "answer", "250 ok\r\n250 ok again", True),
        ("rset", "drop", "", False),
    ]
]


@settings(max_examples=examples(90), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(st.sampled_from(FAULTS), max_size=2), min_size=2, max_size=6))
def test_whatever_the_server_does_what_is_said_of_a_mail_is_true(
    server: SmtpServer, clock: Clock, plans: list[list[Fault]]
) -> None:
    transport = SmtpTransport(MailServer("127.0.0.1", server.port), clock=clock)
    server.accepted.clear()
    for number, faults in enumerate(plans):
        server.clear()
        server.plan(*faults)
        delivery = send(transport, number)
        taken = ids(server).count(str(number))
        if delivery.outcome is UNKNOWABLE:
            assert taken <= 1
        else:
            assert taken == (1 if delivery.accepted else 0), (delivery, faults)
    transport.close()
