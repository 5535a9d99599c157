"""Messages leave Redis when a worker takes them; what it has not begun goes back when it ends, if Redis takes it."""

import tempfile
from collections.abc import Iterator

import pytest
import redis
from celery import current_app
from django.conf import settings
from kombu import Connection, Queue
from redis.exceptions import ConnectionError as RedisConnectionError

from config import addresses, broker_transport

QUEUE = Queue("tests.transport", routing_key="tests.transport")


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete(QUEUE.name)
        yield client
        client.delete(QUEUE.name)


@pytest.fixture
def link(server, socket_enabled) -> Iterator[Connection]:
    with current_app.connection_for_read() as connection:
        yield connection


def send(link: Connection, *bodies: str) -> None:
    with link.Producer() as producer:
        for body in bodies:
            producer.publish(body, routing_key=QUEUE.name, exchange=QUEUE.exchange, declare=[QUEUE])


def take(link: Connection, *, prefetch: int = 0) -> list[str]:
    """What a worker that may hold so many messages has of the queue, unacknowledged."""
    taken: list[str] = []
    consumer = link.Consumer([QUEUE], callbacks=[lambda body, _: taken.append(body)])
    consumer.qos(prefetch_count=prefetch)
    consumer.consume()
    try:
        while True:
            link.drain_events(timeout=0.2)
    except TimeoutError:
        return taken


def copies(server: redis.Redis) -> int:
    return server.exists("unacked", "unacked_index")


def test_a_message_that_a_worker_holds_has_no_copy_in_redis(server, link):
    send(link, "one")
    assert take(link) == ["one"]
    assert server.llen(QUEUE.name) == copies(server) == 0


def test_a_worker_takes_no_more_than_it_may_hold(server, link):
    send(link, "one", "two", "three")
    assert take(link, prefetch=2) == ["one", "two"]
    assert server.llen(QUEUE.name) == 1


def test_what_a_worker_has_not_begun_goes_back_when_it_ends(server, link):
    send(link, "one", "two")
    with link.clone() as worker:
        assert sorted(take(worker)) == ["one", "two"]
    assert server.llen(QUEUE.name) == 2
    assert sorted(take(link)) == ["one", "two"]


def test_what_redis_does_not_take_back_is_said_and_not_written_to_a_file(
    server, link, caplog, monkeypatch, tmp_path
):
    """Kombu would write it to the folder for temporary files, as an emergency."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    send(link, "one")

    def gone(*_args, **_kwargs):
        raise RedisConnectionError

    with link.clone() as worker:
        assert take(worker) == ["one"]
        monkeypatch.setattr(type(worker.default_channel), "_put", gone)
    assert [record.getMessage() for record in caplog.records if record.name == broker_transport.__name__] == [
        "Broker refused a message"
    ]
    assert list(tmp_path.iterdir()) == []


def test_calls_share_one_client_until_the_pool_of_connections_is_another(link):
    channel = link.default_channel
    first = channel._create_client()
    assert channel._create_client() is first
    channel._disconnect_pools()
    assert channel._create_client().connection_pool is channel.pool


@pytest.mark.parametrize(
    ("address", "transport"),
    [
        ("redis://localhost", broker_transport.Transport),
        ("rediss://localhost", broker_transport.Transport),
        ("sentinel://a,b/0?master_name=main", broker_transport.SentinelTransport),
    ],
)
def test_each_form_of_the_address_has_its_transport(address, transport):
    broker = addresses.broker(address)
    with Connection(broker.url, ssl=broker.tls or None) as connection:
        assert connection.get_transport_cls() is transport
        assert connection.as_uri().partition(":")[0] in ("redis", "sentinel")
