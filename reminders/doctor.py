"""The runbook's checklist as checks: what was seen, whether that is well, and what to do if not.

`examine` asks everything that can be asked from here, one thing after the other. What needs the database is
left out while the database is away; all else is still asked.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from uuid import uuid4

from django.conf import settings
from django.core import checks, mail
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from notifications import channels
from notifications.message import Contact, Message
from reminders import broker_state, figures, operations, schedule
from reminders.conf import ReminderConfig
from reminders.figures import Snapshot
from reminders.lifecycle import BrokerDown
from reminders.models import ChannelHold
from reminders.schedule import Standing

SCANS_MISSED = 3
"""After so many intervals without a scan something is wrong."""

LATE = timedelta(minutes=1)
"""A message that is due for longer than this should have been handed over, begun and sent."""

SKEW_NOTICED, SKEW_HARMFUL = timedelta(seconds=2), timedelta(seconds=60)


class Level(Enum):
    """How well it is."""

    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist. `fix` says what to do; it is empty where all is well."""

    name: str
    level: Level
    seen: str
    fix: str = ""


def examine(config: ReminderConfig) -> Iterator[Check]:
    """The whole checklist, in the order in which trouble is best looked for."""
    yield from _settings()
    yield _switch(config)
    try:
        yield from _database()
        missing = unapplied()
        yield _migrations(missing)
        if not missing:
            yield from _inside(config)
    except DatabaseError as error:
        yield Check(
            "database",
            Level.FAIL,
            f"no answer ({type(error).__name__}); what needs it was not asked",
            "Start PostgreSQL and look at DATABASE_URL: nothing is lost, all goes on once it answers.",
        )
    yield from _broker()
    yield from _mail_server(config)


