"""What beat runs and how often: the entries of django-celery-beat, brought in line with the settings.

Operators may switch an entry off in the admin; that is theirs to decide, and nothing here switches it on again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from assignments.clock import database_now
from reminders.conf import ReminderConfig
from reminders.delivery.broker import SCAN_QUEUE

SCAN = "reminders.scan"
DISPATCH = "reminders.dispatch"
SHORTEST_EXPIRY = timedelta(minutes=15)
"""Expiry compares the clocks of two hosts and only removes stale messages, so it is generous."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that beat runs. Its name in the admin is the task's name."""

    task: str
    every: timedelta
    description: str

    @property
    def expiry(self) -> timedelta:
        return max(self.every, SHORTEST_EXPIRY)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryStatus:
    """How an entry was found, or left: whether it is there, switched on, and at the right interval."""

    task: str
    exists: bool
    enabled: bool = False
    every: timedelta | None = None
    wanted: timedelta = timedelta()
    runs_in_future: bool = False

    @property
    def right(self) -> bool:
        return self.exists and self.every == self.wanted and not self.runs_in_future


def entries(config: ReminderConfig) -> tuple[Entry, ...]:
    """Everything that beat must run under these settings."""
    return (
        Entry(
            task=SCAN,
            every=config.poll,
            description="Plans, voids and audits reminders. Follows REMINDER_POLL_INTERVAL_MS.",
        ),
        Entry(
            task=DISPATCH,
            every=config.tick,
            description="Hands over what is due. Follows REMINDER_DISPATCH_INTERVAL_MS.",
        ),
    )


@transaction.atomic
def set_up(config: ReminderConfig) -> list[str]:
    """Makes, corrects and repairs the entries; returns what was done, one line each, nothing if all was right.

    Sets task, queue, interval and expiry. Keeps `enabled` as it is, and puts back a last run that lies in the
    future (after a clock was set back), for beat would wait until then.
    """
    done: list[str] = []
    for entry in entries(config):
        done += _set_up(entry)
    return done


def check_entries(config: ReminderConfig) -> list[EntryStatus]:
    """How the entries stand now, without changing them."""
    now = database_now()
    found = []
    for entry in entries(config):
        row = _found(entry.task)
        found.append(
            EntryStatus(
                task=entry.task,
                exists=row is not None,
                enabled=row is not None and row.enabled,
                every=_interval_of(row),
                wanted=entry.every,
                runs_in_future=row is not None and row.last_run_at is not None and row.last_run_at > now,
            )
        )
    return found


def _set_up(entry: Entry) -> Sequence[str]:
    row = _found(entry.task, lock=True)
    if row is None:
        PeriodicTask.objects.get_or_create(  # somebody else may set up at the same time
            name=entry.task,
            defaults={
                "task": entry.task,
                "queue": SCAN_QUEUE,
                "interval": _interval(entry.every),
                "expire_seconds": round(entry.expiry.total_seconds()),
                "description": entry.description,
            },
        )
        return [f"{entry.task}: made, every {_shown(entry.every)}"]
    done = []
    if _interval_of(row) != entry.every:
        row.interval, row.crontab, row.solar, row.clocked = _interval(entry.every), None, None, None
        done.append(f"{entry.task}: runs every {_shown(entry.every)} now")
    wanted = {
        "queue": SCAN_QUEUE,
        "expires": None,
        "expire_seconds": round(entry.expiry.total_seconds()),
        "one_off": False,
        "start_time": None,
        "description": entry.description,
    }
    differing = [name for name, value in wanted.items() if getattr(row, name) != value]
    for name in differing:
        setattr(row, name, wanted[name])
    if differing:
        done.append(f"{entry.task}: corrected {', '.join(differing)}")
    now = database_now()
    if row.last_run_at is not None and row.last_run_at > now:
        row.last_run_at = now
        done.append(f"{entry.task}: its last run lay in the future")
    if done:
        row.save()  # Tells a running beat to read its entries again.
    return done


def _found(task: str, *, lock: bool = False) -> PeriodicTask | None:
    """The entry that runs this task: also under another name, for then it was renamed in the admin."""
    rows = PeriodicTask.objects.select_for_update() if lock else PeriodicTask.objects.all()
    candidates = list(rows.filter(task=task).order_by("pk"))
    return next((row for row in candidates if row.name == task), candidates[0] if candidates else None)


def _interval(every: timedelta) -> IntervalSchedule:
    """The interval's row; there may be several alike, made by hand."""
    number, period = _spelled(every)
    found: IntervalSchedule | None = (
        IntervalSchedule.objects.filter(every=number, period=period).order_by("pk").first()
    )
    return found or IntervalSchedule.objects.create(every=number, period=period)


def _interval_of(row: PeriodicTask | None) -> timedelta | None:
    if row is None or row.interval is None:
        return None
    return timedelta(**{row.interval.period: row.interval.every})


def _spelled(every: timedelta) -> tuple[int, str]:
    """As an operator would write it: whole seconds where it can be."""
    if every % timedelta(seconds=1):
        return every // timedelta(microseconds=1), IntervalSchedule.MICROSECONDS
    return every // timedelta(seconds=1), IntervalSchedule.SECONDS


def _shown(every: timedelta) -> str:
    return f"{every.total_seconds():g} s"
