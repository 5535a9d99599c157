"""A chunked body that a server hands on as it is."""

import json

from webserver.body_length import MESSAGE, KnownBodyLength


def ask(environ: dict[str, object]) -> tuple[str, list[bytes]]:
    statuses: list[str] = []

    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"done"]

    answer = KnownBodyLength(application)(environ, lambda status, headers: statuses.append(status))
    return statuses[0], list(answer)


def test_a_body_whose_length_nobody_knows_is_refused_and_not_taken_for_an_empty_one():
    status, body = ask({"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""})
    assert status == "411 Length Required"
    assert json.loads(body[0]) == {
        "type": "length_required",
        "title": "Length Required",
        "errors": [{"field": None, "code": "length_required", "message": MESSAGE}],
    }


def test_any_other_body_is_left_alone():
    assert ask({"CONTENT_LENGTH": "1"}) == ("200 OK", [b"done"])
