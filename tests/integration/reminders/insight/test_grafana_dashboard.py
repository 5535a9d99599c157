"""The dashboard and the alert rules ask only for what a scrape shows, in words that Prometheus understands."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families

from reminders.insight import metrics
from reminders.insight.metrics import ReminderCollector

MONITORING = Path(settings.BASE_DIR) / "docs" / "monitoring"
GRAFANA = MONITORING / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "reminders.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
ALERTS = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]
EXPRESSIONS = sorted(
    {target["expr"] for panel in PANELS for target in panel.get("targets", [])}
    | {rule["expr"] for rule in ALERTS}
)


@pytest.fixture
def shown(db, config) -> dict[str, set[str]]:
    """The names of a scrape with their labels."""
    text = metrics.exposition(ReminderCollector(config=config, ask=metrics.read)).decode()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_expression_parses(expression):
    promql_parser.parse(expression)


def test_each_expression_asks_for_what_there_is(shown):
    for expression in EXPRESSIONS:
        names = set(re.findall(r"\b(?:reminder|assignment)_\w+", expression)) - {"reminder_status"}
        assert names, expression
        assert names <= set(shown), expression
        labels = {
            label.strip()
            for group in re.findall(r"\bby \(([^)]*)\)", expression)
            for label in group.split(",")
        }
        assert labels <= set().union(*(shown[name] for name in names)), expression


def test_each_panel_has_a_number_a_title_and_a_place_of_its_own():
    assert max(Counter(panel["id"] for panel in PANELS).values()) == 1
    assert max(Counter(panel["title"] for panel in PANELS).values()) == 1
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_questions_come_in_the_operators_order():
    assert [panel["title"] for panel in PANELS if panel["type"] == "row"] == [
        "Are people being reminded?",
        "On time?",
        "What fails?",
        "Will people come?",
        "What is overdue?",
        "Are the machines well?",
        "Is somebody guessing?",
    ]


def test_every_target_asks_the_source_that_is_provisioned():
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    asked = {
        (place["datasource"]["type"], place["datasource"]["uid"])
        for panel in PANELS
        if panel["type"] != "row"
        for place in (panel, *panel["targets"])
    }
    assert asked == {(source["type"], source["uid"])}
