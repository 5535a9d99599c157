"""The pages about the system: switches, queue, doctor, audit trail."""

from collections import Counter
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from reminders import conf
from reminders.delivery import beat_schedule, heartbeats
from reminders.insight import queue_status, statistics, trail
from reminders.insight.doctor.check import Level
from reminders.insight.doctor.doctor import run_checks
from reminders.insight.process_status import process_statuses
from reminders.operations import pauses
from reminders.web.ops.lists import list_page
from reminders.web.ops.overview import REFRESH_INTERVAL
from reminders.web.ops.page import page, page_context, show
from reminders.web.search import clean_text
from reminders.web.team_limits import TeamAccess, scope_of

PAUSES_SHOWN = 20
CANARY_TIMEOUT = timedelta(seconds=5)
"""How long a worker may take for a message without hints."""


@page()
def switch(request: HttpRequest) -> HttpResponse:
    """The three places in which reminders can be switched off, named one by one."""
    config = conf.current()
    context = {"entries": beat_schedule.check_entries(config), "pauses": pauses.pauses()[:PAUSES_SHOWN]}
    return show(request, "switch", context)


@page()
def queue(request: HttpRequest) -> HttpResponse:
    """What is waiting in Redis, in workers and in the ledger, and who is at work."""
    return show(request, "queue", _queue())


@page()
def queue_live(request: HttpRequest) -> HttpResponse:
    """The part of that page that refreshes itself."""
    return render(request, "ops/parts/queue.html", {**page_context(request), **_queue(), "again": True})


def _queue() -> dict[str, object]:
    heartbeats.record("web", at_once=True)  # Whoever answers is at work.
    return {
        "queue": queue_status.read_queue_status(),
        "processes": process_statuses(),
        "taken_at": timezone.now(),
        "refresh_seconds": int(REFRESH_INTERVAL.total_seconds()),
    }


@page()
def doctor(request: HttpRequest) -> HttpResponse:
    """The page of the checklist; the checks take a moment and are loaded after it."""
    return show(request, "doctor", {} if "wait" not in request.GET else _checklist())


@page()
def checks(request: HttpRequest) -> HttpResponse:
    """The checklist, checked now."""
    return render(request, "ops/parts/checks.html", {**page_context(request), **_checklist()})


def _checklist() -> dict[str, object]:
    found = list(run_checks(conf.current(), canary=CANARY_TIMEOUT))
    counts = Counter(check.level for check in found)
    worst = next((level for level in (Level.FAIL, Level.WARN) if counts[level]), Level.PASS)
    order = {Level.FAIL: 0, Level.WARN: 1, Level.PASS: 2}
    return {
        "checks": sorted(found, key=lambda check: order[check.level]),
        "failed": counts[Level.FAIL],
        "warned": counts[Level.WARN],
        "passed": counts[Level.PASS],
        "worst": worst.value,
    }


@page(limit=TeamAccess.NARROWS)
def audit(request: HttpRequest) -> HttpResponse:
    """What people and programs did, in sentences; the records themselves are behind each line.

    Whoever is limited to teams sees what concerns their work and their people, without the records.
    """
    scope = scope_of(request.user)
    wanted = {name: clean_text(request.GET.get(name)) for name in ("action", "actor", "q", "since", "until")}
    asked = trail.TrailFilter(
        kind=wanted["action"],
        actor=wanted["actor"],
        text=wanted["q"],
        since=_instant_of(wanted["since"]),
        until=_instant_of(wanted["until"]),
    )
    with statistics.bounded():
        listed = list_page(trail.entries(asked, scope), request)
        lines = trail.lines(listed.rows, scope)
    context = {"listed": listed, "lines": lines, "actions": trail.actions(scope), **wanted}
    return show(
        request, "audit", {**context, "narrowed": any(wanted.values()), "most_searched": trail.MOST_SEARCHED}
    )


def _instant_of(text: str) -> datetime | None:
    """An instant as a form gives it, in the installation's own zone; None for any other text."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 2000 <= given.year <= 9000:
        return None
    return given if given.tzinfo else timezone.make_aware(given)
