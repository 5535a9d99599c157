"""What happens before Django: a virtual environment, and the addresses of a running `up`.

manage.py loads this file by its path on a Python that may have nothing installed, so it uses the standard
library alone and imports nothing of the project.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
PRODUCTION_LOCK = "requirements/base.lock"
DEVELOPMENT_LOCK = "requirements/dev.lock"

# These commands start services of their own, so they never join a running `up`.
DEVELOPMENT_COMMANDS = frozenset({"test", "bench", "take_screenshots"})
SELF_SUFFICIENT_COMMANDS = frozenset({"test", "bench", "up"})
# These read the settings, and need nothing of the application.
WITHOUT_APPLICATION = frozenset({"test", "up"})
# These change tables, so beside a running `up` they connect as the owner of its database.
OWNER_COMMANDS = frozenset({"migrate", "prepare", "flush", "sqlflush", "dbshell"})

# An environment with all of these was prepared for this project by other means (a container, an active venv):
# it is used as it is.
NEEDED_MODULES = ("django", "celery", "django_celery_beat", "psycopg")


class CannotPrepare(Exception):
    """The environment cannot be created; the message says why, and what to do."""


@dataclass(frozen=True)
class Stamp:
    """What was installed into .venv, and for which Python. It is written last, so an unfinished venv has none."""

    lock: str
    digest: str
    python: str

    @classmethod
    def expected(cls, lock: str) -> Stamp:
        digest = hashlib.sha256((ROOT / lock).read_bytes()).hexdigest()
        return cls(lock=lock, digest=digest, python=venv_python_version(VENV))

    @classmethod
    def read(cls) -> Stamp | None:
        try:
            return cls(**json.loads((VENV / "installed.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self) -> None:
        unfinished = VENV / "installed.json.new"
        unfinished.write_text(json.dumps(asdict(self)))
        unfinished.replace(VENV / "installed.json")


# -- the environment -------------------------------------------------------------------------------------


def ensure_environment(argv: Sequence[str]) -> None:
    """Return if this interpreter can run the command; otherwise create .venv and restart inside it."""
    inside = Path(sys.prefix).resolve() == VENV.resolve()
    complete = all(importlib.util.find_spec(name) for name in NEEDED_MODULES)
    if complete and not inside:
        return
    try:
        command = command_of(argv)
        if inside and not complete:
            # Somebody uninstalled a package by hand, so the stamp is no longer true.
            (VENV / "installed.json").unlink(missing_ok=True)
        if not is_fresh(wanted_lock(command)):
            prepare(command)
        elif inside:
            return
        python = python_of(VENV)
        # orig_argv keeps the interpreter's own flags (-W, -X), which sys.argv has lost.
        os.execv(python, [str(python), *sys.orig_argv[1:]])  # noqa: S606 - it starts this program again
    except CannotPrepare as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(
            f"{VENV} cannot be used ({error}). "
            "If it belongs to another user, clone the project to a folder of your own."
        )
    except KeyboardInterrupt:
        sys.exit("\nStopped. The next start continues from here.")


def command_of(argv: Sequence[str]) -> str:
    return next((word for word in argv[1:] if not word.startswith("-")), "")


def wanted_lock(command: str) -> str:
    """The lock that this command needs. An environment with the development lock keeps it: it has all packages."""
    installed = Stamp.read()
    # Earlier releases wrote `requirements-dev.lock`.
    developed = installed is not None and installed.lock.endswith("dev.lock")
    return DEVELOPMENT_LOCK if command in DEVELOPMENT_COMMANDS or developed else PRODUCTION_LOCK


def is_fresh(lock: str) -> bool:
    return python_of(VENV).exists() and Stamp.read() == Stamp.expected(lock)


def prepare(command: str) -> None:
    """Create or update .venv for this command. Of two runs at once the second waits, and finds it done."""
    if os.name == "nt":
        raise CannotPrepare("This runs on Linux and macOS; on Windows use WSL.")
    with locked(VENV):
        lock = wanted_lock(command)
        if is_fresh(lock):
            return
        print(f"Preparing {VENV.name} from {lock}: about half a minute, only once.", file=sys.stderr)
        if not is_usable(VENV):
            create_venv()
        install(lock)
        Stamp.expected(lock).write()


@contextlib.contextmanager
def locked(venv: Path) -> Iterator[None]:
    import fcntl

    try:
        venv.mkdir(exist_ok=True)
        handle = (venv / "being-prepared.lock").open("a")
    except OSError as error:
        raise CannotPrepare(
            f"{venv} cannot be written ({error.strerror}). Clone the project to a folder of your own, "
            f"or install {PRODUCTION_LOCK} into an environment of your own and run it there."
        ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Another process is preparing {venv.name}; waiting for it.", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def create_venv() -> None:
    """An empty venv of the base Python, with pip if that Python has ensurepip."""
    for left_over in VENV.iterdir():
        if left_over.name == "being-prepared.lock":
            continue
        shutil.rmtree(left_over) if left_over.is_dir() and not left_over.is_symlink() else left_over.unlink()
    if importlib.util.find_spec("ensurepip") and run([base_python(), "-m", "venv", VENV]).returncode == 0:
        return
    made = run([base_python(), "-m", "venv", "--without-pip", VENV])
    if made.returncode != 0:
        raise CannotPrepare(f"{VENV} could not be created:\n{last_lines(made.stdout)}")


def install(lock: str) -> None:
    """Install exactly what the lock names: wheels only, each checked against its hash."""
    # The lock is complete, so pip has nothing to resolve. Some releases of pip resolve `coverage[toml]` to the newest
    # coverage, whatever is locked, and then refuse it because it has no hash.
    options = [
        "--require-hashes",
        "--no-deps",
        "--only-binary=:all:",
        "--no-input",
        "--disable-pip-version-check",
    ]
    done = run([*installer(), "install", "--no-user", *options, "-r", ROOT / lock])
    if done.returncode != 0:
        raise CannotPrepare(f"{lock} could not be installed. pip ended with:\n{last_lines(done.stdout)}")


def installer() -> list[str | Path]:
    """The pip of the venv, or else the pip of the base Python, which installs into the venv from outside."""
    inner = python_of(VENV)
    if run([inner, "-m", "pip", "--version"]).returncode == 0:
        return [inner, "-m", "pip"]
    if run([base_python(), "-m", "pip", "--python", inner, "--version"]).returncode == 0:
        return [base_python(), "-m", "pip", "--python", inner]
    raise CannotPrepare(
        f"{base_python()} has neither ensurepip nor pip (22.3 or newer), so nothing can be installed. "
        "On Debian and Ubuntu: apt-get install python3-venv"
    )


def base_python() -> str:
    # Inside a venv sys.executable is the venv's own; the base Python survives a rebuild of the venv.
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def python_of(venv: Path) -> Path:
    return venv / "bin" / "python"


def is_usable(venv: Path) -> bool:
    """Whether the venv's Python starts, and is the one that its packages were installed for."""
    if not (venv / "pyvenv.cfg").exists() or not python_of(venv).exists():
        return False
    printed = run([python_of(venv), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
    return printed.returncode == 0 and printed.stdout.strip() == venv_python_version(venv)


def venv_python_version(venv: Path) -> str:
    """`3.11` as pyvenv.cfg has it, or '' if there is none."""
    with contextlib.suppress(OSError):
        for line in (venv / "pyvenv.cfg").read_text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() in {"version", "version_info"}:
                return ".".join(value.strip().split(".")[:2])
    return ""


def run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONHOME", "PYTHONPATH"}
    }
    return subprocess.run(
        command,
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def last_lines(text: str, count: int = 8) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-count:])


