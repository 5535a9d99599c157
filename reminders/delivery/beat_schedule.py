"""What beat runs and how often: the entries of django-celery-beat, kept as the settings want them.

An operator may switch an entry off, with a reason that is recorded (`reminders.operations.schedule`). Whatever else
stops an entry is a fault, and is corrected: beat itself disables one that is a one-off, has expired or cannot be read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from assignments.clock import database_now
from reminders.conf import ReminderConfig
from reminders.delivery.broker import SCAN_QUEUE
from reminders.ledger import audit, switches
from reminders.ledger.switches import SwitchOff

SCAN = "reminders.scan"
DISPATCH = "reminders.dispatch"
TASKS = (SCAN, DISPATCH)
CORRECTED = "correct_schedule"
"""The action in the audit trail; its actor is the system."""

PERIODS = frozenset(value for value, _ in IntervalSchedule.PERIOD_CHOICES)
REQUIRED: Mapping[str, object] = {
    "queue": SCAN_QUEUE,
    "exchange": None,
    "routing_key": None,
    "priority": None,
    "headers": "{}",
    "args": "[]",
    "kwargs": "{}",
    "one_off": False,
    "start_time": None,
    "expires": None,
    "crontab_id": None,
    "solar_id": None,
    "clocked_id": None,
}
"""What an entry needs to be run for good. Anything else stops it at once, later, or after one run."""

SHORTEST_EXPIRY = timedelta(minutes=15)
"""Expiry compares the clocks of two hosts and only removes stale messages, so it is generous."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that beat runs. Its name in the admin is the task's name."""

    task: str
    every: timedelta
    description: str

    @property
    def required(self) -> Mapping[str, object]:
        """The columns without which it is not run."""
        return {"task": self.task, **REQUIRED}

    @property
    def follows(self) -> Mapping[str, object]:
        """The columns that follow the settings, beside the interval."""
        expiry = max(self.every, SHORTEST_EXPIRY)
        return {"expire_seconds": round(expiry.total_seconds()), "description": self.description}


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryStatus:
    """How an entry was found.

    `altered` names the columns that keep it from being run, `outdated` those that follow other settings. `switch` is
    an operator's decision to switch it off, whether or not the entry is off.
    """

    task: str
    exists: bool
    enabled: bool = False
    every: timedelta | None = None
    wanted: timedelta = timedelta()
    runs_in_future: bool = False
    altered: tuple[str, ...] = ()
    outdated: tuple[str, ...] = ()
    switch: SwitchOff | None = None

    @property
    def switched_off(self) -> SwitchOff | None:
        """The decision that keeps this entry from being run."""
        return None if self.enabled else self.switch

    @property
    def broken(self) -> bool:
        """Whether something other than an operator's decision stops it, whatever the settings are."""
        return not self.exists or self.enabled == (self.switch is not None) or bool(self.altered)

    @property
    def right(self) -> bool:
        """Whether there is nothing to correct."""
        return not self.broken and not self.outdated and not self.runs_in_future

    @property
    def problem(self) -> str:
        """Why beat does not run it as the settings say; '' where it does. For operators: it names who and why."""
        if self.switched_off is not None:
            return gettext("switched off by %(by)s: %(reason)s") % {
                "by": self.switched_off.by,
                "reason": self.switched_off.reason,
            }
        if not self.exists:
            return gettext("its entry is missing")
        if not self.enabled:
            return gettext("its entry is disabled, by no operator")
        if self.altered:
            return gettext("its entry was altered: %(fields)s") % {"fields": ", ".join(self.altered)}
        if self.runs_in_future:
            return gettext("its last run lies in the future")
        if self.every != self.wanted:
            wanted = _shown(self.wanted)
            if not self.every:
                return gettext("it runs not at an interval where the settings say %(wanted)s") % {
                    "wanted": wanted
                }
            return gettext("it runs every %(every)s where the settings say %(wanted)s") % {
                "every": _shown(self.every),
                "wanted": wanted,
            }
        return ""


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

    An entry is enabled unless an operator's decision to switch it off is recorded. A last run that lies in the future
    (after a clock was set back) is put back, for beat would wait until then.
    """
    done: list[str] = []
    for entry in entries(config):
        done += _set_up(entry)
    return done


def check_entries(config: ReminderConfig) -> list[EntryStatus]:
    """How the entries stand now, without changing them."""
    now = database_now()
    wanted = entries(config)
    tasks = [entry.task for entry in wanted]
    rows = list(
        PeriodicTask.objects.filter(Q(task__in=tasks) | Q(name__in=tasks))
        .select_related("interval")
        .order_by("pk")
    )
    return [_status(entry, _of_task(rows, entry.task), now=now) for entry in wanted]


def stopped_by(task: str) -> SwitchOff | None:
    """The decision that keeps this task from being run; None while it is run, or stopped by a fault."""
    row = _found(task)
    return switches.switch_off_in_force(task) if row is None or not row.enabled else None


def _status(entry: Entry, row: PeriodicTask | None, *, now: datetime) -> EntryStatus:
    switch = switches.switch_off_in_force(entry.task)
    if row is None:
        return EntryStatus(task=entry.task, exists=False, wanted=entry.every, switch=switch)
    outdated = [name for name, value in entry.follows.items() if getattr(row, name) != value]
    every = _interval_of(row)
    if every != entry.every:
        outdated.insert(0, "interval")
    return EntryStatus(
        task=entry.task,
        exists=True,
        enabled=row.enabled,
        every=every,
        wanted=entry.every,
        runs_in_future=row.last_run_at is not None and row.last_run_at > now,
        altered=tuple(name for name, value in entry.required.items() if not _is(getattr(row, name), value)),
        outdated=tuple(outdated),
        switch=switch,
    )


def _set_up(entry: Entry) -> Sequence[str]:
    row = _found(entry.task, lock=True)
    now = database_now()
    status = _status(entry, row, now=now)
    if row is None:
        PeriodicTask.objects.get_or_create(  # somebody else may set up at the same time
            name=entry.task,
            defaults={
                **entry.required,
                **entry.follows,
                "interval": _interval(entry.every),
                "enabled": status.switch is None,
            },
        )
        return [f"{entry.task}: made, every {_shown(entry.every)}"]
    if status.right:
        return []
    done = []
    faults = []
    if status.enabled and status.switch is not None:
        switches.record_switch(entry.task, on=True, by=switches.SYSTEM, reason="its entry was found enabled")
    elif not status.enabled and status.switch is None:
        faults.append("enabled again: no operator had switched it off")
    if status.altered:
        faults.append(f"corrected {', '.join(status.altered)}")
    if "interval" in status.outdated:
        row.interval = _interval(entry.every)
        done.append(f"{entry.task}: runs every {_shown(entry.every)} now")
    if others := [name for name in status.outdated if name != "interval"]:
        done.append(f"{entry.task}: corrected {', '.join(others)}")
    if status.runs_in_future:
        row.last_run_at = now
        done.append(f"{entry.task}: its last run lay in the future")
    row.enabled = status.enabled or status.switch is None
    for name, value in {**entry.required, **entry.follows}.items():
        setattr(row, name, value)
    row.save()  # Tells a running beat to read its entries again.
    if faults:
        audit.record(
            CORRECTED,
            by=switches.SYSTEM,
            reason="; ".join(faults),
            selection={"task": entry.task},
            before={"enabled": status.enabled},
            after={"enabled": row.enabled},
        )
    return [*(f"{entry.task}: {fault}" for fault in faults), *done]


def _found(task: str, *, lock: bool = False) -> PeriodicTask | None:
    """The entry that runs this task, under whatever name; else the one of its name, whose task was changed."""
    rows = PeriodicTask.objects.select_for_update() if lock else PeriodicTask.objects.all()
    return _of_task(rows.filter(Q(task=task) | Q(name=task)).order_by("pk"), task)


def _of_task(rows: Iterable[PeriodicTask], task: str) -> PeriodicTask | None:
    candidates = [row for row in rows if task in (row.task, row.name)]
    candidates.sort(key=lambda row: (row.task != task, row.name != task))
    return candidates[0] if candidates else None


def _is(value: object, required: object) -> bool:
    """Whether a column is as required; an empty text is stored for several of its defaults."""
    empty = (None, "", "{}", "[]")
    return value == required or (required in empty and value in (None, ""))


def _interval(every: timedelta) -> IntervalSchedule:
    """The interval's row; there may be several alike, made by hand."""
    number, period = _spelled(every)
    found: IntervalSchedule | None = (
        IntervalSchedule.objects.filter(every=number, period=period).order_by("pk").first()
    )
    return found or IntervalSchedule.objects.create(every=number, period=period)


def _interval_of(row: PeriodicTask | None) -> timedelta | None:
    """None where there is no interval, or one that this program cannot read."""
    if row is None or row.interval is None or row.interval.period not in PERIODS:
        return None
    try:
        return timedelta(**{row.interval.period: row.interval.every})
    except OverflowError:
        return None


def _spelled(every: timedelta) -> tuple[int, str]:
    """As an operator would write it: whole seconds where it can be."""
    if every % timedelta(seconds=1):
        return every // timedelta(microseconds=1), IntervalSchedule.MICROSECONDS
    return every // timedelta(seconds=1), IntervalSchedule.SECONDS


def _shown(every: timedelta) -> str:
    return f"{every.total_seconds():g} s"
