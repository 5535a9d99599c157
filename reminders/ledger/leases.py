"""Takes back what workers were handed: rows whose lease is over, and rows whose hint has not left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger import counters
from reminders.ledger.chains import go_on_later
from reminders.ledger.events import emit_unknown
from reminders.ledger.records import Ended, Hint, count_ended
from reminders.ledger.sql import bigints, fetch, prepared_cursor, run
from reminders.models import State
from reminders.policy import retries
from reminders.policy.retries import Result
from reminders.policy.ways import channel_name

LATE_ANSWER_WAIT = timedelta(seconds=3)
"""How long a row that was taken back from a worker waits for that worker's answer before it is sent again."""

REAP_LIMIT = 50_000
"""Rows taken back at most in one transaction."""

LEAST_IN_FRONT = 20_000

LEASE_OVER = """
    (lease_until <= statement_timestamp() OR lease_until > statement_timestamp() + %(lease)s + %(slack)s)
"""
EVERYWHERE = "lease_until IS NOT NULL"
ALL_DUE = f"{EVERYWHERE} AND next_attempt_at <= statement_timestamp() + %(lease)s"
IN_FRONT = f"""
    id = ANY(ARRAY(
        SELECT id FROM (SELECT id, lease_until FROM reminders_reminder
                        WHERE closed_at IS NULL AND next_attempt_at <= statement_timestamp()
                        ORDER BY next_attempt_at LIMIT %(front)s) front
        WHERE {LEASE_OVER}))
"""  # noqa: S608 - our own constants

REAP = f"""
    WITH over AS (
        SELECT id, state = 'SENDING' AND ambiguous >= CASE kind WHEN 'EVENT' THEN %(webhooks)s ELSE %(people)s END AS lost
        FROM reminders_reminder
        WHERE closed_at IS NULL AND {{among}} AND {LEASE_OVER}
        ORDER BY id
        LIMIT {REAP_LIMIT}
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
"""  # noqa: S608 - our own constants


@dataclass(frozen=True, slots=True)
class Reaped:
    """Rows whose lease was over: how many went back to PLANNED, and those that may have been sent."""

    returned: int
    ambiguous_rows: list[Ended]


def front(config: ReminderConfig) -> int:
    """So many of the rows that are due first are looked at in each tick: those that workers have are among them.

    Claims take what is due first. Where much more is due, to look at all of it in each tick would take longer than a tick.
    """
    return max(LEAST_IN_FRONT, 2 * config.queue_limit)


@atomically
def reap(config: ReminderConfig, *, among: str = ALL_DUE) -> Reaped:
    """Takes rows back whose lease is over, or lies further ahead than any lease can.

    A row that nobody had begun is simply due again. One that was begun may have arrived: its end is recorded
    as unknowable; the first time it is due again, the second time it ends UNKNOWN. Dispatch looks at rows that
    are due, mostly at the `front` of them (IN_FRONT: a lease ends long after its row was due); a scan looks EVERYWHERE, for
    a clock may have jumped back.
    """
    with prepared_cursor() as cursor:
        run(
            cursor,
            REAP.format(among=among),
            {
                "lease": config.lease,
                "front": front(config),
                "slack": timedelta(seconds=5),
                "patience": LATE_ANSWER_WAIT,
                "people": retries.TO_PEOPLE.max_ambiguous,
                "webhooks": retries.TO_WEBHOOKS.max_ambiguous,
            },
        )
        rows = list(fetch(cursor))
        channels = [channel_name(row.pop("channel")) for row in rows]
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
        go_on_later(cursor, lost)
    return Reaped(len(rows) - len(ambiguous_rows), [ended for ended, _ in ambiguous_rows])


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
def release_all_but(hints: Sequence[Hint]) -> int:
    """Puts every claimed row that nobody has begun back to PLANNED, except those of these hints; returns how many.

    A message that carries a row's ticket all the same, and a worker that holds it, finds the ticket void once the row
    was claimed again. Rows that somebody has locked are being begun just now, and are left alone.
    """
    with connection.cursor() as cursor:
        run(
            cursor,
            """
            WITH lost AS (
                SELECT id FROM reminders_reminder r
                WHERE closed_at IS NULL AND state = 'QUEUED'
                  AND (id, ticket) NOT IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[]))
                ORDER BY id
                FOR NO KEY UPDATE SKIP LOCKED
            )
            UPDATE reminders_reminder r SET state = 'PLANNED', lease_until = NULL
            FROM lost
            WHERE r.id = lost.id AND r.state = 'QUEUED'
            """,
            [bigints(hint.reminder_id for hint in hints), bigints(hint.ticket for hint in hints)],
        )
        return int(cursor.rowcount)
