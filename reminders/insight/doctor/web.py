"""What serves the pages: asked over the address that people use."""

import http.client
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext

from reminders.insight.doctor.check import Check, Level
from webserver.limits import ENOUGH_CONNECTIONS

ANSWER_SECONDS = 5.0
WORKER_CLASS = "--worker-class webserver.worker.BufferingWorker"


def web_server(public_url: str) -> Iterator[Check]:
    """Whether web answers there, and whether slow or silent clients can stop it (docs/decisions/0018)."""
    name = gettext("web server")
    try:
        limits = _limits(public_url)
    except (OSError, ValueError, http.client.HTTPException) as error:
        yield Check(
            name,
            Level.WARN,
            gettext("no answer that can be read from PUBLIC_URL (%(name)s)") % {"name": type(error).__name__},
            gettext("Look at PUBLIC_URL, the proxy, and whether it can be reached from here."),
        )
        return
    if limits is None:
        yield Check(
            name,
            Level.FAIL,
            gettext("it has no limits that are known: a few clients that send slowly can stop it"),
            gettext("Start gunicorn with %(worker_class)s, as the Dockerfile does.")
            % {"worker_class": WORKER_CLASS},
        )
        return
    seen = gettext(
        "%(connections)s connections each; closed after %(idle_seconds)s s of silence, "
        "%(header_seconds)s s for a header, %(request_seconds)s s for a request"
    ) % {
        "connections": limits["connections"],
        "idle_seconds": limits["idle_seconds"],
        "header_seconds": limits["header_seconds"],
        "request_seconds": limits["request_seconds"],
    }
    if limits["connections"] < ENOUGH_CONNECTIONS:
        yield Check(
            name,
            Level.WARN,
            seen,
            gettext("Raise the hard limit of open files of web (ulimit -Hn) to 4,200."),
        )
    else:
        yield Check(name, Level.PASS, seen)


def _limits(public_url: str) -> dict[str, Any] | None:
    asked = urllib.request.Request(f"{public_url}/healthz")  # noqa: S310  http(s) by the settings
    with urllib.request.urlopen(asked, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
        found = json.loads(answer.read(10_000))
    limits = found.get("limits") if isinstance(found, dict) else None
    if limits is None:
        return None
    wanted = ("connections", "idle_seconds", "header_seconds", "request_seconds")
    if not isinstance(limits, dict) or not all(isinstance(limits.get(each), int) for each in wanted):
        raise ValueError(gettext("these are no limits"))
    return limits
