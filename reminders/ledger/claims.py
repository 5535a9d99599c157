"""Hands due rows to the workers and takes back what was left lying."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger import counters, paces
from reminders.ledger.counters import Cursor
from reminders.ledger.events import emit_unknown
from reminders.ledger.fragments import TO_PEOPLE, TO_WEBHOOKS
from reminders.ledger.records import Claimed, Ended, Hint, count_ended
from reminders.ledger.sql import fetch, fetch_one, paused, run
from reminders.models import State
from reminders.policy import retries
from reminders.policy.pace import notices_share
from reminders.policy.retries import Result

EVENTS_INSPECTED = 200
"""Rows of one subscription that are looked at to see whether some are on their way: those are its oldest."""

LATE_ANSWER_WAIT = timedelta(seconds=3)
"""How long a row that was taken back from a worker waits for that worker's answer before it is sent again."""

REAP_LIMIT = 50_000
"""Rows taken back at most in one transaction."""

DISPATCH_LOCK = 0x72656D01

URGENT = "(kind IN ('REMINDER', 'CORRECTION') OR channel = 'none')"
"""Reminders and corrections to people who can still come, and the markers, which write to nobody."""

NOTICES = "(kind = 'OVERDUE' AND channel <> 'none')"
"""Notices to supervisors."""

CLAIM = f"""
    WITH held AS MATERIALIZED (SELECT channel FROM reminders_channelhold WHERE until > statement_timestamp()),
    due AS (
        SELECT id FROM reminders_reminder
        WHERE closed_at IS NULL AND lease_until IS NULL AND next_attempt_at <= statement_timestamp() + %(ahead)s
          AND (NOT %(paused)s OR channel = 'none') AND {TO_PEOPLE} AND channel NOT IN (SELECT channel FROM held)
          AND {{urgency}} AND channel <> ALL(%(paced)s) AND (%(only)s::text IS NULL OR channel = %(only)s)
        ORDER BY next_attempt_at
        LIMIT %(room)s
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE reminders_reminder r
    SET state = 'QUEUED', ticket = r.ticket + 1, lease_until = statement_timestamp() + %(lease)s
    FROM due
    WHERE r.id = due.id AND r.state = 'PLANNED'
    RETURNING r.id, r.ticket, r.assignment_id, r.version, r.kind, r.due_at, r.ambiguous, r.scan_id,
              greatest(r.next_attempt_at - statement_timestamp(), interval '0') AS wait
"""  # noqa: S608 - our own constants

# One envelope at a time for each endpoint, and one row alone where it has just failed: what hangs costs one send.
ROUTES = f"""
    SELECT s.recipient, h.failures IS NOT NULL AS tried, coalesce(o.busy, FALSE) AS busy, o.oldest
    FROM (SELECT 'subscription:' || id AS recipient FROM reminders_subscription WHERE active) s
    LEFT JOIN reminders_channelhold h ON h.channel = s.recipient
    LEFT JOIN LATERAL (
        SELECT bool_or(lease_until IS NOT NULL) AS busy, min(next_attempt_at) AS oldest FROM (
            SELECT lease_until, next_attempt_at FROM reminders_reminder
            WHERE closed_at IS NULL AND {TO_WEBHOOKS} AND recipient = s.recipient
            ORDER BY next_attempt_at LIMIT %s) first) o ON TRUE
    WHERE (h.until IS NULL OR h.until <= statement_timestamp()) AND o.oldest <= statement_timestamp()
    ORDER BY o.oldest, s.recipient
"""  # noqa: S608 - our own constants
CLAIM_EVENTS = f"""
    WITH due AS (
        SELECT id FROM reminders_reminder
        WHERE closed_at IS NULL AND {TO_WEBHOOKS} AND recipient = %s AND lease_until IS NULL
          AND next_attempt_at <= statement_timestamp()
        ORDER BY next_attempt_at
        LIMIT %s
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE reminders_reminder r
    SET state = 'QUEUED', ticket = r.ticket + 1, lease_until = statement_timestamp() + %s
    FROM due
    WHERE r.id = due.id AND r.state = 'PLANNED'
    RETURNING r.id, r.ticket, r.assignment_id, r.version, r.kind, r.due_at, r.ambiguous, r.scan_id,
              interval '0' AS wait
"""  # noqa: S608 - our own constants

