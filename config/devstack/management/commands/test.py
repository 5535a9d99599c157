"""`manage.py test`: the whole test suite, against a PostgreSQL and a Redis of its own.

All arguments are passed on to pytest. TEST_DATABASE_URL and TEST_REDIS_URL name servers to use instead
of the embedded ones; DATABASE_URL and REDIS_URL are never touched by a test.
"""

import importlib.util
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.devstack.processes import CannotStart, start_child
from config.devstack.servers import Addresses, temporary_servers

NO_TESTS_COLLECTED = 5  # pytest.ExitCode
FAULTS = Path(settings.BASE_DIR).resolve() / "tests" / "chaos"
LONG = ("--chaos=on", "--chaos=full")
"""The options with which tests/chaos takes long; without an equals sign the first would take a path for its value."""
PROCESSES = 5
SYSTEMS = 3
"""So many systems at a time have faults injected. Two processors are busy with them about half of the time."""
# Variables of the caller's shell must not decide whether a test passes.
REMOVED_VARIABLES = {
    *(
        "DATABASE_URL",
        "DATABASE_OWNER_URL",
        "REDIS_URL",
        "EMAIL_URL",
        "EMAIL_BACKEND",
        "DEFAULT_FROM_EMAIL",
        "METRICS_TOKEN",
    ),
    *(
        "SECRET_KEY",
        "SECRET_KEY_FALLBACKS",
        "DEBUG",
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
        "CORS_ALLOWED_ORIGINS",
        "TIME_ZONE",
        "SENTRY_DSN",
    ),
    *("LOG_LEVEL", "LOG_FORMAT", "HTTPS_ONLY", "HSTS_PRELOAD", "PUBLIC_URL", "PORT", "API_RATE"),
    # Without bytecode each process compiles every test module and plugin again.
    "PYTHONDONTWRITEBYTECODE",
    "TEST_DATABASE_SOCKETS",
}


class Command(BaseCommand):
    help = "Runs the test suite; the arguments go to pytest (-k, -x, -v ...)."
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Bypass Django's parser, which would refuse or consume options of pytest."""
        try:
            code = run_suite(argv[2:])
        except (CommandError, CannotStart) as error:
            sys.exit(f"Error: {error}")
        if code == NO_TESTS_COLLECTED:
            sys.stderr.write("Error: no test ran.\n")
        sys.exit(code)


def run_suite(arguments: Sequence[str]) -> int:
    """Run pytest as a child process with servers of its own; returns its exit code."""
    if importlib.util.find_spec("pytest") is None:
        raise CommandError("pytest is not installed here: install requirements/dev.lock")
    arguments = [LONG[0] if word == "--chaos" else word for word in arguments]
    if {"--help", "-h", "--version", "-V"} & set(arguments):
        return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode
    started: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        # Ctrl-C reaches pytest directly, because it is in the same process group.
        if number == signal.SIGINT:
            return
        if not started:
            raise SystemExit(128 + number)
        for pid in started:
            os.kill(pid, signal.SIGINT)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    with temporary_servers() as addresses:
        signal.signal(signal.SIGINT, forward)
        command = [sys.executable, "-m", "pytest", *parallel(arguments), *arguments]
        child = start_child(
            command,
            output=None,
            folder=Path(settings.BASE_DIR),
            environment=environment_for(addresses),
            own_group=False,
            when_parent_dies=signal.SIGINT,
        )
        started.append(child.pid)
        return child.wait()


def parallel(arguments: Sequence[str]) -> list[str]:
    """Options that spread a whole run over five processes, and one of all faults over three; none for a run of other chosen
    tests, or with `-n`.

    Three more than a small machine has processors: tests of the whole system mostly wait, and `tests/parallel.py` lets two
    processes at most run them at a time; the others often wait for the database. A file stays in one process: what its
    tests share, such as a running system, is started once. The files keep the order of `tests/conftest.py`.
    Where faults are injected, each process has a system of its own, and takes one test after the other.
    """
    if any(word.startswith("-n") or word in {"--pdb", "--collect-only", "--co"} for word in arguments):
        return []
    chosen = [word for word in arguments if not word.startswith("-") and Path(word.split("::")[0]).exists()]
    if chosen:
        everything = {Path(word).resolve() for word in chosen} == {FAULTS}
        return ["-n", str(SYSTEMS)] if everything and not set(LONG).isdisjoint(arguments) else []
    return ["-n", str(PROCESSES), "--dist", "loadfile", "--no-loadscope-reorder"]


def environment_for(addresses: Addresses) -> dict[str, str]:
    """The caller's environment without variables of this system, plus the servers of this run."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.removesuffix("_FILE") not in REMOVED_VARIABLES and not name.startswith("REMINDER")
    }
    return {
        **kept,
        "DATABASE_URL": addresses.database_url,
        "REDIS_URL": addresses.redis_url,
        "REMINDERS_STATE": str(addresses.state),
        **({"TEST_DATABASE_SOCKETS": str(addresses.socket_folder)} if addresses.socket_folder else {}),
        "SECRET_KEY": secrets.token_urlsafe(50),
        "HTTPS_ONLY": "false",
    }
