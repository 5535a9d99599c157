"""Chunked bodies before Django sees them."""

import io

import pytest

from reminders.web.chunked import ChunkedBodies


def ask(environ: dict[str, object]) -> tuple[str, dict[str, object]]:
    seen: dict[str, object] = {}
    status: list[str] = []

    def application(environ, start_response):
        seen["body"] = environ["wsgi.input"].read()
        seen["length"] = environ.get("CONTENT_LENGTH")
        start_response("200 OK", [])
        return []

    ChunkedBodies(application)(environ, lambda line, headers: status.append(line))
    return status[0], seen


@pytest.fixture(autouse=True)
def _small(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10


@pytest.mark.parametrize(("sent", "length"), [(b"", "0"), (b"0123456789", "10"), (b"0123456789abcdef", "11")])
def test_a_chunked_body_gets_its_length_and_is_read_no_further_than_is_accepted(sent, length):
    environ = {
        "HTTP_TRANSFER_ENCODING": "chunked",
        "CONTENT_LENGTH": "3",
        "wsgi.input": io.BytesIO(sent),
        "wsgi.input_terminated": True,
    }
    assert ask(environ) == ("200 OK", {"body": sent[:11], "length": length})


def test_a_body_whose_end_is_not_marked_needs_a_length():
    assert ask({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(b"x")}) == (
        "411 Length Required",
        {},
    )


def test_any_other_body_is_left_alone():
    environ = {"CONTENT_LENGTH": "1", "wsgi.input": io.BytesIO(b"x")}
    assert ask(environ) == ("200 OK", {"body": b"x", "length": "1"})
