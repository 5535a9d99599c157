"""Connections that are kept between posts, against a real server that closes them, says too much, or nothing."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from notifications.channels.webhook import connections
from notifications.channels.webhook.channel import WebhookChannel
from notifications.channels.webhook.request import MAX_BODY
from notifications.message import Delivery, Outcome
from tests.fakes.http_sink import HttpSink, answer
from tests.integration.notifications.test_webhook_channel import CERTIFICATE, loopback, message, with_tls

PLENTY = timedelta(seconds=30)
ONE, TWO = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(autouse=True)
def _loopback_is_outside(settings) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = True


@pytest.fixture
def channel() -> Iterator[WebhookChannel]:
    channel = WebhookChannel(permitted=loopback, tls=ssl.create_default_context(cafile=CERTIFICATE))
    channel.keep()
    yield channel
    channel.close()


def post(channel: WebhookChannel, sink: HttpSink, *, timeout: timedelta = PLENTY, **more) -> Delivery:
    return channel.send_announcing(
        message(sink.url), timeout=timeout, **{"before_last_octet": lambda: None, **more}
    )


def codes(channel: WebhookChannel, sink: HttpSink, number: int) -> list[str]:
    return [post(channel, sink).code for _ in range(number)]


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    "reply",
    [
        answer("204 No Content"),
        answer("200 OK", "Content-Length: 5", body=b"hello"),
        answer("200 OK", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        answer("404 Not Found", "Content-Length: 2", body=b"no"),
    ],
)
def test_one_connection_carries_many_posts(channel: WebhookChannel, reply: bytes, tls: bool) -> None:
    with HttpSink(answers=[reply], keeps=True, tls=with_tls() if tls else None) as sink:
        said = codes(channel, sink, 5)
    assert said == [reply[9:12].decode()] * 5
    assert (sink.connections, len(sink.heard)) == (1, 5)
    assert sink.heard[0].headers["connection"] == "keep-alive"


@pytest.mark.parametrize(
    "reply",
    [
        answer("200 OK", "Connection: close", "Content-Length: 0"),
        answer("200 OK", "Keep-Alive: timeout=1", "Content-Length: 0"),
        answer("200 OK", f"Content-Length: {MAX_BODY + 1}", body=b"x" * (MAX_BODY + 1)),
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        ONE + TWO,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + ONE,
    ],
)
def test_what_cannot_carry_another_post_is_closed(channel: WebhookChannel, reply: bytes) -> None:
    with HttpSink(answers=[reply], keeps=True) as sink:
        said = codes(channel, sink, 3)
    assert said == [reply[9:12].decode()] * 3
    assert (sink.connections, len(sink.heard)) == (3, 3)


def test_a_response_that_nobody_asked_for_is_taken_for_no_posts(channel: WebhookChannel) -> None:
    """It comes while the connection lies idle."""
    with talker([ONE], later=[TWO]) as sink:
        assert post(channel, sink).code == "200"
        sink.said_more.wait(10)
        assert post(channel, sink).code == "200"
    assert sink.connections == 2


def test_the_rest_of_a_body_is_waited_for_only_briefly(channel: WebhookChannel) -> None:
    with HttpSink(answers=[answer("200 OK", "Content-Length: 9", body=b"half")], keeps=True) as sink:
        began = time.monotonic()
        assert codes(channel, sink, 2) == ["200", "200"]
    assert time.monotonic() - began < 10
    assert sink.connections == 2


def test_one_that_the_other_side_has_closed_costs_nothing(channel: WebhookChannel) -> None:
    with HttpSink(keeps=True, most_each=2) as sink:
        assert codes(channel, sink, 9) == ["204"] * 9
    assert len(sink.heard) == 9


def test_one_that_is_closed_just_then_is_replaced_at_once(channel: WebhookChannel, monkeypatch) -> None:
    """The other side reads the post, or does not: it closes without a word, and hears it again under the same id."""
    with talker([ONE], then_reads=True) as sink:
        assert post(channel, sink).accepted
        delivery = post(channel, sink)
    assert delivery.accepted
    assert sink.connections == 2


def test_a_repeat_that_fails_leaves_the_first_in_doubt(channel: WebhookChannel) -> None:
    with talker([ONE], then_reads=True, once=True) as sink:
        assert post(channel, sink).accepted
        delivery = post(channel, sink)
    assert (delivery.outcome, delivery.code) == (Outcome.UNKNOWABLE, "connect")


def test_one_that_is_slow_is_not_repeated(channel: WebhookChannel) -> None:
    with HttpSink(keeps=True, fall_silent_after=1) as sink:
        assert post(channel, sink).accepted
        delivery = post(channel, sink, timeout=timedelta(seconds=0.5))
    assert (delivery.outcome, delivery.detail) == (Outcome.UNKNOWABLE, "time ran out")
    assert (sink.connections, len(sink.heard)) == (1, 2)


def test_each_new_connection_is_checked(channel: WebhookChannel, monkeypatch) -> None:
    """What was kept is used as it is for a minute; then the name is resolved, and checked, anew."""
    now = [1_000.0]
    asked = []

    def resolve(host: str, port: int, **_: object) -> list[tuple]:
        asked.append(host)
        where = "127.0.0.1" if len(asked) == 1 else "10.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (where, port))]

    channel = WebhookChannel(resolve=resolve, permitted=loopback, clock=lambda: now[0])
    channel.keep()
    with HttpSink(keeps=True) as sink, contextlib.closing(channel):
        assert [post(channel, sink).code for _ in range(3)] == ["204"] * 3
        assert len(asked) == 1
        now[0] += connections.IDLE_SECONDS + 0.1
        delivery = post(channel, sink)
    assert (delivery.outcome, delivery.code) == (Outcome.REFUSED_FOR_NOW, "address")
    assert (len(asked), sink.connections) == (2, 1)


def test_none_grows_old(channel: WebhookChannel) -> None:
    now = [1_000.0]
    channel = WebhookChannel(permitted=loopback, clock=lambda: now[0])
    channel.keep()
    with HttpSink(keeps=True) as sink, contextlib.closing(channel):
        for _ in range(25):
            assert post(channel, sink).accepted
            now[0] += connections.IDLE_SECONDS - 1
    assert sink.connections == 2


def test_several_threads_never_share_one(channel: WebhookChannel) -> None:
    with HttpSink(keeps=True, delay=0.05) as sink:
        threads = [threading.Thread(target=codes, args=(channel, sink, 5)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
    assert len(sink.heard) == 30
    assert 1 < sink.connections <= 6


def test_nothing_is_kept_unless_it_was_asked_for() -> None:
    with HttpSink(keeps=True) as sink:
        for _ in range(2):
            assert WebhookChannel(permitted=loopback).send(message(sink.url), timeout=PLENTY).accepted
    assert sink.connections == 2
    assert sink.heard[0].headers["connection"] == "close"


def test_the_message_is_announced_as_complete_before_it_is(channel: WebhookChannel) -> None:
    with HttpSink(keeps=True) as sink:
        heard_before = []
        for _ in range(2):
            post(channel, sink, before_last_octet=lambda: heard_before.append(len(sink.heard)))
    assert heard_before == [0, 1]


class Talker:
    """A server that answers the first request of its first connection, and then does what it was told to."""

    def __init__(self, replies: list[bytes], later: list[bytes], *, then_reads: bool, once: bool) -> None:
        self.connections = 0
        self.said_more = threading.Event()
        self._replies, self._later, self._then_reads, self._once = replies, later, then_reads, once
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/"
        self._peers: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._server.accept()
                self._peers.append(peer)
                self.connections += 1
                self._request(peer)
                peer.sendall(self._replies[0])
                if self.connections == 1:
                    for more in self._later:
                        peer.sendall(more)
                    self.said_more.set()
                    if self._once:
                        self._server.close()
                    if self._then_reads:
                        self._request(peer)
                        peer.close()

    @staticmethod
    def _request(peer: socket.socket) -> None:
        whole = b""
        while not whole.endswith(b"}"):
            if not (octets := peer.recv(65_536)):
                return
            whole += octets

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(timeout=30)
        for peer in self._peers:
            peer.close()


@contextlib.contextmanager
def talker(
    replies: list[bytes], *, later: list[bytes] | None = None, then_reads: bool = False, once: bool = False
) -> Iterator[Talker]:
    with contextlib.closing(Talker(replies, later or [], then_reads=then_reads, once=once)) as server:
        yield server
