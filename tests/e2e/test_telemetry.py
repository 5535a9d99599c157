"""Errors and traces arrive from the processes that do the work: from web, and from a worker's forked children."""

import json
import urllib.request

import pytest

from tests.integration.config.test_telemetry import Sink, sink
from tests.stack import Stack, running, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

__all__ = ["sink"]


def reported(sink: Sink) -> list[str]:
    """What Sentry was told, by the message of each event."""
    events = [json.loads(body.splitlines()[2]) for path, body in list(sink.posted) if "/envelope/" in path]
    return [event["logentry"]["message"] for event in events if "logentry" in event]


def traced(sink: Sink) -> bytes:
    return b"".join(body for path, body in list(sink.posted) if path == "/v1/traces")


def test_web_and_a_forked_worker_report_and_trace(tmp_path, sink):
    here = f"127.0.0.1:{sink.server_port}"
    more = {
        "SENTRY_DSN": f"http://key@{here}/1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{here}",
        "OTEL_BSP_SCHEDULE_DELAY": "300",
    }
    with running(tmp_path, mail=False, more=more) as stack:
        child, web = stack.web(wait=False)
        stack.worker()
        stack.answers(child, web)
        with urllib.request.urlopen(f"{web}/admin/login/", timeout=20) as answer:
            assert answer.status == 200
        ask(stack, "[['no number', 1]]")
        ask(stack, "[]")
        until(
            lambda: b"admin/login/" in traced(sink) and b"run/reminders.deliver" in traced(sink),
            within=60,
            what="spans of web and of the worker arrive",
        )
        until(lambda: "Reminder job skipped" in reported(sink), within=60, what="the worker's error arrives")


def ask(stack: Stack, hints: str) -> None:
    """Sends a message as dispatch does; hints that are no numbers are an error in the worker."""
    stack.manage(
        "shell",
        "-v",
        "0",
        "-c",
        "from reminders.delivery.tasks import deliver_task\n"
        f"deliver_task.apply_async(kwargs={{'hints': {hints}}}, queue='reminders')",
    )
