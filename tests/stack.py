"""The real system for tests and benchmarks: web, workers, scanners, beat and a mail sink, each a process.

Every stack has a database of its own on the test run's server and a Redis database of its own. What it
started it stops by process id.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
import redis
from psycopg import sql

from config.devstack.launch import CELERY_WORKER, WEB_WORKER
from config.devstack.processes import free_port
from tests.console import Console
from tests.starter import Started, start_process

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60.0
QUEUE_READY = "Reminder queue initialised"
"""What a worker or a scanner logs once it takes messages."""
CELERY = [sys.executable, "-m", "celery", "-A", "config"]
WORKER = ["--pool", "prefork", *CELERY_WORKER, "--loglevel", "INFO"]
LAST_WORDS = 3_000
"""Characters of each log that a failed test shows."""
running_now: list["Stack"] = []
"""The stacks of this process that have not been stopped."""


def until(condition: Callable[[], T], *, within: float, what: str, every: float = 0.05) -> T:
    """Waits for a condition that holds and returns its value; AssertionError names what did not come."""
    end = time.monotonic() + within
    while True:
        if value := condition():
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {within:g} s: {what}")
        time.sleep(every)


@dataclass
class Child:
    """A process of the stack; its output goes to `log`."""

    name: str
    process: subprocess.Popen[bytes] | Started
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL for it and the processes of its pool, by their group's id."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(timeout=30)

    def stop(self) -> None:
        """TERM, and KILL where that does not end it."""
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def says(self, text: str) -> bool:
        return text in self.log.read_text(errors="replace")

    def last_words(self) -> str:
        """The end of what it has said."""
        return f"--- {self.log.name}\n{self.log.read_text(errors='replace')[-LAST_WORDS:]}"

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines with this event."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                value = json.loads(line)
                if isinstance(value, dict) and value.get("event") == name:
                    found.append(value)
        return found


@dataclass
class Stack:
    """A running system. Build it with `running`."""

    folder: Path
    database_url: str
    redis_url: str
    environment: dict[str, str]
    ledger: Path
    children: list[Child] = field(default_factory=list)
    mail_port: int = 0
    consoles: dict[frozenset[tuple[str, str]], Console] = field(default_factory=dict)
    consoles_lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def refusals(self) -> Path:
        """The file in which the sink notes what it has refused."""
        return self.ledger.with_name("refused.jsonl")

    def last_words(self) -> str:
        """The end of what its processes have said: of those that live, and of the last few that were started."""
        alive = [child for child in self.children[:-6] if child.process.poll() is None]
        return "\n".join(child.last_words() for child in (*alive, *self.children[-6:]))

    def start(self, name: str, words: list[str], **more: str) -> Child:
        log = self.folder / f"{name}-{uuid.uuid4().hex[:6]}.log"
        with log.open("wb") as output:
            process = start_process(words, output=output, environment={**self.environment, **more})
        child = Child(name, process, log)
        self.children.append(child)
        return child

    def manage(self, *words: str, check: bool = True, given: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Runs a management command to its end, beside the stack; `given` is its standard input."""
        done = self.console().manage(words, given)
        if check:
            done.check_returncode()
        return done

    def python(self, body: str, given: Any = None, **more: str) -> str:
        """Runs Python of the project beside the stack; it reads `given` as JSON. Returns what it has printed."""
        done = self.console(**more).python(body, json.dumps(given))
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def console(self, **more: str) -> Console:
        """A process of the project with the environment as it is now, which says nothing but errors."""
        environment = {**self.environment, "LOG_LEVEL": "ERROR", **more}
        settings = frozenset(environment.items())
        with self.consoles_lock:
            if settings not in self.consoles:
                self.consoles[settings] = Console(environment)
            return self.consoles[settings]

    def worker(self, *, concurrency: int = 2, wait: bool = True) -> Child:
        name = f"worker{len(self.children)}"
        child = self.start(
            name,
            [
                *CELERY,
                "worker",
                "-Q",
                "reminders",
                "-n",
                f"{name}@%h",
                *WORKER,
                "--concurrency",
                str(concurrency),
            ],
        )
        return self.ready(child) if wait else child

    def scanner(self, *, wait: bool = True) -> Child:
        name = f"scanner{len(self.children)}"
        child = self.start(
            name,
            [*CELERY, "worker", "-Q", "reminders.scan", "-n", f"{name}@%h", *WORKER, "--concurrency", "2"],
        )
        return self.ready(child) if wait else child

    def beat(self) -> Child:
        return self.start(
            "beat",
            [
                *CELERY,
                "beat",
                "--loglevel",
                "INFO",
                "--scheduler",
                "reminders.delivery.beat_scheduler:BoundedScheduler",
                "--pidfile=",
            ],
        )

    def web(self, *, wait: bool = True) -> tuple[Child, str]:
        address = f"127.0.0.1:{free_port()}"
        child = self.start(
            "web",
            [
                sys.executable,
                "-m",
                "gunicorn",
                "config.wsgi",
                "--bind",
                address,
                *WEB_WORKER,
            ],
        )

        if wait:
            self.answers(child, f"http://{address}")
        return child, f"http://{address}"

    def staff(self) -> tuple[Child, Child, Child]:
        """A worker, a scanner and beat, which start at the same time."""
        worker, scanner, beat = self.worker(wait=False), self.scanner(wait=False), self.beat()
        return self.ready(worker), self.ready(scanner), beat

    def crew(self) -> tuple[str, Child, Child]:
        """Also web: its address, the worker and the scanner. All start at the same time."""
        web, address = self.web(wait=False)
        worker, scanner, _ = self.staff()
        self.answers(web, address)
        return address, worker, scanner

    def sink(self) -> Child:
        child = self.start(
            "sink",
            [
                sys.executable,
                "-m",
                "tests.fakes.smtp_server",
                "--port",
                str(self.mail_port),
                "--ledger",
                str(self.ledger),
                "--refusals",
                str(self.refusals),
            ],
        )
        return self.ready(child, '"port"')

    def mails(self) -> list[dict[str, Any]]:
        """What the sink has accepted."""
        return _lines(self.ledger)

    def mail_refusals(self) -> list[dict[str, Any]]:
        """What the sink has refused because a test had planned it."""
        return _lines(self.refusals)

    def query(self, statement: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Asks the stack's database."""
        with psycopg.connect(
            self.database_url.replace("postgres://", "postgresql://", 1), autocommit=True
        ) as link:
            cursor = link.execute(statement.encode(), params)
            return cursor.fetchall() if cursor.description else []

    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.redis_url)

    def log_of(self, name: str) -> list[dict[str, Any]]:
        """All log lines with this event, of every process that the stack ever had."""
        return [event for child in self.children for event in child.events(name)]

    def stop(self) -> None:
        """Ends all at once: how a process ends is shown by the tests that tell it to."""
        for child in reversed(self.children):
            child.kill()
        for console in self.consoles.values():
            console.stop()

    def answers(self, child: Child, address: str) -> None:
        """Waits until web does."""

        def served() -> bool:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer,
            ):
                return bool(answer.status == 200)
            return False

        until(served, within=READY_SECONDS, what=f"web answers; its log is {child.log}", every=0.2)

    def ready(self, child: Child, text: str = QUEUE_READY) -> Child:
        """Waits until it says so."""

        def said() -> bool:
            if child.process.poll() is not None:
                raise AssertionError(f"{child.name} ended: {child.last_words()}")
            return child.says(text)

        until(said, within=READY_SECONDS, what=f"{child.name} says {text!r}", every=0.1)
        return child


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines() if line] if file.exists() else []


