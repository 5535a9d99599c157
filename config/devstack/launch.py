"""`manage.py up`, step by step: servers, schema, processes, and then one line per event until Ctrl-C.

The command reads the settings and then becomes this process (`second_start`), which lives as long as the system does. What
it imports of the application is what those that it forks have in common.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from config.devstack import forked
from config.devstack.narration import Narrator, show
from config.devstack.postgres import Postgres
from config.devstack.processes import CannotStart, free_port, http_status, json_fields, start_child, wait_for
from config.devstack.servers import Server
from config.devstack.state import (
    CannotGoUp,
    is_set,
    make_state_folder,
    read_or_create_secret,
    try_lock,
    write_private,
)
from config.devstack.supervisor import Child, GaveUp, StopRequested, SupervisedProcess, Supervisor
from config.devstack.valkey import Valkey
from config.environment import FALSE

T = TypeVar("T")
READY_SECONDS = 90.0
PREPARE_SECONDS = 600.0
STOP_SECONDS = 20.0
QUEUE_READY = "Reminder queue initialised"
DEMO_CORRECTION_GRACE = "10"
"""Seconds in which a change may be taken back: nobody who looks at a demonstration waits for a minute."""
WEB_WORKER = (
    *("--worker-class", "webserver.worker.BufferingWorker"),
    *("--threads", "8", "--no-control-socket"),
)
MANAGE = ("-m", "manage")
CELERY_WORKER = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--prefetch-multiplier", "1")


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
        inherited: Mapping[str, str],
    ) -> None:
        """`database_url` and `redis_url` name servers to use; for an empty one an embedded server is started.

        `inherited` are the variables of this process that commands in another terminal need as well.
        """
        self.root, self.state, self.demo, self.concurrency = root, state.resolve(), demo, concurrency
        self.requested_port = port
        self.external_database, self.database_url, self.redis_url = (
            bool(database_url),
            database_url,
            redis_url,
        )
        self.inherited = inherited
        self.environment: dict[str, str] = {}
        self.may_fork, self.loaded = True, dict[str, str]()
        self.owner_url = ""
        self.mail: str | None = None
        self.login: dict[str, str | None] | None = None
        self.ready: set[str] = set()
        self.up = False
        self.narrator = Narrator()
        self.supervisor = Supervisor(
            self.state / "logs",
            on_line=self._on_line,
            on_change=self._write_up_file,
            report=self.narrator.report,
        )
        self.server_children: list[Child] = []
        self.app_children: list[Child] = []

    # -- for callers -------------------------------------------------------------------------------------

    def run(self) -> None:
        """Start everything, show events, and stop everything; returns after Ctrl-C or SIGTERM."""
        with self._exclusive():
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
            except StopRequested:
                show("\nStopping ...")
            except (GaveUp, CannotStart) as error:
                raise CannotGoUp(f"{error}\nThe full output is in {self._display('logs')}") from error
            finally:
                self._stop()
        show(f"Stopped. The data are kept in {self._display()}")

    # -- steps -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Lock the state folder; the lock ends with this process, however it ends."""
        make_state_folder(self.state)
        with (self.state / "up.lock").open("a") as handle:
            # A command that checks whether an `up` runs holds the lock for an instant.
            if not wait_for(lambda: try_lock(handle.fileno()), seconds=1.0):
                raise CannotGoUp(
                    f"`manage.py up` is already running on {self._display()}{self._running_instance()}"
                )
            self._up_file.unlink(missing_ok=True)
            yield

    def _start_servers(self) -> None:
        if not self.database_url:
            postgres = Postgres(self.state, durable=True)
            self._start_server(postgres, "PostgreSQL")
            self.database_url, self.owner_url = postgres.application_url, postgres.url
            self.environment["POSTGRES_DATA_DIR"] = str(postgres.home)
        if not self.redis_url:
            valkey = Valkey(self.state)
            self._start_server(valkey, "Redis")
            self.redis_url = valkey.url
        self.environment |= {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "REMINDERS_STATE": str(self.state),
            "HTTPS_ONLY": os.environ.get("HTTPS_ONLY") or "false",
        }
        if hosts := os.environ.get("ALLOWED_HOSTS"):
            # `up` itself checks by the loopback address whether the web process is ready.
            self.environment["ALLOWED_HOSTS"] = f"{hosts},127.0.0.1,localhost"
        if self.demo and not is_set("REMINDER_CORRECTION_GRACE_SECONDS"):
            self.environment["REMINDER_CORRECTION_GRACE_SECONDS"] = DEMO_CORRECTION_GRACE
        if not is_set("SECRET_KEY"):
            self.environment["SECRET_KEY"] = read_or_create_secret(self.state / "secret-key")
        self.narrator.database = self.database_url
        if not is_set("EMAIL_URL") and not is_set("EMAIL_BACKEND"):
            self._start_mail_sink()

    def _start_server(self, server: Server, title: str) -> None:
        show_step(f"{title} ...")
        server.prepare()
        child = Child(name=server.name, launch=server.launch, stop_signal=server.stop_signal)
        self.server_children.append(self.supervisor.start(child))
        self.supervisor.wait_until(title, server.is_ready, needs=[child], seconds=READY_SECONDS)

    def _start_mail_sink(self) -> None:
        folder = self.state / "mail"
        folder.mkdir(mode=0o700, exist_ok=True)
        port = free_port()
        words = ["-m", "config.devstack.mail_sink", "--port", str(port), "--directory", str(folder)]
        child = self.supervisor.start(self._child("mail", words))
        self.server_children.append(child)
        self.supervisor.wait_until("The mail sink", lambda: "mail" in self.ready, needs=[child], seconds=30)
        self.mail = f"smtp://127.0.0.1:{port}"
        self.environment |= {"EMAIL_URL": self.mail, "MAIL_SINK_DIR": str(folder)}

    def _prepare(self) -> None:
        show_step("database and static files ...")
        must_be_empty = ["--require-empty"] if self.demo and self.external_database else []
        words = [*MANAGE, "prepare", "--static", "--login", str(self._password_file), *must_be_empty]
        owner = {"DATABASE_OWNER_URL": self.owner_url} if self.owner_url else {}
        # Its settings are not those of the others, so it has in common with them what reads none.
        self._import(forked.import_libraries)
        child = self._child("prepare", words, restart=False, fork=True, more=owner)
        if self.supervisor.run_to_end(child, seconds=PREPARE_SECONDS) != 0:
            raise CannotGoUp("\n".join(line.removeprefix("Error: ") for line in child.last_lines))
        username = next(
            (fields["login"] for fields in map(json_fields, child.last_lines) if "login" in fields), None
        )
        if username:
            self.login = {"username": username, "password": self._password_file.read_text().strip()}

    def _start_application(self) -> None:
        show_step("web, worker, scanner and beat ...")
        self.port = free_port(str(self.requested_port))
        if self.port != self.requested_port:
            show_step(f"port {self.requested_port} is taken; the web pages use port {self.port} instead")
        self.web = f"http://127.0.0.1:{self.port}"
        if not is_set("PUBLIC_URL") and self.environment["HTTPS_ONLY"].lower() in FALSE:
            self.environment["PUBLIC_URL"] = self.web
        self.loaded = self._import(lambda: forked.import_application(self._environment_of({}))) or {}
        for name, words in self._processes().items():
            self.app_children.append(self.supervisor.start(self._child(name, words, fork=True)))
        self.supervisor.wait_until(
            "The system", self._is_ready, needs=self.app_children, seconds=READY_SECONDS
        )
        self.up = True
        self._write_up_file()

    def _import(self, what: Callable[[], T]) -> T | None:
        """So that those that start next have it in memory once. What is wrong with it, each of them says for itself."""
        try:
            return what()
        except Exception:
            self.may_fork = False
            return None

    def _processes(self) -> dict[str, list[str]]:
        gunicorn = [
            "-m",
            "gunicorn",
            "config.wsgi",
            "--bind",
            f"127.0.0.1:{self.port}",
        ]
        celery = ["-m", "celery", "-A", "config"]
        level = ["--loglevel", os.environ.get("LOG_LEVEL") or "INFO"]  # else Celery sets WARNING
        pool = ["--pool", "prefork", *CELERY_WORKER, *level, "--concurrency"]
        beat = [*level, "--scheduler", "reminders.delivery.beat_scheduler:BoundedScheduler", "--pidfile="]
        return {
            "web": [*gunicorn, *WEB_WORKER, "--workers", "1"],
            "worker": [*celery, "worker", "-Q", "reminders", "-n", "worker@%h", *pool, str(self.concurrency)],
            "scanner": [*celery, "worker", "-Q", "reminders.scan", "-n", "scanner@%h", *pool, "2"],
            "beat": [*celery, "beat", *beat],
        }

    def _is_ready(self) -> bool:
        return (
            {"worker", "scanner"} <= self.ready
            and all(child.alive for child in self.app_children)
            and http_status(f"{self.web}/healthz") == 200
            and http_status(f"{self.web}/readyz") == 200
        )

    def _start_demo(self) -> None:
        self.app_children.append(
            self.supervisor.start(
                self._child("demo", [*MANAGE, "seed_demo", "--act"], restart=False, fork=True)
            )
        )

    def _stop(self) -> None:
        mail_sink = [child for child in self.server_children if child.name == "mail"]
        stores = [child for child in self.server_children if child.name != "mail"]
        self.supervisor.stop(self.app_children, mail_sink, stores, timeout=STOP_SECONDS)
        self.supervisor.close()
        self.narrator.stop()
        self._up_file.unlink(missing_ok=True)

    # -- the processes: environment and output -----------------------------------------------------------

    def _child(
        self,
        name: str,
        words: Sequence[str],
        *,
        restart: bool = True,
        fork: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> Child:
        def launch(output: int) -> SupervisedProcess:
            environment = self._environment_of(more or {})
            if fork and self.may_fork and forked.can_fork():
                environment |= self.loaded
                return forked.start_module(
                    words[1:], output=output, folder=self.root, environment=environment
                )
            return start_child(
                [sys.executable, *words], output=output, folder=self.root, environment=environment
            )

        return Child(name=name, launch=launch, restart=restart)

    def _environment_of(self, more: Mapping[str, str]) -> dict[str, str]:
        """The environment of a child, with some variables of its own."""
        return {**os.environ, **self.environment, "LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1", **more}

    def _on_line(self, child: Child, line: str) -> None:
        fields = json_fields(line)
        if fields.get("event") == QUEUE_READY or (child.name == "mail" and "port" in fields):
            self.ready.add(child.name)
        logged = self.narrator.feed(child.name, line)
        if child.name == "demo" and logged is None:
            self.narrator.report(line.strip(), source="demo")

    # -- output: up.json and the terminal ----------------------------------------------------------------

    def _write_up_file(self) -> None:
        if not self.up:
            return
        children = [*self.server_children, *self.app_children]
        pids = {child.name: child.process.pid for child in children if child.process and child.name != "demo"}
        content = {
            "pid": os.getpid(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "web": self.web,
            "login": self.login,
            "database_url": self.owner_url or self.database_url,
            "redis_url": self.redis_url,
            "mail": self.mail,
            "processes": pids,
            # For commands in another terminal, which join this system; the second for those that change tables.
            "environment": {**self.inherited, **self.environment},
            "owner_environment": {"DATABASE_OWNER_URL": self.owner_url} if self.owner_url else {},
        }
        write_private(self._up_file, json.dumps(content, indent=2) + "\n")

    def _show_ready(self) -> None:
        login = "log in as the staff user that you created"
        if self.login:
            login = f"user {self.login['username']}, password {self.login['password']}"
        mail = (
            f"{self.web}/ops/mailbox, as files in {self._display('mail')} (nothing leaves this machine)"
            if self.mail
            else "sent by your mail server"
        )
        lines = {
            "Operators": f"{self.web}/ ({login})",
            "API": f"{self.web}/api/docs",
            "Metrics": f"{self.web}/api/metrics",
            "Mails": mail,
            "Logs": self._display("logs"),
        }
        show("\nReady. Ctrl-C stops everything; the data are kept.\n")
        for label, text in lines.items():
            show(f"  {label:<10} {text}")
        show("")

    @property
    def _up_file(self) -> Path:
        return self.state / "up.json"

    @property
    def _password_file(self) -> Path:
        return self.state / "ops-password"

    def _running_instance(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            running = json.loads(self._up_file.read_text())
            return f": {running['web']} (process {running['pid']})"
        return "."

    def _display(self, name: str = "") -> str:
        path = self.state / name
        relative = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        return f"{relative}/"


def show_step(text: str) -> None:
    show(f"  {text}")


def run(parameters: Mapping[str, Any]) -> None:
    """Runs the system of these parameters, those of `System` with folders as texts, until it is stopped."""
    folders = {name: Path(parameters[name]) for name in ("root", "state")}
    try:
        System(**{**parameters, **folders}).run()
    except CannotGoUp as error:
        sys.exit(f"CommandError: {error}")
