"""The examples of the API's description are true: each is sent, in their order, and answered as it says."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from notifications.channels.webhook.channel import WebhookChannel
from notifications.message import Delivery, Outcome
from reminders.web.api.errors import TITLES
from reminders.web.api.schema import examples
from tests.fakes.api_caller import ApiCaller

pytestmark = pytest.mark.django_db
GROUPS = {
    "webhooks": "webhook",
    "scans": "scan",
    "teams": "team",
    "people": "person",
    "rules": "rule",
    "calendar-sources": "calendar",
    "import-mappings": "mapping",
    "message-templates": "message_template",
}
"""What an address with this part is about."""
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(autouse=True)
def _endpoint_accepts(monkeypatch):
    monkeypatch.setattr(WebhookChannel, "send", lambda *_, **__: Delivery(Outcome.ACCEPTED, "204"))


def described() -> dict[str, Any]:
    found: dict[str, Any] = Client().get("/api/schema?format=json").json()
    return found


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, calls in schema["paths"].items():
        for method in METHODS:
            if method in calls:
                yield path, method, calls[method]


def shape(value: Any) -> Any:
    """What stays the same from one run to the next: the names of fields, and the kind of each value."""
    match value:
        case dict():
            return {name: shape(part) for name, part in value.items()}
        case list():
            return [shape(value[0])] if value else []
        case None:
            return None
        case bool() | str():
            return type(value).__name__
        case _:
            return "number"


def test_every_call_has_one():
    for path, method, operation in operations(described()):
        named = f"{method} {path}"
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            assert "example" in content, f"{named}: the request as {media}"
        good = [status for status in operation["responses"] if status.startswith("2")]
        assert good, named
        shown = [
            content
            for status in good
            for content in operation["responses"][status].get("content", {}).values()
            if "example" in content
        ]
        assert shown or good == ["204"], f"{named}: the answer"


def test_every_error_has_an_example_of_its_own_status():
    for path, method, operation in operations(described()):
        refused = {status: one for status, one in operation["responses"].items() if status >= "400"}
        assert {"400", "401", "403", "429", "503"} <= refused.keys(), f"{method} {path}"
        for status, response in refused.items():
            example = response["content"]["application/json"]["example"]
            kind, title = TITLES[int(status)]
            assert (example["type"], example["title"]) == (kind, title), f"{method} {path}: {status}"
            assert ("Retry-After" in response.get("headers", {})) == (status in ("429", "503"))


def test_an_etag_is_described_only_where_there_is_one():
    """A response that shows no state names none; 412 shows the one in force."""
    described_at = {
        status
        for _, _, operation in operations(described())
        for status, response in operation["responses"].items()
        if "ETag" in response.get("headers", {})
    }
    assert described_at == {"200", "201", "412"}


def test_each_is_answered_as_it_says(clock, settings):
    settings.PUBLIC_URL = "https://reminders.example.org"
    call = ApiCaller("write", "ops", "privacy")
    where = {operation["operationId"]: (method, path) for path, method, operation in operations(described())}
    known: dict[str, str] = {"reference": "W-1"}
    for example in examples():
        method, path = where[example["operation"]]
        named = next((group for part, group in GROUPS.items() if f"/{part}/" in path), "assignment")
        group = example.get("of", named)
        url = path.replace("{id}", known.get(group, "")).replace("{reference}", known["reference"])
        url = url.replace("{n}", known.get("contact_point", ""))
        media = {"content_type": example["content_type"]} if "content_type" in example else {}
        answered = getattr(call, method)(url + example.get("query", ""), example.get("request"), **media)
        said = f"{method} {url}: {answered.status_code}"
        assert answered.status_code == example["status"], f"{said} {answered.content[:500]!r}"
        if answered.status_code == 204:
            continue
        if answered["Content-Type"].startswith("text/csv"):
            assert b"".join(answered).decode().splitlines()[0] == example["response"].splitlines()[0], said
            continue
        body = json.loads(b"".join(answered)) if answered.streaming else answered.json()
        assert shape(body) == shape(example["response"]), said
        if "keep" in example:
            known[example["keep"]] = str(body.get("id") or body.get("scan_id"))
        clock.advance(timedelta(seconds=1))


def test_they_hold_no_real_address_and_no_secret_that_works():
    text = json.dumps(examples())
    assert "whsec_" in text
    addresses = {word.split("@")[1] for word in text.replace('"', " ").split() if "@" in word}
    assert addresses <= {"example.org"}
