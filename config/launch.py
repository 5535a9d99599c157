"""`manage.py up`, step by step: servers, schema, processes, and then one line per event until Ctrl-C."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config import embedded
from config.environment import FALSE
from config.narration import Narrator, show
from config.supervisor import Child, GaveUp, Stopped, Supervisor

READY_SECONDS = 90.0
PREPARE_SECONDS = 600.0
STOP_PATIENCE = 20.0
QUEUE_READY = "Reminder queue initialised"
CELERY_WORKER = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--prefetch-multiplier", "1")


class CannotGoUp(Exception):
    """`up` cannot start; the message says why, in plain words."""


class System:
    """Everything that `up` runs on one machine, on one state folder."""

    def __init__(
        self,
        *,
        root: Path,
        state: Path,
        port: int,
        demo: bool,
        concurrency: int,
        database_url: str,
        redis_url: str,
        use_database: Callable[[str], None],
    ) -> None:
        """`database_url` and `redis_url` name servers to use; an empty one is started here.

        `use_database` is told the database's address, so that this process too can look things up in it.
        """
        self.root, self.state, self.demo, self.concurrency = root, state.resolve(), demo, concurrency
        self.wanted_port = port
        self.named_database, self.database_url, self.redis_url = bool(database_url), database_url, redis_url
        self.use_database = use_database
        self.own: dict[str, str] = {}
        self.mail: str | None = None
        self.login: dict[str, str | None] | None = None
        self.ready: set[str] = set()
        self.up = False
        self.narrator = Narrator()
        self.supervisor = Supervisor(
            self.state / "logs", on_line=self._hear, on_change=self._write_up_file, say=self.narrator.say
        )
        self.servers: list[Child] = []
        self.application: list[Child] = []

    # -- the sentence ------------------------------------------------------------------------------------

    def run(self) -> None:
        """Start everything, tell what happens, and stop everything; returns after Ctrl-C or SIGTERM."""
        with self._alone():
            self.supervisor.listen()
            try:
                self._start_servers()
                self._prepare()
                self._start_application()
                self._show_ready()
                self.narrator.start()
                if self.demo:
                    self._start_demo()
                self.supervisor.watch()
            except Stopped:
                show("\nStopping ...")
            except (GaveUp, embedded.CannotStart) as trouble:
                raise CannotGoUp(f"{trouble}\nAll of it is in {self._shown('logs')}") from trouble
            finally:
                self._stop()
        show(f"Stopped. The data stay in {self._shown()}")

    # -- one step after the other ------------------------------------------------------------------------

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the state folder; the lock ends with this process, however it ends."""
        make_state_folder(self.state)
        with (self.state / "up.lock").open("a") as handle:
            # A command that looks whether an `up` runs holds the lock for an instant.
            if not embedded.wait_for(lambda: locked(handle.fileno()), seconds=1.0):
                raise CannotGoUp(f"`manage.py up` is running already on {self._shown()}{self._running_at()}")
            self._up_file.unlink(missing_ok=True)
            yield

    def _start_servers(self) -> None:
        if not self.database_url:
            postgres = embedded.Postgres(self.state, durable=True)
            self._start_server(postgres, "PostgreSQL")
            self.database_url = postgres.url
        if not self.redis_url:
            valkey = embedded.Valkey(self.state)
            self._start_server(valkey, "Redis")
            self.redis_url = valkey.url
        self.own |= {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "REMINDERS_STATE": str(self.state),
            "HTTPS_ONLY": os.environ.get("HTTPS_ONLY") or "false",
        }
        if hosts := os.environ.get("ALLOWED_HOSTS"):
            # We ask the web process by its loopback address whether it is ready.
            self.own["ALLOWED_HOSTS"] = f"{hosts},127.0.0.1,localhost"
        if not named("SECRET_KEY"):
            self.own["SECRET_KEY"] = kept_secret(self.state / "secret-key")
        self.use_database(self.database_url)
        if not named("EMAIL_URL") and not named("EMAIL_BACKEND"):
            self._start_sink()

    def _start_server(self, server: embedded.Server, title: str) -> None:
        say_step(f"{title} ...")
        server.prepare()
        child = Child(name=server.name, launch=server.launch, stop_signal=server.stop_signal)
        self.servers.append(self.supervisor.start(child))
        self.supervisor.wait_until(f"{title} is ready", server.answers, needs=[child], seconds=READY_SECONDS)

    def _start_sink(self) -> None:
        folder = self.state / "mail"
        folder.mkdir(mode=0o700, exist_ok=True)
        port = embedded.free_port()
        words = ["-m", "notifications.sink", "--port", str(port), "--directory", str(folder)]
        child = self.supervisor.start(self._child("mail", words))
        self.servers.append(child)
        self.supervisor.wait_until("the mail sink", lambda: "mail" in self.ready, needs=[child], seconds=30)
        self.mail = f"smtp://127.0.0.1:{port}"
        self.own["EMAIL_URL"] = self.mail

    def _prepare(self) -> None:
        say_step("database and static files ...")
        must_be_empty = ["--require-empty"] if self.demo and self.named_database else []
        words = ["manage.py", "prepare", "--static", "--login", str(self._password_file), *must_be_empty]
        child = self._child("prepare", words, again=False)
        if self.supervisor.run_to_end(child, seconds=PREPARE_SECONDS) != 0:
            raise CannotGoUp("\n".join(line.removeprefix("Error: ") for line in child.last_lines))
        username = next(
            (fields["login"] for fields in map(as_fields, child.last_lines) if "login" in fields), None
        )
        if username:
            self.login = {"username": username, "password": self._password_file.read_text().strip()}

    def _start_application(self) -> None:
        say_step("web, worker, scanner and beat ...")
        self.port = embedded.free_port(str(self.wanted_port))
        if self.port != self.wanted_port:
            say_step(f"port {self.wanted_port} is taken; the web pages are on port {self.port} instead")
        self.web = f"http://127.0.0.1:{self.port}"
        if not named("PUBLIC_URL") and self.own["HTTPS_ONLY"].lower() in FALSE:
            self.own["PUBLIC_URL"] = self.web
        for name, words in self._processes().items():
            self.application.append(self.supervisor.start(self._child(name, words)))
        self.supervisor.wait_until(
            "The system is ready", self._is_ready, needs=self.application, seconds=READY_SECONDS
        )
        self.up = True
        self._write_up_file()

    def _processes(self) -> dict[str, list[str]]:
        gunicorn = [
            "-m",
            "gunicorn",
            "config.wsgi",
            "--bind",
            f"127.0.0.1:{self.port}",
            "--no-control-socket",
        ]
        celery = ["-m", "celery", "-A", "config"]
        level = ["--loglevel", os.environ.get("LOG_LEVEL") or "INFO"]  # else Celery sets WARNING
        pool = ["--pool", "prefork", *CELERY_WORKER, *level, "--concurrency"]
        beat = [*level, "--scheduler", "django_celery_beat.schedulers:DatabaseScheduler", "--pidfile="]
        return {
            "web": [*gunicorn, "--worker-class", "gthread", "--workers", "1", "--threads", "8"],
            "worker": [*celery, "worker", "-Q", "reminders", "-n", "worker@%h", *pool, str(self.concurrency)],
            "scanner": [*celery, "worker", "-Q", "reminders.scan", "-n", "scanner@%h", *pool, "2"],
            "beat": [*celery, "beat", *beat],
        }

    def _is_ready(self) -> bool:
        return (
            {"worker", "scanner"} <= self.ready
            and all(child.alive for child in self.application)
            and answers(f"{self.web}/healthz") == 200
            and answers(f"{self.web}/readyz") == 200
        )

    def _start_demo(self) -> None:
        self.application.append(
            self.supervisor.start(self._child("demo", ["manage.py", "seed_demo"], again=False))
        )

    def _stop(self) -> None:
        sink = [child for child in self.servers if child.name == "mail"]
        stores = [child for child in self.servers if child.name != "mail"]
        self.supervisor.stop(self.application, sink, stores, patience=STOP_PATIENCE)
        self.supervisor.close()
        self.narrator.stop()
        self._up_file.unlink(missing_ok=True)

    # -- what the processes are told, and what they say --------------------------------------------------

    def _child(self, name: str, words: Sequence[str], *, again: bool = True) -> Child:
        def launch(output: int) -> subprocess.Popen[bytes]:
            environment = {**os.environ, **self.own, "LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1"}
            return embedded.start_child(
                [sys.executable, *words], output=output, folder=self.root, environment=environment
            )

        return Child(name=name, launch=launch, again=again)

    def _hear(self, child: Child, line: str) -> None:
        fields = as_fields(line)
        if fields.get("event") == QUEUE_READY or (child.name == "mail" and "port" in fields):
            self.ready.add(child.name)
        told = self.narrator.hear(child.name, line)
        if child.name == "demo" and told is None:
            self.narrator.say(line.strip(), source="demo")

    # -- what others may read ----------------------------------------------------------------------------

    def _write_up_file(self) -> None:
        if not self.up:
            return
        children = [*self.servers, *self.application]
        pids = {child.name: child.process.pid for child in children if child.process and child.name != "demo"}
        content = {
            "pid": os.getpid(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "web": self.web,
            "login": self.login,
            "database_url": self.database_url,
            "redis_url": self.redis_url,
            "mail": self.mail,
            "processes": pids,
            # What a command in another terminal needs to belong to this system.
            "environment": self.own,
        }
        embedded.write_private(self._up_file, json.dumps(content, indent=2) + "\n")

    def _show_ready(self) -> None:
        login = "log in as the staff user that you made"
        if self.login:
            login = f"user {self.login['username']}, password {self.login['password']}"
        mail = (
            f"{self._shown('mail')} (nothing leaves this machine)" if self.mail else "go to your mail server"
        )
        lines = {
            "Operators": f"{self.web}/ ({login})",
            "API": f"{self.web}/api/docs",
            "Metrics": f"{self.web}/api/metrics",
            "Mails": mail,
            "Logs": self._shown("logs"),
        }
        show("\nReady. Ctrl-C stops everything; the data stay.\n")
        for name, text in lines.items():
            show(f"  {name:<10} {text}")
        show("")

    @property
    def _up_file(self) -> Path:
        return self.state / "up.json"

    @property
    def _password_file(self) -> Path:
        return self.state / "ops-password"

    def _running_at(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            running = json.loads(self._up_file.read_text())
            return f": {running['web']} (process {running['pid']})"
        return "."

    def _shown(self, name: str = "") -> str:
        path = self.state / name
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        return f"{shown}/"


def make_state_folder(state: Path) -> None:
    try:
        if not state.exists():
            state.mkdir(parents=True)
            # An account that root lends to PostgreSQL must pass through on the way to its own folder.
            state.chmod(0o711 if os.geteuid() == 0 else 0o700)
        (state / "logs").mkdir(mode=0o700, exist_ok=True)
        (state / "up.lock").open("a").close()
    except OSError as trouble:
        raise CannotGoUp(
            f"The state folder {state} cannot be used ({trouble.strerror}). REMINDERS_STATE names another one."
        ) from trouble


def locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def kept_secret(path: Path) -> str:
    """The secret in the file, made on first use."""
    if not path.exists():
        embedded.write_private(path, secrets.token_urlsafe(50))
    return path.read_text().strip()


def named(variable: str) -> bool:
    return bool(os.environ.get(variable) or os.environ.get(f"{variable}_FILE"))


def answers(address: str) -> int:
    """The status that the address answers with; 0 while nobody answers."""
    # No proxy of the environment may stand between us and our own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as answer:
        return answer.code
    except (OSError, ValueError):
        return 0


def as_fields(line: str) -> Mapping[str, Any]:
    try:
        fields = json.loads(line) if line.startswith("{") else {}
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def say_step(text: str) -> None:
    show(f"  {text}")
