"""What is asked of the database for one set of figures. Each question is a range of an index."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from assignments.calendar_source import state_of
from assignments.teams import effective_team_sql
from reminders.conf import ReminderConfig
from reminders.insight import awareness
from reminders.ledger import planning
from reminders.ledger.fragments import ACTIVE_PAUSE, TO_PEOPLE
from reminders.models import State
from reminders.policy.awareness import by_rung
from reminders.policy.timing import overdue_base_sql

DAY = timedelta(hours=24)
BUCKET = timedelta(minutes=5)
BEHIND, MOST_AHEAD = timedelta(hours=1), timedelta(hours=4)
"""How far the messages by five minutes reach back, and at most ahead."""

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class FigureQuery:
    """One statement, and how its rows become figures."""

    statement: str
    params: Any
    read: Callable[[Rows], dict[str, Any]]


# Names the rows of some teams as the tables are named, so that every question asks of these alone.
OF_TEAMS = f"""
    WITH assignments_assignment AS NOT MATERIALIZED (
        SELECT a.* FROM assignments_assignment a WHERE {effective_team_sql("a")} = ANY(%(teams)s)
    ),
    reminders_reminder AS NOT MATERIALIZED (
        SELECT r.* FROM reminders_reminder r
        WHERE EXISTS (SELECT 1 FROM assignments_assignment a WHERE a.id = r.assignment_id)
    )
"""  # noqa: S608 - our own constants
# Each branch is a range of an index: the starts around now, the older open ones, the older overdue ones.
ASSIGNMENTS = """
    SELECT status, reminder_status, count(*) FROM (
        SELECT status, reminder_status FROM assignments_assignment
        WHERE scheduled_start > %(since)s AND scheduled_start <= %(until)s
        UNION ALL
        SELECT status, reminder_status FROM assignments_assignment
        WHERE scheduled_start <= %(since)s AND status = 'SCHEDULED' AND overdue_at IS NULL
        UNION ALL
        SELECT status, reminder_status FROM assignments_assignment
        WHERE scheduled_start <= %(since)s AND status = 'SCHEDULED' AND overdue_at IS NOT NULL
    ) AS looked_at
    GROUP BY status, reminder_status
"""
LEDGER_OPEN = f"""
    SELECT state, count(*),
           count(*) FILTER (WHERE channel <> 'none' AND due_at <= %(now)s),
           min(greatest(due_at, planned_at)) FILTER (WHERE channel <> 'none' AND due_at <= %(now)s)
    FROM reminders_reminder WHERE closed_at IS NULL AND {TO_PEOPLE}
    GROUP BY state
"""  # noqa: S608 - our own constants
LEDGER_CLOSED = f"""
    SELECT state, reason, count(*) FROM reminders_reminder
    WHERE closed_at > %(since)s AND {TO_PEOPLE}
    GROUP BY state, reason
"""  # noqa: S608 - our own constants
UNKNOWN = f"""
    SELECT count(*) FROM reminders_reminder r JOIN assignments_assignment a ON a.id = r.assignment_id
    WHERE r.ambiguous > 0 AND r.state = 'UNKNOWN' AND r.{TO_PEOPLE} AND r.version = a.version AND a.status = 'SCHEDULED'
"""  # noqa: S608 - our own constants
POSSIBLE_DUPLICATES = f"""
    SELECT count(*) FROM reminders_reminder
    WHERE ambiguous > 0 AND attempts > 1 AND {TO_PEOPLE} AND (closed_at IS NULL OR closed_at > %(since)s)
"""  # noqa: S608 - our own constants
# The start is implied by the base; it lets the indexes serve.
OVERDUE = f"""
    SELECT (SELECT count(*) FROM assignments_assignment a
            WHERE status = 'SCHEDULED' AND overdue_at IS NULL AND scheduled_start <= %(before)s
              AND {overdue_base_sql("a")} <= %(before)s)
         + (SELECT count(*) FROM assignments_assignment a
            WHERE status = 'SCHEDULED' AND overdue_at IS NOT NULL AND scheduled_start <= %(before)s
              AND {overdue_base_sql("a")} <= %(before)s)
"""  # noqa: S608 - our own constants
DECLINED = "SELECT count(*) FROM assignments_assignment WHERE status = 'SCHEDULED' AND answer = 'DECLINED'"
LAST_SCAN = """
    SELECT finished_at, trigger, by FROM reminders_scanrun WHERE finished_at IS NOT NULL AND error = ''
    ORDER BY finished_at DESC LIMIT 1
"""
MESSAGES = f"""
    SELECT (floor(extract(epoch FROM at) / %(bucket)s) * %(bucket)s)::bigint, state, count(*) FROM (
        SELECT greatest(next_attempt_at, %(now)s) AS at, 'PLANNED' AS state FROM reminders_reminder
        WHERE closed_at IS NULL AND channel <> 'none' AND {TO_PEOPLE} AND next_attempt_at <= %(until)s
        UNION ALL
        SELECT closed_at, state FROM reminders_reminder
        WHERE closed_at > %(since)s AND channel <> 'none' AND {TO_PEOPLE} AND state IN ('SENT', 'FAILED', 'UNKNOWN')
    ) AS behind_and_ahead
    GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608 - our own constants
