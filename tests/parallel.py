"""How a run is spread over the processes of pytest-xdist, and what each of them has for itself.

Loaded with `-p tests.parallel` (pyproject.toml), before the settings are read. pytest-django gives each process a
PostgreSQL database, this module a Redis database.
"""

import gc
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
from _pytest.runner import runtestprotocol
from xdist.scheduler.loadscope import LoadScopeScheduling

LAST_DATABASE = 15
"""Redis has databases 0 to 15; the five processes of a whole run take 15 to 11, `tests.stack` takes from the lower ones."""
WHOLE_SYSTEM = ("chaos", "e2e", "browser")
"""The folders of tests that start processes and wait for them, and use the processor little."""
ONE_SYSTEM = "chaos"
"""The folder whose files share one running system: it is started by one process, once."""
MOST_WAITING = 2
"""So many processes at a time run tests that wait; the others run tests that compute meanwhile."""


def own_redis(url: str, worker: str) -> str:
    """The address for a worker of pytest-xdist ("gw0", "gw1", ...); the given one where there is none."""
    if not worker.startswith("gw"):
        return url
    return urlsplit(url)._replace(path=f"/{LAST_DATABASE - int(worker[2:])}").geturl()


def unit_of(nodeid: str, *, one_system: bool = True) -> str:
    """What stays together in one process: the tests of a file, and of the folder that shares a system.

    `one_system`: that folder takes no longer than others do. Its long tests are worth more systems (`--chaos`).
    """
    file = nodeid.split("::", 1)[0]
    return f"tests/{ONE_SYSTEM}" if one_system and file.startswith(f"tests/{ONE_SYSTEM}/") else file


def waits(unit: str) -> bool:
    return unit.startswith(tuple(f"tests/{folder}" for folder in WHOLE_SYSTEM))


def next_unit(queue: Collection[str], waiting_elsewhere: int) -> str:
    """The first unit of the kind that is wanted now; where none is left, the first of the other kind."""
    wanted = waiting_elsewhere < MOST_WAITING
    return next((unit for unit in queue if waits(unit) == wanted), next(iter(queue)))


class TwoKinds(LoadScopeScheduling):
    """Runs tests that wait beside tests that compute, so that the processors are busy from the beginning to the end."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid, one_system=not self.config.getoption("--chaos"))

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        super().mark_test_complete(node, item_index, duration)
        # Each test that ends has those counted that are left; of units that have ended none is.
        assigned = self.assigned_work[node]
        for unit in [unit for unit, tests in assigned.items() if len(assigned) > 1 and all(tests.values())]:
            del assigned[unit]

    def _assign_work_unit(self, node: Any) -> None:
        elsewhere = sum(
            _is_waiting(units) for other, units in self.assigned_work.items() if other is not node
        )
        self.workqueue.move_to_end(next_unit(self.workqueue, elsewhere), last=False)
        super()._assign_work_unit(node)


def _is_waiting(units: Mapping[str, Mapping[str, bool]]) -> bool:
    return any(waits(unit) and not all(tests.values()) for unit, tests in units.items())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    if config.getoption("--chaos") and config.option.maxschedchunk is None:
        config.option.maxschedchunk = 1  # Tests that last: who has ended one takes the next.
    return TwoKinds(config, log) if config.getoption("dist") == "loadfile" else None


def news(reports: Sequence[pytest.TestReport]) -> list[pytest.TestReport]:
    """What a summary needs of a test: of one that has passed only that; of any other also what it wrote."""
    if all(report.passed and not hasattr(report, "wasxfail") for report in reports):
        call = next(report for report in reports if report.when == "call")
        call.keywords, call.sections = {}, []
        return [call]
    return [report for report in reports if report.when == "call" or not report.passed or report.sections]


def tells_all(config: pytest.Config) -> bool:
    """Whether more is asked for than how many tests passed and what became of the others; or a failure is to end the run."""
    option = config.option
    details = option.xmlpath, option.setupshow, option.setuponly, option.maxfail, option.verbose > 0
    return any(details) or option.durations is not None or not {"A", "P"}.isdisjoint(option.reportchars)


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """In a process of several: hand over what is news, instead of five messages for each test that has passed.

    Writing and reading these takes longer than many of the tests do.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ or tells_all(item.config):
        return None
    for report in news(runtestprotocol(item, log=False, nextitem=nextitem)):
        item.ihook.pytest_runtest_logreport(report=report)
    return True


if "REDIS_URL" in os.environ:
    os.environ["REDIS_URL"] = own_redis(os.environ["REDIS_URL"], os.environ.get("PYTEST_XDIST_WORKER", ""))
# Imports and tests that are collected leave no garbage, and it takes a fifth of their time to look for it. It is switched
# on again as soon as the tests begin (`tests.conftest`).
gc.disable()
