"""`/ops/`: how reminders do at this moment, every figure with the list behind it.

All of it comes from the one row of figures that everybody shares, so that a page which asks again every 15
seconds costs the database next to nothing.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from assignments.models import ReminderStatus, Status
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.delivery import broker_status
from reminders.delivery.broker_status import BrokerProbe
from reminders.insight import statistics
from reminders.insight.doctor.system import LATE, scan_is_late
from reminders.insight.explain.wording import WORDS
from reminders.insight.statistics import Snapshot
from reminders.models import Reason
from reminders.web.ops import chart
from reminders.web.ops.page import page, page_context
from reminders.web.templatetags.ops import age

ASKED_EVERY = timedelta(seconds=15)
OLD = 4 * statistics.MAX_AGE
"""Figures older than this are shown with a warning: counting fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One figure and the list behind it. `tone` is quiet, good, warn or bad; `alarm` says in words why it is bad."""

    name: str
    label: str
    value: int
    note: str
    href: str
    tone: str = "quiet"
    alarm: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the machinery in the health strip."""

    name: str
    summary: str
    tone: str
    href: str


@page()
def overview(request: HttpRequest) -> HttpResponse:
    """The whole page."""
    return render(request, "ops/overview.html", _shown(request))


@page()
def live(request: HttpRequest) -> HttpResponse:
    """The part of the page that is asked for again and again."""
    return render(request, "ops/parts/live.html", {**_shown(request), "again": True})


def _shown(request: HttpRequest) -> dict[str, object]:
    framed, config = page_context(request), conf.current()
    # Whoever has just paused must not read for 15 seconds more that sending is on.
    snapshot = replace(statistics.current(config=config), paused=framed["pause"] is not None)
    return {
        **framed,
        "snapshot": snapshot,
        "old": timezone.now() - snapshot.taken > OLD,
        "work": list(work(snapshot, config)),
        "problems": list(problems(snapshot, config)),
        "failed": [
            (
                reason.replace("_", " "),
                number,
                _reminders(show="failed", reason=reason),
                WORDS.get(Reason(reason), ""),
            )
            for reason, number in sorted(snapshot.failed.items(), key=lambda item: (-item[1], item[0]))
        ],
        "chart": chart.draw(snapshot.messages, now=snapshot.taken, ahead=statistics.chart_ahead(config)),
        "health": list(health(snapshot, broker(), config=config)),
        "every": int(ASKED_EVERY.total_seconds()),
    }


# --- figures ---------------------------------------------------------------------------------------------------


def work(snapshot: Snapshot, config: ReminderConfig) -> Iterator[Tile]:
    """Scheduled work by its reminder status; overdue is counted by the clock."""
    counts = {
        roll_up: snapshot.assignments.get((Status.SCHEDULED, roll_up), 0)
        for roll_up in (ReminderStatus.NONE, ReminderStatus.SENT)
    }
    yield Tile(
        name="none",
        label="NONE",
        value=counts[ReminderStatus.NONE],
        note="scheduled, not reminded yet",
        href=_assignments(status=Status.SCHEDULED, reminder_status=ReminderStatus.NONE),
    )
    yield Tile(
        name="sent",
        label="SENT",
        value=counts[ReminderStatus.SENT],
        note="scheduled, reminder accepted",
        href=_assignments(status=Status.SCHEDULED, reminder_status=ReminderStatus.SENT),
        tone="good",
    )
    alarm = snapshot.overdue > config.overdue_alert
    allowed = f"more than {config.overdue_alert} is an alarm"
    yield Tile(
        name="overdue",
        label="OVERDUE",
        value=snapshot.overdue,
        note=f"not started {age(config.overdue)} after the start; {allowed}",
        href=_assignments(show="overdue"),
        tone="bad" if alarm else "quiet",
        alarm="Above the alert threshold" if alarm else "",
    )