REAP = """
    WITH over AS (
        SELECT id, state = 'SENDING' AND ambiguous >= CASE kind WHEN 'EVENT' THEN %(webhooks)s ELSE %(people)s END AS lost
        FROM reminders_reminder
        WHERE closed_at IS NULL AND {bound}
          AND (lease_until <= statement_timestamp() OR lease_until > statement_timestamp() + %(lease)s + %(slack)s)
        ORDER BY id
        LIMIT {limit}
        FOR NO KEY UPDATE SKIP LOCKED
    ),
    back AS (
        UPDATE reminders_reminder r
        SET state = CASE WHEN over.lost THEN 'UNKNOWN' ELSE 'PLANNED' END,
            reason = CASE WHEN over.lost THEN 'ambiguous' ELSE '' END,
            closed_at = CASE WHEN over.lost THEN statement_timestamp() END,
            ambiguous = CASE WHEN r.state = 'SENDING' THEN r.ambiguous + 1 ELSE r.ambiguous END,
            -- The worker may yet come with its answer: for a moment the row waits for it.
            next_attempt_at = CASE WHEN r.state = 'SENDING' THEN statement_timestamp() + %(patience)s
                                   ELSE r.next_attempt_at END,
            lease_until = NULL
        FROM over
        WHERE r.id = over.id AND r.state IN ('QUEUED', 'SENDING')
        RETURNING r.id, r.assignment_id, r.version, r.kind, r.due_at, r.state, r.reason, r.channel, r.scan_id,
                  r.ticket, r.attempts, r.begun_at, r.begun_at IS NOT NULL AS was_begun
    ),
    noted AS (
        INSERT INTO reminders_attempt (reminder_id, number, ticket, started_at, finished_at, outcome, code, detail)
        SELECT id, attempts, ticket, begun_at, statement_timestamp(), 'unknowable', 'lease',
               'The worker did not record how this send ended before its lease was over.'
        FROM back WHERE was_begun AND attempts > 0
        ON CONFLICT DO NOTHING
        RETURNING reminder_id
    )
    SELECT b.id AS reminder_id, b.assignment_id, b.version, b.kind, b.due_at, b.state, b.reason, b.channel, b.scan_id,
           n.reminder_id IS NOT NULL AS is_ambiguous
    FROM back b LEFT JOIN noted n ON n.reminder_id = b.id
"""


@dataclass(frozen=True, slots=True)
class Reaped:
    """Rows whose lease was over: how many went back to PLANNED, and those that may have been sent."""

    returned: int
    ambiguous_rows: list[Ended]


@atomically
def reap(config: ReminderConfig, *, everywhere: bool = False) -> Reaped:
    """Takes rows back whose lease is over, or lies further ahead than any lease can.

    A row that nobody had begun is simply due again. One that was begun may have arrived: its end is recorded
    as unknowable; the first time it is due again, the second time it ends UNKNOWN. Dispatch looks at rows that
    are due; a scan looks `everywhere`, for a clock may have jumped back.
    """
    bound = "lease_until IS NOT NULL"
    if not everywhere:
        bound += " AND next_attempt_at <= statement_timestamp() + %(lease)s"
    with connection.cursor() as cursor:
        run(
            cursor,
            REAP.format(bound=bound, limit=REAP_LIMIT),
            {
                "lease": config.lease,
                "slack": timedelta(seconds=5),
                "patience": LATE_ANSWER_WAIT,
                "people": retries.TO_PEOPLE.max_ambiguous,
                "webhooks": retries.TO_WEBHOOKS.max_ambiguous,
            },
        )
        rows = list(fetch(cursor))
        channels = [row.pop("channel") for row in rows]
        ambiguous_rows = [
            (Ended(**row), channel)
            for row, channel in zip(rows, channels, strict=True)
            if row.pop("is_ambiguous")
        ]
        counts = counters.Counts()
        for _, channel in ambiguous_rows:
            counts[counters.AMBIGUOUS, counters.labels(channel=channel)] += 1
            outcome = counters.labels(channel=channel, outcome=Result.UNKNOWABLE.value)
            counts[counters.ATTEMPTS, outcome] += 1
        lost = [ended for ended, _ in ambiguous_rows if ended.state == State.UNKNOWN]
        counters.write(cursor, counts + count_ended(lost))
        emit_unknown(cursor, lost)
    return Reaped(len(rows) - len(ambiguous_rows), [ended for ended, _ in ambiguous_rows])


@atomically
def claim(config: ReminderConfig, *, room: int, ahead: timedelta) -> list[Claimed] | None:
    """Claims up to `room` rows that are due within `ahead`, oldest first; each gets the next ticket and a lease.

    People who can still come go first: reminders and markers, then notices to supervisors, of which only a few are
    handed over at a time. A channel with a pace gives no more than it takes. None when another dispatcher is at
    work: one at a time. While paused only markers are claimed.
    """
    with connection.cursor() as cursor:
        run(cursor, "SELECT pg_try_advisory_xact_lock(%s)", [DISPATCH_LOCK])
        if not cursor.fetchone()[0]:
            return None
        # Losing this commit loses nothing: the rows are PLANNED again, and no hint has left yet.
        run(cursor, "SET LOCAL synchronous_commit = off")
        allowed = paces.allowances(cursor, config)
        claim = _Claim(cursor, config, ahead, paused(cursor), list(allowed))
        claimed = claim.rows(URGENT, room)
        notices = min(room - len(claimed), config.batch_size * config.concurrency)
        if notices > 0 and not claim.is_paused:
            notices -= _queued_notices(cursor)
            claimed += claim.rows(NOTICES, notices)
        for channel, tokens in allowed.items():
            claimed += claim.paced(channel, min(tokens, room - len(claimed)))
        return claimed


