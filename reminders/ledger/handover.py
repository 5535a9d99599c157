"""Hands due rows to the workers and takes back what was left lying."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection

from assignments.transactions import atomically
from reminders import counters
from reminders.conf import ReminderConfig
from reminders.ledger.rows import Claimed, Ended, Hint, fetch, paused, run
from reminders.models import Reason, State
from reminders.policy import Result

LATE_ANSWER = timedelta(seconds=3)
"""How long a row that was taken back from a worker waits for that worker's answer before it is sent again."""

REAP_LIMIT = 50_000
"""Rows taken back at most in one transaction."""

DISPATCH_LOCK = 0x72656D01

CLAIM = """
    WITH held AS MATERIALIZED (SELECT channel FROM reminders_channelhold WHERE until > statement_timestamp()),
    due AS (
        SELECT id FROM reminders_reminder
        WHERE closed_at IS NULL AND lease_until IS NULL AND next_attempt_at <= statement_timestamp() + %(ahead)s
          AND (NOT %(paused)s OR channel = 'none') AND channel NOT IN (SELECT channel FROM held)
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
"""

REAP = """
    WITH over AS (
        SELECT id FROM reminders_reminder
        WHERE closed_at IS NULL AND {bound}
          AND (lease_until <= statement_timestamp() OR lease_until > statement_timestamp() + %(lease)s + %(slack)s)
        ORDER BY id
        LIMIT {limit}
        FOR NO KEY UPDATE SKIP LOCKED
    ),
    back AS (
        UPDATE reminders_reminder r
        SET state = CASE WHEN r.state = 'SENDING' AND r.ambiguous > 0 THEN 'UNKNOWN' ELSE 'PLANNED' END,
            reason = CASE WHEN r.state = 'SENDING' AND r.ambiguous > 0 THEN 'ambiguous' ELSE '' END,
            closed_at = CASE WHEN r.state = 'SENDING' AND r.ambiguous > 0 THEN statement_timestamp() END,
            ambiguous = CASE WHEN r.state = 'SENDING' THEN r.ambiguous + 1 ELSE r.ambiguous END,
            -- The worker may yet come with its answer: for a moment the row waits for it (RULES, 8).
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
           n.reminder_id IS NOT NULL AS doubtful
    FROM back b LEFT JOIN noted n ON n.reminder_id = b.id
"""


@dataclass(frozen=True, slots=True)
class Reaped:
    """Rows whose lease was over: how many went back to PLANNED, and those that may have been sent."""

    returned: int
    doubtful: list[Ended]


@atomically
def reap(config: ReminderConfig, *, everywhere: bool = False) -> Reaped:
    """Takes rows back whose lease is over, or lies further ahead than any lease can (RULES, 17).

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
            {"lease": config.lease, "slack": timedelta(seconds=5), "patience": LATE_ANSWER},
        )
        rows = list(fetch(cursor))
        channels = [row.pop("channel") for row in rows]
        doubtful = [
            (Ended(**row), channel)
            for row, channel in zip(rows, channels, strict=True)
            if row.pop("doubtful")
        ]
        counts = counters.Counts()
        for ended, channel in doubtful:
            counts[counters.AMBIGUOUS, counters.labels(channel=channel)] += 1
            outcome = counters.labels(channel=channel, outcome=Result.UNKNOWABLE.value)
            counts[counters.ATTEMPTS, outcome] += 1
            if ended.state == State.UNKNOWN:
                counts[counters.FAILED, counters.labels(reason=Reason.AMBIGUOUS.value)] += 1
        counters.write(cursor, counts)
    return Reaped(len(rows) - len(doubtful), [ended for ended, _ in doubtful])


@atomically
def claim(config: ReminderConfig, *, room: int, ahead: timedelta) -> list[Claimed] | None:
    """Claims up to `room` rows that are due within `ahead`, oldest first; each gets the next ticket and a lease.

    None when another dispatcher is at it: one at a time (RULES, 14). While paused only markers are claimed.
    """
    with connection.cursor() as cursor:
        run(cursor, "SELECT pg_try_advisory_xact_lock(%s)", [DISPATCH_LOCK])
        if not cursor.fetchone()[0]:
            return None
        # Losing this commit loses nothing: the rows are PLANNED again, and no hint has left yet.
        run(cursor, "SET LOCAL synchronous_commit = off")
        run(
            cursor,
            CLAIM,
            {"ahead": ahead, "room": room, "lease": config.lease, "paused": paused(cursor)},
        )
        return [
            Claimed(
                hint=Hint(row["id"], row["ticket"]),
                assignment_id=row["assignment_id"],
                version=row["version"],
                kind=row["kind"],
                due_at=row["due_at"],
                wait=row["wait"],
                alone=row["ambiguous"] > 0,
                scan_id=row["scan_id"],
            )
            for row in fetch(cursor)
        ]


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