def unapplied() -> list[str]:
    """The migrations that this program has and the database has not, as `app.name`."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def scan_is_late(age: float, config: ReminderConfig) -> bool:
    """Whether scans have stopped, by the age of the last one in seconds, read from figures that are kept."""
    return age > (SCANS_MISSED * config.poll + figures.MAX_AGE).total_seconds()


# --- from outside to inside ------------------------------------------------------------------------------------


def _settings() -> Iterator[Check]:
    found = [message for message in checks.run_checks() if message.level >= checks.WARNING]
    for message in found:
        level = Level.FAIL if message.level >= checks.ERROR else Level.WARN
        yield Check("settings", level, f"{message.msg} ({message.id})", message.hint or "See .env.example.")
    if not found:
        yield Check("settings", Level.PASS, "they fit together")


def _switch(config: ReminderConfig) -> Check:
    if config.enabled:
        return Check("switch 1 of 3: REMINDER_WORKER_ENABLED", Level.PASS, "true")
    return Check(
        "switch 1 of 3: REMINDER_WORKER_ENABLED",
        Level.FAIL,
        "false: nothing is planned, queued, sent or marked",
        "Set it to true for web, worker, scanner and beat, and restart them.",
    )


def _database() -> Iterator[Check]:
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8, version()")
        database_time, version = cursor.fetchone()
        after = time.time()
    yield Check("database", Level.PASS, " ".join(version.split()[:2]))
    yield _skew("clock of the database", timedelta(seconds=database_time - (before + after) / 2))


def _skew(name: str, ahead: timedelta) -> Check:
    seconds = ahead.total_seconds()
    seen = f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this host's"
    if abs(ahead) <= SKEW_NOTICED:
        return Check(name, Level.PASS, seen)
    level = Level.WARN if abs(ahead) <= SKEW_HARMFUL else Level.FAIL
    return Check(name, level, seen, "Let both hosts keep time by NTP: reminders go by the database's clock.")


def _migrations(missing: list[str]) -> Check:
    if not missing:
        return Check("migrations", Level.PASS, "all applied")
    return Check("migrations", Level.FAIL, f"not applied: {', '.join(missing)}", "Run `manage.py migrate`.")


def _inside(config: ReminderConfig) -> Iterator[Check]:
    taken = figures.current(max_age=timedelta(), config=config)
    yield _pause()
    for standing in schedule.standing(config):
        yield _entry(standing)
    yield _beat(taken)
    yield _scanner(taken)
    yield _worker(taken, config)
    yield _last_scan(taken, config)
    yield from _figures(taken, config)
    yield from _holds(taken)


# --- the switches that stand in the database -------------------------------------------------------------------


def _pause() -> Check:
    pause = operations.pause_in_force()
    if pause is None:
        return Check("switch 2 of 3: pause", Level.PASS, "none in force")
    until = f"until {pause.until.isoformat(timespec='minutes')}" if pause.until else "until somebody resumes"
    return Check(
        "switch 2 of 3: pause",
        Level.WARN,
        f"paused by {pause.by} since {pause.since.isoformat(timespec='minutes')}, {until}: {pause.reason}",
        "Resume in the admin or by POST /api/admin/reminders/resume; it shows the backlog first.",
    )


def _entry(standing: Standing) -> Check:
    name = f"switch 3 of 3: beat entry {standing.task}"
    if not standing.exists:
        return Check(name, Level.FAIL, "it is missing", "Run `manage.py setup_reminders`.")
    if not standing.enabled:
        return Check(
            name,
            Level.FAIL,
            "switched off by an operator",
            f"Switch {standing.task} on again in the admin under Periodic tasks; nothing else does.",
        )
    if standing.runs_in_future:
        return Check(
            name,
            Level.FAIL,
            "its last run lies in the future: beat waits until then",
            "Run `manage.py setup_reminders`.",
        )
    if not standing.right:
        every = f"every {standing.every.total_seconds():g} s" if standing.every else "not at an interval"
        return Check(
            name,
            Level.WARN,
            f"runs {every} where the settings say {standing.wanted.total_seconds():g} s",
            "Run `manage.py setup_reminders`.",
        )
    return Check(name, Level.PASS, f"on, every {standing.wanted.total_seconds():g} s")


# --- who is at work --------------------------------------------------------------------------------------------


def _beat(taken: Snapshot) -> Check:
    seen = taken.processes.get("beat")
    if seen is None:
        return Check(
            "beat",
            Level.FAIL,
            "not seen in the last 30 s",
            "Start one: `celery -A config beat`. If it runs, its log says what it waits for.",
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
            "Ask the people, then reset them to send again, or close them in the admin.",
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


def _holds(taken: Snapshot) -> Iterator[Check]:
    held = ChannelHold.objects.filter(channel__in=taken.held_channels).order_by("channel")
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


# --- the servers beside us -------------------------------------------------------------------------------------


def _broker() -> Iterator[Check]:
    try:
        state = broker_state.look()
        waiting = broker_state.waiting()
    except BrokerDown as error:
        yield Check(
            "Redis",
            Level.FAIL,
            str(error),
            "Start it and look at REDIS_URL; reminders wait in the database until it answers.",
        )
        return
    yield Check("Redis", Level.PASS, ", ".join(f"{n} in {queue}" for queue, n in waiting.items()))
    if state.writable:
        yield Check("Redis takes writes", Level.PASS, "yes")
    else:
        yield Check(
            "Redis takes writes",
            Level.FAIL,
            "no: a replica, or out of memory",
            "Name the primary in REDIS_URL, or give it memory.",
        )
    if state.policy == "noeviction":
        yield Check("Redis eviction policy", Level.PASS, state.policy)
    else:
        yield Check(
            "Redis eviction policy",
            Level.WARN,
            state.policy or "it does not tell",
            "Set maxmemory-policy to noeviction: what is evicted comes again, but only after its lease.",
        )
    yield _skew("clock of Redis", state.clock - datetime.now(UTC))


def _mail_server(config: ReminderConfig) -> Iterator[Check]:
    if config.channel != "email":
        return
    backend = mail.get_connection()
    try:
        backend.open()
    except OSError as error:  # smtplib's errors are among them
        yield Check(
            "mail server",
            Level.FAIL,
            f"it cannot be reached ({error})",
            "Look at EMAIL_URL and at the server; reminders are tried again until they are too late.",
        )
        return
    backend.close()
    yield Check("mail server", Level.PASS, f"it answers {settings.EMAIL_BACKEND.rpartition('.')[2]}")


def send_test_mail(address: str, config: ReminderConfig) -> Check:
    """Sends a mail to the operator over the very channel that reminders take."""
    channel = channels.get(config.channel)
    to = channel.address(Contact(name="", email=address))
    if to is None:
        return Check("test mail", Level.FAIL, "that is not an address", "Name one, like ops@example.com.")
    delivery = channel.send(
        Message(
            message_id=f"{uuid4()}@doctor.invalid",
            address=to,
            name="",
            subject="Test mail of the assignment reminders",
            text="This mail took the way that every reminder takes. If you read it, that way is open.\n",
        ),
        timeout=config.send_timeout,
    )
    if delivery.accepted:
        return Check("test mail", Level.PASS, "the mail server took it")
    seen = f"{delivery.outcome.value} ({delivery.code}) {delivery.detail}".strip()
    return Check("test mail", Level.FAIL, seen, "Look at EMAIL_URL, DEFAULT_FROM_EMAIL and the server's log.")
