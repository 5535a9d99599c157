"""What the rate of a person makes of the reminders that wait for them: when each leaves, and after which message."""

from collections import Counter
from collections.abc import Collection
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
MOST_OF_ALL = 20_000
"""So many of all people who are asked for."""


def holds_of_rows(recipients: Collection[str], *, now: datetime, config: ReminderConfig) -> dict[int, Hold]:
    """What will keep back each open reminder of these people, by the id of its row; without those that leave when due. In
    a number of queries that does not depend on how many people there are.
    """
    limits, asked = ledger_rates.limits_of(config), set(recipients) - {""}
    if not limits or not asked:
        return {}
    mandatory = mandatory_rules()
    rows = Reminder.objects.filter(
        recipient__in=asked,
        kind=Kind.REMINDER,
        closed_at=None,
        state__in=(State.PLANNED, State.QUEUED),
        ambiguous=0,
        digest_id=None,
        not_after__gt=now,
    ).order_by("next_attempt_at", "id")
    looked_at: Counter[str] = Counter()
    found_rows = []
    for row in rows[:MOST_OF_ALL]:
        looked_at[row.recipient] += 1
        if looked_at[row.recipient] <= MOST_WAITING:
            found_rows.append(row)
    waiting: dict[str, dict[Due, list[int]]] = {}
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
            waiting.setdefault(row.recipient, {}).setdefault(one, []).append(row.pk)
    recent = ledger_rates.recent_reminders(waiting)
    found: dict[int, Hold] = {}
    for recipient, theirs in waiting.items():
        begun = recent.get(recipient, [])
        had = sorted(begun)
        for one, at, _ in rates.departures(list(theirs), begun, limits):
            if at > one.at:
                before = [instant for instant in had if instant < at]
                found |= {row: Hold(before[-1], at, None) for row in theirs[one]}
            if not had or had[-1] != at:
                had.append(at)
    return found
