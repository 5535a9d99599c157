"""Posting to a program's URL, against a real server that misbehaves at every step."""

import json
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from notifications.channels.webhook.channel import WebhookChannel
from notifications.channels.webhook.endpoint import parse
from notifications.channels.webhook.request import MAX_RESPONSE
from notifications.deadline_socket import MAX_RETRY_AFTER
from notifications.message import Contact, Delivery, Message, Outcome
from tests.fakes.http_sink import HttpSink, answer

CERTIFICATE = Path(__file__).parents[2] / "loopback.pem"
PLENTY = timedelta(seconds=60)
BRIEF = timedelta(seconds=0.7)


def loopback(address: str) -> bool:
    return address == "127.0.0.1"


@pytest.fixture(autouse=True)
def _loopback_is_outside(settings) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = True


@pytest.fixture
def channel() -> WebhookChannel:
    return WebhookChannel(permitted=loopback, tls=ssl.create_default_context(cafile=CERTIFICATE))


def message(url: str, body: str = '{"type": "ping"}') -> Message:
    return Message(
        message_id="m-1", address=url, name="", subject="", text=body, headers={"webhook-id": "m-1"}
    )


def post(channel: WebhookChannel, sink: HttpSink, *, timeout: timedelta = PLENTY, **kwargs: str) -> Delivery:
    return channel.send(message(sink.url, **kwargs), timeout=timeout)


def with_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def test_a_message_arrives_as_it_was_written(channel: WebhookChannel) -> None:
    with HttpSink() as sink:
        assert post(channel, sink, body='{"title": "Zähler"}') == Delivery(Outcome.ACCEPTED, "204")
    (heard,) = sink.heard
    assert heard.line == "POST /hook?place=north HTTP/1.1"
    assert heard.headers["host"] == f"127.0.0.1:{sink.port}"
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["webhook-id"] == "m-1"
    assert json.loads(heard.body) == {"title": "Zähler"}


def test_a_large_message_arrives_over_tls(channel: WebhookChannel) -> None:
    body = json.dumps({"notes": "x" * 1_000_000})
    with HttpSink(tls=with_tls()) as sink:
        assert post(channel, sink, body=body).accepted
    assert sink.heard[0].body == body.encode()


def test_a_certificate_that_nobody_vouches_for_gets_nothing() -> None:
    with HttpSink(tls=with_tls()) as sink:
        delivery = post(WebhookChannel(permitted=loopback), sink)
    assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "tls")
    assert sink.heard == []


def test_the_certificate_must_be_that_of_the_host_in_the_url(channel: WebhookChannel) -> None:
    elsewhere = WebhookChannel(
        permitted=loopback,
        tls=ssl.create_default_context(cafile=CERTIFICATE),
        resolve=lambda host, port, timeout: [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        ],
    )
    with HttpSink(tls=with_tls()) as sink:
        delivery = elsewhere.send(message(f"https://other.example:{sink.port}/"), timeout=PLENTY)
    assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "tls")
    assert sink.heard == []


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("200 OK", Outcome.ACCEPTED),
        ("202 Accepted", Outcome.ACCEPTED),
        ("301 Moved Permanently", Outcome.CHANNEL_REFUSED),
        ("302 Found", Outcome.CHANNEL_REFUSED),
        ("307 Temporary Redirect", Outcome.CHANNEL_REFUSED),
        ("401 Unauthorized", Outcome.CHANNEL_REFUSED),
        ("405 Method Not Allowed", Outcome.CHANNEL_REFUSED),
        ("400 Bad Request", Outcome.REFUSED_FOR_NOW),
        ("404 Not Found", Outcome.REFUSED_FOR_NOW),
        ("410 Gone", Outcome.REJECTED),
        ("429 Too Many Requests", Outcome.THROTTLED),
        ("500 Internal Server Error", Outcome.REFUSED_FOR_NOW),
        ("503 Service Unavailable", Outcome.CHANNEL_DOWN),
    ],
)
def test_what_each_answer_means(channel: WebhookChannel, status: str, outcome: Outcome) -> None:
    with HttpSink(answers=[answer(status, "Content-Length: 0")]) as sink:
        delivery = post(channel, sink)
    assert (delivery.outcome, delivery.code) == (outcome, status[:3])


