"""Events for webhook subscribers: for each a row for every subscription to its type, in the ledger like any other.

It is inserted in the transaction that makes the event true, so none is lost and none is made up.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from django.db import connection

from assignments.models import ActKind
from assignments.teams import effective_team_sql
from assignments.transactions import atomically
from reminders.ledger import counters
from reminders.ledger.fragments import AS_ENDED, TO_WEBHOOKS, channel_name_sql
from reminders.ledger.records import Ended, count_ended
from reminders.ledger.sql import Cursor, fetch, run
from reminders.models import Kind, State
from reminders.policy.recipients import subscription_recipient

SENT = "reminder.sent"
FAILED = "reminder.failed"
OVERDUE = "assignment.overdue"
CORRECTION_SENT = "correction.sent"
CORRECTION_FAILED = "correction.failed"
CONFIRMED = "assignment.confirmed"
DECLINED = "assignment.declined"
ON_MY_WAY = "assignment.on_my_way"
LATE = "assignment.late"
STARTED = "assignment.started"
COMPLETED = "assignment.completed"
TYPES = {
    SENT: "the mail server has taken a reminder",
    FAILED: "a reminder will not arrive, or nobody can know whether it did; `reason` says why",
    CORRECTION_SENT: "the mail server has taken a correction: the plan is not as its assignee was told",
    CORRECTION_FAILED: "a correction will not arrive, or nobody can know whether it did; `reason` says why",
    OVERDUE: "nobody has started the work in time",
    CONFIRMED: "its assignee says that they will be there",
    DECLINED: "its assignee says that they can't make it; `answer_note` is what they wrote",
    ON_MY_WAY: "its assignee is on the way; `act.minutes` is how long they still need, if they said so",
    LATE: "its assignee will begin later; `expected_start` says when",
    STARTED: "somebody has begun the work",
    COMPLETED: "the work is done",
}
"""Every type of event, and what it says."""

ACTS = {
    ActKind.CONFIRM: CONFIRMED,
    ActKind.DECLINE: DECLINED,
    ActKind.ON_MY_WAY: ON_MY_WAY,
    ActKind.LATE: LATE,
    ActKind.START: STARTED,
    ActKind.COMPLETE: COMPLETED,
}
"""The event that each act raises."""

TYPE_OF = {
    (Kind.REMINDER, True): SENT,
    (Kind.REMINDER, False): FAILED,
    (Kind.CORRECTION, True): CORRECTION_SENT,
    (Kind.CORRECTION, False): CORRECTION_FAILED,
}
"""The event about the end of a send, by the row's kind and whether it was accepted."""

RETRY_FOR = timedelta(hours=72)

# The payload is kept as it was when it happened: each try says the same, to the letter. It holds no address.
RAISE = f"""
    INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
        planned_at, due_at, not_after, next_attempt_at, state, payload)
    SELECT a.id, coalesce(r.version, a.version), 'EVENT', x.type || ':' || x.source, 'subscription:' || s.id,
           'webhook', coalesce(r.planned_start, a.scheduled_start), statement_timestamp(), statement_timestamp(),
           statement_timestamp() + %s, statement_timestamp(), 'PLANNED',
           jsonb_build_object(
               'type', x.type,
               'assignment', jsonb_build_object(
                   'id', a.id, 'reference', a.reference, 'title', a.title, 'status', a.status, 'version', a.version,
                   'scheduled_start', a.scheduled_start, 'scheduled_end', a.scheduled_end,
                   'reminder_status', a.reminder_status, 'overdue_at', a.overdue_at,
                   'answer', coalesce(nullif(a.answer, ''), 'NONE'), 'answered_at', a.answered_at,
                   'answer_note', a.answer_note, 'expected_start', a.expected_start, 'on_my_way_at', a.on_my_way_at,
                   'started_at', a.started_at, 'completed_at', a.completed_at,
                   'team', (SELECT jsonb_build_object('id', t.id, 'name', t.name) FROM assignments_team t
                            WHERE t.id = {effective_team_sql("a")}),
                   'assignee', CASE WHEN p.id IS NOT NULL THEN
                       jsonb_build_object('id', p.id, 'reference', p.reference, 'name', p.name) END))
           || CASE WHEN r.id IS NULL THEN '{{}}' ELSE jsonb_build_object(
               'reminder', jsonb_build_object(
                   'id', r.id, 'version', r.version, 'channel', {channel_name_sql("r.channel")}, 'recipient', r.recipient,
                   'planned_start', r.planned_start, 'due_at', r.due_at, 'state', r.state, 'reason', r.reason,
                   'attempts', r.attempts, 'sent_at', r.sent_at, 'message_id', r.message_id)) END
           || CASE WHEN act.id IS NULL THEN '{{}}' ELSE jsonb_build_object(
               'act', jsonb_build_object(
                   'id', act.id, 'act', act.act, 'via', act.via, 'actor', act.actor, 'at', act.at, 'version', act.version,
                   'minutes', act.minutes, 'note', act.note)) END
    FROM json_to_recordset(%s) AS x(type text, assignment_id bigint, source text, reminder_id bigint, act_id bigint)
    JOIN (SELECT id, events, teams FROM reminders_subscription WHERE active ORDER BY id FOR KEY SHARE) s
      ON x.type = ANY(s.events)
    JOIN assignments_assignment a ON a.id = x.assignment_id
    LEFT JOIN assignments_assignee p ON p.id = a.assignee_id
    LEFT JOIN reminders_reminder r ON r.id = x.reminder_id
    LEFT JOIN assignments_act act ON act.id = x.act_id
    WHERE s.teams IS NULL OR {effective_team_sql("a")} = ANY(s.teams)
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own constants

END = f"""
    UPDATE reminders_reminder r
    SET state = 'SKIPPED', reason = 'unsubscribed', lease_until = NULL, closed_at = statement_timestamp()
    WHERE r.closed_at IS NULL AND r.{TO_WEBHOOKS} AND r.recipient = %s AND r.state IN ('PLANNED', 'QUEUED')
    RETURNING {AS_ENDED}
"""  # noqa: S608 - our own constants


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened. `source` tells it from others of its type about the same assignment."""

    type: str
    assignment_id: int
    source: str
    reminder_id: int | None = None
    act_id: int | None = None


def emit_events(cursor: Cursor, events: Sequence[Event]) -> None:
    """Plans a row for each subscription that hears of these, in the caller's transaction."""
    if events:
        run(cursor, RAISE, [RETRY_FOR, json.dumps([asdict(event) for event in events])])


def record_ended(cursor: Cursor, ended: Sequence[Ended]) -> None:
    """Counts rows that were settled without a send, and tells of reminders whose end nobody can know."""
    counters.write(cursor, count_ended(ended))
    emit_unknown(cursor, ended)


def emit_unknown(cursor: Cursor, ended: Iterable[Ended]) -> None:
    """A reminder or correction that ended UNKNOWN outside a send is told of as one that failed."""
    emit_events(
        cursor,
        [
            Event(
                TYPE_OF[Kind(row.kind), False],
                row.assignment_id,
                f"{row.reminder_id}.unknown",
                row.reminder_id,
            )
            for row in ended
            if row.kind in (Kind.REMINDER, Kind.CORRECTION) and row.state == State.UNKNOWN
        ],
    )


@atomically
def end_events(subscription_id: int) -> list[Ended]:
    """Ends what waits for a subscription that wants no more."""
    with connection.cursor() as cursor:
        run(cursor, END, [subscription_recipient(subscription_id)])
        ended = [Ended(**row) for row in fetch(cursor)]
        counters.write(cursor, count_ended(ended))
    return ended
