"""The next way to a person: what could not be sent to one address of theirs goes to the next one, once.

A nudge (`fragments.SAME_NUDGE`) goes another way where the message was certainly not accepted, or has bounced for good,
and no other row of it is open, accepted or in doubt; never after UNKNOWN, for that may have been accepted.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger.events import record_ended
from reminders.ledger.fragments import (
    AS_ENDED,
    HELD,
    SAME_NUDGE,
    carrier_sql,
    channel_name_sql,
    ended_unsent,
    is_first_sql,
    is_set_up_sql,
    may_go_to,
    ways_of,
)
from reminders.ledger.records import Ended, Finished
from reminders.ledger.sql import Cursor, bigints, fetch, fetch_one, prepared_cursor, run
from reminders.models import Kind, Reason, State
from reminders.policy.recipients import ASSIGNEE, PERSON, person_behind, person_behind_sql
from reminders.policy.ways import NEXT_NEEDS, channel_name

PERSON_OF = person_behind_sql("r.recipient")

PATIENCE = timedelta(minutes=1)
"""A channel that has not worked for this long may not work for longer."""
LEAST_LEFT = timedelta(minutes=5)
MOST_AT_ONCE = 500
TELLS_AT_ONCE = ("sms",)
"""Channels whose other side may tell what became of a message before its acceptance is recorded."""

POINTS = f"""
    SELECT p.person_id, p.id, p.failing_since,
           {carrier_sql("p.channel")}
           || CASE WHEN row_number() OVER (PARTITION BY p.person_id, p.channel ORDER BY p."order", p.id) = 1
                   THEN '' ELSE ':' || p.id END AS way,
           p.opted_out_at IS NULL AND {is_set_up_sql("p.channel")} AS usable, p.verified_at,
           {carrier_sql("p.channel")} IN ({HELD}) AS is_held,
           row_number() OVER (PARTITION BY p.person_id ORDER BY p."order", p.id) AS place
    FROM assignments_contactpoint p
    WHERE p.person_id IN (SELECT {PERSON_OF} FROM reminders_reminder r WHERE r.id = ANY(%(ids)s::bigint[]))
"""  # noqa: S608 - our own constants

IS_HELD = f"SELECT EXISTS ({HELD} AND since < statement_timestamp() - %s)"

# Where the assignment is locked the row waits for the next look.
LOCK_HELD = f"""
    SELECT r.id FROM reminders_reminder r JOIN assignments_assignment a ON a.id = r.assignment_id
    WHERE r.closed_at IS NULL AND r.state = 'PLANNED' AND r.kind <> 'EVENT' AND r.ambiguous = 0 AND r.digest_id IS NULL
      AND r.due_at <= statement_timestamp() AND r.not_after > statement_timestamp() + make_interval(secs => {NEXT_NEEDS})
      AND r.not_after - statement_timestamp() < greatest((r.not_after - r.due_at) / 2, %(least)s)
      AND {channel_name_sql("r.channel")} IN (
          {HELD} AND since < statement_timestamp() - %(patience)s)
      AND EXISTS (
          SELECT FROM assignments_contactpoint o
          WHERE o.person_id = {PERSON_OF} AND o.opted_out_at IS NULL AND o.failing_since IS NULL
            AND o.channel = ANY(%(further_channels)s) AND o.channel NOT IN ({HELD}) AND {may_go_to("o", "r.rule")}
            AND NOT EXISTS (SELECT FROM reminders_reminder n WHERE {SAME_NUDGE}
                            AND {channel_name_sql("n.channel")} = o.channel))
    ORDER BY a.id, r.id LIMIT %(most)s
    FOR NO KEY UPDATE OF a, r SKIP LOCKED
"""  # noqa: S608 - our own constants

LEAVE_HELD = f"""
    UPDATE reminders_reminder r
    SET state = 'SKIPPED', reason = 'fallback', lease_until = NULL, closed_at = statement_timestamp()
    WHERE r.id = ANY(%s::bigint[]) AND r.state = 'PLANNED'
    RETURNING {AS_ENDED}
"""  # noqa: S608 - our own constant

BOUNCED = """EXISTS (
        SELECT FROM reminders_deliveryevent e WHERE e.reminder_id = {row}.id AND e.kind = 'bounced' AND e.permanent)"""

PLAN_NEXT = f"""
    WITH points AS MATERIALIZED ({POINTS})
    INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start, planned_at,
        scan_id, due_at, not_after, next_attempt_at, state)
    SELECT DISTINCT ON (r.assignment_id, r.version, r.kind, r.rule, r.recipient)
           r.assignment_id, r.version, r.kind, r.rule, r.recipient, following.way, r.planned_start,
           statement_timestamp(), r.scan_id, r.due_at, r.not_after, greatest(r.next_attempt_at, statement_timestamp()),
           'PLANNED'
    FROM reminders_reminder r
    JOIN assignments_assignment a ON a.id = r.assignment_id
    CROSS JOIN LATERAL (
        SELECT p.way FROM points p
        WHERE p.person_id = {PERSON_OF} AND p.usable AND {may_go_to("p", "r.rule")} AND NOT EXISTS (
            SELECT FROM reminders_reminder n WHERE {SAME_NUDGE} AND n.channel = p.way)
        ORDER BY p.failing_since IS NOT NULL, p.is_held, p.place LIMIT 1) following
    WHERE r.id = ANY(%(ids)s::bigint[]) AND r.kind <> 'EVENT' AND r.channel <> 'none'
      AND (a.version = r.version OR r.kind = 'CORRECTION')
      AND (r.not_after IS NULL OR r.not_after > statement_timestamp() + make_interval(secs => {NEXT_NEEDS}))
      AND NOT EXISTS (
          SELECT FROM reminders_reminder n
          WHERE {SAME_NUDGE}
            AND (n.state IN ('PLANNED', 'QUEUED', 'SENDING')
                 OR (n.state IN ('SENT', 'UNKNOWN') AND NOT {BOUNCED.format(row="n")})))
    ORDER BY r.assignment_id, r.version, r.kind, r.rule, r.recipient, r.id DESC
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own constants

