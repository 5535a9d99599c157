"""The assignments and ledger rows behind each statistic, as querysets: lists, admin filters and counts use one definition.

Every boundary is that of `reminders.insight.statistics`, so that a list holds exactly what its figure counts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet

from assignments.contact_point import ContactPoint
from assignments.models import Answer, Assignee, Assignment, Status
from reminders.conf import MAX_LEAD, ReminderConfig
from reminders.insight.figure_queries import DAY
from reminders.ledger.fragments import overdue_base
from reminders.models import (
    DeliveryEvent,
    DeliveryKind,
    Kind,
    Reminder,
    ReminderQuerySet,
    RuleSchedule,
    State,
)
from reminders.policy.rules import DEFAULT
from reminders.policy.ways import NO_WAY

# --- assignments -----------------------------------------------------------------------------------------------


def overdue(*, now: datetime, config: ReminderConfig) -> QuerySet[Assignment]:
    """Not started by REMINDER_OVERDUE_MINUTES after the start, whether a worker has marked it yet or not."""
    late = _late(now, config)
    # One branch for each of the two partial indexes.
    unmarked, marked = (late.filter(overdue_at__isnull=missing).values("pk") for missing in (True, False))
    return Assignment.objects.filter(pk__in=unmarked.union(marked, all=True))


def overdue_unmarked(*, now: datetime, config: ReminderConfig) -> QuerySet[Assignment]:
    """Overdue, and not marked OVERDUE yet."""
    return _late(now, config).filter(overdue_at__isnull=True)


def declined() -> QuerySet[Assignment]:
    """SCHEDULED, and its assignee can't make it."""
    return Assignment.objects.filter(status=Status.SCHEDULED, answer=Answer.DECLINED)


def unaccounted(*, now: datetime, config: ReminderConfig) -> QuerySet[Assignment]:
    """Due, without a ledger row for the current version (`ledger.planning.UNACCOUNTED` counts the same)."""
    own_lead = ExpressionWrapper(F("lead_minutes") * timedelta(minutes=1), output_field=DurationField())
    due = Q(lead_minutes__isnull=True, scheduled_start__lte=now + config.lead) | Q(
        lead_minutes__isnull=False,
        # Implied by the next condition; lets the index on the start serve.
        scheduled_start__lte=now + MAX_LEAD,
    ) & Q(scheduled_start__lte=now + own_lead)
    reminder = Reminder.objects.filter(
        assignment=OuterRef("pk"), version=OuterRef("version"), kind=Kind.REMINDER, rule=DEFAULT
    )
    schedule = RuleSchedule.objects.filter(assignment=OuterRef("pk"))
    waiting = Assignment.objects.filter(status=Status.SCHEDULED, overdue_at__isnull=True)
    plain = waiting.filter(due, ~Exists(reminder), ~Exists(schedule)).values("pk")
    by_rules = Assignment.objects.filter(status=Status.SCHEDULED, rule_schedule__next_at__lte=now).values(
        "pk"
    )
    return Assignment.objects.filter(pk__in=plain.union(by_rules, all=True))


def _late(now: datetime, config: ReminderConfig) -> QuerySet[Assignment]:
    # The start is implied; it lets the index serve.
    before = now - config.overdue
    return Assignment.objects.alias(overdue_base=overdue_base()).filter(
        status=Status.SCHEDULED, scheduled_start__lte=before, overdue_base__lte=before
    )


Bounds = tuple[datetime | None, datetime | None]

START_WINDOWS: Mapping[str, Callable[[datetime, ReminderConfig], Bounds]] = {
    "near": lambda now, config: (now - DAY, now + max(DAY, config.lookahead)),
    "past_day": lambda now, config: (now - DAY, now),
    "look_ahead": lambda now, config: (now, now + config.lookahead),
    "next_day": lambda now, config: (now, now + DAY),
    "next_week": lambda now, config: (now, now + 7 * DAY),
    "past": lambda now, config: (None, now),
    "future": lambda now, config: (now, None),
    "any": lambda now, config: (None, None),
}
"""When the work starts, relative to now: after the first bound and not after the second one."""


