"""The settings in force, as one validated value: open this to see what an operator can set."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from django.conf import settings

from notifications.channels import registry

MAX_LEAD = timedelta(days=30)
NOTIFY_WINDOW = timedelta(hours=4)
"""How long after the overdue instant supervisors may still be notified of it."""
LONE_EVENT_TIMEOUT = timedelta(seconds=3)
"""How long an endpoint may take where one process sends everything (REMINDER_WORKER_CONCURRENCY=1)."""
LONE_EVENTS_TURN = timedelta(seconds=1)
"""For how long such a process claims events before it turns to people again."""
EVENTS_TURN = timedelta(seconds=10)
"""For how long one of several processes does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long the rows of each table are kept, counted from when they were made; zero, where it may be: for good.

    The database itself refuses to remove entries of the audit trail, acts and changes that are younger than two years.
    """

    audit: timedelta = timedelta(days=731)
    acts: timedelta = timedelta(days=731)
    changes: timedelta = timedelta(days=731)
    delivery_events: timedelta = timedelta(days=731)
    archive: timedelta = timedelta()
    scans: timedelta = timedelta(days=30)
    verifications: timedelta = timedelta(days=90)
    sms_replies: timedelta = timedelta(days=30)
    responses: timedelta = timedelta(days=1)
    uploads: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderConfig:
    """All settings of the reminder system. Each field says its unit through its type.

    `enabled` is the master switch, `lead` the time before the start at which a reminder is due, `lookahead`
    how far ahead a scan plans, `overdue` the time past the start at which an assignment that nobody has
    started counts as overdue, `poll` the time between two scans, `tick` the time between two dispatches.
    `overdue_alert` is how many assignments may be overdue before it is an alarm, `ops_emails` who is notified where no
    supervisor can be reached, `deadman_url` what is called after each clean scan.
    `opt_out`: assignees may stop the reminders of a rule that is not mandatory.
    `channel` carries messages to e-mail addresses, `further_channels` to other contact points of people;
    `max_attempts` bounds the counted attempts at one of them.
    `concurrency` is how many processes a worker has, `batch_size` how many hints one message carries at most, and
    `queue_limit` how many rows may be handed over and not begun.
    `hold_after` is the length of an outage after which sending waits for an operator; zero: never.
    `lease` is how long a claimed reminder belongs to a worker, `send_timeout` the deadline of one send.
    `digest_wait` is how long notices to a supervisor to whom one has just left wait to be joined in one message.
    `rate_per_minute` and `rate_per_hour` are how many messages with reminders one person gets at most; 0: any number.
    `correction_grace` is how long after a change of plan its correction waits for the change to be taken back.
    `email_rate` is how many mails a minute the mail server is known to take; zero: no limit is known.
    `archive_after` is how long after its start finished work keeps its rows in the ledger; zero keeps them for good.
    `retention` is how long everything else is kept.
    """

    enabled: bool = True
    lead: timedelta = timedelta(minutes=30)
    lookahead: timedelta = timedelta(minutes=120)
    overdue: timedelta = timedelta(minutes=30)
    poll: timedelta = timedelta(minutes=5)
    tick: timedelta = timedelta(seconds=1)
    lease: timedelta = timedelta(seconds=25)
    send_timeout: timedelta = timedelta(seconds=10)
    correction_grace: timedelta = timedelta(seconds=60)
    max_attempts: int = 200
    digest_wait: timedelta = timedelta(seconds=60)
    rate_per_minute: int = 1
    rate_per_hour: int = 10
    email_rate: float = 0.0
    batch_size: int = 500
    queue_limit: int = 10_000
    concurrency: int = 2
    hold_after: timedelta = timedelta()
    archive_after: timedelta = timedelta(days=90)
    retention: Retention = Retention()
    channel: str = "email"
    further_channels: tuple[str, ...] = ()
    opt_out: bool = True
    overdue_alert: int = 0
    ops_emails: tuple[str, ...] = field(default=(), repr=False)
    deadman_url: str = field(default="", repr=False)

    def contradictions(self) -> list[str]:
        """What cannot be true together, in the words of the variables."""
        found = []
        if self.lookahead < self.lead + self.poll:
            found.append(
                f"REMINDER_LOOKAHEAD_MINUTES is {_minutes(self.lookahead)}: at least REMINDER_LEAD_MINUTES plus "
                f"REMINDER_POLL_INTERVAL_MS ({_minutes(self.lead + self.poll)} minutes) is needed, or a scan "
                "would find assignments after their reminder was due"
            )
        if self.lease < 2 * self.send_timeout:
            found.append(
                f"REMINDER_LEASE_SECONDS is {_seconds(self.lease)}: at least twice REMINDER_SEND_TIMEOUT_SECONDS "
                f"({_seconds(2 * self.send_timeout)}) is needed, or a slow send would outlive its lease"
            )
        if self.tick > self.poll:
            found.append(
                f"REMINDER_DISPATCH_INTERVAL_MS is {round(self.tick.total_seconds() * 1000)}: no more than "
                f"REMINDER_POLL_INTERVAL_MS ({round(self.poll.total_seconds() * 1000)}) is accepted"
            )
        if self.batch_size > self.queue_limit:
            found.append(
                f"REMINDER_BATCH_SIZE is {self.batch_size}: no more than REMINDER_QUEUE_LIMIT "
                f"({self.queue_limit}) is accepted"
            )
        if 0 < self.rate_per_hour < self.rate_per_minute:
            found.append(
                f"REMINDER_RATE_PER_HOUR is {self.rate_per_hour}: at least REMINDER_RATE_PER_MINUTE "
                f"({self.rate_per_minute}), or 0 for no limit, is needed"
            )
        return found

    def rate_limit(self, channel: str) -> float:
        """How many messages a minute the channel may take at most; 0 where no limit is configured."""
        return self.email_rate if channel == "email" else 0.0

    @property
    def channels(self) -> tuple[str, ...]:
        """All channels that carry messages to people here."""
        return (self.channel, *self.further_channels)

    @property
    def reaches_people(self) -> bool:
        """Whether what is SENT over REMINDER_CHANNEL has been sent to a person."""
        return registry.reaches_people(self.channel)

    @property
    def fingerprint(self) -> str:
        """The same for the same settings, except the switch and the size of each worker: those may differ."""
        shared = {**asdict(self), "enabled": None, "concurrency": None}
        return hashlib.sha256(repr(sorted(shared.items())).encode()).hexdigest()[:16]

    @property
    def interrupt_after(self) -> timedelta:
        """A send that has not come back by then is interrupted: its channel should have given up by itself."""
        return self.send_timeout * 6 / 5  # in whole numbers, for each send asks for it

    @property
    def event_timeout(self) -> timedelta:
        """The deadline of one event: that of any send, and a short one where people's messages wait for the same process."""
        return self.send_timeout if self.concurrency > 1 else min(self.send_timeout, LONE_EVENT_TIMEOUT)

    @property
    def events_turn(self) -> timedelta:
        """For so long a process claims events and posts them, before it ends what it has begun and turns to people."""
        return EVENTS_TURN if self.concurrency > 1 else LONE_EVENTS_TURN

    @property
    def soon(self) -> timedelta:
        """A tick and a quarter: what falls due within it is handed over now, to be begun at its instant."""
        return self.tick * 1.25

    @property
    def last_start(self) -> timedelta:
        """No send begins later than this after its row was begun, so that it ends within the lease."""
        return self.lease - self.interrupt_after


def current() -> ReminderConfig:
    """The configuration of this process."""
    config: ReminderConfig = settings.REMINDERS
    return config


def with_values(changes: Mapping[str, str]) -> ReminderConfig:
    """This process's settings with other values for some REMINDER_* variables.

    Raises ImproperlyConfigured, one line for each name or value that is refused.
    """
    config: ReminderConfig = settings.REMINDERS_WITH(changes)
    return config


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:g}"


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g}"
