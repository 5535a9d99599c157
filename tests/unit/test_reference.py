"""docs/reference.md and docs/state-machine.md list the names of the code: all of them, and no others."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator

from assignments.models import ActKind, Answer, ReminderStatus, Status, Way
from reminders.delivery.scan import ScanCounts
from reminders.insight.explain.answer import Outlook
from reminders.insight.metrics import MetricsReading, ReminderCollector
from reminders.insight.statistics import Snapshot
from reminders.ledger import events
from reminders.models import DeliveryKind, Kind, Reason, ReminderRule, State
from reminders.operations.pauses import BacklogPart
from reminders.policy.awareness import Rung, Unreachable
from reminders.policy.retries import Result
from reminders.web.ops.actions import OFFERED
from tests.unit.test_docs import in_example

ROOT = Path(settings.BASE_DIR)
PAGE = (ROOT / "docs" / "reference.md").read_text()
STATES = (ROOT / "docs" / "state-machine.md").read_text()
PACKAGES = ("accounts", "assignments", "config", "notifications", "reminders")


def section(title: str) -> str:
    """The text of a section of the page."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table(title: str, number: int = 0) -> list[list[str]]:
    """The cells of the tables of a section, without their headings."""
    tables = re.findall(r"(?:^\|.*\n?)+", section(title), re.MULTILINE)
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in tables[number].splitlines()
    ]
    return rows[2:]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.fixture(scope="module")
def described() -> dict[str, object]:
    """The API's description as OpenAPI."""
    schema: dict[str, object] = SchemaGenerator().get_schema(request=None, public=True)
    return schema


def test_every_command_is_listed() -> None:
    ours = {
        name
        for name, app in get_commands().items()
        if isinstance(app, str) and (app.split(".")[0] in PACKAGES)
    }
    assert {codes(row[0])[0].split()[0] for row in table("Commands")} == ours


def test_every_variable_is_listed_with_its_default() -> None:
    listed = {codes(row[0])[0]: (codes(row[1]) or [""])[0] for row in table("Environment")}
    assert listed == in_example()


def test_every_call_is_listed(described: dict) -> None:
    calls = {f"{method.upper()} {path}" for path, methods in described["paths"].items() for method in methods}
    assert {codes(row[0])[0] for row in table("HTTP calls")} == calls


def test_every_field_is_listed(described: dict) -> None:
    shown = {
        name: set(component["properties"])
        for name, component in described["components"]["schemas"].items()
        if "properties" in component and not name.startswith("Patched")
    }
    assert {codes(row[0])[0]: set(codes(row[1])) for row in table("Fields")} == shown


def test_every_word_of_a_closed_set_is_listed() -> None:
    listed = {row[0]: set(codes(row[1])) for row in table("Fields", 1) if not row[1].startswith("see ")}
    assert listed == {
        "`status`": set(Status.values),
        "`reminder_status`": set(ReminderStatus.values),
        "`answer`": set(Answer.names),
        "`act`": set(ActKind.values),
        "`via`": set(Way.values),
        "`audience` of a rule": set(ReminderRule.Audience.values),
        "`type` of a trigger": set(ReminderRule.Trigger.values),
        "`condition` of a rule": set(ReminderRule.Condition.values),
        "`type` of a scope": set(ReminderRule.Scope.values),
        "`quiet_hours` of a rule": set(ReminderRule.QuietHours.values),
        "`when_past` of a rule": set(ReminderRule.WhenPast.values),
        "`kind` of a delivery event": set(DeliveryKind.values),
        "`kind` of a row": set(Kind.values),
        "`outcome`": {result.value for result in Result},
        "`outlook`": {outlook.value for outlook in Outlook},
        "`counts` of a scan": {field.name for field in fields(ScanCounts)},
        "`awareness`, `rung`": {rung.value for rung in Rung},
        "`unreachable_because`": {cause.value for cause in Unreachable},
        "`skip`": {part.value for part in BacklogPart},
        "`events`": set(events.TYPES),
    }


def test_every_state_and_reason_is_described() -> None:
    rows = re.findall(r"^\| ([A-Z]+) \| [^|]+ \| (?:yes)? ?\|$", STATES, re.MULTILINE)
    assert rows == list(State.values)
    assert set(Reason.values) <= set(codes(STATES))


def test_every_function_of_a_transition_exists() -> None:
    named = re.findall(r"`(\w+)\.(\w+)`", STATES.split("\n## Transitions\n")[1].split("\n## ")[0])
    assert len(named) > 15
    for module, function in named:
        assert callable(getattr(import_module(f"reminders.ledger.{module}"), function))


def test_every_page_is_listed() -> None:
    listed = {address.split("{")[0] for row in table("Pages") for address in codes(row[0])}
    resolver = get_resolver()
    ops = next(found for found in resolver.url_patterns[-1].url_patterns if str(found.pattern) == "ops/")
    pages = {
        f"/ops/{re.split('<', str(found.pattern))[0]}"
        for found in ops.url_patterns
        if found.name not in PARTS
    }
    assert pages == {address for address in listed if address.startswith("/ops/")}


def test_every_action_of_operators_is_listed() -> None:
    (row,) = (row for row in table("Pages") if "/ops/act/" in row[0])
    assert set(codes(row[1])) - {"?ids=6,7", "to", "#id", "nobody", "calendar"} == set(OFFERED)


PARTS = {"live", "queue-live", "board-live", "checks", "nowhere"}
"""What belongs to other pages: it is not an address to rely on."""


def test_every_metric_is_listed_with_its_type_and_labels() -> None:
    collector = ReminderCollector(ask=lambda _: MetricsReading({}, Snapshot(taken_at=0.0), 0))
    shown = {}
    for family in collector.collect():
        labels = sorted({name for sample in family.samples for name in sample.labels} - {"le"})
        name = f"{family.name}_total" if family.type == "counter" else family.name
        shown[name + (f"{{{','.join(labels)}}}" if labels else "")] = family.type
    assert {name: row[1] for row in table("Metrics") for name in codes(row[0])} == shown


def test_every_log_event_is_listed() -> None:
    listed = {name for row in table("Log events") for name in codes(row[0])}
    logged, texts = set(), set()
    for call, constants in logger_calls():
        logged |= call
        texts |= constants
    assert listed >= logged
    assert listed <= texts


def logger_calls() -> Iterator[tuple[set[str], set[str]]]:
    """For each module that a process runs: the texts that are logged, and all texts."""
    for package in ("accounts", "config/access", "assignments", "notifications", "reminders"):
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text())
            logged: set[str] = set()
            for node in ast.walk(tree):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id == "logger"
                    and node.args
                ):
                    logged |= strings(node.args[0])
            yield logged, strings(tree) | logged
    yield set(), strings(ast.parse((ROOT / "config" / "broker_transport.py").read_text()))


def strings(node: ast.AST) -> set[str]:
    return {
        found.value
        for found in ast.walk(node)
        if isinstance(found, ast.Constant) and isinstance(found.value, str)
    }
