"""The name of a class stands for one thing, wherever it is read."""

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("accounts", "assignments", "benchmarks", "config", "notifications", "reminders", "webserver")
CLASS = re.compile(r"^class ([A-Z]\w*)\b", re.MULTILINE)
BY_FRAMEWORK = {"Command", "Migration"}
"""Django finds these by their name."""


def test_a_class_name_stands_for_one_thing() -> None:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for name in CLASS.findall(path.read_text("utf-8")):
                found[name].append(str(path.relative_to(ROOT)))
    assert len(found) > 300
    assert {name: where for name, where in found.items() if len(where) > 1 and name not in BY_FRAMEWORK} == {}
