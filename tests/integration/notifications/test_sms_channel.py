"""Sending SMS, against a gateway that misbehaves at every step."""

import os
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from notifications.channels.sms import transport
from notifications.channels.sms.channel import SmsChannel, parameters
from notifications.channels.sms.gateway import parse
from notifications.channels.sms.transport import SmsTransport, transport_for
from notifications.message import Contact, Delivery, Message, Outcome, Subject
from tests.fakes.sms_gateway import SENDER, SmsGateway

CERTIFICATE = Path(__file__).parents[2] / "loopback.pem"
PLENTY = timedelta(seconds=60)
BRIEF = timedelta(seconds=0.7)
ANN = "+4915112345678"
OTHER = "+4915187654321"


@pytest.fixture
def gateway(settings) -> Iterator[SmsGateway]:
    with SmsGateway() as found:
        settings.SMS_URL = found.url
        settings.PUBLIC_URL = "http://localhost:8000"
        yield found
        transport_for(parse(found.url)).close()


def message(
    text: str = "Reminder: Repair, Mon 15 Jun, 14:30", *, to: str = ANN, tracking: str = "t-1"
) -> Message:
    return Message(message_id="m-1", address=to, name="Ann", subject="", text=text, tracking=tracking)


def send(text: str = "Hello", *, timeout: timedelta = PLENTY, **kwargs: str) -> Delivery:
    return SmsChannel().send(message(text, **kwargs), timeout=timeout)


def test_a_message_arrives_as_it_was_written_and_names_where_to_tell_of_it(gateway: SmsGateway) -> None:
    delivery = send("Zähler prüfen + Foto: 5 € & 10 %\n\U0001f527")
    (taken,) = gateway.taken
    assert delivery == Delivery(Outcome.ACCEPTED, "201", taken.sid)
    assert (taken.to, taken.sender, taken.body) == (
        ANN,
        SENDER,
        "Zähler prüfen + Foto: 5 € & 10 %\n\U0001f527",
    )
    assert taken.callback == "http://localhost:8000/api/inbound/sms-status?tracking=t-1"


def test_a_gateway_elsewhere_is_not_asked_to_call_this_machine(settings) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    elsewhere = parse("twilio://AC1:t@gateway.example?from=+4930123456")
    assert parameters(message(), elsewhere) == {
        "To": ANN,
        "From": "+4930123456",
        "Body": "Reminder: Repair, Mon 15 Jun, 14:30",
    }
    settings.PUBLIC_URL = "https://reminders.example.org"
    service = parse("twilio://AC1:t@gateway.example?service=MG12")
    assert parameters(message(), service)["MessagingServiceSid"] == "MG12"
    assert parameters(message(), service)["StatusCallback"] == (
        "https://reminders.example.org/api/inbound/sms-status?tracking=t-1"
    )
    assert "StatusCallback" not in parameters(message(tracking=""), service)


def test_one_connection_carries_many_messages(gateway: SmsGateway) -> None:
    assert [send().accepted for _ in range(5)] == [True] * 5
    assert (gateway.connections, len(gateway.taken)) == (1, 5)


def test_a_connection_that_the_gateway_has_closed_is_replaced_before_anything_is_sent(
    gateway: SmsGateway,
) -> None:
    gateway.hang_up_after = 1
    first = transport_for(parse(gateway.url))
    assert send().accepted
    while first._sock is not None and first._sock.is_idle:  # until the end of the connection is here
        pass
    assert send().accepted
    assert (gateway.connections, len(gateway.taken)) == (2, 2)


def test_a_connection_is_replaced_after_its_time_its_messages_and_in_a_forked_child(
    gateway: SmsGateway, monkeypatch
) -> None:
    now = 1_000.0
    line = SmsTransport(parse(gateway.url), clock=lambda: now)

    def post() -> None:
        fields = {"To": ANN, "From": SENDER, "Body": "Hello"}
        assert line.deliver(fields, recipient=ANN, timeout=PLENTY).accepted

    post()
    now += transport.MAX_IDLE
    post()
    assert gateway.connections == 1
    now += transport.MAX_IDLE + 1
    post()
    assert gateway.connections == 2
    monkeypatch.setattr(transport, "MAX_MESSAGES", 1)
    post()
    assert gateway.connections == 3
    monkeypatch.setattr(transport, "MAX_MESSAGES", 500)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    post()
    assert gateway.connections == 4
    line.close()