def test_a_redirect_is_not_followed(channel: WebhookChannel) -> None:
    with HttpSink() as elsewhere, HttpSink() as sink:
        sink.answers = [answer("302 Found", f"Location: {elsewhere.url}")]
        assert post(channel, sink).outcome is Outcome.CHANNEL_REFUSED
    assert (sink.connections, elsewhere.connections) == (1, 0)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("0", timedelta()),
        ("9" * 400, MAX_RETRY_AFTER),
        ("-5", None),
        ("soon", None),
        ("Mon, 01 Jan 2001 00:00:00 GMT", timedelta()),
        ("Mon, 01 Jan 2199 00:00:00 GMT", MAX_RETRY_AFTER),
        ("Mon, 01 Jan 2199 00:00:00 +" + "9" * 17, None),
        ("1" * 5_000 + " Jan 2199 00:00:00 GMT", None),
    ],
)
def test_how_long_it_asks_to_be_left_alone(
    channel: WebhookChannel, header: str, wait: timedelta | None
) -> None:
    with HttpSink(answers=[answer("503 Busy", f"Retry-After: {header}")]) as sink:
        assert post(channel, sink).retry_after == wait


def test_an_instant_in_retry_after_is_counted_from_now(channel: WebhookChannel) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    with HttpSink(answers=[answer("429 Slow down", f"Retry-After: {until}")]) as sink:
        wait = post(channel, sink).retry_after
    assert wait is not None
    assert timedelta(hours=1) < wait <= timedelta(hours=2)


@pytest.mark.parametrize(
    ("stop_at", "outcome", "code"),
    [
        ("answer", Outcome.UNKNOWABLE, "answer"),
        ("silence", Outcome.UNKNOWABLE, "answer"),
        ("drip", Outcome.UNKNOWABLE, "answer"),
    ],
)
def test_once_the_request_has_left_nobody_can_know(
    channel: WebhookChannel, stop_at: str, outcome: Outcome, code: str
) -> None:
    with HttpSink(stop_at=stop_at) as sink:
        delivery = post(channel, sink, timeout=BRIEF)
    assert (delivery.outcome, delivery.code) == (outcome, code)
    assert len(sink.heard) == 1


def test_a_line_that_breaks_in_mid_request_certainly_delivers_nothing(channel: WebhookChannel) -> None:
    with HttpSink(stop_at="request") as sink:
        delivery = post(channel, sink, body=json.dumps("x" * 20_000_000))
    assert (delivery.outcome, delivery.code) == (Outcome.REFUSED_FOR_NOW, "request")
    assert sink.heard == []


def test_a_handshake_that_never_ends_is_given_up(channel: WebhookChannel) -> None:
    with HttpSink(stop_at="accept", tls=with_tls()) as sink:
        delivery = post(channel, sink, timeout=BRIEF)
    assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "tls")


def test_nobody_listens(channel: WebhookChannel) -> None:
    with HttpSink() as sink:
        url = sink.url
    delivery = channel.send(message(url), timeout=PLENTY)
    assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "connect")


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-server\r\n",
        b"\x00" * 200_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    ],
    ids=["not HTTP", "noughts", "many headers", "a long header", "continue for ever"],
)
def test_an_answer_that_is_none_is_bounded(channel: WebhookChannel, said: bytes) -> None:
    with HttpSink(answers=[said]) as sink:
        delivery = post(channel, sink)
    assert (delivery.outcome, delivery.code) == (Outcome.UNKNOWABLE, "answer")
    assert delivery.detail in {"the response is not HTTP", "the response is too long"}


@pytest.mark.parametrize("unit", ["@a", "a", '"', "%40"])
def test_a_long_reason_is_cut_before_it_is_hidden(channel: WebhookChannel, unit: str) -> None:
    said = f"HTTP/1.1 500 @{unit * (60_000 // len(unit))}\r\n\r\n".encode()
    with HttpSink(answers=[said]) as sink:
        started = time.process_time()
        delivery = post(channel, sink)
    assert (delivery.outcome, delivery.code) == (Outcome.REFUSED_FOR_NOW, "500")
    assert "@" not in delivery.detail
    assert time.process_time() - started < 2


