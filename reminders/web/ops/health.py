"""The state of every process and server that reminders need, as the overview shows it."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.urls import reverse
from django.utils.translation import gettext, pgettext

from reminders.conf import ReminderConfig
from reminders.delivery import broker_status
from reminders.delivery.broker import SCAN_QUEUE_LIMIT
from reminders.delivery.broker_status import BrokerProbe
from reminders.insight.doctor.system import scan_is_late
from reminders.insight.explain.wording import rate
from reminders.insight.statistics import Snapshot
from reminders.web.templatetags.ops import age

PROBE_INTERVAL = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthItem:
    """One process or server in the health list."""

    name: str
    summary: str
    tone: str
    href: str


_turn = threading.Lock()
_asked: tuple[float, BrokerProbe] | None = None


def broker() -> BrokerProbe:
    """The state of Redis, probed at most every 15 seconds by this process: a stalled one must not delay every viewer."""
    global _asked
    kept = _asked
    if kept is not None and (time.monotonic() - kept[0] < PROBE_INTERVAL.total_seconds() or _turn.locked()):
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
        summary=gettext("unknown")
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