@dataclass(slots=True)
class _Claim:
    """One claim in its transaction. `paced` are the channels that have a pace."""

    cursor: Cursor
    config: ReminderConfig
    ahead: timedelta
    is_paused: bool
    channels: list[str]

    def rows(self, urgency: str, room: int, *, only: str | None = None) -> list[Claimed]:
        """Rows of this urgency: of all channels without a pace, or of one that has one."""
        if room <= 0:
            return []
        params = {
            "ahead": self.ahead,
            "room": room,
            "lease": self.config.lease,
            "paused": self.is_paused,
            "paced": [] if only else self.channels,
            "only": only,
        }
        run(self.cursor, CLAIM.format(urgency=urgency), params)
        return [_claimed(row) for row in fetch(self.cursor)]

    def paced(self, channel: str, tokens: int) -> list[Claimed]:
        """What the pace allows: people who can still come first, and a tenth for notices, so that none waits for ever."""
        if tokens <= 0:
            return []
        run(self.cursor, "SELECT extract(epoch FROM statement_timestamp())::bigint")
        turn = int(fetch_one(self.cursor))
        claimed = self.rows(NOTICES, notices_share(tokens, turn=turn), only=channel)
        claimed += self.rows(URGENT, tokens - len(claimed), only=channel)
        claimed += self.rows(NOTICES, tokens - len(claimed), only=channel)
        paces.spend(self.cursor, channel, len(claimed))
        return claimed


def _queued_notices(cursor: Cursor) -> int:
    """Notices that are handed over and not begun."""
    run(
        cursor,
        f"SELECT count(*) FROM reminders_reminder WHERE closed_at IS NULL AND state = 'QUEUED' AND {NOTICES}"  # noqa: S608
        " AND next_attempt_at <= statement_timestamp() + interval '1 minute'",
    )
    return int(fetch_one(cursor))


@atomically
def claim_events(config: ReminderConfig) -> list[list[Claimed]]:
    """Claims due events: for each endpoint that is free an envelope's worth, the one that waits longest first.

    People come first: whatever the endpoints do, events never take more than half of the sends that one worker
    has side by side. Nothing is claimed while another dispatcher is at it, or while paused.
    """
    with connection.cursor() as cursor:
        run(cursor, "SELECT pg_try_advisory_xact_lock(%s)", [DISPATCH_LOCK])
        if not cursor.fetchone()[0] or paused(cursor):
            return []
        run(cursor, "SET LOCAL synchronous_commit = off")  # as above
        run(cursor, ROUTES, [EVENTS_INSPECTED])
        routes = list(fetch(cursor))
        room = max(1, config.concurrency // 2) - sum(route["busy"] for route in routes)
        batches = []
        for route in [route for route in routes if not route["busy"]][: max(0, room)]:
            most = 1 if route["tried"] else config.batch_size
            run(cursor, CLAIM_EVENTS, [route["recipient"], most, config.lease])
            batches.append([_claimed(row) for row in fetch(cursor)])
    return [batch for batch in batches if batch]


def _claimed(row: Mapping[str, Any]) -> Claimed:
    return Claimed(
        hint=Hint(row["id"], row["ticket"]),
        assignment_id=row["assignment_id"],
        version=row["version"],
        kind=row["kind"],
        due_at=row["due_at"],
        wait=row["wait"],
        alone=row["ambiguous"] > 0,
        scan_id=row["scan_id"],
    )


@atomically
def release(hints: Sequence[Hint], *, counted_as: str | None = None) -> int:
    """Puts claimed rows that nobody has begun back to PLANNED at once; guarded by their tickets.

    `counted_as` adds them to `reminder_failed_total` under that reason. Returns how many went back.
    """
    if not hints:
        return 0
    with connection.cursor() as cursor:
        run(
            cursor,
            """
            UPDATE reminders_reminder r SET state = 'PLANNED', lease_until = NULL
            FROM unnest(%s::bigint[], %s::bigint[]) AS hint(id, ticket)
            WHERE r.id = hint.id AND r.ticket = hint.ticket AND r.state = 'QUEUED'
            """,
            [[hint.reminder_id for hint in hints], [hint.ticket for hint in hints]],
        )
        returned = int(cursor.rowcount)
        if counted_as and returned:
            counters.write(
                cursor, counters.Counts({(counters.FAILED, counters.labels(reason=counted_as)): returned})
            )
        return returned


@atomically
def count_failure(reason: str) -> None:
    """One more failure that belongs to no row, such as a broker that does not answer."""
    with connection.cursor() as cursor:
        counters.write(cursor, counters.Counts({(counters.FAILED, counters.labels(reason=reason)): 1}))


def queued() -> int:
    """How many rows are claimed and not begun."""
    with connection.cursor() as cursor:
        run(
            cursor,
            "SELECT count(*) FROM reminders_reminder WHERE closed_at IS NULL AND state = 'QUEUED'"
            " AND next_attempt_at <= statement_timestamp() + interval '1 minute'",
        )
        return int(cursor.fetchone()[0])
