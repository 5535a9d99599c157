"""The examples of errors in the API's description are what it answers: each call is sent so that it is refused."""

import json
import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.db.backends.utils import CursorWrapper
from django.test import Client
from jsonschema import Draft202012Validator
from psycopg.errors import ForeignKeyViolation
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from reminders.conf import ReminderConfig
from reminders.web.api import error_examples
from reminders.web.api.error_examples import RETRYABLE, error_example
from reminders.web.api.errors import KeyInUse, exception_handler
from reminders.web.api.schema import examples
from tests.fakes.api_caller import ApiCaller
from tests.integration.reminders.web.api.test_examples import GROUPS, described, operations

pytestmark = pytest.mark.django_db

NOBODY = "4711"
"""An id that nothing has."""

Answers = dict[str, dict[str, list[dict[str, Any]]]]


class Scene:
    """Something of each kind, made by the examples, and work that was cancelled (W-2) or completed (W-3)."""

    def __init__(self) -> None:
        self.caller = ApiCaller("write", "ops", "privacy")
        self.calls = {call["operationId"]: (method, path) for path, method, call in operations(described())}
        self.takes_json = {
            call["operationId"]
            for _, _, call in operations(described())
            if "application/json" in call.get("requestBody", {}).get("content", {})
        }
        self.ids: dict[str, str] = {}
        for example in examples():
            if "keep" in example and example["operation"] != "reminders_rescan":
                made = self.send(example["operation"], example["request"])
                assert made.status_code == example["status"], made.content
                self.ids[example["keep"]] = str(made.json()["id"])
        self.ids["gone"], self.ids["done"] = (
            self._work("W-2", "cancel"),
            self._work("W-3", "start", "complete"),
        )

    def _work(self, reference: str, *acts: str) -> str:
        start = "2026-06-15T13:00:00Z"
        work = {"reference": reference, "title": "Read the meter", "scheduled_start": start}
        pk = str(self.send("assignments_create", work).json()["id"])
        for act in acts:
            assert self.send(f"assignments_{act}", {}, of=pk).status_code == 200
        return pk

    def send(self, operation: str, body: Any = None, *, query: str = "", of: str = "", **headers: str) -> Any:
        method, path = self.calls[operation]
        pk = of or self.ids.get(
            next((kind for part, kind in GROUPS.items() if f"/{part}/" in path), "assignment"), ""
        )
        url = path.replace("{id}", pk).replace("{n}", self.ids.get("contact_point", NOBODY))
        url = url.replace("{reference}", of or "W-1")
        return getattr(self.caller, method)(url + query, body, **headers)

    def refused(self, *args: Any, **kwargs: Any) -> Any:
        """What `send` answers; the database stays as it is."""
        with transaction.atomic():
            answer = self.send(*args, **kwargs)
            transaction.set_rollback(True)
        return answer

    def errors(self, answer: Any) -> list[dict[str, Any]]:
        """What is refused, with 1 for the id of whatever it is about."""
        found = answer.json()["errors"]
        for error in found:
            for pk in self.ids.values():
                error["message"] = re.sub(
                    rf"(assignment|person|team|subscription|done:) {pk}\b", r"\1 1", error["message"]
                )
        return list(found)


CONFLICTS: dict[str, tuple[str, Any]] = {
    "assignments_create": (
        "",
        {"reference": "W-1", "title": "Read", "scheduled_start": "2026-06-15T13:00:00Z"},
    ),
    "assignments_change": ("done", {"status": "IN_PROGRESS"}),
    "assignments_cancel_by_delete": ("done", None),
    "assignments_cancel": ("done", {}),
    "assignments_complete": ("gone", {}),
    "assignments_confirm": ("gone", {}),
    "assignments_decline": ("gone", {}),
    "assignments_on_my_way": ("gone", {}),
    "assignments_late": ("gone", {"minutes": 5}),
    "assignments_start": ("gone", {}),
    "assignments_reschedule": ("gone", {"scheduled_start": "2026-06-15T14:00:00Z"}),
    "assignments_remind": ("gone", {"reason": "asked for"}),
    "assignments_put": ("W-2", {"title": "Other", "scheduled_start": "2026-06-15T13:00:00Z"}),
    "reminders_rescan": ("", {}),
    "reminders_resume": ("", {"reason": "it has been moved"}),
    "reminders_reset": ("", {"reason": "restore", "plan": "0123456789abcdef"}),
    "reminders_pause": ("", {"reason": "the mail server is being moved"}),
    "people_erase": ("worker", {"reason": "asked for"}),
    "teams_remove": ("", None),
    "webhooks_try": ("", {}),
}
"""Of which thing (by Scene.ids, or by its reference) each call is refused in the present state, and its body."""

NAIVE = {"title": "Read the meter", "scheduled_start": "2026-06-15T15:00:00"}
MISTAKES: dict[str, Any] = {
    "assignments_create": NAIVE,
    "assignments_put": NAIVE,
    "assignments_reschedule": {"scheduled_start": NAIVE["scheduled_start"]},
    "people_create": {"name": "Grace Example", "time_zone": "Berlin"},
}
"""Bodies with a mistake; of the other calls it is a field that is not known, and one that is missing."""
LIMITED_ONLY = {"rules_create", "rules_preview"}
"""Their 404 is for callers who are limited to teams."""


