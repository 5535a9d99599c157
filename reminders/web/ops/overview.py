"""`/ops/`: the state of all reminders; every figure leads to the list behind it.

All of it comes from the shared statistics row, so that a page that refreshes every 15 seconds costs the database
next to nothing.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, pgettext

from assignments.models import ReminderStatus, Status
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.delivery import broker_status
from reminders.delivery.broker import SCAN_QUEUE_LIMIT
from reminders.delivery.broker_status import BrokerProbe
from reminders.insight import awareness, figure_queries, starting_soon, statistics
from reminders.insight.doctor.system import LATE, scan_is_late
from reminders.insight.explain.wording import WORDS, channel_name, rate
from reminders.insight.pace_outlook import PaceFigures
from reminders.insight.statistics import Snapshot
from reminders.models import Reason
from reminders.web.ops import chart
from reminders.web.ops.page import page, page_context
from reminders.web.team_limits import TeamAccess, scope_of
from reminders.web.templatetags.ops import age
from reminders.web.templatetags.ops import words as code_words

REFRESH_INTERVAL = timedelta(seconds=15)
STALE_AFTER = 4 * statistics.MAX_AGE
"""Older statistics are shown with a warning: counting fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One figure and the list behind it. `tone` is quiet, good, warn or bad; `alarm` is the reason in words."""

    name: str
    label: str
    value: int
    note: str
    href: str
    tone: str = "quiet"
    alarm: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthItem:
    """One process or server in the health list."""

    name: str
    summary: str
    tone: str
    href: str


@page(limit=TeamAccess.NARROWS)
def overview(request: HttpRequest) -> HttpResponse:
    """The whole page."""
    return render(request, "ops/overview.html", _shown(request))


@page(limit=TeamAccess.NARROWS)
def live(request: HttpRequest) -> HttpResponse:
    """The part of the page that refreshes itself."""
    return render(request, "ops/parts/live.html", {**_shown(request), "again": True})


def _shown(request: HttpRequest) -> dict[str, object]:
    context, config = page_context(request), conf.current()
    # A pause that has just begun is shown at once.
    scope = scope_of(request.user)
    snapshot = replace(statistics.current_of(scope, config=config), paused=context["pause"] is not None)
    shown = {
        "work": list(work(snapshot, config)),
        "attendance": list(attendance(snapshot)),
        "problems": list(problems(snapshot, config)),
    }
    return {
        **context,
        "snapshot": snapshot,
        "stale": timezone.now() - snapshot.taken > STALE_AFTER,
        **shown,
        **by_urgency([tile for tiles in shown.values() for tile in tiles]),
        "paces": [pace_note(one) for one in snapshot.paces],
        "failed": [
            (
                code_words(reason),
                number,
                _reminders(show="failed", reason=reason),
                str(WORDS.get(Reason(reason), "")),
            )
            for reason, number in sorted(snapshot.failed.items(), key=lambda item: (-item[1], item[0]))
        ],
        "chart": chart.draw(snapshot.messages, now=snapshot.taken, ahead=figure_queries.chart_ahead(config)),
        # Processes and queue work for all teams, and lead to pages about the whole system.
        "health": [] if scope.limited else list(health(snapshot, broker(), config=config)),
        "refresh_seconds": int(REFRESH_INTERVAL.total_seconds()),
    }


ALWAYS_SHOWN = ("none", "sent")
"""Figures that say something at 0 too."""


def by_urgency(tiles: Sequence[Tile]) -> dict[str, list[Tile]]:
    """The tiles as the page shows them: alarms first and large, then figures; what is 0 and should be is one line."""
    alarms = [tile for tile in tiles if tile.tone in ("bad", "warn") or tile.alarm]
    quiet = [tile for tile in tiles if tile not in alarms]
    clear = [tile for tile in quiet if not tile.value and tile.name not in ALWAYS_SHOWN]
    return {
        "alarms": sorted(alarms, key=lambda tile: tile.tone != "bad"),
        "figures": [tile for tile in quiet if tile not in clear],
        "clear": clear,
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
        label=gettext("Waiting"),
        value=counts[ReminderStatus.NONE],
        note=gettext("scheduled, not reminded yet"),
        href=_assignments(status=Status.SCHEDULED, reminder_status=ReminderStatus.NONE),
    )
    yield Tile(
        name="sent",
        label=gettext("Reminded"),
        value=counts[ReminderStatus.SENT],
        note=gettext("scheduled, reminder accepted"),
        href=_assignments(status=Status.SCHEDULED, reminder_status=ReminderStatus.SENT),
        tone="good",
    )
    alarm = snapshot.overdue > config.overdue_alert
    allowed = gettext("more than %(overdue_alert)s is an alarm") % {"overdue_alert": config.overdue_alert}
    yield Tile(
        name="overdue",
        label=gettext("Overdue"),
        value=snapshot.overdue,
        note=gettext("not started %(overdue)s after the start; %(allowed)s")
        % {"overdue": age(config.overdue), "allowed": allowed},
        href=_assignments(show="overdue"),
        tone="bad" if alarm else "quiet",
        alarm=gettext("Above the alert threshold") if alarm else "",
    )


def attendance(snapshot: Snapshot) -> Iterator[Tile]:
    """Work for which nobody may come: what starts soon first."""
    yield Tile(
        name="unaware_soon",
        label=gettext("Do not know yet"),
        value=snapshot.unaware_soon,
        note=gettext("from %(horizon)s before the start: nobody assigned, not told, or the message in doubt")
        % {"horizon": age(awareness.HORIZON)},
        href=f"{reverse('ops:board')}?{urlencode({'hours': 2})}",
        tone="bad" if snapshot.untold_soon else "quiet",
        alarm=gettext("%(untold_soon)s will not be told by any message")
        % {"untold_soon": snapshot.untold_soon}
        if snapshot.untold_soon
        else "",
    )
    yield Tile(
        name="declined_soon",
        label=gettext("Can't make it, starts soon"),
        value=snapshot.declined_soon,
        note=gettext("from %(horizon)s before the start until it is overdue")
        % {"horizon": age(starting_soon.HORIZON)},
        href=_assignments(show="declined_soon"),
        tone="bad" if snapshot.declined_soon else "quiet",
        alarm=gettext("Nobody will come") if snapshot.declined_soon else "",
    )
    # Where nobody confirms as a rule this is no alarm: it is whom to call first.
    yield Tile(
        name="unanswered_soon",
        label=gettext("No answer, starts soon"),
        value=snapshot.unanswered_soon,
        note=gettext("reminded and not heard from, from %(horizon)s before the start until it is overdue")
        % {"horizon": age(starting_soon.HORIZON)},
        href=_assignments(show="unanswered_soon"),
    )
    yield Tile(
        name="declined",
        label=gettext("Can't make it"),
        value=snapshot.declined,
        note=gettext("scheduled work whose assignee declined"),
        href=_assignments(show="declined"),
        tone="warn" if snapshot.declined else "quiet",
        alarm=gettext("Somebody else is needed") if snapshot.declined else "",
    )


def problems(snapshot: Snapshot, config: ReminderConfig) -> Iterator[Tile]:
    """Figures that should be 0, or soon will be."""
    held = snapshot.paused or not config.enabled
    late = snapshot.oldest_due_age_seconds > LATE.total_seconds()
    yield Tile(
        name="due",
        label=gettext("Due, not sent"),
        value=snapshot.due_unsent,
        note=gettext("the oldest has waited for %(oldest_due_age_seconds)s")
        % {"oldest_due_age_seconds": age(snapshot.oldest_due_age_seconds)}
        if snapshot.due_unsent
        else gettext("nothing waits"),
        href=_reminders(show="due"),
        tone="quiet" if not late else "warn" if held else "bad",
        alarm=gettext("Held by the switch")
        if late and held
        else gettext("Later than a minute")
        if late
        else "",
    )
    yield Tile(
        name="failed",
        label=gettext("Failed"),
        value=sum(snapshot.failed.values()),
        note=gettext("in the last 24 hours"),
        href=_reminders(show="failed"),
        tone="bad" if snapshot.failed else "quiet",
        alarm=gettext("Somebody was not reminded") if snapshot.failed else "",
    )
    yield Tile(
        name="bounced",
        label=gettext("Bounced"),
        value=snapshot.bounced,
        note=gettext("accepted, and came back, in the last 24 hours"),
        href=_reminders(show="bounced"),
        tone="warn" if snapshot.bounced else "quiet",
        alarm=gettext("The mailbox for bounces cannot be read") if snapshot.mailbox_failing else "",
    )
    yield Tile(
        name="duplicates",
        label=gettext("Possible duplicates"),
        value=snapshot.possible_duplicates,
        note=gettext("may have arrived twice, in the last 24 hours"),
        href=_reminders(show="duplicates"),
        tone="warn" if snapshot.possible_duplicates else "quiet",
    )
    yield Tile(
        name="unknown",
        label=gettext("Unknown"),
        value=snapshot.unknown,
        note=gettext("may or may not have arrived: to be decided"),
        href=_reminders(show="unknown"),
        tone="warn" if snapshot.unknown else "quiet",
        alarm=gettext("An operator decides") if snapshot.unknown else "",
    )
    yield Tile(
        name="unaccounted",
        label=gettext("Unaccounted"),
        value=snapshot.unaccounted,
        note=gettext("due work without a reminder: must be 0"),
        href=_assignments(show="unaccounted"),
        tone="bad" if snapshot.unaccounted else "quiet",
        alarm=gettext("A rescan plans them") if snapshot.unaccounted else "",
    )


def _assignments(**query: str) -> str:
    return f"{reverse('ops:assignments')}?{urlencode(query)}"


def _reminders(**query: str) -> str:
    return f"{reverse('ops:reminders')}?{urlencode(query)}"


# --- system health ---------------------------------------------------------------------------------------------


_turn = threading.Lock()
_asked: tuple[float, BrokerProbe] | None = None


def broker() -> BrokerProbe:
    """The state of Redis, probed at most every 15 seconds by this process: a stalled one must not delay every viewer."""
    global _asked
    kept = _asked
    if kept is not None and (time.monotonic() - kept[0] < REFRESH_INTERVAL.total_seconds() or _turn.locked()):
        return kept[1]
    with _turn:
        found = broker_status.probe()
        _asked = (time.monotonic(), found)
        return found


def health(snapshot: Snapshot, redis: BrokerProbe, *, config: ReminderConfig) -> Iterator[HealthItem]:
    """The state of every process and server that reminders need."""
    doctor, queue, processes = (
        reverse("ops:doctor"),
        reverse("ops:queue"),
        f"{reverse('ops:queue')}#processes",
    )
    yield _switch(snapshot, config)
    yield _last_scan(snapshot, config)
    beats = snapshot.processes.get("beat")
    yield HealthItem(
        name="Beat",
        summary=gettext("no heartbeat")
        if beats is None
        else gettext("running")
        if beats.at_once == 1
        else gettext("%(at_once)s running") % {"at_once": beats.at_once},
        tone="bad" if beats is None else "good" if beats.at_once == 1 else "warn",
        href=processes,
    )
    for kind, name in (("scanner", gettext("Scanner")), ("worker", gettext("Workers"))):
        seen = snapshot.processes.get(kind)
        if seen:
            summary, tone = gettext("%(count)s running") % {"count": seen.count}, "good"
        elif kind == "worker" and not config.enabled:
            summary, tone = gettext("no canary while off"), "warn"
        elif kind == "scanner" and beats is None:  # Beat asks it to dispatch, which is when it is seen.
            summary, tone = gettext("not asked by beat"), "warn"
        else:
            summary, tone = gettext("no heartbeat"), "bad"
        yield HealthItem(name=name, summary=summary, tone=tone, href=processes)
    yield HealthItem(
        name=gettext("Queue"),
        summary="unknown"
        if redis.depth is None
        else gettext("%(depth)s waiting, %(scan_depth)s for the scanner")
        % {"depth": redis.depth, "scan_depth": redis.scan_depth},
        tone="warn" if redis.scan_depth is None or redis.scan_depth >= SCAN_QUEUE_LIMIT else "good",
        href=queue,
    )
    yield HealthItem(
        name="Redis",
        summary=gettext("does not answer") if redis.depth is None else gettext("answers"),
        tone="bad" if redis.depth is None else "good",
        href=doctor,
    )
    yield HealthItem(name=gettext("Database"), summary=gettext("answers"), tone="good", href=doctor)
    if snapshot.calendars:
        yield _calendars(snapshot)
    for channel, until in snapshot.held_channels.items():
        yield HealthItem(
            name=gettext("Channel %(channel)s") % {"channel": channel},
            summary=gettext("held for %(value)s") % {"value": age(max(0.0, until - snapshot.taken_at))},
            tone="warn",
            href=reverse("admin:reminders_circuitbreaker_changelist"),
        )
    for one in snapshot.paces:
        yield HealthItem(
            name=gettext("Pace of %(channel)s") % {"channel": one.channel},
            summary=rate(one.per_minute),
            tone="bad" if one.too_late else "warn" if one.waiting else "good",
            href=doctor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceNote:
    """What is said of a channel that accepts only so many messages. `tone` is quiet, warn or bad."""

    server: str
    rate: str
    since: datetime | None
    code: str
    waiting: int
    last_leaves_at: datetime | None
    too_late: int
    href: str
    tone: str


def pace_note(one: PaceFigures) -> PaceNote:
    return PaceNote(
        server=channel_name(one.channel),
        rate=rate(one.per_minute),
        since=_instant(one.since),
        code=one.code,
        waiting=one.waiting,
        last_leaves_at=_instant(one.last_leaves_at),
        too_late=one.too_late,
        href=_reminders(show="due"),
        tone="bad" if one.too_late else "warn" if one.waiting else "quiet",
    )


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _calendars(snapshot: Snapshot) -> HealthItem:
    failing, asking = snapshot.calendars.get("failing", 0), snapshot.calendars.get("asks", 0)
    polled = snapshot.calendars.get("ok", 0) + failing + asking
    parts = [gettext("%(failing)s failing") % {"failing": failing}] * bool(failing) + [
        gettext("%(asking)s to be reviewed") % {"asking": asking}
    ] * bool(asking)
    return HealthItem(
        name=gettext("Calendars"),
        summary=", ".join(parts) or gettext("%(polled)s polled") % {"polled": polled},
        tone="bad" if failing else "warn" if asking else "good",
        href=reverse("ops:calendars"),
    )


def _switch(snapshot: Snapshot, config: ReminderConfig) -> HealthItem:
    summary, tone = (
        (pgettext("switch", "on"), "good") if config.enabled else (pgettext("switch", "off"), "bad")
    )
    if config.enabled and snapshot.paused:
        summary, tone = gettext("paused"), "warn"
    if config.enabled and snapshot.switched_off:
        summary, tone = (
            gettext("%(switched_off)s switched off")
            % {"switched_off": gettext(" and ").join(snapshot.switched_off)},
            "bad",
        )
    return HealthItem(
        name=pgettext("switch", "Sending"), summary=summary, tone=tone, href=reverse("ops:switch")
    )


def _last_scan(snapshot: Snapshot, config: ReminderConfig) -> HealthItem:
    scans = reverse("admin:reminders_scanrun_changelist")
    if not snapshot.last_scan_timestamp_seconds:
        return HealthItem(name=gettext("Last scan"), summary=gettext("none yet"), tone="bad", href=scans)
    passed = max(0.0, snapshot.taken_at - snapshot.last_scan_timestamp_seconds)
    return HealthItem(
        name=gettext("Last scan"),
        summary=gettext("%(passed)s ago by %(last_scan_by)s")
        % {"passed": age(passed), "last_scan_by": snapshot.last_scan_by},
        tone="bad" if scan_is_late(passed, config) else "good",
        href=scans,
    )
