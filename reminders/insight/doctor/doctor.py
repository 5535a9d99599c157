"""The runbook's checklist as checks: what was seen, whether that is well, and what to do if not.

`examine` asks everything that can be asked from here, one thing after the other. What needs the database is
left out while the database is away; all else is still asked.
"""

import time
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.core import checks
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext

from reminders.conf import ReminderConfig
from reminders.delivery import standby
from reminders.delivery.standby import Replication
from reminders.insight.doctor import bounces, servers, system, web
from reminders.insight.doctor.check import Check, Level, skew

CANARY_PATIENCE = timedelta(seconds=10)
"""How long a worker may take for a message without hints."""


def run_checks(config: ReminderConfig, *, canary: timedelta | None = CANARY_PATIENCE) -> Iterator[Check]:
    """The whole checklist, in the order in which trouble is best looked for.

    The canary may wait for a worker for so long; None leaves it out. All other checks take seconds at most.
    """
    yield from _settings()
    yield _switch(config)
    yield _channel(config)
    usable = False
    try:
        yield from _database()
        missing = unapplied()
        yield _migrations(missing)
        if not missing:
            yield from system.checks(config)
            usable = True
    except DatabaseError as error:
        yield Check(
            gettext("database"),
            Level.FAIL,
            gettext("no answer (%(name)s); what needs it was not asked") % {"name": type(error).__name__},
            gettext(
                "Start PostgreSQL and look at DATABASE_URL: nothing is lost, all goes on once it answers."
            ),
        )
    answers = []
    for check in servers.redis():
        answers.append(check.level is not Level.FAIL)
        yield check
    if usable and all(answers) and canary is not None:
        yield servers.canary(patience=canary)
    yield from servers.mail_server(config)
    yield from servers.sms_gateway(config)
    yield from bounces.mailbox(usable=usable)
    if usable:
        yield servers.series()
    if settings.PUBLIC_URL:
        yield from web.web_server(settings.PUBLIC_URL)
    if settings.PROMETHEUS_URL:
        yield from servers.prometheus(settings.PROMETHEUS_URL)


def unapplied() -> list[str]:
    """The migrations that this program has and the database has not, as `app.name`."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


# --- from outside to inside ------------------------------------------------------------------------------------


def _settings() -> Iterator[Check]:
    found = [message for message in checks.run_checks() if message.level >= checks.WARNING]
    for message in found:
        level = Level.FAIL if message.level >= checks.ERROR else Level.WARN
        yield Check(
            gettext("settings"), level, f"{message.msg} ({message.id})", message.hint or "See .env.example."
        )
    if not found:
        yield Check(gettext("settings"), Level.PASS, gettext("they fit together"))


def _switch(config: ReminderConfig) -> Check:
    if config.enabled:
        return Check(gettext("switch 1 of 3: REMINDER_WORKER_ENABLED"), Level.PASS, "true")
    return Check(
        gettext("switch 1 of 3: REMINDER_WORKER_ENABLED"),
        Level.FAIL,
        gettext("false: nothing is planned, queued, sent or marked"),
        gettext("Set it to true for web, worker, scanner and beat, and restart them."),
    )


def _channel(config: ReminderConfig) -> Check:
    if config.reaches_people:
        return Check(gettext("channel"), Level.PASS, config.channel)
    return Check(
        gettext("channel"),
        Level.FAIL,
        gettext("%(channel)s: reminders are marked SENT and nobody receives them")
        % {"channel": config.channel},
        gettext("Set REMINDER_CHANNEL=email for web, worker, scanner and beat, and restart them."),
    )


def _database() -> Iterator[Check]:
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8, version()")
        database_time, version = cursor.fetchone()
        after = time.time()
    yield Check(gettext("database"), Level.PASS, " ".join(version.split()[:2]))
    yield skew(gettext("clock of the database"), timedelta(seconds=database_time - (before + after) / 2))
    if standby.several_servers():
        yield _standby(standby.replication())


def _standby(found: Replication) -> Check:
    """Several servers are named so that one can take over: is all that was acknowledged on it then?"""
    if not found.problem:
        return Check(
            gettext("synchronous standby"),
            Level.PASS,
            gettext("commits wait for %(names)s") % {"names": found.names},
        )
    return Check(
        gettext("synchronous standby"),
        Level.WARN,
        found.problem,
        gettext("Set synchronous_standby_names on the primary: docs/install.md, Several hosts."),
    )


def _migrations(missing: list[str]) -> Check:
    if not missing:
        return Check(gettext("migrations"), Level.PASS, gettext("all applied"))
    return Check(
        gettext("migrations"),
        Level.FAIL,
        gettext("not applied: %(list)s") % {"list": ", ".join(missing)},
        gettext("Run `manage.py migrate`."),
    )
