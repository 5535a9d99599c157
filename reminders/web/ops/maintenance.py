"""The pages about the system: switches, queue, doctor, audit trail."""

from collections import Counter
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from reminders import conf
from reminders.delivery import beat_schedule
from reminders.insight import queue_status
from reminders.insight.doctor.check import Level
from reminders.insight.doctor.doctor import run_checks
from reminders.models import Audit
from reminders.operations import pauses
from reminders.web.filters import clean_text
from reminders.web.ops.lists import list_page
from reminders.web.ops.page import page, page_context, show

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
    """What is waiting in Redis, in workers and in the ledger."""
    return show(request, "queue", {"queue": queue_status.read_queue_status()})


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


@page()
def audit(request: HttpRequest) -> HttpResponse:
    """What operators did, to what, and why."""
    action, q = clean_text(request.GET.get("action")), clean_text(request.GET.get("q"))
    actions = list(Audit.objects.order_by("action").values_list("action", flat=True).distinct())
    listed = list_page(_audited(action, q), request)
    return show(request, "audit", {"listed": listed, "actions": actions, "action": action, "q": q})


def _audited(action: str, q: str) -> QuerySet[Audit]:
    rows = Audit.objects.order_by("-id")
    if action:
        rows = rows.filter(action=action)
    return rows.filter(Q(actor__icontains=q) | Q(reason__icontains=q)) if q else rows
