"""Liveness, readiness and metrics of a web process."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from accounts import sign_in_failures
from assignments.transactions import READ_ONLY_CODE, sqlstate
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule, broker_status, heartbeats
from reminders.delivery.beat_schedule import EntryStatus
from reminders.insight import metrics, statistics
from reminders.insight.doctor.doctor import unapplied
from reminders.insight.doctor.system import scan_is_late
from reminders.insight.statistics import Snapshot
from reminders.web.inbound import sms
from reminders.web.team_limits import TeamAccess, team_limit
from webserver import limits


@team_limit(TeamAccess.PUBLIC)
@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: this process responds. Depends on nothing else, so that a broken database restarts no web process.

    `limits` are those of what serves it; null where they are not known.
    """
    return JsonResponse({"status": "ok", "limits": limits.in_force()})


@team_limit(TeamAccess.PUBLIC)
@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Ready: 200 while the database takes writes and has the schema, 503 otherwise.

    What only delays reminders (Redis, an old scan, a pause, the switch) is "degraded" and still 200: the pages
    and the API work, and taking them out of service would hide the problem.
    """
    config = conf.current()
    try:
        missing = unapplied()
        if not missing:
            heartbeats.write("web")
        snapshot = None if missing else statistics.current(config=config)
        entries = [] if missing else beat_schedule.check_entries(config)
    except DatabaseError as error:
        return JsonResponse({"status": "unavailable", "database": _refusal(error)}, status=503)
    if snapshot is None:
        return JsonResponse(
            {"status": "unavailable", "database": "ok", "migrations": f"not applied: {', '.join(missing)}"},
            status=503,
        )
    return JsonResponse(
        _readiness(snapshot, (broker_status.probe().error or "ok"), entries, config=config, now=time.time())
    )


@team_limit(TeamAccess.PUBLIC)
@never_cache
@require_safe
def show_metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text: this process's own series and those of the whole system; always 200 for who may see it."""
    token = str(settings.METRICS_TOKEN)
    if token and not _has_token(request, token):
        refusal = HttpResponse(
            "METRICS_TOKEN is needed as a bearer token\n", status=401, content_type="text/plain"
        )
        refusal["WWW-Authenticate"] = "Bearer"
        return refusal
    heartbeats.record("scrape")
    sign_in_failures.report_the_rest()
    sms.report_the_rest()
    return HttpResponse(metrics.exposition_of_all(), content_type=CONTENT_TYPE_LATEST)


def _readiness(
    snapshot: Snapshot, redis: str, entries: Sequence[EntryStatus], *, config: ReminderConfig, now: float
) -> dict[str, Any]:
    last_scan = snapshot.last_scan_timestamp_seconds
    age = round(max(0.0, now - last_scan)) if last_scan else None
    reasons = []
    if redis != "ok":
        reasons.append("Redis does not answer: due reminders wait in the database until it does")
    if not config.enabled:
        reasons.append("REMINDER_WORKER_ENABLED is false: nothing is planned or sent")
    elif age is None:
        reasons.append("no scan has ended yet")
    elif scan_is_late(age, config):
        reasons.append(f"the last scan ended {age} s ago: are beat and scanner running?")
    if snapshot.paused:
        reasons.append("sending is paused")
    reasons += [_stopped(entry) for entry in entries if entry.problem]
    return {
        "status": "degraded" if reasons else "ok",
        "reasons": reasons,
        "database": "ok",
        "migrations": "ok",
        "redis": redis,
        "enabled": config.enabled,
        "paused": snapshot.paused,
        "last_scan_age_seconds": age,
    }


def _stopped(entry: EntryStatus) -> str:
    """Why beat does not run a task. Who switched it off, and why, is shown to those who are signed in."""
    if entry.switched_off is not None:
        return f"{entry.task} is switched off by an operator"
    return f"beat does not run {entry.task}: {entry.problem}; workers correct it"


def _refusal(error: DatabaseError) -> str:
    """What the database said to a write, in the words of `/readyz`."""
    if sqlstate(error) == READ_ONLY_CODE:
        return "read-only: it refuses every write"
    return f"no answer ({type(error).__name__})"


def _has_token(request: HttpRequest, token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # Both are compared as bytes, in constant time: text outside ASCII would raise.
    return scheme.lower() == "bearer" and secrets.compare_digest(given.strip().encode(), token.encode())
