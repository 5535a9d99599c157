"""What Prometheus sees: counters and histograms from the ledger's own rows, gauges from the shared figures.

Any web process shows the whole system, for everything comes from the database and the broker. What
cannot be asked is left out or NaN, and said so by `reminder_database_up` and `reminder_broker_up`: a scrape
never fails.
"""

import logging
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from assignments import calendar_source
from assignments.models import ReminderStatus, Status
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule, broker_status, heartbeats
from reminders.insight import statistics
from reminders.insight.statistics import Snapshot
from reminders.ledger import counters
from reminders.models import State
from reminders.policy.awareness import RUNGS
from reminders.policy.retries import Result

logger = logging.getLogger(__name__)

PROCESS_KINDS = ("web", "worker", "scanner", "beat")
COUNTERS = {
    counters.SENT: "Reminders that were accepted, by the assignment's status.",
    counters.FAILED: "Failures to queue or to deliver, by reason; a dead broker counts once a tick.",
    counters.SKIPPED: "Reminders that were not sent on purpose, by reason.",
    counters.ATTEMPTS: "Sends that were begun and have ended, by channel and outcome.",
    counters.OVERDUE_MARKED: "Assignments that were marked OVERDUE.",
    counters.AMBIGUOUS: "Sends whose end nobody can know: each may have arrived twice.",
    counters.NOW: "Reminders that operators asked for at once.",
    counters.DIGESTS: "Messages to supervisors that were accepted and hold several notices.",
    counters.DIGEST_ROWS: "Notices in these messages.",
    counters.DELIVERY_EVENTS: "What became of messages after they were accepted, as it was learnt.",
    counters.ACTS: "Acts of people, by act and by the way in which they came.",
    counters.CORRECTIONS: "Corrections to people who were told another plan that have ended, by outcome.",
    counters.ESCALATIONS: "Accepted notices to supervisors about what an assignee did or did not do, by trigger.",
    counters.CALENDAR_POLLS: "Polls of calendars by URL that have ended, by outcome.",
    counters.SMS_SEGMENTS: "Segments of the SMS that were accepted, or of which nobody knows.",
    counters.SMS_CAPPED: "Sends that were not begun because SMS_MONTHLY_CAP was reached.",
    counters.SMS_CALLBACKS: "What the gateway for SMS has posted, by kind and by what became of it.",
    counters.TEMPLATE_FALLBACKS: "Messages that had the built-in text because a message template could not be used.",
    counters.EVENTS: "Events for subscribed programs that have ended, by state.",
    counters.SIGN_IN_FAILURES: "Sign-ins and API calls that were refused: wrong password or token, or too many of them.",
}
HISTOGRAMS = {
    counters.SEND_DELAY: "Seconds from the instant a message was due (or known, if later) to its acceptance.",
    counters.SCAN_DURATION: "Seconds that a scan took.",
}

Totals = Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class MetricsReading:
    """What database and broker have answered; None where there was no answer."""

    totals: Totals | None
    snapshot: Snapshot | None
    depth: int | None
    scan_depth: int | None = None


def exposition_of_all() -> bytes:
    """A scrape's answer: this web process (django_prometheus among it), then the reminder system."""
    return exposition(REGISTRY, ReminderCollector())


def exposition(*parts: Collector) -> bytes:
    """What the collectors show, as Prometheus's text; one that breaks costs only its own series."""
    return b"".join(_shown(part) for part in parts)


def _shown(part: Collector) -> bytes:
    try:
        return generate_latest(part)
    except Exception:
        logger.exception("Metrics incomplete", extra={"part": type(part).__name__})
        return b""


class ReminderCollector(Collector):
    """Every series of the reminder system, each labelled one from the first scrape on."""

    def __init__(
        self,
        *,
        config: ReminderConfig | None = None,
        ask: Callable[[ReminderConfig], MetricsReading] | None = None,
    ) -> None:
        self.config = config or conf.current()
        self.ask = ask or shared

    def collect(self) -> Iterable[Metric]:
        told = self.ask(self.config)
        yield _gauge("reminder_worker_enabled", "REMINDER_WORKER_ENABLED: 1 on, 0 off.", self.config.enabled)
        yield _gauge(
            "reminder_poll_interval_seconds",
            "REMINDER_POLL_INTERVAL_MS: how far apart two scans are.",
            self.config.poll.total_seconds(),
        )
        yield _gauge(
            "reminder_database_up", "Whether the database answered this scrape.", told.totals is not None
        )
        yield _gauge("reminder_broker_up", "Whether the broker answered this scrape.", told.depth is not None)
        yield _gauge(
            "reminder_queue_depth",
            "Messages that wait for workers; NaN while the broker does not answer.",
            math.nan if told.depth is None else told.depth,
        )
        yield _gauge(
            "reminder_scan_queue_depth",
            "Messages that wait for the scanner; NaN while the broker does not answer.",
            math.nan if told.scan_depth is None else told.scan_depth,
        )
        yield _gauge(
            "reminder_disk_free_bytes",
            "Free space where PostgreSQL keeps its data; NaN where POSTGRES_DATA_DIR does not say where.",
            disk_free_bytes(settings.POSTGRES_DATA_DIR),
        )
        if told.totals is not None:
            yield from _counters(told.totals, self.config)
            yield from _histograms(told.totals)
        if told.snapshot is not None:
            yield from _gauges(told.snapshot, self.config)