# What would go over this point: rows that name it, and those of its channel without a name if it is the first of it.
LEAVE = f"""
    UPDATE reminders_reminder r
    SET {ended_unsent("%(reason)s")}
    FROM assignments_contactpoint p
    WHERE p.id = %(point)s AND r.closed_at IS NULL AND r.state IN ('PLANNED', 'QUEUED') AND r.kind <> 'EVENT'
      AND r.recipient IN ('{ASSIGNEE}' || p.person_id, '{PERSON}' || p.person_id)
      AND (r.channel IN (p.channel || ':' || p.id, %(channel)s || ':' || p.id)
           OR (r.channel = {carrier_sql("p.channel")} AND {is_first_sql("p")}))
      AND (%(reason)s = 'opted_out' OR EXISTS (
          SELECT FROM assignments_contactpoint o
          WHERE o.person_id = p.person_id AND o.id <> p.id AND o.opted_out_at IS NULL AND o.failing_since IS NULL
            AND {is_set_up_sql("o.channel")} AND {may_go_to("o", "r.rule")}
            AND NOT EXISTS (SELECT FROM reminders_reminder n WHERE {SAME_NUDGE} AND n.id <> r.id
                            AND {channel_name_sql("n.channel")} = o.channel)))
    RETURNING {AS_ENDED}
"""  # noqa: S608 - our own constants


def fall_back(cursor: Cursor, landed: Iterable[Finished], config: ReminderConfig) -> int:
    """Plans the next way of messages to people that have just failed for good, for their address or for want of one.

    In the transaction that records the failure, whose assignments are locked. Returns how many were planned.
    """
    failed = [
        end.claim.row.id
        for end in landed
        if (_has_failed(end) or _may_have_bounced(end))
        and person_behind(end.claim.row.recipient) is not None
        and end.claim.row.kind is not Kind.EVENT
    ]
    return plan_next(cursor, failed, config)


def _has_failed(end: Finished) -> bool:
    return end.transition.state is State.FAILED and end.transition.reason in (
        Reason.NO_CONTACT,
        Reason.REJECTED,
    )


def _may_have_bounced(end: Finished) -> bool:
    """Whether the other side may have said already that the message did not arrive, before it is recorded as sent: a gateway
    for SMS does within milliseconds. Of these only rows that have bounced for good are followed by another.
    """
    return end.transition.state is State.SENT and channel_name(end.claim.row.channel) in TELLS_AT_ONCE


def plan_next(cursor: Cursor, ids: Sequence[int], config: ReminderConfig) -> int:
    """Plans the next way of these rows, which have failed or bounced for good; returns how many have one."""
    if not ids:
        return 0
    run(cursor, PLAN_NEXT, {"ids": list(ids), **ways_of(config)})
    return int(cursor.rowcount)


@atomically
def leave_held(config: ReminderConfig) -> list[Ended]:
    """Plans the next way of due messages whose channel has not worked for a while, once less than half of the time in which
    they are of use is left (or 5 minutes), for people who have an address over a channel that works.

    What may have been taken already stays. Returns the rows that have ended.
    """
    with prepared_cursor() as cursor:
        run(cursor, IS_HELD, [PATIENCE])
        if not fetch_one(cursor):
            return []
        within = {"patience": PATIENCE, "least": LEAST_LEFT, "most": MOST_AT_ONCE}
        run(cursor, LOCK_HELD, {**within, **ways_of(config)})
        held = [row[0] for row in cursor.fetchall()]
        if not held:
            return []
        run(cursor, LEAVE_HELD, [bigints(held)])
        ended = [Ended(**row) for row in fetch(cursor)]
        record_ended(cursor, ended)
        plan_next(cursor, [row.reminder_id for row in ended], config)
    return ended


@atomically
def leave_point(point_id: int, reason: Reason, config: ReminderConfig) -> list[Ended]:
    """Ends the rows that nobody has begun and that would go to this contact point, and plans the next way of each.

    `reason` is OPTED_OUT, or FALLBACK, by which only those end that have another way. Returns the rows that have ended.
    """
    with prepared_cursor() as cursor:
        run(cursor, LEAVE, {"point": point_id, "reason": reason.value, **ways_of(config)})
        ended = [Ended(**row) for row in fetch(cursor)]
        record_ended(cursor, ended)
        plan_next(cursor, [row.reminder_id for row in ended if row.state == State.SKIPPED], config)
    return ended