@contextlib.contextmanager
def running(folder: Path, *, mail: bool = True, more: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """A migrated database, an empty Redis database, and a mail sink; the caller starts the rest.

    `folder` keeps logs and the sink's ledger. `more` are further environment variables.
    """
    server = os.environ["DATABASE_URL"]
    name = f"stack_{uuid.uuid4().hex[:10]}"
    database_url = make_database(server, name)
    redis_url = _free_redis(os.environ["REDIS_URL"])
    mail_port = free_port()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "REMINDERS_STATE": str(folder),
        "SECRET_KEY": "a-key-for-tests-only-a-key-for-tests-only-a-key-for-tests-only",
        "HTTPS_ONLY": "false",
        "LOG_FORMAT": "json",
        "EMAIL_URL": f"smtp://127.0.0.1:{mail_port}",
        "DEFAULT_FROM_EMAIL": "Reminders <reminders@example.test>",
        "PYTHONUNBUFFERED": "1",
        **(more or {}),
    }
    environment.pop("PYTEST_CURRENT_TEST", None)
    stack = Stack(
        folder, database_url, redis_url, environment, folder / "accepted.jsonl", mail_port=mail_port
    )
    running_now.append(stack)
    try:
        stack.manage("setup_reminders")
        if mail:
            stack.sink()
        yield stack
    except BaseException as error:
        error.add_note(stack.last_words())
        raise
    finally:
        running_now.remove(stack)
        stack.stop()
        with redis.Redis.from_url(redis_url) as client, contextlib.suppress(redis.RedisError):
            client.flushdb()
        drop_database(server, name)


def make_database(server: str, name: str) -> str:
    """A migrated, empty database; returns its address."""
    template = migrated_template(server)
    with _administrator(server) as link:
        link.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    return f"{server.rsplit('/', 1)[0]}/{name}"


def drop_database(server: str, name: str) -> None:
    with _administrator(server) as link:
        link.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _administrator(server: str) -> psycopg.Connection[Any]:
    return psycopg.connect(server.replace("postgres://", "postgresql://", 1), autocommit=True)


def migrated_template(server: str) -> str:
    """The name of a migrated, empty database, made once for each test server; other processes wait for it."""
    name, lock = "stack_template", 0x57AC
    with _administrator(server) as link:
        link.execute("SELECT pg_advisory_lock(%s)", [lock])  # Until the end of the session.
        if not link.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            unfinished = f"{name}_unfinished"
            link.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(unfinished)))
            link.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
                cwd=ROOT,
                env={**os.environ, "DATABASE_URL": f"{server.rsplit('/', 1)[0]}/{unfinished}"},
                capture_output=True,
                timeout=120,
                check=True,
            )
            link.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(unfinished), sql.Identifier(name)
                )
            )
    return name


def _free_redis(url: str) -> str:
    """The address of a Redis database (1 to 10) that is empty, claimed for this stack."""
    parts = urlsplit(url)
    for number in range(1, 11):
        address = parts._replace(path=f"/{number}").geturl()
        with redis.Redis.from_url(address) as client:
            if client.dbsize() == 0 and client.set("claimed", "1", nx=True):
                return address
    raise AssertionError("all Redis databases of the test server are in use")
