"""Bodies as real HTTP clients send them, through the real web server: chunked, compressed, too large, cut off."""

import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.stack import running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

WORK = {"title": "Check the boiler", "scheduled_start": "2030-06-15T15:00:00+02:00"}
TOO_MUCH = 20 * 1024 * 1024 + 1


class Caller:
    """A client that sends each body in chunks, as generators and streams are sent."""

    def __init__(self, web: str, token: str) -> None:
        self.host = urlsplit(web).netloc
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def __call__(
        self, method: str, path: str, body: Iterator[bytes], **headers: str
    ) -> tuple[int, dict[str, object]]:
        connection = http.client.HTTPConnection(self.host, timeout=30)
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.request(method, path, body, sent, encode_chunked=True)
        response = connection.getresponse()
        found = response.status, json.loads(response.read())
        connection.close()
        return found


def pieces(value: object) -> Iterator[bytes]:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    for start in range(0, len(content), 7):
        yield content[start : start + 7]


def raw(host: str, request: bytes) -> bytes:
    address, _, port = host.partition(":")
    with socket.create_connection((address, int(port)), timeout=30) as line:
        line.sendall(request)
        line.shutdown(socket.SHUT_WR)
        return line.recv(4096)


def test_a_chunked_body_counts_on_every_call(tmp_path):
    with running(tmp_path, more={"WEBHOOK_ALLOW_PRIVATE": "true"}) as stack:
        _, web = stack.web()
        call = Caller(
            web,
            stack.manage("create_api_token", "chunks", "--scopes", "read,write,ops").stdout.strip(),
        )
        status, made = call("POST", "/api/assignments", pieces(WORK), Idempotency_Key="a")
        assert (status, made["title"]) == (201, "Check the boiler")
        one = f"/api/assignments/{made['id']}"
        assert call("PATCH", one, pieces({"title": "Other"}))[1]["title"] == "Other"
        put = call("PUT", "/api/assignments/by-reference/W-1", pieces(WORK))
        assert (put[0], put[1]["reference"]) == (201, "W-1")
        moved = call("POST", f"{one}/reschedule", pieces({"scheduled_start": "2031-06-15T15:00:00Z"}))
        assert moved[1]["scheduled_start"] == "2031-06-15T15:00:00Z"
        table = b"reference,title,scheduled_start\nW-2,Read the meter,2030-06-16T09:00:00Z\n"
        assert (
            call("POST", "/api/assignments/import", pieces(table), Content_Type="text/csv")[1]["created"] == 1
        )
        call("POST", "/api/admin/reminders/pause", pieces({"reason": "x"}))
        unreasoned = call("POST", "/api/admin/reminders/resume", pieces({"skip": ["useful"]}))
        assert (unreasoned[0], unreasoned[1]["errors"][0]["field"]) == (400, "reason")
        hook = {"name": "n", "url": "http://127.0.0.1:9/", "events": ["reminder.sent"]}
        _, subscription = call("POST", "/api/webhooks", pieces(hook))
        ended = call("PATCH", f"/api/webhooks/{subscription['id']}", pieces({"active": False}))
        assert ended[1]["active"] is False

        compressed = gzip.compress(json.dumps({"title": "Compressed"}).encode())
        assert call("PATCH", one, pieces(compressed), Content_Encoding="gzip")[1]["title"] == "Compressed"

        status, refused = call("PATCH", one, iter([b" " * 65_536] * (TOO_MUCH // 65_536 + 1)))
        assert (status, refused["errors"][0]["code"]) == (413, "too_large")
        head = f"PATCH {one} HTTP/1.1\r\nHost: {call.host}\r\nTransfer-Encoding: chunked\r\n".encode()
        head += "".join(f"{name}: {value}\r\n" for name, value in call.headers.items()).encode() + b"\r\n"
        for broken in (b"zz\r\n{}\r\n0\r\n\r\n", b'20\r\n{"title":'):
            answer = raw(call.host, head + broken)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400 "), answer
        assert call("PATCH", one, pieces({}))[1]["title"] == "Compressed"