def test_the_response_may_have_longer_than_the_request(channel: WebhookChannel) -> None:
    with HttpSink(delay=1.5) as sink:
        assert post(channel, sink, timeout=BRIEF).outcome is Outcome.UNKNOWABLE
        delivery = channel.send(message(sink.url), timeout=BRIEF, final_reply_timeout=PLENTY)
    assert delivery.accepted


def test_the_body_of_an_answer_is_not_waited_for(channel: WebhookChannel) -> None:
    with HttpSink(
        answers=[answer("200 OK", "Content-Length: 1000000", body=b"x" * (MAX_RESPONSE + 1))]
    ) as sink:
        assert post(channel, sink).accepted


def test_the_environments_proxy_is_not_used(channel: WebhookChannel, monkeypatch) -> None:
    with HttpSink() as proxy, HttpSink() as sink:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert post(channel, sink).accepted
    assert (sink.connections, proxy.connections) == (1, 0)


class NameServer:
    """Gives one answer after the other, as a rebinding one would."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, *, timeout: float) -> list[tuple]:
        self.asked.append(host)
        return [
            (socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))
            for ip in self.answers.pop(0)
        ]


def test_a_name_is_asked_for_once_and_the_checked_address_is_used() -> None:
    names = NameServer(["127.0.0.1"], ["10.0.0.1"])
    with HttpSink() as sink:
        delivery = WebhookChannel(resolve=names, permitted=loopback).send(
            message(f"http://hook.example:{sink.port}/x"), timeout=PLENTY
        )
    assert delivery.accepted
    assert names.asked == ["hook.example"]
    assert sink.heard[0].headers["host"] == f"hook.example:{sink.port}"


@pytest.mark.parametrize(
    "ips",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], ["fe80::1%lo"], ["1.1.1.1", "10.0.0.1"]],
    ids=",".join,
)
def test_no_connection_is_made_to_what_is_not_outside(settings, ips: list[str]) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    names = NameServer(ips)
    delivery = WebhookChannel(resolve=names).send(message("https://hook.example/x"), timeout=PLENTY)
    assert (delivery.outcome, delivery.code) == (Outcome.REFUSED_FOR_NOW, "address")
    assert all(ip not in delivery.detail for ip in ips)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "127.1", "2130706433", "0x7f.1", "0177.0.0.1"])
def test_no_way_of_writing_loopback_gets_through(settings, host: str) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    delivery = WebhookChannel().send(message(f"https://{host}/"), timeout=PLENTY)
    # A way that this system's resolver does not know at all is as good.
    assert (delivery.outcome, delivery.code) in {
        (Outcome.REFUSED_FOR_NOW, "address"),
        (Outcome.CHANNEL_DOWN, "resolve"),
    }


def failing(error: Exception) -> Callable[..., list[tuple]]:
    def resolve(host: str, port: int, *, timeout: float) -> list[tuple]:
        raise error

    return resolve


@pytest.mark.parametrize("error", [socket.gaierror(-2, "Name or service not known"), TimeoutError()])
def test_a_name_that_has_no_address(error: Exception) -> None:
    delivery = WebhookChannel(resolve=failing(error)).send(message("https://no.example/"), timeout=PLENTY)
    assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "resolve")


@pytest.mark.parametrize(
    "url",
    [
        "http://hook.example/",
        "ftp://hook.example/",
        "https://",
        "https:///path",
        "hook.example",
        "https://user:secret@hook.example/",
        "https://hook.example/#part",
        "https://hook.example:0/",
        "https://hook.example:99999/",
        "https://[::1/",
        "https://hook.example/a b",
        "https://hook.example/\r\nHost: other",
        "https://hook.example\\@other.example/",
        "https://höök.example/",
        "https://hook.example/" + "a" * 2_000,
        "",
    ],
)
def test_a_url_that_is_not_accepted(settings, url: str) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    channel = WebhookChannel()
    assert channel.address(Contact(name="", url=url)) is None
    assert channel.send(message(url), timeout=PLENTY).outcome is Outcome.REJECTED
    with pytest.raises(ValueError, match=r"accepted|needed|sent"):
        parse(url)


def test_a_url_that_is_accepted(settings) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    url = "https://hook.example:8443/in?place=1"
    assert WebhookChannel().address(Contact(name="", url=url)) == url
    found = parse(url)
    assert (found.host, found.port, found.path, found.host_header) == (
        "hook.example",
        8443,
        "/in?place=1",
        "hook.example:8443",
    )