def test_messages_go_over_tls_to_a_gateway_whose_certificate_is_vouched_for() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with SmsGateway(tls=context) as found:
        fields = {"To": ANN, "From": SENDER, "Body": "Hello"}
        good = SmsTransport(parse(found.url), tls=ssl.create_default_context(cafile=CERTIFICATE))
        assert [good.deliver(fields, recipient=ANN, timeout=PLENTY).accepted for _ in range(3)] == [True] * 3
        good.close()
        refused = SmsTransport(parse(found.url)).deliver(fields, recipient=ANN, timeout=PLENTY)
    assert (refused.outcome, refused.code, refused.subject) == (Outcome.CHANNEL_DOWN, "tls", Subject.CHANNEL)
    assert len(found.taken) == 3


@pytest.mark.parametrize(
    ("code", "outcome", "subject", "status"),
    [
        (20003, Outcome.CHANNEL_REFUSED, Subject.CHANNEL, "401"),
        (20404, Outcome.CHANNEL_REFUSED, Subject.CHANNEL, "404"),
        (20429, Outcome.THROTTLED, Subject.CHANNEL, "429"),
        (20500, Outcome.UNKNOWABLE, Subject.UNSTATED, "500"),
        (20503, Outcome.CHANNEL_DOWN, Subject.CHANNEL, "503"),
        (21211, Outcome.REJECTED, Subject.RECIPIENT, "400"),
        (21408, Outcome.REJECTED, Subject.RECIPIENT, "403"),
        (21603, Outcome.CHANNEL_REFUSED, Subject.CHANNEL, "400"),
        (21610, Outcome.REJECTED, Subject.RECIPIENT, "400"),
        (21611, Outcome.THROTTLED, Subject.CHANNEL, "429"),
        (21614, Outcome.REJECTED, Subject.RECIPIENT, "400"),
        (21617, Outcome.REJECTED, Subject.MESSAGE, "400"),
    ],
)
def test_what_each_refusal_means(
    gateway: SmsGateway, code: int, outcome: Outcome, subject: Subject, status: str
) -> None:
    gateway.refuse = [code]
    delivery = send()
    found = (delivery.outcome, delivery.subject, delivery.code, delivery.status, delivery.phase)
    assert found == (outcome, subject, str(code), status, "answer")
    assert gateway.taken == []
    assert send().accepted


def test_wrong_credentials_are_the_senders_fault(gateway: SmsGateway) -> None:
    gateway.token = "another"
    delivery = send()
    assert (delivery.outcome, delivery.code, delivery.detail) == (
        Outcome.CHANNEL_REFUSED,
        "20003",
        "Authenticate",
    )


def test_no_number_is_repeated_in_what_is_told(gateway: SmsGateway) -> None:
    gateway.refuse = [21211]
    assert send().detail == "Invalid 'To' Phone Number: <address>"
    gateway.refuse_number = {ANN: 21408}
    assert "1511" not in send().detail


def test_a_gateway_may_ask_to_be_left_alone(gateway: SmsGateway) -> None:
    gateway.refuse, gateway.retry_after = [20429], "7"
    assert send().retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("stop_at", "outcome", "code", "taken"),
    [
        ("accept", Outcome.UNKNOWABLE, "answer", 0),
        ("request", Outcome.UNKNOWABLE, "answer", 0),
        ("answer", Outcome.UNKNOWABLE, "answer", 1),
        ("silence", Outcome.UNKNOWABLE, "answer", 1),
        ("drip", Outcome.UNKNOWABLE, "answer", 1),
        ("cut", Outcome.ACCEPTED, "201", 1),
    ],
)
def test_after_the_last_octet_only_an_answer_can_tell(
    gateway: SmsGateway, stop_at: str, outcome: Outcome, code: str, taken: int
) -> None:
    gateway.stop_at = stop_at
    delivery = send(timeout=BRIEF)
    assert (delivery.outcome, delivery.code, len(gateway.taken)) == (outcome, code, taken)
    gateway.stop_at = ""
    assert send(to=OTHER).accepted
    assert gateway.taken[-1].to == OTHER