def conflicts(scene: Scene, settings: Any) -> Iterator[tuple[str, int, Any]]:
    scene.ids["worker"] = str(scene.send("assignments_read").json()["assignee"]["id"])
    scene.send("webhooks_change", {"active": False})
    scene.send("reminders_pause", {"reason": "a first pause"})
    for operation, (of, body) in CONFLICTS.items():
        settings.REMINDERS = ReminderConfig(channel="memory", enabled=operation != "reminders_rescan")
        if operation == "reminders_resume":
            scene.send(operation, {})
        yield operation, 409, scene.refused(operation, body, of=scene.ids.get(of, of))
        if operation == "reminders_resume":
            scene.send("reminders_pause", {"reason": "a first pause"})


def mistakes(scene: Scene) -> Iterator[tuple[str, int, Any]]:
    for operation, (method, _) in scene.calls.items():
        if method == "get":
            answer = scene.send(operation, query="?colour=red")
        elif operation in scene.takes_json:
            answer = scene.refused(operation, MISTAKES.get(operation, {"colour": "red"}))
        else:
            continue
        if answer.status_code == 400:
            yield operation, 400, answer


def unknown(scene: Scene) -> Iterator[tuple[str, int, Any]]:
    bodies = {example["operation"]: example.get("request") for example in examples()}
    for operation, (method, path) in scene.calls.items():
        if "{id}" in path:
            yield (
                operation,
                404,
                scene.refused(operation, bodies[operation] if method != "get" else None, of=NOBODY),
            )


def test_what_single_calls_refuse_is_what_the_description_shows(clock, settings):
    """`error_examples.json` holds just these; whoever changes a message finds the new ones in the assertion."""
    settings.API_RATE = 0
    scene, answered = Scene(), dict[str, dict[str, Any]]()
    for operation, status, answer in (*mistakes(scene), *unknown(scene), *conflicts(scene, settings)):
        assert answer.status_code == status, f"{operation}: {answer.content!r}"
        common = error_example("any", status, idempotent=False)
        assert answer.json().keys() == common.keys()
        if (found := scene.errors(answer)) != common["errors"]:
            answered.setdefault(operation, {})[str(status)] = found
    assert answered == error_examples._of_calls()


def test_what_every_call_may_refuse_is_what_the_description_shows(clock, settings, monkeypatch):
    scene, nobody, reader = Scene(), Client(), ApiCaller("read")
    url, work = "/api/assignments", {"title": "Read the meter", "scheduled_start": "2026-06-15T13:00:00Z"}
    one = f"{url}/{scene.ids['assignment']}"
    scene.caller.post(url, work, Idempotency_Key="k-1")
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    answers = [
        nobody.get(url, headers={"Host": "elsewhere.example"}),
        nobody.get(url),
        reader.post(url, work),
        scene.caller.get("/api/nothing"),
        scene.caller.patch(one, {"title": "Read it"}, If_Match='"another"'),
        scene.caller.post(url, {**work, "notes": "x" * 100}),
        scene.caller.post(url, b"{}", Content_Encoding="br"),
        scene.caller.post(url, {**work, "title": "Read"}, Idempotency_Key="k-1"),
    ]
    settings.API_RATE = 1
    answers += [reader.get(url), reader.get(url)][1:]
    settings.API_RATE = 0
    with monkeypatch.context() as away:
        away.setattr(CursorWrapper, "execute", Mock(side_effect=OperationalError("gone")))
        answers.append(scene.caller.get(url))
    assert [answer.status_code for answer in answers] == [400, 401, 403, 404, 412, 413, 415, 422, 429, 503]
    for answer in answers:
        documented = error_example("any", answer.status_code, idempotent=False)
        found = answer.json()
        assert (found["type"], found["title"]) == (documented["type"], documented["title"])
        # Of one call a minute; of as many as by default it is the second that is shown.
        errors = json.loads(json.dumps(scene.errors(answer)).replace("60 seconds", "1 second"))
        assert errors == documented["errors"]
        assert ("Retry-After" in answer) == (answer.status_code in RETRYABLE)
        assert ("current" in found) == (answer.status_code == 412)
    for error, keyed in ((KeyInUse(), True), (IntegrityError(), False)):
        error.__cause__ = ForeignKeyViolation()
        answer = exception_handler(error, {})
        assert answer is not None
        assert answer.data == error_example("any", 409, idempotent=keyed)


def json_schema(described_as: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema, which has no `nullable`."""
    match described_as:
        case {"nullable": True, **rest}:
            return {"anyOf": [json_schema(rest), {"type": "null"}]}
        case dict():
            return {name: json_schema(part) for name, part in described_as.items()}
        case list():
            return [json_schema(part) for part in described_as]
    return described_as


def test_each_example_fits_the_schema_beside_it():
    schema = json_schema(described())
    registry = Registry().with_resource("api", DRAFT202012.create_resource(schema))
    for path, method, operation in operations(schema):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (one for body in bodies for one in body.get("content", {}).items()):
            media, described_as = content
            if media == "application/json" and "example" in described_as:
                shape = json.loads(json.dumps(described_as["schema"]).replace("#/", "api#/"))
                problems = Draft202012Validator(shape, registry=registry).iter_errors(described_as["example"])
                assert not list(problems), f"{method} {path}"