# --- what is asked ---------------------------------------------------------------------------------------------

KEPT_SECONDS = 1.0
_turn = threading.Lock()
_last: tuple[float, ReminderConfig, MetricsReading] | None = None


def shared(config: ReminderConfig) -> MetricsReading:
    """The answers of database and broker, at most a second old: scrapes that come or wait together ask once."""
    global _last
    arrived_at = monotonic()
    with _turn:
        if _last is not None:
            asked_at, asked_for, told = _last
            if asked_for is config and asked_at >= arrived_at - KEPT_SECONDS:
                return told
        asked_at = monotonic()
        told = read(config)
        _last = (asked_at, config, told)
        return told


def read(config: ReminderConfig) -> MetricsReading:
    """Asks database and broker now; never raises for one that does not answer. Leaves a sign of life on the way."""
    totals, snapshot = None, None
    try:
        with statistics.bounded(), connection.cursor() as cursor:
            totals = counters.totals(cursor)
        snapshot = statistics.current(config=config)
        heartbeats.record("web")
    except DatabaseError as error:
        logger.warning("Metrics without database", extra={"reason": type(error).__name__})
    broker = broker_status.probe()
    if broker.error:
        logger.warning("Metrics without broker", extra={"reason": broker.error})
    return MetricsReading(totals, snapshot, broker.depth, broker.scan_depth)