def test_the_answer_may_take_longer_than_the_rest(gateway: SmsGateway) -> None:
    gateway.stop_at = "silence"
    gateway.over.set()  # it closes at once, instead of waiting
    delivery = SmsChannel().send(message(), timeout=BRIEF, final_reply_timeout=PLENTY)
    assert (delivery.outcome, delivery.code) == (Outcome.UNKNOWABLE, "answer")


def test_what_breaks_in_mid_request_was_certainly_not_sent(gateway: SmsGateway) -> None:
    """A deadline that ends while the octets are written: not the last of them has left."""
    now = 1_000.0
    line = SmsTransport(parse(gateway.url), clock=lambda: now)
    told = []

    def announce() -> None:
        nonlocal now
        told.append(len(gateway.asked))
        now += 61

    fields = {"To": ANN, "From": SENDER, "Body": "Hello"}
    delivery = line.deliver(fields, recipient=ANN, timeout=PLENTY, before_last_octet=announce)
    assert (delivery.outcome, delivery.code, delivery.detail) == (
        Outcome.REFUSED_FOR_NOW,
        "request",
        "time ran out",
    )
    assert (told, gateway.taken) == ([0], [])


def test_a_gateway_that_is_not_there_is_down(settings) -> None:
    with SmsGateway() as gone:
        settings.SMS_URL = gone.url
    delivery = send(timeout=BRIEF)
    assert (delivery.outcome, delivery.code, delivery.subject) == (
        Outcome.CHANNEL_DOWN,
        "connect",
        Subject.CHANNEL,
    )


def test_the_octet_without_which_there_is_no_message_is_announced_once_before_it(gateway: SmsGateway) -> None:
    told: list[int] = []
    SmsChannel().send_announcing(
        message(), timeout=PLENTY, before_last_octet=lambda: told.append(len(gateway.asked))
    )
    assert told == [0]
    assert len(gateway.taken) == 1


def test_without_a_gateway_nothing_is_sent(settings) -> None:
    settings.SMS_URL = ""
    delivery = send()
    assert (delivery.outcome, delivery.detail) == (Outcome.CHANNEL_REFUSED, "SMS_URL is not set")


def test_a_number_is_written_to_in_its_international_form(settings) -> None:
    settings.PHONE_REGION = ""
    assert SmsChannel().address(Contact(name="Ann", phone="+49 (151) 1234-5678")) == ANN
    assert SmsChannel().address(Contact(name="Ann", phone="0151 12345678")) is None
    settings.PHONE_REGION = "DE"
    assert SmsChannel().address(Contact(name="Ann", phone="0151 12345678")) == ANN


@pytest.mark.parametrize(
    "number", ["", "015112345678", "+49 151 12345678", "+0151", "ann@example.com", "+49151\n"]
)
def test_only_numbers_in_their_international_form_are_written_to(gateway: SmsGateway, number: str) -> None:
    delivery = send(to=number)
    assert (delivery.outcome, delivery.code) == (Outcome.REJECTED, "address")
    assert gateway.asked == []


def test_probing_asks_for_the_account_and_sends_nothing(gateway: SmsGateway) -> None:
    delivery = SmsChannel().probe(None, timeout=PLENTY)
    assert delivery is not None
    assert delivery.accepted
    gateway.token = "another"
    refused = SmsChannel().probe(None, timeout=PLENTY)
    assert refused is not None
    assert (refused.outcome, refused.code) == (Outcome.CHANNEL_REFUSED, "20003")
    assert gateway.taken == []