# -- beside a running `up` -------------------------------------------------------------------------------


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where `up` keeps its data; a relative REMINDERS_STATE is relative to the checkout."""
    return ROOT / (environ.get("REMINDERS_STATE") or ".run")


def join_running_services(argv: Sequence[str], environ: MutableMapping[str, str] = os.environ) -> bool:
    """Point this command at the services of an `up` that runs on the same state folder.

    What the caller has set stays, and a command with its own DATABASE_URL does not join.
    """
    if command_of(argv) in SELF_SUFFICIENT_COMMANDS or is_set("DATABASE_URL", environ):
        return False
    running = read_up_file(state_folder(environ))
    if running is None:
        return False
    variables = dict(running.get("environment", {}))
    if command_of(argv) in OWNER_COMMANDS:
        variables |= running.get("owner_environment", {})
    for name, value in variables.items():
        if not is_set(name, environ):
            environ[name] = value
    return True


def is_set(variable: str, environ: Mapping[str, str]) -> bool:
    return bool(environ.get(variable) or environ.get(f"{variable}_FILE"))


def read_up_file(state: Path) -> dict[str, Any] | None:
    """up.json, if the `up` that wrote it is still alive; a killed one leaves its file behind."""
    import fcntl

    try:
        running = json.loads((state / "up.json").read_text())
        with (state / "up.lock").open() as held:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return running if isinstance(running, dict) else None
    except (OSError, ValueError):
        return None
    return None


# -- the command -----------------------------------------------------------------------------------------


def set_terminal_log_defaults(
    argv: Sequence[str], environ: MutableMapping[str, str] = os.environ, *, terminal: bool | None = None
) -> None:
    """In a terminal a command logs plain text, and only warnings and errors, so that its own output is readable.

    What the caller has set stays. Elsewhere (a pipe, a container, cron) LOG_FORMAT and LOG_LEVEL decide.
    """
    if terminal is None:
        terminal = sys.stderr.isatty()
    if terminal and command_of(argv) not in SELF_SUFFICIENT_COMMANDS:
        environ.setdefault("LOG_FORMAT", "plain")
        environ.setdefault("LOG_LEVEL", "WARNING")


def set_up_defaults(argv: Sequence[str], environ: MutableMapping[str, str] = os.environ) -> None:
    """`up` serves the loopback address without TLS: its settings are read with HTTPS_ONLY=false unless the caller set it."""
    if command_of(argv) == "up" and not is_set("HTTPS_ONLY", environ):
        environ["HTTPS_ONLY"] = "false"


def run_command(argv: Sequence[str]) -> None:
    """Hand over to Django. An error that an operator can act on is one line, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        if list(argv[1:2]) == ["up"]:
            from config.devstack import second_start

            if (parameters := second_start.parameters()) is not None:
                from config.devstack import launch

                launch.run(parameters)
                return
        run_in_django(argv)
    except KeyboardInterrupt:
        sys.exit(130)  # the exit code that shells expect after Ctrl-C
    except BrokenPipeError:
        if not nobody_reads_the_output():
            raise
        sys.exit(141)  # what shells see of a program that SIGPIPE ends


