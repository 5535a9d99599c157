"""What the database knows of the system: switches, processes, scans, figures of the ledger, channels, webhooks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule, heartbeats
from reminders.delivery.beat_schedule import EntryStatus
from reminders.insight import statistics, subscription_health
from reminders.insight.doctor.check import Check, Level, skew
from reminders.insight.explain.wording import channel_name, rate
from reminders.insight.rule_progress import rule_progress
from reminders.insight.statistics import Snapshot
from reminders.insight.template_use import broken_in_force, faulty_templates, template_name
from reminders.ledger.pauses import pause_in_force
from reminders.models import CircuitBreaker, MessageTemplate, Subscription

SCANS_MISSED = 3
"""After so many intervals without a scan something is wrong."""

LATE = timedelta(minutes=1)
"""A message that is due for longer than this should have been handed over, begun and sent."""

CORRECTED_SOON = "A worker corrects it within ten seconds; `manage.py setup_reminders` does so at once."

SCRAPED_LATELY = timedelta(minutes=5)
"""Prometheus commonly reads once a minute or more often."""


def checks(config: ReminderConfig) -> Iterator[Check]:
    """Every check that needs nothing but a migrated database."""
    taken = statistics.current(max_age=timedelta(), config=config)
    yield _pause()
    for standing in beat_schedule.check_entries(config):
        yield _entry(standing)
    yield _beat(taken)
    yield _scanner(taken)
    yield _worker(taken, config)
    yield from _processes(config)
    yield _scrape()
    yield _last_scan(taken, config)
    yield from _figures(taken, config)
    yield _rules(taken, config)
    yield from _holds(taken)
    yield from _paces(taken)
    yield from _webhooks()
    yield from _message_templates()


def scan_is_late(age: float, config: ReminderConfig) -> bool:
    """Whether scans have stopped, by the age of the last one in seconds, read from figures that are kept."""
    return age > (SCANS_MISSED * config.poll + statistics.MAX_AGE).total_seconds()


# --- the switches that are in the database ----------------------------------------------------------------------


def _pause() -> Check:
    pause = pause_in_force()
    if pause is None:
        return Check("switch 2 of 3: pause", Level.PASS, "none in force")
    until = f"until {pause.until.isoformat(timespec='minutes')}" if pause.until else "until somebody resumes"
    return Check(
        "switch 2 of 3: pause",
        Level.WARN,
        f"paused by {pause.by} since {pause.since.isoformat(timespec='minutes')}, {until}: {pause.reason}",
        "Resume at /ops/ or by POST /api/admin/reminders/resume; it shows the backlog first.",
    )


def _entry(standing: EntryStatus) -> Check:
    name = f"switch 3 of 3: beat entry {standing.task}"
    if standing.switched_off is not None:
        return Check(
            name,
            Level.FAIL,
            f"{standing.problem} (since {standing.switched_off.since.isoformat(timespec='minutes')})",
            f"Switch {standing.task} on again in the admin under Periodic tasks; nothing else does.",
        )
    if standing.problem:
        stopped = standing.broken or standing.runs_in_future
        return Check(name, Level.FAIL if stopped else Level.WARN, standing.problem, CORRECTED_SOON)
    return Check(name, Level.PASS, f"on, every {standing.wanted.total_seconds():g} s")


# --- who is at work --------------------------------------------------------------------------------------------


def _beat(taken: Snapshot) -> Check:
    seen = taken.processes.get("beat")
    if seen is None:
        return Check(
            "beat",
            Level.FAIL,
            "not seen in the last 30 s",
            "If its process is there, it is frozen: end it with SIGKILL, and it is started again. Start one only where "
            "nothing does so by itself: `celery -A config beat`.",
        )
    if seen.at_once > 1:
        return Check(
            "beat",
            Level.WARN,
            f"{seen.at_once} at once; nothing is sent twice, but one is enough",
            "Stop all but one.",
        )
    return Check("beat", Level.PASS, "one is at work")


def _scanner(taken: Snapshot) -> Check:
    seen = taken.processes.get("scanner")
    if seen is None and "beat" not in taken.processes:
        # It leaves a sign of life when it dispatches, and beat asks it to.
        fix = "See beat first. If the scanner is still not seen a minute later, start one."
        return Check("scanner", Level.WARN, "not seen, but beat does not ask it for anything", fix)
    if seen is None:
        return Check(
            "scanner",
            Level.FAIL,
            "not seen in the last 30 s",
            "Start one: `celery -A config worker -Q reminders.scan`. It needs beat and Redis to be seen.",
        )
    return Check("scanner", Level.PASS, f"{seen.count} at work")


def _worker(taken: Snapshot, config: ReminderConfig) -> Check:
    seen = taken.processes.get("worker")
    if seen is not None:
        return Check("worker", Level.PASS, f"{seen.count} took a message in the last 30 s")
    if not config.enabled:
        return Check("worker", Level.WARN, "not asked while reminders are switched off", "See switch 1 of 3.")
    return Check(
        "worker",
        Level.FAIL,
        "none took a message in the last 30 s, not even an empty one",
        "Start one: `celery -A config worker -Q reminders`. It needs the scanner and Redis to be seen.",
    )


def _processes(config: ReminderConfig) -> Iterator[Check]:
    """What each process says about itself: each has an environment and a host of its own."""
    seen = heartbeats.live_processes()
    off = [str(process) for process in seen if process.enabled is False]
    yield Check(
        "switch 1 of 3 in every process",
        Level.FAIL if off else Level.PASS,
        f"REMINDER_WORKER_ENABLED is false in {', '.join(off)}" if off else f"true in {len(seen)} processes",
        "Set it to true where these run, and restart them." if off else "",
    )
    other = [str(process) for process in seen if process.rules not in ("", config.fingerprint)]
    yield Check(
        "same settings everywhere",
        Level.WARN if other else Level.PASS,
        f"other REMINDER_* settings than here in {', '.join(other)}" if other else "yes",
        "Give every process the same values and restart what was not restarted since." if other else "",
    )
    ahead = {p.host: p.clock_ahead_seconds for p in seen if p.clock_ahead_seconds is not None}
    apart = [
        skew(f"clock of host {host}", timedelta(seconds=seconds)) for host, seconds in sorted(ahead.items())
    ]
    wrong = [check for check in apart if check.level is not Level.PASS]
    yield from wrong
    if not wrong:
        yield Check(
            "clocks of the hosts", Level.PASS, f"as the database's: {', '.join(ahead) or 'none seen'}"
        )


def _scrape() -> Check:
    age = heartbeats.seconds_since("scrape")
    if age is not None and age <= SCRAPED_LATELY.total_seconds():
        return Check("metrics are read", Level.PASS, f"{age:.0f} s ago")
    return Check(
        "metrics are read",
        Level.WARN,
        "never" if age is None else f"last {age / 60:.0f} minutes ago",
        "Let Prometheus scrape /api/metrics of each web process, with METRICS_TOKEN as bearer token if one is set.",
    )


def _last_scan(taken: Snapshot, config: ReminderConfig) -> Check:
    fix = "See beat, scanner and the beat entries above; `manage.py rescan_reminders` scans at once."
    if not taken.last_scan_timestamp_seconds:
        return Check("last scan", Level.FAIL, "there was none yet", fix)
    age = taken.taken_at - taken.last_scan_timestamp_seconds
    late = scan_is_late(age, config)
    seen = f"ended {age:.0f} s ago, one is wanted every {config.poll.total_seconds():g} s"
    return Check("last scan", Level.FAIL if late else Level.PASS, seen, fix if late else "")


# --- what the ledger says --------------------------------------------------------------------------------------


def _figures(taken: Snapshot, config: ReminderConfig) -> Iterator[Check]:
    if taken.unaccounted:
        yield Check(
            "unaccounted",
            Level.FAIL if config.enabled else Level.WARN,
            f"{taken.unaccounted} due assignments have no ledger row",
            "`manage.py rescan_reminders` plans them; if some remain, this is a fault of the program.",
        )
    else:
        yield Check("unaccounted", Level.PASS, "every due assignment has its ledger row")
    if taken.unknown:
        yield Check(
            "unknown",
            Level.WARN,
            f"{taken.unknown} reminders may or may not have arrived, twice over",
            "Ask the people, then at /ops/ send them again or close them.",
        )
    else:
        yield Check("unknown", Level.PASS, "none to be decided")
    waits = f"{taken.due_unsent} messages are due, the oldest for {taken.oldest_due_age_seconds:.0f} s"
    if taken.oldest_due_age_seconds <= LATE.total_seconds():
        yield Check("due and unsent", Level.PASS, waits if taken.due_unsent else "none")
    else:
        yield Check(
            "due and unsent",
            Level.WARN if taken.paused or not config.enabled else Level.FAIL,
            waits,
            "See the switches, worker, Redis and the mail server in this list; "
            "`manage.py rescan_reminders --sync` sends without Redis and workers.",
        )


def _rules(taken: Snapshot, config: ReminderConfig) -> Check:
    """Whether scans go on with a change of rules. Until they have come to it, work has no rows of a new rule."""
    name = "change of rules"
    followed = rule_progress()
    if followed is None:
        return Check(name, Level.PASS, "every open assignment follows the rules")
    waits = (taken.taken - followed.waiting_since).total_seconds()
    if waits <= (SCANS_MISSED * config.poll).total_seconds():
        return Check(name, Level.PASS, str(followed))
    return Check(
        name,
        Level.FAIL if config.enabled else Level.WARN,
        f"{followed}, and this has stood still for {waits:.0f} s",
        "See the last scan: `manage.py rescan_reminders` goes on with it.",
    )


def _holds(taken: Snapshot) -> Iterator[Check]:
    held = CircuitBreaker.objects.filter(channel__in=taken.held_channels).order_by("channel")
    for hold in held:
        yield Check(
            f"channel {hold.channel}",
            Level.WARN,
            f"left alone until {hold.until.isoformat(timespec='seconds')} after {hold.failures} failures in a row"
            f" ({hold.code})",
            "Mend the mail server or EMAIL_URL; the channel is tried again by itself, nothing is lost.",
        )
    if not taken.held_channels:
        yield Check("channels", Level.PASS, "none is held")


def _paces(taken: Snapshot) -> Iterator[Check]:
    for one in taken.paces:
        seen = f"{channel_name(one.channel)} accepts {rate(one.per_minute)}: {one.waiting} due messages wait"
        if one.last_leaves_at is not None:
            last = datetime.fromtimestamp(one.last_leaves_at, UTC).isoformat(timespec="seconds")
            seen += f", the last leaves at about {last}"
        if one.too_late:
            seen += f"; {one.too_late} cannot leave in time"
        yield Check(
            f"pace of {one.channel}",
            Level.WARN if one.too_late else Level.PASS,
            seen,
            "Raise the limit at the mail provider, or send through another server (EMAIL_URL); see "
            "docs/runbook.md#the-mail-server-accepts-only-so-many."
            if one.too_late
            else "",
        )
    if not taken.paces:
        yield Check("pace", Level.PASS, "no channel limits how many messages it accepts")


def _webhooks() -> Iterator[Check]:
    """Endpoints of programs; reminders do not depend on them."""
    subscriptions = list(Subscription.objects.filter(active=True))
    if not subscriptions:
        return
    fares = subscription_health.health(subscriptions)
    failing = [(one, fares[one.pk]) for one in subscriptions if fares[one.pk].failing_since]
    for one, health in failing:
        yield Check(
            f"webhook {one.pk}",
            Level.WARN,
            f"{one.name} does not answer ({health.code}): {health.waiting} events wait",
            "Tell those who run it; `POST /api/webhooks/ID/test` shows whether it works again. Nobody's reminder waits.",
        )
    if not failing:
        yield Check("webhooks", Level.PASS, f"{len(subscriptions)} subscriptions, all are told")


def _message_templates() -> Iterator[Check]:
    """The texts that operators wrote: whether this release takes them, and whether lately a message could not have one."""
    name, fix = "message templates", "See docs/runbook.md, A message template cannot be used."
    broken, faulty = broken_in_force(), faulty_templates()
    for template, problem in broken:
        yield Check(name, Level.FAIL, f"“{template_name(template)}” cannot be used: {problem}", fix)
    for one in faulty:
        seen = f"“{template_name(one.template)}”, version {one.number}, could not be used for {one.messages} messages"
        yield Check(name, Level.WARN, f"{seen} of the last 24 hours: {one.fault}", fix)
    if not broken and not faulty:
        number = MessageTemplate.objects.exclude(active_number=None).count()
        yield Check(
            name, Level.PASS, f"{number} in force" if number else "none in force: all texts are built in"
        )