CALENDARS = """
    SELECT active, failing_since IS NOT NULL, asks_since IS NOT NULL, count(*)
    FROM assignments_calendarsource GROUP BY 1, 2, 3
"""
BOUNCED = """
    SELECT count(DISTINCT r.id) FROM reminders_deliveryevent e JOIN reminders_reminder r ON r.id = e.reminder_id
    WHERE e.received_at > %(since)s AND e.kind = 'bounced'
"""
MAILBOX = "SELECT failing_since FROM reminders_bouncepoll"
# An endpoint that is left alone is its own affair: the figures are about people's reminders.
HELD = """
    SELECT channel, until FROM reminders_channelhold
    WHERE until > %(now)s AND channel NOT LIKE 'subscription:%%' ORDER BY channel
"""


def questions(now: datetime, config: ReminderConfig) -> Iterator[FigureQuery]:
    """Everything that is asked of the database for one set of figures."""
    since = now - DAY
    until = now + max(DAY, config.lookahead)
    yield FigureQuery(
        ASSIGNMENTS,
        {"since": since, "until": until},
        lambda rows: {"assignments": {(status, roll_up): number for status, roll_up, number in rows}},
    )
    yield FigureQuery(LEDGER_OPEN, {"now": now}, lambda rows: _open(rows, now))
    yield FigureQuery(LEDGER_CLOSED, {"since": since}, _closed)
    yield FigureQuery(planning.UNACCOUNTED, {"lead": config.lead}, lambda rows: {"unaccounted": rows[0][0]})
    yield FigureQuery(UNKNOWN, {}, lambda rows: {"unknown": rows[0][0]})
    yield FigureQuery(POSSIBLE_DUPLICATES, {"since": since}, lambda rows: {"possible_duplicates": rows[0][0]})
    yield FigureQuery(OVERDUE, {"before": now - config.overdue}, lambda rows: {"overdue": rows[0][0]})
    yield FigureQuery(DECLINED, {}, lambda rows: {"declined": rows[0][0]})
    yield FigureQuery(awareness.COUNTS, awareness.parameters(config), _awareness)
    yield FigureQuery(LAST_SCAN, {}, _last_scan)
    yield FigureQuery(
        MESSAGES,
        {
            "now": now,
            "bucket": int(BUCKET.total_seconds()),
            "since": now - BEHIND,
            "until": now + chart_ahead(config),
        },
        lambda rows: {"messages": tuple((at, state, number) for at, state, number in rows)},
    )
    yield FigureQuery(ACTIVE_PAUSE, {}, lambda rows: {"paused": bool(rows)})
    yield FigureQuery(CALENDARS, {}, _calendars)
    yield FigureQuery(BOUNCED, {"since": since}, lambda rows: {"bounced": rows[0][0]})
    if settings.BOUNCE_MAILBOX is not None:
        yield FigureQuery(MAILBOX, {}, lambda rows: {"mailbox_failing": bool(rows and rows[0][0])})
    yield FigureQuery(
        HELD, {"now": now}, lambda rows: {"held_channels": {name: at.timestamp() for name, at in rows}}
    )


def chart_ahead(config: ReminderConfig) -> timedelta:
    """How far ahead of now messages are counted by five minutes."""
    return min(config.lookahead, MOST_AHEAD)


def _open(rows: Rows, now: datetime) -> dict[str, Any]:
    oldest = min((waits_since for *_, waits_since in rows if waits_since), default=now)
    return {
        "ledger_open": {state: number for state, number, _, _ in rows},
        "due_unsent": sum(due for _, _, due, _ in rows),
        "oldest_due_age_seconds": max(0.0, (now - oldest).total_seconds()),
    }


def _closed(rows: Rows) -> dict[str, Any]:
    ended: dict[str, int] = {}
    failed: dict[str, int] = {}
    for state, reason, number in rows:
        ended[state] = ended.get(state, 0) + number
        if state in (State.FAILED, State.UNKNOWN):
            failed[reason] = failed.get(reason, 0) + number
    return {"ledger_closed": ended, "failed": failed}


def _awareness(rows: Rows) -> dict[str, Any]:
    found = awareness.counted(rows)
    return {
        "awareness": by_rung(found),
        "unaware_soon": sum(number for one, number in found.items() if one.may_not_know),
        "untold_soon": sum(number for one, number in found.items() if one.needs_somebody),
    }


def _calendars(rows: Rows) -> dict[str, Any]:
    found: Counter[str] = Counter()
    for active, failing, asks, number in rows:
        found[state_of(active=active, failing=failing, asks=asks)] += number
    return {"calendars": dict(found)}


def _last_scan(rows: Rows) -> dict[str, Any]:
    if not rows:
        return {}
    at, trigger, by = rows[0]
    return {"last_scan_timestamp_seconds": at.timestamp(), "last_scan_by": by or trigger}
