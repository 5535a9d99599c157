"""A bare clone becomes an environment, once; a command beside a running `up` finds its services."""

import fcntl
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from tests import starter

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A checkout with manage.py, the bootstrap, and locks that name nothing (so nothing is downloaded)."""
    for folder in ("config/devstack", "requirements"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("manage.py", "config/devstack/bootstrap.py"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "requirements/base.lock").write_text("# production\n")
    (tmp_path / "requirements/dev.lock").write_text("# development\n")
    return tmp_path


@pytest.fixture
def bootstrap(clone: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "bootstrap_of_a_clone", clone / "config" / "devstack" / "bootstrap.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def pretend_installed(bootstrap: ModuleType, lock: str) -> None:
    """A .venv with the lock's stamp and a Python, without the half minute that making one takes."""
    (bootstrap.VENV / "bin").mkdir(parents=True, exist_ok=True)
    (bootstrap.VENV / "pyvenv.cfg").write_text("version = 3.11.2\n")
    (bootstrap.VENV / "bin" / "python").touch()
    bootstrap.Stamp.expected(lock).write()


def prepare_in_child(clone: Path, *lines: str) -> subprocess.Popen[str]:
    """`prepare("check")` as a process of its own, after the given lines."""
    program = [
        "import importlib.util, sys",
        f"spec = importlib.util.spec_from_file_location('b', {str(clone / 'config' / 'devstack' / 'bootstrap.py')!r})",
        "b = importlib.util.module_from_spec(spec); sys.modules['b'] = b; spec.loader.exec_module(b)",
        *lines,
        "b.prepare('check')",
    ]
    return subprocess.Popen(
        [sys.executable, "-c", "\n".join(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=clone,
    )


# --- which lock ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "lock"),
    [
        ("up", "requirements/base.lock"),
        ("migrate", "requirements/base.lock"),
        ("", "requirements/base.lock"),
        ("test", "requirements/dev.lock"),
        ("bench", "requirements/dev.lock"),
    ],
)
def test_each_command_has_its_lock(bootstrap: ModuleType, command: str, lock: str) -> None:
    assert bootstrap.wanted_lock(command) == lock


def test_an_environment_with_the_development_lock_keeps_it(bootstrap: ModuleType) -> None:
    pretend_installed(bootstrap, "requirements/dev.lock")

    assert bootstrap.wanted_lock("up") == "requirements/dev.lock"
    assert bootstrap.is_fresh("requirements/dev.lock")


def test_the_environment_of_an_earlier_release_is_updated_and_keeps_its_development_packages(
    bootstrap: ModuleType, clone: Path
) -> None:
    """Earlier releases had their locks beside manage.py, and wrote that name into the stamp."""
    pretend_installed(bootstrap, "requirements/dev.lock")
    stamp = bootstrap.Stamp.expected("requirements/dev.lock")
    bootstrap.Stamp(lock="requirements-dev.lock", digest=stamp.digest, python=stamp.python).write()

    assert bootstrap.wanted_lock("up") == "requirements/dev.lock"
    assert not bootstrap.is_fresh("requirements/dev.lock")


def test_a_changed_lock_makes_the_environment_stale(bootstrap: ModuleType, clone: Path) -> None:
    pretend_installed(bootstrap, "requirements/base.lock")
    assert bootstrap.is_fresh("requirements/base.lock")

    (clone / "requirements/base.lock").write_text("# production, newer\n")

    assert not bootstrap.is_fresh("requirements/base.lock")


def test_another_python_makes_the_environment_stale(bootstrap: ModuleType) -> None:
    pretend_installed(bootstrap, "requirements/base.lock")

    (bootstrap.VENV / "pyvenv.cfg").write_text("version = 3.13.0\n")

    assert not bootstrap.is_fresh("requirements/base.lock")


def test_an_unfinished_environment_has_no_stamp(bootstrap: ModuleType) -> None:
    pretend_installed(bootstrap, "requirements/base.lock")
    (bootstrap.VENV / "installed.json").write_text('{"lock": "requir')

    assert bootstrap.Stamp.read() is None
    assert not bootstrap.is_fresh("requirements/base.lock")


def test_the_versions_that_pyproject_and_manage_py_ask_for_are_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["requires-python"] == ">=3.11"
    assert "sys.version_info < (3, 11)" in (ROOT / "manage.py").read_text()


WITHOUT_ENSUREPIP = (
    "find = b.importlib.util.find_spec",
    "b.importlib.util.find_spec = lambda n: n != 'ensurepip' and find(n)",
)
"""Lines for `prepare_in_child`: the pip beside it is used, and none is installed, which takes three seconds."""


# --- making it -------------------------------------------------------------------------------------------------


def test_two_first_runs_at_once_make_one_environment(bootstrap: ModuleType, clone: Path) -> None:
    runs = [prepare_in_child(clone) for _ in range(2)]
    said = [run.communicate(timeout=120)[0] for run in runs]

    assert [run.returncode for run in runs] == [0, 0], said
    assert sum("Preparing .venv" in text for text in said) == 1
    assert bootstrap.is_fresh("requirements/base.lock")


def test_a_python_without_ensurepip_uses_the_pip_beside_it(bootstrap: ModuleType, clone: Path) -> None:
    run = prepare_in_child(clone, *WITHOUT_ENSUREPIP)
    said = run.communicate(timeout=120)[0]

    assert run.returncode == 0, said
    assert bootstrap.is_fresh("requirements/base.lock")
    assert not list(bootstrap.VENV.glob("lib/*/site-packages/pip"))


def test_the_remains_of_an_interrupted_run_are_no_obstacle(bootstrap: ModuleType, clone: Path) -> None:
    (bootstrap.VENV / "bin").mkdir(parents=True)
    (bootstrap.VENV / "bin" / "python").symlink_to("gone")
    (bootstrap.VENV / "pyvenv.cfg").write_text("version = 3.8.0\n")

    run = prepare_in_child(clone, *WITHOUT_ENSUREPIP)
    said = run.communicate(timeout=120)[0]

    assert run.returncode == 0, said
    assert bootstrap.is_usable(bootstrap.VENV)


def test_what_cannot_be_installed_is_said_in_plain_words(
    bootstrap: ModuleType, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name != "ensurepip" and find(name))
    (clone / "requirements/base.lock").write_text("a line that is no requirement\n")

    with pytest.raises(bootstrap.CannotPrepare, match=r"requirements/base.lock could not be installed"):
        bootstrap.prepare("check")

    assert bootstrap.Stamp.read() is None


def test_a_folder_that_cannot_be_written_is_said_in_plain_words(bootstrap: ModuleType) -> None:
    bootstrap.VENV.write_text("in the way")

    with pytest.raises(bootstrap.CannotPrepare, match="cannot be written"):
        bootstrap.prepare("check")


# --- beside a running `up` -------------------------------------------------------------------------------------


@pytest.fixture
def state(clone: Path) -> Path:
    state = clone / ".run"
    state.mkdir()
    (state / "up.lock").touch()
    services = {"DATABASE_URL": "postgres://here", "SECRET_KEY": "kept"}
    (state / "up.json").write_text(json.dumps({"environment": services}))
    return state


def test_a_command_joins_the_up_that_runs(bootstrap: ModuleType, state: Path) -> None:
    environ = {"SECRET_KEY": "my own"}
    with (state / "up.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        joined = bootstrap.join_running_services(["manage.py", "rescan_reminders"], environ)

    assert joined
    assert environ == {"SECRET_KEY": "my own", "DATABASE_URL": "postgres://here"}


@pytest.mark.parametrize(
    ("command", "owner"), [("migrate", True), ("prepare", True), ("explain_reminder", False)]
)
def test_only_what_changes_tables_connects_as_their_owner(
    bootstrap: ModuleType, state: Path, command: str, owner: bool
) -> None:
    told = {"environment": {"DATABASE_URL": "app"}, "owner_environment": {"DATABASE_OWNER_URL": "owner"}}
    (state / "up.json").write_text(json.dumps(told))
    environ: dict[str, str] = {}
    with (state / "up.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert bootstrap.join_running_services(["manage.py", command], environ)

    assert ("DATABASE_OWNER_URL" in environ) is owner


@pytest.mark.parametrize("command", ["up", "test", "bench"])
def test_what_brings_its_own_services_does_not_join(bootstrap: ModuleType, state: Path, command: str) -> None:
    environ: dict[str, str] = {}
    with (state / "up.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        assert not bootstrap.join_running_services(["manage.py", command], environ)

    assert environ == {}


@pytest.mark.parametrize("variable", ["DATABASE_URL", "DATABASE_URL_FILE"])
def test_a_command_with_a_database_of_its_own_does_not_join(
    bootstrap: ModuleType, state: Path, variable: str
) -> None:
    environ = {variable: "somewhere else"}
    with (state / "up.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        assert not bootstrap.join_running_services(["manage.py", "migrate"], environ)

    assert environ == {variable: "somewhere else"}


def test_the_file_that_a_killed_up_left_is_not_believed(bootstrap: ModuleType, state: Path) -> None:
    environ: dict[str, str] = {}

    assert not bootstrap.join_running_services(["manage.py", "migrate"], environ)

    assert environ == {}


def test_a_command_without_any_database_fails_in_one_line() -> None:
    environ = {
        name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}
    } | {"REMINDERS_STATE": "/nonexistent"}
    environ |= {"PGHOST": "127.0.0.1", "PGPORT": "9"}
    run = starter.run("manage", "migrate", "--check", environment=environ)

    assert run.returncode == 1
    assert run.stderr.strip().splitlines()[-1] == (
        "Error: no database. Start `python3 manage.py up` in another terminal, or set DATABASE_URL."
    )


@pytest.mark.parametrize(
    ("command", "terminal", "before", "after"),
    [
        ("rescan_reminders", True, {}, {"LOG_FORMAT": "plain", "LOG_LEVEL": "WARNING"}),
        ("rescan_reminders", True, {"LOG_LEVEL": "DEBUG"}, {"LOG_FORMAT": "plain", "LOG_LEVEL": "DEBUG"}),
        ("rescan_reminders", False, {}, {}),
        ("up", True, {}, {}),
        ("test", True, {}, {}),
    ],
)
def test_a_command_in_a_terminal_logs_only_what_is_wrong_and_plainly(
    bootstrap, command, terminal, before, after
):
    environ = dict(before)
    bootstrap.set_terminal_log_defaults(["manage.py", command], environ, terminal=terminal)
    assert environ == after


def test_only_up_serves_this_machine_without_tls_by_default(bootstrap: ModuleType) -> None:
    environ: dict[str, str] = {}
    bootstrap.set_up_defaults(["manage.py", "migrate"], environ)
    assert environ == {}
    bootstrap.set_up_defaults(["manage.py", "up"], environ)
    assert environ == {"HTTPS_ONLY": "false"}
    environ = {"HTTPS_ONLY": "true"}
    bootstrap.set_up_defaults(["manage.py", "up"], environ)
    assert environ == {"HTTPS_ONLY": "true"}


def test_a_reader_who_has_gone_is_no_error(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """`manage.py explain_reminder 7 | head -1` ends without a traceback; another broken connection is shown."""

    def says_too_much(_argv: list[str]) -> None:
        print("a line", flush=True)

    def loses_a_server(_argv: list[str]) -> None:
        raise BrokenPipeError("a server has hung up")

    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        monkeypatch.setattr(bootstrap, "run_in_django", says_too_much)
        with pytest.raises(SystemExit) as ended:
            bootstrap.run_command(["manage.py", "explain_reminder", "7"])
        assert ended.value.code == 141
        monkeypatch.setattr(bootstrap, "run_in_django", loses_a_server)
        with pytest.raises(BrokenPipeError, match="hung up"):
            bootstrap.run_command(["manage.py", "explain_reminder", "7"])


def test_before_a_command_its_settings_are_checked_and_no_page_is_loaded() -> None:
    program = (
        "import sys; from config.devstack.bootstrap import run_in_django\n"
        "try: run_in_django(['manage.py', 'list_api_tokens'])\n"
        "finally: print('config.urls' in sys.modules)"
    )
    environ = {**os.environ, "REMINDER_CHANNEL": "nope", "DJANGO_SETTINGS_MODULE": "config.settings"}
    ended = starter.run_code(program, environment=environ)
    assert (ended.returncode, ended.stdout) == (1, "False\n")
    assert "reminders.E002" in ended.stderr
