"""The web process under clients that send slowly, never finish, or send too much."""

import contextlib
import http.client
import itertools
import json
import resource
import socket
import statistics
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import urlencode, urlsplit

import psycopg
import pytest

from tests.stack import Child, Stack, running, until
from webserver.worker import (
    HEADER_SECONDS,
    IDLE_SECONDS,
    MAX_ANONYMOUS_BODY,
    MAX_CONNECTIONS,
    MAX_HEADER,
    REQUEST_SECONDS,
    BufferedChannel,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

HALF_A_HEADER = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
HALF_A_BODY = (
    b"POST /api/assignments HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer x\r\n"
    b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
)
NOTHING = b""
EACH = 100
SOON = 5.0
"""Seconds: less than any of those who are slow here would hold others up."""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[tuple[Stack, Child, str, str]]:
    """A stack, its web process, its address and a token."""
    with running(tmp_path_factory.mktemp("web"), mail=False) as stack:
        child, address = stack.web()
        token = stack.manage("create_api_token", "web", "--scopes", "write").stdout.strip()
        yield stack, child, address, token


def seconds_to_answer(address: str, path: str, token: str) -> float:
    began = time.monotonic()
    asked = urllib.request.Request(address + path, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.status == 200
        answer.read()
    return time.monotonic() - began


def test_hundreds_of_unfinished_requests_delay_nobody(site):
    _, _, address, token = site
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 1_000)), hard))
    host, port = urlsplit(address).hostname, urlsplit(address).port
    with contextlib.ExitStack() as stack:
        slow = []
        for begun in (HALF_A_HEADER, HALF_A_BODY, NOTHING) * EACH:
            client = stack.enter_context(socket.create_connection((host, port), timeout=10))
            client.sendall(begun)
            slow.append(client)
        for _ in range(3):
            for path in ("/healthz", "/api/metrics", "/api/assignments"):
                assert seconds_to_answer(address, path, token) < SOON, path
            for client in slow[::30]:
                client.sendall(b"a")


def test_it_says_by_which_limits_it_serves(site):
    _, _, address, _ = site
    with urllib.request.urlopen(f"{address}/healthz", timeout=10) as answer:
        limits = json.load(answer)["limits"]
    assert 50 <= limits.pop("connections") <= MAX_CONNECTIONS
    assert limits == {
        "idle_seconds": IDLE_SECONDS,
        "header_seconds": HEADER_SECONDS,
        "request_seconds": REQUEST_SECONDS,
        "header_bytes": MAX_HEADER,
        "body_bytes": 20 * 1024 * 1024,
        "anonymous_body_bytes": MAX_ANONYMOUS_BODY,
    }


def test_many_who_try_passwords_delay_nobody(site):
    _, _, address, token = site
    parts = urlsplit(address)
    page = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    with contextlib.closing(page):
        page.request("GET", "/account/sign-in")
        answer = page.getresponse()
        cookie = answer.getheader("Set-Cookie", "").split(";")[0]
        csrf = answer.read().decode().split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    enough, statuses = threading.Event(), []

    def try_passwords(who: int) -> None:
        for number in itertools.count():
            form = {"csrfmiddlewaretoken": csrf, "username": f"{who}-{number}", "password": "x"}
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
            with contextlib.closing(connection):
                connection.request("POST", "/account/sign-in", urlencode(form), headers)
                answer = connection.getresponse()
                answer.read()
            statuses.append(answer.status)
            if enough.is_set():
                return

    threads = [threading.Thread(target=try_passwords, args=(who,), daemon=True) for who in range(32)]
    for thread in threads:
        thread.start()
    until(lambda: statuses.count(429) >= 32, within=60, what="most are refused")
    took = [seconds_to_answer(address, "/api/assignments", token) for _ in range(10)]
    enough.set()
    for thread in threads:
        thread.join(60)
    assert set(statuses) == {200, 429}
    assert statistics.median(took) < SOON


def test_a_large_body_without_a_token_is_refused_before_it_is_sent(site):
    _, _, address, _ = site
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        client.sendall(
            b"POST /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            b"Content-Length: 400000000\r\n\r\n"
        )
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == 413
        assert json.loads(answer.read()) == {
            "type": "too_large",
            "title": "The request is too large.",
            "errors": [
                {
                    "field": None,
                    "code": "too_large",
                    "message": f"no more than {MAX_ANONYMOUS_BODY} bytes are accepted here",
                }
            ],
        }


def test_a_body_in_chunks_is_limited_too_and_read_with_a_token(site):
    _, _, address, token = site
    parts = urlsplit(address)

    def post(chunks: list[bytes], headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        with contextlib.closing(connection):
            # Who still writes when the request is refused may be reset, and reads the answer all the same.
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                connection.request("POST", "/api/assignments", iter(chunks), headers, encode_chunked=True)
            return connection.getresponse().status

    body = json.dumps(
        {"title": "x", "scheduled_start": "2030-01-01T00:00:00Z", "notes": "n" * 9_000}
    ).encode()
    typed = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    assert post([body[:10], body[10:]], typed | {"Authorization": f"Bearer {token}"}) == 201
    assert post([b"x" * 10_000] * 2, typed) == 413


def test_a_stop_finishes_what_was_begun(site):
    stack, _, _, token = site
    child, address = stack.web()
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    with contextlib.closing(connection):
        # The request waits for a lock while the process is told to stop.
        with psycopg.connect(stack.database_url) as link:
            link.execute("LOCK TABLE assignments_assignment IN ACCESS EXCLUSIVE MODE")
            connection.request("GET", "/api/assignments", headers={"Authorization": f"Bearer {token}"})
            waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            until(lambda: stack.query(waits) != [(0,)], within=10, what="the request waits")
            child.process.terminate()
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
    assert child.process.wait(timeout=30) == 0


NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("silent", "began", "headers_finished", "expired"),
    [
        (IDLE_SECONDS - 1, None, False, False),
        (IDLE_SECONDS + 1, None, False, True),
        (0, HEADER_SECONDS - 1, False, False),
        (0, HEADER_SECONDS + 1, False, True),
        (0, HEADER_SECONDS + 1, True, False),
        (0, REQUEST_SECONDS + 1, True, True),
    ],
)
def test_a_client_that_takes_too_long_is_given_up(silent, began, headers_finished, expired):
    channel = SimpleNamespace(
        requests=[],
        total_outbufs_len=0,
        last_activity=NOW - silent,
        request=None if began is None else SimpleNamespace(headers_finished=headers_finished),
        request_began=None if began is None else NOW - began,
    )
    assert BufferedChannel.has_expired(channel, NOW) is expired


@pytest.mark.parametrize(("unread", "silent", "expired"), [(0, 999, False), (5, 999, True), (5, 1, False)])
def test_a_response_that_nobody_reads_is_given_up(unread, silent, expired):
    channel = SimpleNamespace(requests=[object()], total_outbufs_len=unread, last_activity=NOW - silent)
    assert BufferedChannel.has_expired(channel, NOW) is expired