def disk_free_bytes(folder: str) -> float:
    """What processes without privileges can still write to the file system of this folder; NaN if it is not known."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return math.nan
    return float(found.f_bavail * found.f_frsize)


# --- how it is shown -------------------------------------------------------------------------------------------


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=float(value))


def _labelled(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family


def _counters(totals: Totals, config: ReminderConfig) -> Iterator[Metric]:
    """Every expected series at 0 at least: one that is born at 1 never shows an increase."""
    expected = counters.expected(config.channels, [result.value for result in Result])
    values = dict.fromkeys(expected, 0.0) | {k: v for k, v in totals.items() if k[0] in COUNTERS}
    for name, text in COUNTERS.items():
        rows = {labels: value for (of, labels), value in sorted(values.items()) if of == name}
        pairs = {labels: _pairs(labels) for labels in rows}
        family = CounterMetricFamily(name, text, labels=list(next(iter(pairs.values()), {})))
        for labels, value in rows.items():
            family.add_metric(list(pairs[labels].values()), value)
        yield family


def _histograms(totals: Totals) -> Iterator[Metric]:
    """Buckets are stored one by one; Prometheus wants each to hold all that is below it."""
    for name, text in HISTOGRAMS.items():
        below, buckets = 0.0, []
        for bound in [*(str(upper) for upper in counters.BUCKETS[name]), "+Inf"]:
            below += totals.get((f"{name}_bucket", f"le={bound}"), 0.0)
            buckets.append((bound, below))
        yield HistogramMetricFamily(
            name, text, buckets=buckets, sum_value=totals.get((f"{name}_sum", ""), 0.0)
        )


def _gauges(taken: Snapshot, config: ReminderConfig) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "reminder_assignments",
        "Assignments that start within 24 h of now or within the look-ahead, and older ones still SCHEDULED.",
        labels=["status", "reminder_status"],
    )
    for status in Status.values:
        for roll_up in ReminderStatus.values:
            family.add_metric([status, roll_up], float(taken.assignments.get((status, roll_up), 0)))
    yield family
    yield _labelled(
        "reminder_ledger",
        "Ledger rows by state: the open ones, and those that ended in the last 24 h.",
        "state",
        {state: taken.ledger.get(state, 0) for state in State.values},
    )
    yield _gauge(
        "reminder_overdue",
        "SCHEDULED assignments past start + REMINDER_OVERDUE_MINUTES, by time.",
        taken.overdue,
    )
    yield _gauge(
        "reminder_overdue_alert",
        "More overdue than this is an alarm: REMINDER_OVERDUE_ALERT.",
        config.overdue_alert,
    )
    yield _gauge(
        "assignment_declined",
        "Work that starts within 2 h, or was to start and is not overdue, and was declined: nobody else is assigned.",
        taken.declined_soon,
    )
    yield _gauge(
        "assignment_unanswered",
        "Such work whose assignee was reminded and has not been heard from.",
        taken.unanswered_soon,
    )
    yield _labelled(
        "assignment_awareness",
        "Work that starts within 2 h, was to start or has been started since, by how far its assignee knows of it.",
        "rung",
        {rung: taken.awareness.get(rung, 0) for rung in RUNGS},
    )
    yield _gauge(
        "assignment_untold",
        "Such work whose assignee may not know of it, and will not be told unless somebody acts.",
        taken.untold_soon,
    )
    yield _gauge(
        "reminder_rules_behind",
        "Open assignments that do not follow the last change of rules yet.",
        taken.rules_behind,
    )
    yield _gauge(
        "reminder_rules_waiting_seconds",
        "How long following that change has stood still; 0 while all work follows.",
        taken.rules_waiting_seconds,
    )
    yield _gauge("reminder_due_unsent", "Messages that are due and neither sent nor ended.", taken.due_unsent)
    yield _gauge(
        "reminder_oldest_due_age_seconds",
        "How long the oldest of them has been due (or known, if later).",
        taken.oldest_due_age_seconds,
    )
    yield _gauge(
        "reminder_unaccounted", "Due assignments without any ledger row: must be 0.", taken.unaccounted
    )
    yield _gauge("reminder_unknown", "Reminders whose end an operator still has to decide.", taken.unknown)
    yield _gauge(
        "reminder_possible_duplicates",
        "Messages of the last 24 h that may have arrived twice.",
        taken.possible_duplicates,
    )
    yield _gauge(
        "reminder_last_scan_timestamp_seconds",
        "When the last good scan ended; 0 before the first.",
        taken.last_scan_timestamp_seconds,
    )
    yield _gauge("reminder_paused", "Whether sending is paused.", taken.paused)
    yield _labelled(
        "reminder_schedule_enabled",
        "Whether a task of the schedule is run: 0 while an operator has switched it off.",
        "task",
        {task: task not in taken.switched_off for task in beat_schedule.TASKS},
    )
    yield _labelled(
        "reminder_channel_held",
        "Whether a channel is left alone because it does not work.",
        "channel",
        {name: name in taken.held_channels for name in sorted({*config.channels, *taken.held_channels})},
    )
    paces = {one.channel: one for one in taken.paces}
    channels = sorted({*config.channels, *paces})
    yield _labelled(
        "reminder_channel_pace_per_minute",
        "How many messages a minute a channel accepts; 0: no such limit is known.",
        "channel",
        {name: paces[name].per_minute if name in paces else 0 for name in channels},
    )
    yield _labelled(
        "reminder_channel_pace_too_late",
        "Messages that are due, or fall due within the look-ahead, and cannot leave in time at that pace.",
        "channel",
        {name: paces[name].too_late if name in paces else 0 for name in channels},
    )
    yield _gauge(
        "reminder_sms_this_month",
        "SMS that have left in this calendar month (UTC).",
        taken.sms_this_month,
    )
    yield _gauge(
        "reminder_sms_monthly_cap",
        "SMS_MONTHLY_CAP: so many leave in a month; 0 where no gateway is set.",
        settings.SMS_MONTHLY_CAP if settings.SMS_URL else 0,
    )
    yield _labelled(
        "reminder_calendar_sources",
        "Calendars that are polled, by how each is doing; asks: whether much work is to be cancelled.",
        "state",
        {state: taken.calendars.get(state, 0) for state in calendar_source.STATES},
    )
    yield _gauge(
        "reminder_bounce_mailbox_failing",
        "Whether BOUNCE_MAILBOX_URL cannot be read; 0 where none is set.",
        taken.mailbox_failing,
    )
    yield _labelled(
        "reminder_processes",
        "Processes that gave a sign of life in the last 30 s.",
        "kind",
        {kind: taken.processes[kind].count if kind in taken.processes else 0 for kind in PROCESS_KINDS},
    )
    yield _gauge(
        "reminder_figures_timestamp_seconds",
        "When these gauges were counted; at most 15 s ago while the database is well.",
        taken.taken_at,
    )


def _pairs(labels: str) -> dict[str, str]:
    """Labels as `counters.labels` has written them."""
    return dict(pair.split("=", 1) for pair in labels.split(",") if pair)
