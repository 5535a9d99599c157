"""What the rate of a person makes of the reminders that wait for them: when each leaves, and after which message."""

from datetime import datetime

from reminders.conf import ReminderConfig
from reminders.ledger import rates as ledger_rates
from reminders.ledger.rules import mandatory_rules
from reminders.models import Kind, Reason, Reminder, State
from reminders.policy import rates
from reminders.policy.rates import Due, Hold
from reminders.policy.rules import is_now

MOST_WAITING = 500
"""So many reminders of one person are looked at: those that are due first."""


def holds_of_rows(recipient: str, *, now: datetime, config: ReminderConfig) -> dict[int, Hold]:
    """What will keep back each open reminder of this person, by the id of its row; without those that leave when due."""
    limits = ledger_rates.limits_of(config)
    if not limits or not recipient:
        return {}
    mandatory = mandatory_rules()
    rows = Reminder.objects.filter(
        recipient=recipient,
        kind=Kind.REMINDER,
        closed_at=None,
        state__in=(State.PLANNED, State.QUEUED),
        ambiguous=0,
        digest_id=None,
        not_after__gt=now,
    ).order_by("next_attempt_at", "id")
    waiting: dict[Due, list[int]] = {}
    found_rows = list(rows[:MOST_WAITING])
    begun_before = ledger_rates.begun_over_another_channel(row.pk for row in found_rows)
    for row in found_rows:
        if row.rule not in mandatory and not is_now(row.rule) and row.pk not in begun_before:
            due = row.due_at if row.reason == Reason.TO_BE_JOINED else row.next_attempt_at
            one = Due(
                at=max(now, due),
                start=row.planned_start,
                not_after=row.not_after or row.planned_start,
                way=row.channel,
                nudge=f"{row.assignment_id}:{row.version}:{row.rule}",
            )
            waiting.setdefault(one, []).append(row.pk)
    begun = ledger_rates.recent_reminders([recipient]).get(recipient, [])
    had = sorted(begun)
    found: dict[int, Hold] = {}
    for one, at, _ in rates.departures(list(waiting), begun, limits):
        if at > one.at:
            before = [instant for instant in had if instant < at]
            found |= {row: Hold(before[-1], at, None) for row in waiting[one]}
        if not had or had[-1] != at:
            had.append(at)
    return found
