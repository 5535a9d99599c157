"""Errors and traces reach whoever is named, over real HTTP; nothing of either is loaded while nobody is named."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings

from config.telemetry import without_addresses
from tests.starter import run_code

SILENCE = {"DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "ERROR", "HTTPS_ONLY": "false"}


class Sink(ThreadingHTTPServer):
    """Keeps what is posted to it: (path, body)."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, bytes]] = []
        super().__init__(("127.0.0.1", 0), Taker)


class Taker(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packed = self.headers.get("Content-Encoding") == "gzip"
        self.server.posted.append((self.path, gzip.decompress(body) if packed else body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sink() -> Iterator[Sink]:
    server = Sink()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a process of the project."""
    return run_code(
        f"import django; django.setup()\n{code}", environment={**os.environ, **SILENCE, **environment}
    )


def test_nothing_is_loaded_while_nobody_is_named():
    """Redis's client looks for OpenTelemetry by itself where that is installed; nothing instruments."""
    done = run(
        "import sys, config.celery\n"
        "print([m for m in sys.modules if m.startswith(('sentry_sdk', 'opentelemetry.instrumentation'))])"
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_an_error_is_reported_without_addresses(sink):
    done = run(
        "import logging, sentry_sdk\n"
        "address = 'ada.lovelace@example.test'\n"
        "logging.getLogger('reminders').info('Reminder sent', extra={'each': [{'reminder_id': 1}] * 250})\n"
        "try: raise RuntimeError(f'cannot reach <{address}>')\n"
        "except RuntimeError: logging.getLogger('reminders').exception('Reminder failed',"
        " extra={'detail': address, 'reminder_id': 7})\n"
        "sentry_sdk.flush(10)",
        SENTRY_DSN=f"http://key@127.0.0.1:{sink.server_port}/1",
        LOG_LEVEL="INFO",
    )
    assert done.returncode == 0, done.stderr
    assert [path for path, _ in sink.posted] == ["/api/1/envelope/"]
    text = sink.posted[0][1].decode()
    event = json.loads(text.splitlines()[2])
    assert event["logentry"]["message"] == "Reminder failed"
    assert event["extra"] == {"detail": "(address)", "reminder_id": 7} | {
        "sys.argv": event["extra"]["sys.argv"]
    }
    assert event["exception"]["values"][0]["value"] == "cannot reach <(address)>"
    crumb = next(one for one in event["breadcrumbs"]["values"] if one["message"] == "Reminder sent")
    assert crumb["data"] == {"count": 250}
    assert "ada.lovelace" not in text


def test_a_forked_process_reports_though_its_parent_has_reported(sink):
    """The parent's sender waits for work when it is forked: nobody else may be woken in its place."""
    done = run(
        "import logging, os, time, sentry_sdk\n"
        "def sender_waits():\n"
        "    sender = sentry_sdk.get_client().transport._worker\n"
        "    before = len(sender._queue.not_empty._waiters)\n"
        "    if not sender.is_alive:\n"
        "        sender.start()\n"
        "        wait_for(lambda: len(sender._queue.not_empty._waiters) > before)\n"
        "    wait_for(lambda: sender._queue.not_empty._waiters)\n"
        "def wait_for(condition):\n"
        "    end = time.monotonic() + 5\n"
        "    while not condition() and time.monotonic() < end: time.sleep(0.01)\n"
        "logging.getLogger('reminders').error('From the parent')\n"
        "sentry_sdk.flush(10)\n"
        "sender_waits()\n"
        "if child := os.fork():\n"
        "    os.waitpid(child, 0)\n"
        "else:\n"
        "    sender_waits()\n"
        "    logging.getLogger('reminders').error('From the child')\n"
        "    wait_for(lambda: not sentry_sdk.get_client().transport._worker._queue.unfinished_tasks)\n"
        "    os._exit(0)",
        SENTRY_DSN=f"http://key@127.0.0.1:{sink.server_port}/1",
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(body.splitlines()[2]) for _, body in sink.posted]
    assert [event["logentry"]["message"] for event in events] == ["From the parent", "From the child"]


def test_pages_tasks_and_statements_are_traced(sink):
    done = run(
        "from django.test import Client\n"
        "from config.celery import app\n"
        "from opentelemetry import trace\n"
        "assert Client(headers={'host': 'localhost'}).get('/account/sign-in').status_code == 200\n"
        "assert Client(headers={'host': 'localhost'}).get('/healthz').status_code == 200\n"
        "app.loader.import_default_modules()\n"
        "app.tasks['reminders.deliver'].apply(args=[[]])\n"
        "from django.db import connection\n"
        "with connection.cursor() as cursor: cursor.execute('SELECT %s::text', ['ada@example.test'])\n"
        "trace.get_tracer_provider().shutdown()",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{sink.server_port}",
    )
    assert done.returncode == 0, done.stderr
    assert {path for path, _ in sink.posted} == {"/v1/traces"}
    spans = b"".join(body for _, body in sink.posted)
    for expected in (b"assignment-reminders", b"account/sign-in", b"reminders.deliver", b"SELECT %s::text"):
        assert expected in spans
    for absent in (b"healthz", b"ada@example.test"):
        assert absent not in spans


@pytest.mark.parametrize(
    ("name", "value", "module"),
    [
        ("SENTRY_DSN", "https://key@sentry.example.test/1", "sentry_sdk"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example.test:4318", "opentelemetry"),
    ],
)
def test_a_missing_package_is_named_at_the_start(name, value, module):
    """As where it is not installed: the finder knows no such module."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import sys\n"
                "class Missing:\n"
                "    def find_spec(self, name, path=None, target=None):\n"
                f"        if name.partition('.')[0] == '{module}': raise ModuleNotFoundError(name)\n"
                "sys.meta_path.insert(0, Missing())\n"
                "import django; django.setup()"
            ),
        ],
        cwd=settings.BASE_DIR,
        env={**os.environ, **SILENCE, name: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"{name} is set: the package" in done.stderr
    assert value not in done.stderr


def test_addresses_are_found_wherever_they_stand():
    event = {"a": ["x <ada@example.test>", {"b": ("ada@example.test", 3, None)}], "c": "Jobs at 9"}
    assert without_addresses(event) == {
        "a": ["x <(address)>", {"b": ["(address)", 3, None]}],
        "c": "Jobs at 9",
    }
