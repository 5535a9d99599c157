"""GETs of documents over the internet: what is taken, and what is never asked or believed."""

import ssl
from datetime import timedelta

import pytest

from notifications.fetch import Document, Fetcher, FetchFailed
from tests.fakes.http_sink import HttpSink
from tests.integration.notifications.test_webhook_channel import CERTIFICATE, loopback, with_tls

PLENTY = timedelta(seconds=60)


def fetcher(**more) -> Fetcher:
    values = {"timeout": PLENTY, "most": 1_000, "private": True, "permitted": loopback}
    return Fetcher(**{**values, **more})


def served(body: bytes, *, status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def failure(url: str, one: Fetcher) -> FetchFailed:
    with pytest.raises(FetchFailed) as failed:
        one.fetch(url)
    assert "secret" not in str(failed.value)
    assert url not in str(failed.value)
    return failed.value


def test_a_document_comes_with_what_the_next_request_asks_by() -> None:
    body = served(
        b"BEGIN", ETag='"1"', Last_Modified="Mon, 01 Jun 2026 12:00:00 GMT", Content_Type="text/calendar"
    )
    with HttpSink(answers=[body]) as sink:
        found = fetcher().fetch(sink.url)
    assert found == Document(
        body=b"BEGIN", media_type="text/calendar", etag='"1"', last_modified="Mon, 01 Jun 2026 12:00:00 GMT"
    )
    (heard,) = sink.heard
    assert heard.line == "GET /hook?place=north HTTP/1.1"
    assert "if-none-match" not in heard.headers


def test_what_has_not_changed_is_not_sent_again() -> None:
    with HttpSink(answers=[served(b"", status="304 Not Modified")]) as sink:
        assert fetcher().fetch(sink.url, etag='"1"', last_modified="x") is None
    (heard,) = sink.heard
    assert (heard.headers["if-none-match"], heard.headers["if-modified-since"]) == ('"1"', "x")


def test_a_redirect_is_followed_to_where_it_leads() -> None:
    with HttpSink(answers=[served(b"there")]) as target:
        moved = served(b"", status="302 Found", Location=f"{target.url}&moved")
        with HttpSink(answers=[moved]) as sink:
            found = fetcher().fetch(sink.url)
    assert found is not None
    assert found.body == b"there"


def test_redirects_without_end_are_left() -> None:
    moved = served(b"", status="301 Moved", Location="/again")
    with HttpSink(answers=[moved]) as sink:
        assert failure(sink.url, fetcher()).code == "redirect"
    assert len(sink.heard) == 6


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "http://127.0.0.2:1/", "http://10.0.0.1/", "gopher://x/", "http://user:secret@x/"],
)
def test_a_redirect_to_what_may_not_be_asked_is_not_followed(location: str) -> None:
    with HttpSink(answers=[served(b"", status="302 Found", Location=location)]) as sink:
        assert failure(sink.url, fetcher()).code == "address"
    assert len(sink.heard) == 1


def test_a_redirect_from_https_to_http_is_not_followed() -> None:
    moved = served(b"", status="302 Found", Location="http://127.0.0.1/")
    tls = ssl.create_default_context(cafile=CERTIFICATE)
    with HttpSink(answers=[moved], tls=with_tls()) as sink:
        assert failure(sink.url, fetcher(private=False, tls=tls)).code == "address"


def test_an_address_that_is_not_public_is_never_asked() -> None:
    with HttpSink() as sink:
        assert (
            failure(sink.url.replace("http:", "https:"), fetcher(private=False, permitted=None)).code
            == "address"
        )
    assert sink.heard == []


def test_every_address_of_a_host_must_be_public_and_it_is_resolved_once() -> None:
    asked = []

    def resolve(host, port, *, timeout):
        asked.append(host)
        return [(2, 1, 6, "", ("93.184.216.34", port)), (2, 1, 6, "", ("169.254.169.254", port))]

    found = failure("https://calendar.example/", fetcher(private=False, permitted=None, resolve=resolve))
    assert (found.code, asked) == ("address", ["calendar.example"])


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (served(b"x" * 1_001), "too_large"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000, "too_large"),
        (served(b"x", Content_Encoding="gzip"), "encoding"),
        (served(b"", status="404 Not Found"), "404"),
        (served(b"", status="503 Unavailable", Retry_After="7200"), "503"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000, "answer"),
        (b"hello\r\n\r\n", "answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "answer"),
    ],
)
def test_what_is_no_document_is_a_failure_with_a_code(reply: bytes, code: str) -> None:
    with HttpSink(answers=[reply]) as sink:
        found = failure(sink.url, fetcher())
    assert found.code == code
    assert found.retry_after == (timedelta(hours=2) if code == "503" else None)


def test_a_server_that_goes_on_octet_by_octet_is_left_when_time_is_over() -> None:
    with HttpSink(stop_at="drip") as sink:
        assert failure(sink.url, fetcher(timeout=timedelta(seconds=0.5))).code == "answer"
