"""rediss://: what is said to Redis is encrypted, and a server whose certificate nobody vouches for is not talked to."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError

from config import addresses, container_health
from tests.stack import ROOT

CERTIFICATE = ROOT / "tests" / "loopback.pem"


@pytest.fixture
def encrypted() -> Iterator[str]:
    """An address at which Redis is behind TLS."""
    parts = urlsplit(settings.REDIS_URL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener, context, parts.port), daemon=True).start()
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        yield parts._replace(scheme="rediss", netloc=f":{parts.password}@{place}").geturl()


def accept(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=carry, args=(plain, context, port), daemon=True).start()


def carry(plain: socket.socket, context: ssl.SSLContext, port: int) -> None:
    """One command after the other, as these tests say them."""
    with (
        contextlib.suppress(OSError),
        plain,
        socket.create_connection(("127.0.0.1", port)) as server,
        context.wrap_socket(plain, server_side=True) as client,
    ):
        while said := client.recv(65_536):
            server.sendall(said)
            client.sendall(server.recv(65_536))


def ping(address: str) -> bool:
    """As the broker's connections do it."""
    broker = addresses.broker(address)
    with Connection(
        broker.url, ssl=broker.tls, transport_options={"socket_timeout": 5, **broker.transport_options}
    ) as link:
        return bool(link.default_channel.client.ping())


def test_a_certificate_that_is_vouched_for_is_taken(encrypted):
    address = f"{encrypted}?ssl_ca_certs={CERTIFICATE}"
    assert ping(address) is True
    with container_health.redis_client(address) as client:
        assert client.ping() is True


def test_another_one_is_not(encrypted):
    with pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
        ping(encrypted)
    with pytest.raises(RedisConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        container_health.redis_client(encrypted).ping()


def test_verification_can_be_switched_off_for_a_trial(encrypted):
    assert ping(f"{encrypted}?ssl_cert_reqs=none") is True