def nobody_reads_the_output() -> bool:
    """Whether stdout is a pipe whose reader has gone, such as `| head`. What is left of the output is then thrown away."""
    seen = select.poll()
    seen.register(sys.stdout, 0)
    gone = any(event & (select.POLLERR | select.POLLHUP) for _, event in seen.poll(0))
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return gone


CHECKED_BEFORE_A_COMMAND = (
    "caches",
    "compatibility",
    "files",
    "notifications",
    "reminders",
    "security",
    "translation",
)
"""What an installation can have set wrong. To check the addresses too, every command would load all pages, which takes half
of its time; `manage.py check` does it, and the tests do.
"""


def run_in_django(argv: Sequence[str]) -> None:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line, load_command_class
    from django.core.management.base import BaseCommand
    from django.db import OperationalError

    BaseCommand.requires_system_checks = CHECKED_BEFORE_A_COMMAND
    try:
        if argv[1:2] and argv[1] in WITHOUT_APPLICATION:
            load_command_class("config.devstack", argv[1]).run_from_argv(list(argv))
        else:
            execute_from_command_line(list(argv))
    except ImproperlyConfigured as error:
        sys.exit(f"Error: {error}")
    except OperationalError as error:
        first_line = (str(error).splitlines() or ["no reason given"])[0]
        if is_set("DATABASE_URL", os.environ):
            sys.exit(f"Error: the database does not answer: {first_line}")
        sys.exit("Error: no database. Start `python3 manage.py up` in another terminal, or set DATABASE_URL.")
