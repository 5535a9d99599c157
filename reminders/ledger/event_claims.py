"""Claims due events, which programs receive. One process at a time posts them, to all endpoints (`delivery.events_turn`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger.claims import claimed_row
from reminders.ledger.fragments import ACTIVE_PAUSE, TO_WEBHOOKS
from reminders.ledger.records import Claimed
from reminders.ledger.sql import bigints, fetch, prepared_cursor, run, texts
from reminders.policy.endpoints import SLOW_LANES

EVENTS_INSPECTED = 200
"""Rows of one subscription that are looked at to see whether some are on their way: those are its oldest."""

EVENTS_LOCK = 0x72656D02

# An endpoint that failed lately comes after those that did not: it may well fail again.
ROUTES = f"""
    SELECT s.recipient, h.failures IS NOT NULL AS tried, coalesce(o.busy, FALSE) AS busy,
           (h.until IS NULL OR h.until <= statement_timestamp()) AND o.oldest <= statement_timestamp() AS is_due
    FROM (SELECT 'subscription:' || id AS recipient FROM reminders_subscription WHERE active) s
    LEFT JOIN reminders_channelhold h ON h.channel = s.recipient
    CROSS JOIN LATERAL (
        SELECT bool_or(lease_until IS NOT NULL) AS busy, min(next_attempt_at) AS oldest FROM (
            SELECT lease_until, next_attempt_at FROM reminders_reminder
            WHERE closed_at IS NULL AND {TO_WEBHOOKS} AND recipient = s.recipient
            ORDER BY next_attempt_at LIMIT %s) first) o
    WHERE o.oldest <= statement_timestamp()
    ORDER BY tried, o.oldest, s.recipient
"""  # noqa: S608 - our own constants
WORK = f"""
    SELECT pg_try_advisory_xact_lock(%s), EXISTS ({ACTIVE_PAUSE}),
           EXISTS (SELECT FROM reminders_subscription WHERE active), set_config('synchronous_commit', 'off', TRUE)
"""  # noqa: S608 - our own constant
CLAIM = f"""
    WITH due AS (
        SELECT one.id FROM unnest(%s::text[], %s::bigint[]) AS wanted(recipient, most)
        CROSS JOIN LATERAL (
            SELECT id FROM reminders_reminder
            WHERE closed_at IS NULL AND {TO_WEBHOOKS} AND recipient = wanted.recipient AND lease_until IS NULL
              AND next_attempt_at <= statement_timestamp()
            ORDER BY next_attempt_at
            LIMIT wanted.most
            FOR NO KEY UPDATE SKIP LOCKED) one
    )
    UPDATE reminders_reminder r
    SET state = 'QUEUED', ticket = r.ticket + 1, lease_until = statement_timestamp() + %s
    WHERE r.id = ANY(ARRAY(SELECT id FROM due)) AND r.state = 'PLANNED'
    RETURNING r.id, r.ticket, r.assignment_id, r.version, r.kind, r.due_at, r.ambiguous > 0 AS alone, r.scan_id,
              statement_timestamp() AS claimed_at, interval '0' AS wait
"""  # noqa: S608 - our own constants


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How many events of each endpoint (by its recipient) are wanted; one each of so many `others`, which are not named."""

    of: Mapping[str, int] = field(default_factory=dict)
    others: int = 0


FIRST = Wanted(others=SLOW_LANES)
"""What begins a turn: the oldest event of each endpoint. The turn goes on by itself with those that answer."""


@atomically
def claim_events(wanted: Wanted, *, config: ReminderConfig, first: bool) -> list[Claimed]:
    """Claims due events, for each endpoint the oldest ones, and one alone where the endpoint has just failed.

    `first` is whether they are to begin a turn: then none are claimed while any event is under way, for one process at a
    time posts events. Nothing is claimed while another process claims events, or while paused.
    """
    with prepared_cursor() as cursor:
        run(cursor, WORK, [EVENTS_LOCK])
        ((is_alone, is_paused, is_listened_to, _),) = cursor.fetchall()
        if is_paused or not (is_alone and is_listened_to):
            return []
        run(cursor, ROUTES, [EVENTS_INSPECTED])
        routes = list(fetch(cursor))
        if first and any(route["busy"] for route in routes):
            return []
        most, others = {}, wanted.others
        for route in routes:
            number = wanted.of.get(route["recipient"])
            if not route["is_due"] or number == 0 or (number is None and not others):
                continue
            if number is None:
                others -= 1
            most[route["recipient"]] = 1 if number is None or route["tried"] else number
        if not most:
            return []
        run(cursor, CLAIM, [texts(most), bigints(most.values()), config.lease])
        return [claimed_row(row) for row in fetch(cursor)]
