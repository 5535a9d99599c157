"""`manage.py test` itself: its own servers, nobody's settings, and no silence about tests that did not run."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from config.devstack import servers
from config.devstack.management.commands.test import environment_for, parallel
from tests.parallel import next_unit, own_redis, tells_all, unit_of

ROOT = Path(__file__).resolve().parents[4]


def run_tests(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "test", *words],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": "postgres://nobody.invalid/real",
            "REDIS_URL": "redis://nobody.invalid",
            **more,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_no_setting_of_the_callers_shell_reaches_a_test(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (
        "DATABASE_URL",
        "SECRET_KEY_FILE",
        "REMINDER_LEAD_MINUTES",
        "TIME_ZONE",
        "EMAIL_URL",
        "PYTHONDONTWRITEBYTECODE",
    ):
        monkeypatch.setenv(name, "the caller's")
    monkeypatch.setenv("LANG", "kept")

    variables = environment_for(servers.Addresses("postgres://own", "redis://own", tmp_path))

    assert "the caller's" not in variables.values()
    assert (variables["DATABASE_URL"], variables["REDIS_URL"]) == ("postgres://own", "redis://own")
    assert (variables["REMINDERS_STATE"], variables["LANG"]) == (str(tmp_path), "kept")


def test_arguments_go_to_pytest_and_the_named_real_servers_are_left_alone() -> None:
    run = run_tests(
        "-v", "-x", "tests/unit/config/devstack/test_narration.py", "-k", "each_event or no_such_word"
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert "12 passed" in run.stdout
    assert "test_each_event_has_its_sentence" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["-n", "5", "--dist", "loadfile", "--no-loadscope-reorder"]),
        (["-rs", "--cov"], ["-n", "5", "--dist", "loadfile", "--no-loadscope-reorder"]),
        (["tests/unit"], []),
        (["-x", "tests/unit/test_docs.py::test_any"], []),
        (["-n", "4"], []),
        (["-n0"], []),
        (["--pdb"], []),
        (["tests/chaos"], []),
        (["tests/chaos/test_smtp.py", "--chaos=on"], []),
        (["tests/chaos", "--chaos=on", "-n", "2"], []),
        (["--chaos=on", "tests/chaos/"], ["-n", "3"]),
    ],
)
def test_a_whole_run_is_spread_over_processes_and_so_is_one_of_all_faults(
    arguments: list[str], expected: list[str]
) -> None:
    assert parallel(arguments) == expected


def test_each_process_of_a_parallel_run_has_a_redis_database_of_its_own() -> None:
    url = "redis://:secret@127.0.0.1:6379/0"
    assert own_redis(url, "") == url
    assert own_redis(url, "gw0") == "redis://:secret@127.0.0.1:6379/15"
    assert own_redis(url, "gw1") == "redis://:secret@127.0.0.1:6379/14"


def test_a_file_stays_in_one_process_and_so_do_the_files_that_share_a_system() -> None:
    assert unit_of("tests/e2e/test_up.py::test_a") == "tests/e2e/test_up.py"
    assert unit_of("tests/unit/chaos/test_b.py::TestC::test_d[tests/chaos/]") == "tests/unit/chaos/test_b.py"
    assert (
        unit_of("tests/chaos/test_many.py::test_e")
        == unit_of("tests/chaos/test_smtp.py::test_f")
        == "tests/chaos"
    )
    assert unit_of("tests/chaos/test_many.py::test_e", one_system=False) == "tests/chaos/test_many.py"


@pytest.mark.parametrize(
    ("queue", "waiting_elsewhere", "expected"),
    [
        (["tests/chaos", "tests/e2e/a.py", "tests/unit/b.py"], 0, "tests/chaos"),
        (["tests/e2e/a.py", "tests/unit/b.py"], 1, "tests/e2e/a.py"),
        (["tests/e2e/a.py", "tests/unit/b.py", "tests/unit/c.py"], 2, "tests/unit/b.py"),
        (["tests/browser/a.py"], 3, "tests/browser/a.py"),
        (["tests/unit/b.py", "tests/unit/c.py"], 0, "tests/unit/b.py"),
    ],
)
def test_two_processes_wait_and_the_others_compute_as_long_as_there_is_such_work(
    queue: list[str], waiting_elsewhere: int, expected: str
) -> None:
    assert next_unit(queue, waiting_elsewhere) == expected


EACH_WAY_TO_END = """
import os, pytest

@pytest.fixture
def no_start():
    raise RuntimeError("it did not begin")

@pytest.fixture
def no_end():
    yield
    print("how it ended")
    raise RuntimeError("it did not end")

def test_passed(): print("nobody reads this")
def test_passed_too(): pass
def test_failed(): print("somebody reads this"); assert "one" == "two"
def test_not_begun(no_start): pass
def test_not_ended(no_end): pass
@pytest.mark.skip(reason="no tool for it")
def test_left_out(): pass
def test_skipped_inside(): pytest.skip("no time for it")
@pytest.mark.xfail
def test_expected(): assert False
@pytest.mark.xfail
def test_surprising(): pass
def test_crashed(): os._exit(7)
"""


def test_each_way_in_which_a_test_ends_is_told_in_a_run_of_several_processes(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('def pytest_addoption(parser): parser.addoption("--chaos")\n')
    (tmp_path / "test_ends.py").write_text(EACH_WAY_TO_END)
    several = ["-n", "1", "--dist", "loadfile", "--no-loadscope-reorder", "--max-worker-restart=0"]
    words = ["-p", "xdist.plugin", "-p", "tests.parallel", *several, "-rfEsxX"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *words, str(tmp_path), f"--rootdir={tmp_path}"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTEST_ADDOPTS": "",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 1, run.stdout + run.stderr
    for said in (
        "2 failed, 3 passed, 2 skipped, 1 xfailed, 1 xpassed, 2 errors",
        "FAILED test_ends.py::test_failed - AssertionError",
        "somebody reads this",
        "ERROR test_ends.py::test_not_begun - RuntimeError: it did not begin",
        "ERROR test_ends.py::test_not_ended - RuntimeError: it did not end",
        "how it ended",
        "no tool for it",
        "no time for it",
        "XFAIL test_ends.py::test_expected",
        "XPASS test_ends.py::test_surprising",
        "crashed while running 'test_ends.py::test_crashed'",
    ):
        assert said in run.stdout


def test_whoever_asks_for_more_than_what_failed_is_told_all() -> None:
    nothing = {
        "xmlpath": None,
        "setupshow": False,
        "setuponly": False,
        "maxfail": 0,
        "durations": None,
        "verbose": 0,
        "reportchars": "wfE",
    }

    def told(**asked: object) -> bool:
        config: Any = SimpleNamespace(option=SimpleNamespace(**{**nothing, **asked}))
        return tells_all(config)

    assert not told()
    assert not told(verbose=-1)
    for asked in (
        {"verbose": 1},
        {"durations": 0},
        {"xmlpath": "a.xml"},
        {"maxfail": 1},
        {"reportchars": "A"},
    ):
        assert told(**asked)


def test_a_run_without_a_test_is_a_failure_and_said() -> None:
    named = {f"TEST_{name}": os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
    run = run_tests("tests/unit/config/devstack/test_narration.py", "-k", "no_such_word", **named)

    assert run.returncode == 5
    assert "no test ran" in run.stderr


def test_help_and_version_start_no_server() -> None:
    assert "pytest" in run_tests("--version").stdout
