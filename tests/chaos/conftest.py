"""One system for all faults, the table of recoveries, and which faults are injected without `--chaos`."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import pytest

from tests.chaos.haste import TIMES, hastened
from tests.chaos.system import System, figures, whole_system

RECOVERY = "recovery"
"""The name under which a test's report carries its lines to the end, from other processes too (pytest-xdist)."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What came of one fault. Seconds from the fault's end to the end of each reminder that waited for it."""

    fault: str
    reminders: int
    p50: float
    most: float
    doubles: int
    flagged: int


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long ones run only where they are asked for."""
    if config.getoption("--chaos"):
        return
    left_out = [item for item in items if item.get_closest_marker("chaos")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("chaos")]


@pytest.fixture(scope="package")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One system for all faults. Its proxies are threads of this process: unit tests, which follow, forbid sockets."""
    with whole_system(tmp_path_factory.mktemp("chaos")) as system:
        yield system


@pytest.fixture
def system(whole: System) -> System:
    """Healthy, empty, and everybody at work."""
    whole.fresh()
    return whole


@pytest.fixture
def haste(system: System, pytestconfig: pytest.Config) -> Iterator[float]:
    """How many times as fast the waits of routes and rows pass in this test: 1 with `--chaos=full`."""
    if pytestconfig.getoption("--chaos") == "full":
        yield 1.0
        return
    with hastened(system.direct, TIMES):
        yield TIMES


class Report:
    """Takes down how a fault was survived."""

    def __init__(self, properties: list[tuple[str, object]], *, hastened: bool) -> None:
        self.properties, self.hastened = properties, hastened

    def __call__(self, fault: str, system: System, since: datetime) -> Recovery:
        seconds = system.recovery(since)
        p50, most = figures(seconds)
        evidence = system.evidence()
        done = Recovery(
            fault,
            len(seconds),
            round(p50, 1),
            round(most, 1),
            sum(times - 1 for times in evidence.accepted.values()),
            sum(attempt["outcome"] == "unknowable" for attempt in evidence.attempts),
        )
        if not self.hastened:  # The table is of seconds as they are.
            self.properties.append((RECOVERY, asdict(done)))
        return done


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    hastened = "haste" in request.fixturenames and request.getfixturevalue("haste") != 1
    return Report(request.node.user_properties, hastened=hastened)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table that docs/faults.md shows; CHAOS_REPORT names a file for it."""
    ended = [done for outcome in ("passed", "failed") for done in terminalreporter.stats.get(outcome, [])]
    lines = sorted(
        (
            Recovery(**values)
            for done in ended
            if getattr(done, "when", "") == "call"
            for name, values in done.user_properties
            if name == RECOVERY
        ),
        key=lambda line: line.fault,
    )
    if not lines:
        return
    table = ["| fault | reminders | p50 s | max s | sent twice | flagged |", "|---|---|---|---|---|---|"]
    table += [
        f"| {r.fault} | {r.reminders} | {r.p50} | {r.most} | {r.doubles} | {r.flagged} |" for r in lines
    ]
    terminalreporter.section("recovery from faults")
    terminalreporter.write_line("\n".join(table))
    if path := os.environ.get("CHAOS_REPORT"):
        Path(path).write_text(json.dumps([asdict(line) for line in lines], indent=1))
