"""Reminders that operators send at once, whatever the plan says (docs/decisions/0042-remind-now.md).

Each is a row of its own key, `default:now:<number>`, that is due when it is planned and is then claimed, begun and finished
like any other. Its `payload` says who asked for it and why.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger import counters
from reminders.ledger.fragments import is_now_sql, way_sql, ways_of
from reminders.ledger.sql import bigints, fetch, run
from reminders.models import Kind, Reminder
from reminders.policy.recipients import assignee_recipient_sql
from reminders.policy.rules import NOW
from reminders.policy.timing import overdue_base_sql

ONE_WITHIN = timedelta(minutes=1)
"""What is asked for again within this time, or before the first has left, is the same reminder."""
USEFUL_FOR = timedelta(hours=1)
"""So long a reminder of this kind may still leave, where the work is overdue before."""

REMIND = f"""
    INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
        planned_at, due_at, not_after, next_attempt_at, state, payload)
    SELECT a.id, a.version, 'REMINDER',
           '{NOW}' || (1 + (SELECT count(*) FROM reminders_reminder known
                            WHERE known.assignment_id = a.id AND known.version = a.version
                              AND known.kind = 'REMINDER' AND {is_now_sql("known.rule")})),
           {assignee_recipient_sql("a")}, {way_sql("p")}, a.scheduled_start, statement_timestamp(), statement_timestamp(),
           greatest({overdue_base_sql("a")} + %(overdue)s, statement_timestamp() + %(useful_for)s),
           statement_timestamp(), 'PLANNED', %(asked)s::jsonb
    FROM assignments_assignment a JOIN assignments_assignee p ON p.id = a.assignee_id
    WHERE a.id = ANY(%(ids)s::bigint[]) AND a.status = 'SCHEDULED'
    ORDER BY a.id
    ON CONFLICT DO NOTHING
    RETURNING id, assignment_id, channel
"""  # noqa: S608 - our own constants


@dataclass(frozen=True, slots=True)
class PlannedNow:
    """A row that was just planned. `way` is a way (`policy.ways`)."""

    reminder_id: int
    assignment_id: int
    way: str


@dataclass(frozen=True, slots=True)
class AskedFor:
    """Who asked for a reminder at once, and why."""

    by: str
    reason: str


@atomically
def remind_now(ids: Sequence[int], *, by: str, reason: str, config: ReminderConfig) -> list[PlannedNow]:
    """Plans a reminder that is due now for each of these assignments, whose rows are locked by the caller."""
    with connection.cursor() as cursor:
        run(
            cursor,
            REMIND,
            {
                "ids": bigints(ids),
                "asked": json.dumps({"by": by, "reason": reason}),
                "overdue": config.overdue,
                "useful_for": USEFUL_FOR,
                **ways_of(config),
            },
        )
        planned = [PlannedNow(row["id"], row["assignment_id"], row["channel"]) for row in fetch(cursor)]
        counters.write(cursor, counters.Counts({(counters.NOW, ""): len(planned)}))
    return planned


def asked_for(row: Reminder) -> AskedFor:
    """Who asked for this row, and why."""
    payload = row.payload if isinstance(row.payload, dict) else {}
    return AskedFor(str(payload.get("by") or "an operator"), str(payload.get("reason") or ""))


def just_asked_for(ids: Sequence[int]) -> QuerySet[Reminder]:
    """The rows of this kind for these assignments that another request within a minute repeats, or that still wait to leave,
    the newest first."""
    lately = Q(closed_at=None) | Q(planned_at__gt=Now() - ONE_WITHIN)
    return Reminder.objects.filter(
        lately,
        assignment__in=ids,
        version=F("assignment__version"),
        kind=Kind.REMINDER,
        rule__startswith=NOW,
    ).order_by("-id")
