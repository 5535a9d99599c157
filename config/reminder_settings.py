"""What the environment says of reminders, as one validated value."""

import os
from collections.abc import Mapping
from datetime import timedelta

from config.environment import Environment
from reminders.conf import ReminderConfig, Retention

MIN_POLL_MS, MAX_POLL_MS = 1_000, 86_400_000


def further_channels(env: Environment) -> tuple[str, ...]:
    """The channels that are set up beside REMINDER_CHANNEL: each by the variable that it needs."""
    set_up = {"chat": env.words("CHAT_SCHEMES"), "sms": env.text("SMS_URL", secret=True)}
    return tuple(channel for channel, value in set_up.items() if value)


def read_retention(env: Environment) -> Retention:
    """How long each table keeps its rows. The least of the first three is what the database itself holds."""

    return Retention(
        audit=timedelta(days=env.whole("REMINDER_KEEP_AUDIT_DAYS", 731, least=731, most=36_500)),
        acts=timedelta(days=env.whole("REMINDER_KEEP_ACTS_DAYS", 731, least=731, most=36_500)),
        changes=timedelta(days=env.whole("REMINDER_KEEP_CHANGES_DAYS", 731, least=731, most=36_500)),
        delivery_events=timedelta(
            days=env.whole("REMINDER_KEEP_DELIVERY_EVENTS_DAYS", 731, least=1, most=36_500)
        ),
        archive=timedelta(days=env.whole("REMINDER_KEEP_ARCHIVE_DAYS", 0, least=0, most=36_500)),
        scans=timedelta(days=env.whole("REMINDER_KEEP_SCANS_DAYS", 30, least=1, most=36_500)),
        verifications=timedelta(days=env.whole("REMINDER_KEEP_VERIFICATIONS_DAYS", 90, least=1, most=36_500)),
        sms_replies=timedelta(days=env.whole("REMINDER_KEEP_SMS_REPLIES_DAYS", 30, least=1, most=36_500)),
        responses=timedelta(days=env.whole("REMINDER_KEEP_RESPONSES_DAYS", 1, least=1, most=30)),
        uploads=timedelta(days=env.whole("REMINDER_KEEP_UPLOADS_DAYS", 1, least=1, most=30)),
    )


def read_reminders(env: Environment) -> ReminderConfig:
    """The rules that these variables ask for; problems are added to `env.problems`."""
    queue_limit = env.whole("REMINDER_QUEUE_LIMIT", 10_000, least=1, most=1_000_000)
    rules = ReminderConfig(
        enabled=env.switch("REMINDER_WORKER_ENABLED", True),
        lead=timedelta(minutes=env.whole("REMINDER_LEAD_MINUTES", 30, least=1, most=43_200)),
        lookahead=timedelta(minutes=env.whole("REMINDER_LOOKAHEAD_MINUTES", 120, least=1, most=86_400)),
        overdue=timedelta(minutes=env.whole("REMINDER_OVERDUE_MINUTES", 30, least=1, most=43_200)),
        poll=timedelta(
            milliseconds=env.whole("REMINDER_POLL_INTERVAL_MS", 300_000, least=MIN_POLL_MS, most=MAX_POLL_MS)
        ),
        tick=timedelta(
            milliseconds=env.whole("REMINDER_DISPATCH_INTERVAL_MS", 1_000, least=100, most=60_000)
        ),
        lease=timedelta(seconds=env.whole("REMINDER_LEASE_SECONDS", 25, least=2, most=3_600)),
        send_timeout=timedelta(seconds=env.whole("REMINDER_SEND_TIMEOUT_SECONDS", 10, least=1, most=300)),
        correction_grace=timedelta(
            seconds=env.whole("REMINDER_CORRECTION_GRACE_SECONDS", 60, least=0, most=3_600)
        ),
        max_attempts=env.whole("REMINDER_MAX_ATTEMPTS", 200, least=1, most=10_000),
        digest_wait=timedelta(seconds=env.whole("REMINDER_DIGEST_SECONDS", 60, least=0, most=60)),
        rate_per_minute=env.whole("REMINDER_RATE_PER_MINUTE", 1, least=0, most=60),
        rate_per_hour=env.whole("REMINDER_RATE_PER_HOUR", 10, least=0, most=1_000),
        email_rate=env.rate("EMAIL_RATE"),
        batch_size=env.whole("REMINDER_BATCH_SIZE", min(500, queue_limit), least=1, most=1_000),
        queue_limit=queue_limit,
        concurrency=env.whole("REMINDER_WORKER_CONCURRENCY", 2, least=1, most=256),
        hold_after=timedelta(
            minutes=env.whole("REMINDER_HOLD_AFTER_OUTAGE_MINUTES", 0, least=0, most=10_080)
        ),
        archive_after=timedelta(days=env.whole("REMINDER_ARCHIVE_DAYS", 90, least=0, most=36_500)),
        retention=read_retention(env),
        channel=env.text("REMINDER_CHANNEL", "email"),
        further_channels=further_channels(env),
        opt_out=env.switch("REMINDER_OPT_OUT", True),
        overdue_alert=env.whole("REMINDER_OVERDUE_ALERT", 0, least=0, most=1_000_000),
        ops_emails=tuple(env.words("REMINDER_OPS_EMAILS")),
        deadman_url=env.url("REMINDER_DEADMAN_URL", "", schemes=["https", "http"]),
    )
    for contradiction in rules.contradictions():
        env.refuse(contradiction)
    return rules


def changed_reminders(changes: Mapping[str, str]) -> ReminderConfig:
    """The rules with other values for some variables. Raises ImproperlyConfigured with all problems."""
    changed = Environment({**os.environ, **changes})
    rules = read_reminders(changed)
    changed.refuse_unknown(changes)
    changed.refuse_if_wrong()
    return rules
