"""Calls the API as programs do: with a token, in JSON."""

import json
from collections.abc import Sequence
from typing import Any

from django.test import Client

from accounts.models import ApiToken
from assignments.models import Team


class ApiCaller:
    """A program with a token of the given scopes, limited to teams where some are given.

    `call.post("/api/assignments", {...})`.
    """

    def __init__(self, *scopes: str, teams: Sequence[Team] | None = None, **client: Any) -> None:
        self.client = Client(**client)
        limit = None if teams is None else [team.pk for team in teams]
        self.name = "-".join([*scopes, *map(str, limit or [])])
        _, secret = ApiToken.issue(self.name, scopes=list(scopes), days=None, teams=limit)
        self.headers = {"Authorization": f"Bearer {secret}"}

    def __getattr__(self, method: str) -> Any:
        def call(url: str, body: Any = None, **headers: str) -> Any:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            if method == "get":
                return self.client.get(url, body, headers={**self.headers, **sent})
            content_type = sent.pop("content-type", "application/json")
            if body is None:
                content: bytes | str = b""
            else:
                content = body if isinstance(body, (bytes, str)) else json.dumps(body)
            answer = getattr(self.client, method)
            return answer(url, content, content_type=content_type, headers={**self.headers, **sent})

        return call


def faults(response: Any) -> list[tuple[str | None, str]]:
    """Field and code of each error; the shape itself is checked on the way."""
    body = response.json()
    assert body.keys() - {"current"} == {"type", "title", "errors"}, body
    assert all(fault.keys() == {"field", "code", "message"} for fault in body["errors"])
    assert all(isinstance(fault["message"], str) and fault["message"] for fault in body["errors"])
    return [(fault["field"], fault["code"]) for fault in body["errors"]]