def problems(snapshot: Snapshot, config: ReminderConfig) -> Iterator[Tile]:
    """What should be 0, or gone soon."""
    held = snapshot.paused or not config.enabled
    late = snapshot.oldest_due_age_seconds > LATE.total_seconds()
    yield Tile(
        name="due",
        label="Due, not sent",
        value=snapshot.due_unsent,
        note=f"the oldest waits for {age(snapshot.oldest_due_age_seconds)}"
        if snapshot.due_unsent
        else "nothing waits",
        href=_reminders(show="due"),
        tone="quiet" if not late else "warn" if held else "bad",
        alarm="Held by the switch" if late and held else "Later than a minute" if late else "",
    )
    yield Tile(
        name="failed",
        label="Failed",
        value=sum(snapshot.failed.values()),
        note="in the last 24 hours",
        href=_reminders(show="failed"),
        tone="bad" if snapshot.failed else "quiet",
        alarm="Somebody was not reminded" if snapshot.failed else "",
    )
    yield Tile(
        name="duplicates",
        label="Possible duplicates",
        value=snapshot.possible_duplicates,
        note="may have arrived twice, in the last 24 hours",
        href=_reminders(show="duplicates"),
        tone="warn" if snapshot.possible_duplicates else "quiet",
    )
    yield Tile(
        name="unknown",
        label="Unknown",
        value=snapshot.unknown,
        note="may or may not have arrived: to be decided",
        href=_reminders(show="unknown"),
        tone="warn" if snapshot.unknown else "quiet",
        alarm="An operator decides" if snapshot.unknown else "",
    )
    yield Tile(
        name="declined",
        label="Can't make it",
        value=snapshot.declined,
        note="scheduled work whose assignee has said no",
        href=_assignments(show="declined"),
        tone="warn" if snapshot.declined else "quiet",
        alarm="Somebody else is needed" if snapshot.declined else "",
    )
    yield Tile(
        name="unaccounted",
        label="Unaccounted",
        value=snapshot.unaccounted,
        note="due work without a reminder: must be 0",
        href=_assignments(show="unaccounted"),
        tone="bad" if snapshot.unaccounted else "quiet",
        alarm="A rescan plans them" if snapshot.unaccounted else "",
    )


def _assignments(**query: str) -> str:
    return f"{reverse('ops:assignments')}?{urlencode(query)}"


def _reminders(**query: str) -> str:
    return f"{reverse('ops:reminders')}?{urlencode(query)}"


# --- the machinery ---------------------------------------------------------------------------------------------


_turn = threading.Lock()
_asked: tuple[float, BrokerProbe] | None = None


def broker() -> BrokerProbe:
    """Redis, asked at most every 15 seconds by this process: a stalled one must not hold up every viewer."""
    global _asked
    kept = _asked
    if kept is not None and (time.monotonic() - kept[0] < ASKED_EVERY.total_seconds() or _turn.locked()):
        return kept[1]
    with _turn:
        found = broker_status.probe()
        _asked = (time.monotonic(), found)
        return found


def health(snapshot: Snapshot, redis: BrokerProbe, *, config: ReminderConfig) -> Iterator[Part]:
    """Every part that reminders need, in one line each."""
    doctor, queue, processes = (
        reverse("ops:doctor"),
        reverse("ops:queue"),
        reverse("admin:reminders_process_changelist"),
    )
    yield _switch(snapshot, config)
    yield _last_scan(snapshot, config)
    beats = snapshot.processes.get("beat")
    yield Part(
        name="Beat",
        summary="not seen"
        if beats is None
        else "one at work"
        if beats.at_once == 1
        else f"{beats.at_once} at once",
        tone="bad" if beats is None else "good" if beats.at_once == 1 else "warn",
        href=processes,
    )
    for kind, name in (("scanner", "Scanner"), ("worker", "Workers")):
        seen = snapshot.processes.get(kind)
        off = kind == "worker" and not config.enabled
        yield Part(
            name=name,
            summary=f"{seen.count} seen" if seen else "not asked while off" if off else "not seen",
            tone="good" if seen else "warn" if off else "bad",
            href=processes,
        )
    yield Part(
        name="Queue",
        summary="unknown" if redis.depth is None else f"{redis.depth} waiting",
        tone="warn" if redis.depth is None else "good",
        href=queue,
    )
    yield Part(
        name="Redis",
        summary="does not answer" if redis.depth is None else "answers",
        tone="bad" if redis.depth is None else "good",
        href=doctor,
    )
    yield Part(name="Database", summary="answers", tone="good", href=doctor)
    for channel, until in snapshot.held_channels.items():
        yield Part(
            name=f"Channel {channel}",
            summary=f"held for {age(max(0.0, until - snapshot.taken_at))}",
            tone="warn",
            href=reverse("admin:reminders_circuitbreaker_changelist"),
        )


def _switch(snapshot: Snapshot, config: ReminderConfig) -> Part:
    summary, tone = ("on", "good") if config.enabled else ("off", "bad")
    if config.enabled and snapshot.paused:
        summary, tone = "paused", "warn"
    return Part(name="Sending", summary=summary, tone=tone, href=reverse("ops:switch"))


def _last_scan(snapshot: Snapshot, config: ReminderConfig) -> Part:
    scans = reverse("admin:reminders_scanrun_changelist")
    if not snapshot.last_scan_timestamp_seconds:
        return Part(name="Last scan", summary="none yet", tone="bad", href=scans)
    passed = max(0.0, snapshot.taken_at - snapshot.last_scan_timestamp_seconds)
    return Part(
        name="Last scan",
        summary=f"{age(passed)} ago by {snapshot.last_scan_by}",
        tone="bad" if scan_is_late(passed, config) else "good",
        href=scans,
    )