def starting(
    rows: QuerySet[Assignment], window: str, *, now: datetime, config: ReminderConfig
) -> QuerySet[Assignment]:
    """Those of `rows` that start within one of START_WINDOWS."""
    first, last = START_WINDOWS[window](now, config)
    if first is not None:
        rows = rows.filter(scheduled_start__gt=first)
    return rows if last is None else rows.filter(scheduled_start__lte=last)


# --- people ----------------------------------------------------------------------------------------------------


def unreachable(rows: QuerySet[Assignee], *, config: ReminderConfig) -> QuerySet[Assignee]:
    """Those to whom nobody can write: without an address that is not opted out, over a channel that is set up.

    `ledger.fragments.reachable_sql` is the same rule.
    """
    otherwise = Q(way__in=config.further_channels)
    for channel in config.further_channels:
        otherwise |= Q(way__startswith=f"{channel}:")
    return rows.filter(Q(way=NO_WAY) | (Q(email="") & ~otherwise))


def failing_points() -> QuerySet[ContactPoint]:
    """The addresses from which messages came back, and that are in use."""
    return ContactPoint.objects.filter(failing_since__isnull=False, opted_out_at__isnull=True).order_by()


# --- the ledger ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSelection:
    """One view of the ledger: its rows at an instant, their order, and the column that a time range filters."""

    rows: Callable[[datetime], ReminderQuerySet]
    order: tuple[str, ...] = ("-closed_at", "-id")
    time_column: str = "closed_at"


def _ended(*states: State) -> LedgerSelection:
    return LedgerSelection(
        rows=lambda now: Reminder.objects.to_people().filter(closed_at__gt=now - DAY, state__in=states)
    )


def _upcoming(rows: Callable[[datetime], ReminderQuerySet]) -> LedgerSelection:
    return LedgerSelection(rows=rows, order=("next_attempt_at", "id"), time_column="next_attempt_at")


def _possible_duplicates(now: datetime) -> ReminderQuerySet:
    sent_again = Reminder.objects.to_people().filter(ambiguous__gt=0, attempts__gt=1)
    return sent_again.filter(Q(closed_at__isnull=True) | Q(closed_at__gt=now - DAY))


def _bounced(now: datetime) -> ReminderQuerySet:
    events = DeliveryEvent.objects.filter(received_at__gt=now - DAY, kind=DeliveryKind.BOUNCED)
    return Reminder.objects.to_people().filter(pk__in=events.order_by().values("reminder"))


def _unknown(now: datetime) -> ReminderQuerySet:
    return Reminder.objects.to_people().filter(
        ambiguous__gt=0,
        state=State.UNKNOWN,
        version=F("assignment__version"),
        assignment__status=Status.SCHEDULED,
    )


LEDGER_SELECTIONS: Mapping[str, LedgerSelection] = {
    "open": _upcoming(lambda now: Reminder.objects.messages_to_people().filter(closed_at__isnull=True)),
    "due": _upcoming(
        lambda now: Reminder.objects.messages_to_people().filter(closed_at__isnull=True, due_at__lte=now)
    ),
    "sent": _ended(State.SENT),
    "failed": _ended(State.FAILED, State.UNKNOWN),
    "skipped": _ended(State.SKIPPED),
    "marked": _ended(State.MARKED),
    "bounced": LedgerSelection(rows=_bounced),
    "duplicates": LedgerSelection(rows=_possible_duplicates, order=("-id",)),
    "unknown": LedgerSelection(rows=_unknown, order=("-id",)),
    "webhooks": _upcoming(lambda now: Reminder.objects.to_webhooks().filter(closed_at__isnull=True)),
    "all": LedgerSelection(rows=lambda now: Reminder.objects.all(), order=("-id",), time_column="due_at"),
}
"""The views of the ledger by their name in an address; what "ended" counts is of the last 24 hours."""
