"""The shape that the API documents for errors, for what is refused before a view runs."""

import json


def error_body(code: str, *, title: str, message: str) -> bytes:
    """An error about the whole request, as JSON."""
    fault = {"field": None, "code": code, "message": message}
    return json.dumps({"type": code, "title": title, "errors": [fault]}).encode()
