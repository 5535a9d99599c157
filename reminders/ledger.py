"""Every write to the life cycle of a reminder, each one guarded: a row moves only if it is where it is believed.

The order of locks is the same everywhere: assignments by id, then ledger rows by id (RULES, 2). Instants come
from the database's clock. Statements are set-based; what they count is counted in the same transaction.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg.pq import Format

from assignments.models import Status
from assignments.transactions import atomically
from reminders import counters, policy
from reminders.conf import TELL_WINDOW, ReminderConfig
from reminders.models import Kind, Reason, State
from reminders.policy import Action, Next, Plan, Result, Row, Situation, Use

BATCH = 5_000
"""Rows planned per transaction (RULES, 15)."""

SCAN_LEASE = timedelta(seconds=30)
LATE_ANSWER = timedelta(seconds=3)
"""How long a row that was taken back from a worker waits for that worker's answer before it is sent again."""

DISPATCH_LOCK = 0x72656D01
SCAN_LOCK = 0x72656D02
PAUSE_LOCK = 0x72656D03
IN_FORCE = (
    "SELECT id FROM reminders_pause"
    " WHERE ended_at IS NULL AND (until IS NULL OR until > statement_timestamp())"
)
"""The pause that holds sending now."""


TIMESTAMPTZ = psycopg.adapters.types["timestamptz"].oid
_timestamptz_loader = psycopg.adapters.get_loader(TIMESTAMPTZ, Format.TEXT)


@dataclass(frozen=True, slots=True)
class Hint:
    """What travels in a message: a ledger row and the ticket under which it was claimed."""

    reminder_id: int
    ticket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A row that dispatch has just claimed. `wait` is how long it is not due yet; zero when it is."""

    hint: Hint
    assignment_id: int
    version: int
    kind: str
    due_at: datetime
    wait: timedelta
    alone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a message may say about the assignment, and where the person can be reached."""

    title: str
    kind: str
    location: str
    notes: str
    reference: str
    start: datetime
    end: datetime | None
    assignee_name: str
    assignee_email: str
    assignee_phone: str
    assignee_zone: str
    assignee_language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A row that this worker may send now, under `number`, until its lease is over."""

    row: Row
    plan: Plan
    facts: Facts
    number: int
    begun_at: datetime
    was_held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A row that was settled, or put back, without a send; a line for the log."""

    reminder_id: int
    assignment_id: int
    version: int
    kind: str
    due_at: datetime
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Begun:
    """What `begin` made of its hints. `busy` are rows that somebody else held locked: worth another try."""

    claims: list[Claim]
    marked: list[Ended]
    settled: list[Ended]
    stale: list[Hint]
    busy: list[Hint]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How one send ended. `code` and `detail` hold no address."""

    claim: Claim
    result: Result
    next: Next
    code: str
    detail: str
    finished_at: datetime
    message_id: str


# --- plan ------------------------------------------------------------------------------------------------------

# One statement plans reminders for a scan (a page of the open index) and for a change of plan (some ids).
PLAN_REMINDERS = """
    WITH page AS MATERIALIZED (
        SELECT a.id, a.version, a.scheduled_start, a.assignee_id, a.known_at, a.renudge_at,
               coalesce(make_interval(mins => a.lead_minutes), %(lead)s) AS lead
        FROM assignments_assignment a
        WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND {scope}
          AND a.scheduled_start <= statement_timestamp() + greatest(
                %(lookahead)s, coalesce(make_interval(mins => a.lead_minutes), %(lead)s) + %(poll)s)
          AND NOT EXISTS (
                SELECT 1 FROM reminders_reminder r
                WHERE r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER' AND r.rule = 'default')
        ORDER BY a.scheduled_start, a.id
        LIMIT %(limit)s
    ),
    judged AS (
        SELECT p.*,
               CASE WHEN p.assignee_id IS NULL THEN '' ELSE 'assignee:' || p.assignee_id END AS recipient,
               p.scheduled_start + %(overdue)s AS not_after,
               CASE
                   WHEN p.scheduled_start <= p.known_at THEN 'past'
                   WHEN p.scheduled_start + %(overdue)s < statement_timestamp() THEN 'too_late'
                   -- What this person heard last, or may have heard, or is being told right now, decides.
                   WHEN p.version > 1 AND p.assignee_id IS NOT NULL AND (
                       SELECT told.state = 'SENT' AND told.planned_start = p.scheduled_start
                          AND (p.renudge_at IS NULL OR told.sent_at > p.renudge_at)
                       FROM reminders_reminder told
                       WHERE told.assignment_id = p.id AND told.kind = 'REMINDER'
                         AND told.recipient = 'assignee:' || p.assignee_id AND told.begun_at IS NOT NULL
                         AND (told.state IN ('SENT', 'SENDING', 'UNKNOWN') OR told.ambiguous > 0)
                       ORDER BY told.begun_at DESC LIMIT 1) THEN 'already_told'
                   ELSE ''
               END AS reason
        FROM page p
    ),
    planned AS (
        INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
            planned_at, due_at, not_after, next_attempt_at, state, reason, closed_at)
        SELECT id, version, 'REMINDER', 'default', recipient, %(channel)s, scheduled_start, statement_timestamp(),
               scheduled_start - lead, not_after, scheduled_start - lead,
               CASE WHEN reason = '' THEN 'PLANNED' ELSE 'SKIPPED' END, reason,
               CASE WHEN reason = '' THEN NULL ELSE statement_timestamp() END
        FROM judged
        ON CONFLICT DO NOTHING
        RETURNING id, assignment_id, version, kind, due_at, state, reason
    )
    SELECT (SELECT count(*) FROM page),
           (SELECT count(*) FROM planned WHERE state = 'PLANNED'),
           (SELECT jsonb_agg(jsonb_build_array(id, assignment_id, version, kind, due_at, state, reason))
            FROM planned WHERE state = 'SKIPPED'),
           (SELECT scheduled_start FROM page ORDER BY scheduled_start DESC, id DESC LIMIT 1),
           (SELECT id FROM page ORDER BY scheduled_start DESC, id DESC LIMIT 1)
"""

PLAN_MARKERS = """
    WITH page AS MATERIALIZED (
        SELECT a.id, a.version, a.scheduled_start
        FROM assignments_assignment a
        WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND {scope}
          AND a.scheduled_start <= statement_timestamp() + %(poll)s
          AND NOT EXISTS (
                SELECT 1 FROM reminders_reminder r
                WHERE r.assignment_id = a.id AND r.version = a.version AND r.kind = 'OVERDUE'
                  AND r.rule = 'default' AND r.recipient = '')
        ORDER BY a.scheduled_start, a.id
        LIMIT %(limit)s
    ),
    planned AS (
        INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
            planned_at, due_at, next_attempt_at, state)
        SELECT id, version, 'OVERDUE', 'default', '', 'none', scheduled_start, statement_timestamp(),
               scheduled_start + %(overdue)s, scheduled_start + %(overdue)s, 'PLANNED'
        FROM page
        ON CONFLICT DO NOTHING
        RETURNING id
    )
    SELECT (SELECT count(*) FROM page), (SELECT count(*) FROM planned), NULL::jsonb,
           (SELECT scheduled_start FROM page ORDER BY scheduled_start DESC, id DESC LIMIT 1),
           (SELECT id FROM page ORDER BY scheduled_start DESC, id DESC LIMIT 1)
"""

SCOPE_IDS = "a.id = ANY(%(ids)s)"
SCOPE_PAGE = "(a.scheduled_start, a.id) > (%(after_start)s, %(after_id)s)"
SCOPE_DEFAULT_LEAD = (
    SCOPE_PAGE
    + " AND a.lead_minutes IS NULL"
    + " AND a.scheduled_start <= statement_timestamp() + greatest(%(lookahead)s, %(lead)s + %(poll)s)"
)
SCOPE_OWN_LEAD = (
    SCOPE_PAGE
    + " AND a.lead_minutes IS NOT NULL"
    + " AND a.scheduled_start <= statement_timestamp() + interval '30 days' + %(poll)s"
)
FIRST_PAGE = {"after_start": "-infinity", "after_id": 0}


@dataclass(frozen=True, slots=True)
class Planned:
    """What one page of planning did; `last` is where the next page begins, None after the last page."""

    planned: int
    skipped: list[Ended]
    last: dict[str, object] | None


def plan_reminders(config: ReminderConfig, scope: str, within: Mapping[str, object]) -> Planned:
    """Plans the missing reminder rows of the current versions in the scope, one page of them."""
    return _plan(PLAN_REMINDERS, config, scope, within)


def plan_markers(config: ReminderConfig, scope: str, within: Mapping[str, object]) -> Planned:
    """Plans the missing OVERDUE markers in the scope: from one scan before the start on."""
    return _plan(PLAN_MARKERS, config, scope, within)


def pages(
    plan: Callable[[ReminderConfig, str, Mapping[str, object]], Planned], config: ReminderConfig, scope: str
) -> Iterator[Planned]:
    """Plans page after page of a scope, each committed on its own."""
    within: dict[str, object] | None = dict(FIRST_PAGE)
    while within is not None:
        page = plan(config, scope, within)
        yield page
        within = page.last


@atomically
def _plan(statement: str, config: ReminderConfig, scope: str, within: Mapping[str, object]) -> Planned:
    params = {
        "lead": config.lead,
        "lookahead": config.lookahead,
        "poll": config.poll,
        "overdue": config.overdue,
        "channel": config.channel,
        "limit": BATCH,
        **within,
    }
    with connection.cursor() as cursor:
        if "ids" not in within:
            # Losing this commit loses nothing: the next scan plans the same rows again.
            _run(cursor, "SET LOCAL synchronous_commit = off")
        _run(cursor, statement.format(scope=scope), params)
        seen, planned, skipped, last_start, last_id = cursor.fetchone()
        ended = [_ended_from_json(row) for row in json.loads(skipped or "[]")]
        counters.write(cursor, _tally_skipped(ended))
    full = seen == BATCH
    return Planned(planned, ended, {"after_start": last_start, "after_id": last_id} if full else None)


# Supervisors who were still to be told that work is overdue are told of the new version, while it still is.
TELL_ON = """
    INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
        planned_at, due_at, not_after, next_attempt_at, state)
    SELECT a.id, a.version, r.kind, r.rule, r.recipient, r.channel, a.scheduled_start, statement_timestamp(),
           r.due_at, r.not_after, r.next_attempt_at, 'PLANNED'
    FROM reminders_reminder r JOIN assignments_assignment a ON a.id = r.assignment_id
    WHERE r.id = ANY(%s) AND r.channel <> 'none' AND r.state = 'SKIPPED' AND r.version < a.version
      AND a.status = 'SCHEDULED' AND a.overdue_at IS NOT NULL
    ON CONFLICT DO NOTHING
"""


@atomically
def replan(ids: Sequence[int], config: ReminderConfig) -> list[Ended]:
    """Makes the ledger follow a change of plan, in the service's own transaction (RULES, 1).

    Voids what is open and no longer holds, sets the roll-up back where the new plan was not told yet, plans
    anew what lies within the look-ahead. The assignments' rows are locked by the caller.
    """
    ended = void(ids)
    with connection.cursor() as cursor:
        _run(
            cursor,
            """
            UPDATE assignments_assignment a SET reminder_status = 'NONE', overdue_at = NULL
            WHERE a.id = ANY(%(ids)s) AND a.status = 'SCHEDULED' AND (
                (a.reminder_status = 'OVERDUE' AND a.scheduled_start + %(overdue)s > statement_timestamp())
                -- the change at hand is an operator's reset
                OR (a.reminder_status = 'OVERDUE' AND a.renudge_at >= a.updated_at)
                OR (a.reminder_status = 'SENT' AND NOT EXISTS (
                    SELECT 1 FROM reminders_reminder r
                    WHERE r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
                      AND (r.state = 'SENT' OR r.reason IN ('already_told', 'imported')))))
            """,
            {"ids": list(ids), "overdue": config.overdue},
        )
        _run(cursor, TELL_ON, [[row.reminder_id for row in ended if row.kind == Kind.OVERDUE]])
    if config.enabled:
        within = {"ids": list(ids), "limit": len(ids)}
        ended += plan_reminders(config, SCOPE_IDS, within).skipped
        plan_markers(config, SCOPE_IDS, within)
    heal_roll_up(config, ids)
    return ended


VOID = """
    UPDATE reminders_reminder r
    SET state = CASE WHEN r.ambiguous > 0 THEN 'UNKNOWN' ELSE 'SKIPPED' END,
        reason = CASE
            WHEN r.ambiguous > 0 THEN 'ambiguous'
            WHEN a.status = 'CANCELLED' THEN 'cancelled'
            WHEN a.status <> 'SCHEDULED' THEN 'started'
            WHEN r.planned_start <> a.scheduled_start THEN 'moved'
            WHEN r.kind = 'REMINDER'
                 AND r.recipient <> CASE WHEN a.assignee_id IS NULL THEN '' ELSE 'assignee:' || a.assignee_id END
                 THEN 'reassigned'
            ELSE 'replanned'
        END,
        lease_until = NULL, closed_at = statement_timestamp()
    FROM assignments_assignment a
    WHERE a.id = r.assignment_id AND r.closed_at IS NULL AND r.state IN ('PLANNED', 'QUEUED') AND {scope}
      AND (a.version <> r.version OR a.status <> 'SCHEDULED' OR a.scheduled_start <> r.planned_start)
    RETURNING r.id AS reminder_id, r.assignment_id, r.version, r.kind, r.due_at, r.state, r.reason
"""


@atomically
def void(ids: Sequence[int] | None = None) -> list[Ended]:
    """Ends the open rows (never one in SENDING) whose plan no longer holds; of all assignments, or of these.

    `policy.why_void` is the same rule as a pure function.
    """
    scope = "TRUE" if ids is None else "a.id = ANY(%(ids)s)"
    with connection.cursor() as cursor:
        _run(cursor, VOID.format(scope=scope), {"ids": list(ids or [])})
        ended = [Ended(**row) for row in _rows(cursor)]
        counters.write(cursor, _tally_skipped(ended))
    return ended


@atomically
def retime(config: ReminderConfig) -> int:
    """Moves the instants of rows that nobody has begun, after the lead or the overdue time has changed.

    Rows that have begun keep theirs (DESIGN, 7). Returns how many moved.
    """
    with connection.cursor() as cursor:
        _run(
            cursor,
            """
            WITH wanted AS (
                SELECT r.id, r.kind,
                       CASE WHEN r.kind = 'REMINDER'
                            THEN a.scheduled_start - coalesce(make_interval(mins => a.lead_minutes), %(lead)s)
                            ELSE a.scheduled_start + %(overdue)s END AS due_at,
                       CASE WHEN r.kind = 'REMINDER' THEN a.scheduled_start + %(overdue)s END AS not_after
                FROM reminders_reminder r JOIN assignments_assignment a ON a.id = r.assignment_id
                WHERE r.closed_at IS NULL AND r.state = 'PLANNED' AND r.attempts = 0
                  AND r.version = a.version AND (r.kind = 'REMINDER' OR r.channel = 'none'))
            UPDATE reminders_reminder r
            SET due_at = w.due_at, next_attempt_at = w.due_at, not_after = w.not_after
            FROM wanted w
            WHERE r.id = w.id AND r.state = 'PLANNED' AND r.attempts = 0
              AND (r.due_at, r.not_after) IS DISTINCT FROM (w.due_at, w.not_after)
            """,
            {"lead": config.lead, "overdue": config.overdue},
        )
        return int(cursor.rowcount)


TOLD = """
    SELECT a.id FROM assignments_assignment a
    WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND a.reminder_status = 'NONE' AND {scope}
      AND EXISTS (
          SELECT 1 FROM reminders_reminder r
          WHERE r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
            AND (r.state = 'SENT' OR r.reason IN ('already_told', 'imported')))
    ORDER BY a.id FOR NO KEY UPDATE
"""


@atomically
def heal_roll_up(config: ReminderConfig, ids: Sequence[int] | None = None) -> int:
    """Sets the roll-up to SENT where the ledger says that the current plan was told; returns how many."""
    scope = "a.scheduled_start <= statement_timestamp() + %(lookahead)s" if ids is None else SCOPE_IDS
    with connection.cursor() as cursor:
        _run(
            cursor,
            TOLD.format(scope=scope),
            {"lookahead": config.lookahead, "ids": list(ids or [])},
        )
        told = [row[0] for row in cursor.fetchall()]
        if told:
            _run(
                cursor,
                "UPDATE assignments_assignment SET reminder_status = 'SENT'"
                " WHERE id = ANY(%s) AND status = 'SCHEDULED' AND overdue_at IS NULL",
                [told],
            )
        return len(told)


REVIVE = """
    UPDATE reminders_reminder r
    SET state = 'PLANNED', reason = '', closed_at = NULL, failures = 0, next_attempt_at = statement_timestamp()
    FROM assignments_assignment a JOIN assignments_assignee p ON p.id = a.assignee_id
    WHERE {scope} AND a.id = r.assignment_id AND a.version = r.version AND a.status = 'SCHEDULED'
      AND r.recipient = 'assignee:' || p.id AND r.state = 'FAILED' AND r.reason IN ('no_contact', 'rejected')
      AND statement_timestamp() < r.not_after
"""


@atomically
def revive(assignee_ids: Sequence[int]) -> int:
    """Puts rows that failed for want of a good contact back to PLANNED, once the contact was corrected.

    Only of the current version and while the message is still of use (RULES, 19). Returns how many.
    """
    with connection.cursor() as cursor:
        _run(cursor, REVIVE.format(scope="p.id = ANY(%s)"), [list(assignee_ids)])
        return int(cursor.rowcount)


# OFFSET 0 keeps the planner from hashing the whole ledger: it cannot know how few assignments are due and open.
UNACCOUNTED = """
    SELECT (
        SELECT count(*) FROM assignments_assignment a
        WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND a.lead_minutes IS NULL
          AND a.scheduled_start <= statement_timestamp() + %(lead)s
          AND NOT EXISTS (SELECT 1 FROM reminders_reminder r
                          WHERE r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
                          OFFSET 0)
    ) + (
        SELECT count(*) FROM assignments_assignment a
        WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND a.lead_minutes IS NOT NULL
          AND a.scheduled_start <= statement_timestamp() + interval '30 days'
          AND a.scheduled_start <= statement_timestamp() + make_interval(mins => a.lead_minutes)
          AND NOT EXISTS (SELECT 1 FROM reminders_reminder r
                          WHERE r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
                          OFFSET 0)
    )
"""


def unaccounted(config: ReminderConfig) -> int:
    """Due assignments without any row for their current version: the audit, by a query of its own (DESIGN, 3)."""
    with connection.cursor() as cursor:
        _run(cursor, UNACCOUNTED, {"lead": config.lead})
        return int(cursor.fetchone()[0])


# --- dispatch --------------------------------------------------------------------------------------------------

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
    RETURNING r.id, r.ticket, r.assignment_id, r.version, r.kind, r.due_at, r.ambiguous,
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
        RETURNING r.id, r.assignment_id, r.version, r.kind, r.due_at, r.state, r.reason, r.channel,
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
    SELECT b.id AS reminder_id, b.assignment_id, b.version, b.kind, b.due_at, b.state, b.reason, b.channel,
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
        _run(
            cursor,
            REAP.format(bound=bound, limit=BATCH * 10),
            {"lease": config.lease, "slack": timedelta(seconds=5), "patience": LATE_ANSWER},
        )
        rows = list(_rows(cursor))
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
        _run(cursor, "SELECT pg_try_advisory_xact_lock(%s)", [DISPATCH_LOCK])
        if not cursor.fetchone()[0]:
            return None
        # Losing this commit loses nothing: the rows are PLANNED again, and no hint has left yet.
        _run(cursor, "SET LOCAL synchronous_commit = off")
        _run(
            cursor,
            CLAIM,
            {"ahead": ahead, "room": room, "lease": config.lease, "paused": _paused(cursor)},
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
            )
            for row in _rows(cursor)
        ]


@atomically
def release(hints: Sequence[Hint], *, counted_as: str | None = None) -> int:
    """Puts claimed rows that nobody has begun back to PLANNED at once; guarded by their tickets.

    `counted_as` adds them to `reminder_failed_total` under that reason. Returns how many went back.
    """
    if not hints:
        return 0
    with connection.cursor() as cursor:
        _run(
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
        _run(
            cursor,
            "SELECT count(*) FROM reminders_reminder WHERE closed_at IS NULL AND state = 'QUEUED'"
            " AND next_attempt_at <= statement_timestamp() + interval '1 minute'",
        )
        return int(cursor.fetchone()[0])


# --- begin -----------------------------------------------------------------------------------------------------

PICK = f"""
    SELECT r.id, r.assignment_id, r.version, r.kind, r.rule, r.recipient, r.channel, r.planned_start, r.planned_at,
           r.due_at, r.not_after, r.next_attempt_at, r.state, r.ticket, r.attempts, r.failures, r.ambiguous,
           a.version AS plan_version, a.status AS plan_status, a.scheduled_start, a.scheduled_end, a.assignee_id,
           a.overdue_at, a.known_at, a.title, a.kind AS assignment_kind, a.location, a.notes, a.reference,
           p.name, p.email, p.phone, p.time_zone, p.language,
           statement_timestamp() AS now,
           EXISTS ({IN_FORCE}) AS paused,
           (SELECT h.until FROM reminders_channelhold h WHERE h.channel = r.channel) AS held_until
    FROM unnest(%s::bigint[], %s::bigint[]) AS hint(id, ticket)
    JOIN reminders_reminder r ON r.id = hint.id AND r.ticket = hint.ticket AND r.state = 'QUEUED'
    JOIN assignments_assignment a ON a.id = r.assignment_id
    LEFT JOIN assignments_assignee p ON p.id = a.assignee_id
    ORDER BY a.id, r.id
    FOR NO KEY UPDATE OF a, r SKIP LOCKED
"""  # noqa: S608 - IN_FORCE is our own constant


@atomically
def begin(hints: Sequence[Hint], *, config: ReminderConfig) -> Begun:
    """Decides about each hint's row under its lock, and makes those that may be sent SENDING.

    Rows and assignments are picked SKIP LOCKED: nothing is decided on a snapshot that is older than a lock
    wait (RULES, 1). What the policy refuses is settled in the same transaction (RULES, 11).
    """
    hints = list(dict.fromkeys(hints))  # A hint that is there twice must not be begun twice.
    with connection.cursor() as cursor:
        _read_instants_fast(cursor)
        _run(cursor, PICK, [[hint.reminder_id for hint in hints], [hint.ticket for hint in hints]])
        picked = list(_rows(cursor))
        claims, marked, settled, marks, puts = [], [], [], [], []
        for found in picked:
            row, plan = _row(found), _plan_of(found)
            held = {row.channel: found["held_until"]} if found["held_until"] else {}
            situation = Situation(now=found["now"], enabled=config.enabled, paused=found["paused"], held=held)
            verdict = policy.judge(row, plan, situation)
            if verdict.action is Action.SEND:
                claims.append(_claim(row, plan, found))
            elif verdict.action is Action.MARK:
                marks.append((row, found))
                marked.append(_ended(row, State.MARKED, ""))
            else:
                state = verdict.state or State.PLANNED
                reason = verdict.reason.value if verdict.reason else ""
                puts.append((row.id, state.value, reason, verdict.until or row.next_attempt_at))
                settled.append(_ended(row, state, reason))
        if claims:
            _run(
                cursor,
                """
                UPDATE reminders_reminder
                SET state = 'SENDING', attempts = attempts + 1, begun_at = statement_timestamp(), reason = '',
                    lease_until = statement_timestamp() + %s
                WHERE id = ANY(%s) AND state = 'QUEUED'
                """,
                [config.lease, [claim.row.id for claim in claims]],
            )
        if puts:
            _settle(cursor, puts)
            counters.write(cursor, _tally_skipped(settled))
        if marks:
            _mark(cursor, marks, config)
    missing = {hint.reminder_id for hint in hints} - {found["id"] for found in picked}
    stale, busy = _tell_apart([hint for hint in hints if hint.reminder_id in missing])
    return Begun(claims, marked, settled, stale, busy)


def _settle(cursor: CursorWrapper, puts: Sequence[tuple[int, str, str, datetime]]) -> None:
    ids, states, reasons, untils = (list(column) for column in zip(*puts, strict=True))
    _run(
        cursor,
        """
        UPDATE reminders_reminder r
        SET state = x.state, reason = x.reason, lease_until = NULL, next_attempt_at = x.until,
            closed_at = CASE WHEN x.state = 'PLANNED' THEN NULL ELSE statement_timestamp() END
        FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[]) AS x(id, state, reason, until)
        WHERE r.id = x.id AND r.state = 'QUEUED'
        """,
        [ids, states, reasons, untils],
    )


def _mark(cursor: CursorWrapper, marks: Sequence[tuple[Row, dict[str, Any]]], config: ReminderConfig) -> None:
    """Marks assignments OVERDUE, ends their markers and plans who is told, all at once (RULES, 5)."""
    _run(
        cursor,
        """
        UPDATE assignments_assignment SET reminder_status = 'OVERDUE', overdue_at = statement_timestamp()
        WHERE id = ANY(%s) AND status = 'SCHEDULED' AND overdue_at IS NULL
        """,
        [[row.assignment_id for row, _ in marks]],
    )
    counters.write(cursor, counters.Counts({(counters.OVERDUE_MARKED, ""): cursor.rowcount}))
    _run(
        cursor,
        """
        UPDATE reminders_reminder SET state = 'MARKED', reason = '', lease_until = NULL,
            closed_at = statement_timestamp()
        WHERE id = ANY(%s) AND state = 'QUEUED'
        """,
        [[row.id for row, _ in marks]],
    )
    told = [row for row, found in marks if row.due_at >= found["known_at"]]
    if not told or not config.ops_emails:
        return
    _run(
        cursor,
        """
        INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
            planned_at, due_at, not_after, next_attempt_at, state)
        SELECT x.assignment_id, x.version, 'OVERDUE', 'default', ops.recipient, %s, x.start, statement_timestamp(),
               x.due_at, x.due_at + %s, statement_timestamp(), 'PLANNED'
        FROM unnest(%s::bigint[], %s::int[], %s::timestamptz[], %s::timestamptz[])
          AS x(assignment_id, version, start, due_at)
        CROSS JOIN unnest(%s::text[]) AS ops(recipient)
        ON CONFLICT DO NOTHING
        """,
        [
            config.channel,
            TELL_WINDOW,
            [row.assignment_id for row in told],
            [row.version for row in told],
            [row.planned_start for row in told],
            [row.due_at for row in told],
            [ops_recipient(address) for address in config.ops_emails],
        ],
    )


def _tell_apart(missing: Sequence[Hint]) -> tuple[list[Hint], list[Hint]]:
    """Hints whose row has moved on, and hints whose row somebody held locked just now."""
    if not missing:
        return [], []
    with connection.cursor() as cursor:
        _run(
            cursor,
            """
            SELECT r.id FROM reminders_reminder r
            JOIN unnest(%s::bigint[], %s::bigint[]) AS hint(id, ticket) ON r.id = hint.id AND r.ticket = hint.ticket
            WHERE r.state = 'QUEUED'
            """,
            [[hint.reminder_id for hint in missing], [hint.ticket for hint in missing]],
        )
        waiting = {row[0] for row in cursor.fetchall()}
    stale = [hint for hint in missing if hint.reminder_id not in waiting]
    return stale, [hint for hint in missing if hint.reminder_id in waiting]


# --- finish ----------------------------------------------------------------------------------------------------

FINISH = """
    WITH x AS MATERIALIZED (
        SELECT * FROM unnest(
            %(ids)s::bigint[], %(tickets)s::bigint[], %(numbers)s::int[], %(states)s::text[], %(reasons)s::text[],
            %(retries)s::timestamptz[], %(counted)s::int[], %(doubts)s::int[], %(begun)s::timestamptz[],
            %(ended)s::timestamptz[], %(outcomes)s::text[], %(codes)s::text[], %(details)s::text[], %(messages)s::text[])
        AS x(id, ticket, number, state, reason, retry_at, counted, doubt, begun_at, ended_at, outcome, code, detail,
             message_id)
    ),
    landed AS (
        UPDATE reminders_reminder r
        SET state = x.state, reason = x.reason, lease_until = NULL,
            next_attempt_at = coalesce(x.retry_at, r.next_attempt_at),
            failures = r.failures + x.counted, ambiguous = r.ambiguous + x.doubt,
            sent_at = CASE WHEN x.state = 'SENT' THEN x.ended_at END,
            message_id = CASE WHEN x.state = 'SENT' THEN x.message_id ELSE r.message_id END,
            closed_at = CASE WHEN x.state <> 'PLANNED' THEN statement_timestamp() END
        FROM x
        WHERE r.id = x.id AND (
            (r.state = 'SENDING' AND r.ticket = x.ticket)
            OR (x.state = 'SENT' AND r.state IN ('PLANNED', 'QUEUED') AND r.attempts = x.number))
        RETURNING r.id, r.assignment_id, r.version, r.kind, r.channel, r.recipient
    ),
    noted AS (
        INSERT INTO reminders_attempt (reminder_id, number, ticket, started_at, finished_at, outcome, code, detail)
        SELECT x.id, x.number, x.ticket, x.begun_at, x.ended_at, x.outcome, x.code, x.detail
        FROM x JOIN landed USING (id)
        ON CONFLICT DO NOTHING
    ),
    rolled AS (
        UPDATE assignments_assignment a SET reminder_status = 'SENT'
        FROM landed JOIN x USING (id)
        WHERE a.id = landed.assignment_id AND a.version = landed.version AND landed.kind = 'REMINDER'
          AND x.state = 'SENT' AND a.reminder_status = 'NONE'
    )
    SELECT id FROM landed
"""


@atomically
def finish(ends: Sequence[Finished], *, config: ReminderConfig) -> list[Finished]:
    """Records how sends ended: row, attempt, roll-up and counters in one transaction.

    Guarded by state and ticket, not by the clock: a late answer of the rightful worker counts, that of any
    other does not. An acceptance also lands on a row that was taken back and not begun again (RULES, 8).
    Returns those that landed.
    """
    if not ends:
        return []
    ends = [*ends]
    with connection.cursor() as cursor:
        _run(
            cursor,
            "SELECT id, version FROM assignments_assignment WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
            [sorted({end.claim.row.assignment_id for end in ends})],
        )
        versions = dict(cursor.fetchall())
        ends = _hold_channels(cursor, ends)
        _run(
            cursor,
            FINISH,
            {
                "ids": [end.claim.row.id for end in ends],
                "tickets": [end.claim.row.ticket for end in ends],
                "numbers": [end.claim.number for end in ends],
                "states": [end.next.state.value for end in ends],
                "reasons": [end.next.reason.value if end.next.reason else "" for end in ends],
                "retries": [end.next.retry_at for end in ends],
                "counted": [int(end.next.counted) for end in ends],
                "doubts": [int(end.next.ambiguous) for end in ends],
                "begun": [end.claim.begun_at for end in ends],
                "ended": [end.finished_at for end in ends],
                "outcomes": [end.result.value for end in ends],
                "codes": [end.code[:40] for end in ends],
                "details": [end.detail[:500] for end in ends],
                "messages": [end.message_id for end in ends],
            },
        )
        ids = {row[0] for row in cursor.fetchall()}
        landed = [end for end in ends if end.claim.row.id in ids]
        counters.write(cursor, _tally_finished(landed))
        _spare_the_told(cursor, landed, versions)
        _use_corrected_contacts(cursor, landed)
    if back := [end.claim.row.assignment_id for end in landed if end.next.state is State.PLANNED]:
        void(sorted(set(back)))  # A failure of an old plan is not tried again.
    return landed


def _spare_the_told(cursor: CursorWrapper, landed: Sequence[Finished], versions: Mapping[int, int]) -> None:
    """A plan that changed during a send, yet tells this person the same start, is not told again (RULES, 23)."""
    outdated = [
        end
        for end in landed
        if end.next.state is State.SENT
        and end.claim.row.kind is Kind.REMINDER
        and versions.get(end.claim.row.assignment_id) != end.claim.row.version
    ]
    if not outdated:
        return
    _run(
        cursor,
        """
        UPDATE reminders_reminder r
        SET state = 'SKIPPED', reason = 'already_told', lease_until = NULL, closed_at = statement_timestamp()
        FROM reminders_reminder told JOIN assignments_assignment a ON a.id = told.assignment_id
        WHERE told.id = ANY(%s) AND r.assignment_id = told.assignment_id AND r.version = a.version
          AND r.kind = 'REMINDER' AND r.state IN ('PLANNED', 'QUEUED') AND r.ambiguous = 0
          AND r.recipient = told.recipient AND r.planned_start = told.planned_start
          AND (a.renudge_at IS NULL OR told.sent_at > a.renudge_at)
        RETURNING r.assignment_id
        """,
        [[end.claim.row.id for end in outdated]],
    )
    spared = [row[0] for row in cursor.fetchall()]
    if spared:
        skipped = counters.labels(reason=Reason.ALREADY_TOLD.value)
        counters.write(cursor, counters.Counts({(counters.SKIPPED, skipped): len(spared)}))
        _run(
            cursor,
            "UPDATE assignments_assignment SET reminder_status = 'SENT'"
            " WHERE id = ANY(%s) AND reminder_status = 'NONE'",
            [spared],
        )


def _use_corrected_contacts(cursor: CursorWrapper, landed: Sequence[Finished]) -> None:
    """A contact that was corrected during the send deserves a send of its own (RULES, 19)."""
    failed = [end.claim.row.id for end in landed if end.next.reason in (Reason.NO_CONTACT, Reason.REJECTED)]
    if failed:
        _run(cursor, REVIVE.format(scope="r.id = ANY(%s) AND p.updated_at > r.begun_at"), [failed])


def _hold_channels(cursor: CursorWrapper, ends: list[Finished]) -> list[Finished]:
    """Holds channels that are down and opens those that work; rows of a held channel wait for it."""
    down = {end.claim.row.channel: end for end in ends if end.result is Result.CHANNEL_DOWN}
    answered = (Result.ACCEPTED, Result.REJECTED, Result.REFUSED_FOR_NOW)
    works = {
        end.claim.row.channel: end.claim for end in ends if end.result in answered and end.claim.was_held
    }
    for channel in sorted(works.keys() - down.keys()):
        # Only a hold that was over when this send began: a later one says something newer.
        _run(
            cursor,
            "DELETE FROM reminders_channelhold WHERE channel = %s AND until <= %s",
            [channel, works[channel].begun_at],
        )
    until: dict[str, datetime] = {}
    for channel, end in sorted(down.items()):
        _run(
            cursor,
            "SELECT failures, until, statement_timestamp() FROM reminders_channelhold"
            " WHERE channel = %s FOR UPDATE",
            [channel],
        )
        failures, held_until, now = cursor.fetchone() or (0, None, end.finished_at)
        if held_until is None or held_until <= now:  # Workers that fail together count once.
            failures += 1
            held_until = now + policy.hold(failures)
        _run(
            cursor,
            """
            INSERT INTO reminders_channelhold (channel, since, until, failures, code, detail)
            VALUES (%s, statement_timestamp(), %s, %s, %s, %s)
            ON CONFLICT (channel) DO UPDATE
            SET until = excluded.until, failures = excluded.failures, code = excluded.code, detail = excluded.detail
            """,
            [channel, held_until, failures, end.code[:40], end.detail[:500]],
        )
        until[channel] = held_until
    return [
        replace(end, next=policy.after_hold(end.claim.row, end.result, until[end.claim.row.channel]))
        if end.next.state is State.PLANNED
        and end.result in (Result.CHANNEL_DOWN, Result.HANDED_BACK)
        and end.claim.row.channel in until
        else end
        for end in ends
    ]


def _tally_finished(landed: Iterable[Finished]) -> counters.Counts:
    counts = counters.Counts()
    delays = []
    for end in landed:
        row = end.claim.row
        counts[counters.ATTEMPTS, counters.labels(channel=row.channel, outcome=end.result.value)] += 1
        if end.next.ambiguous:
            counts[counters.AMBIGUOUS, counters.labels(channel=row.channel)] += 1
        if end.next.state is State.SENT:
            if row.kind is Kind.REMINDER:
                counts[counters.SENT, counters.labels(status=Status.SCHEDULED.value)] += 1
            delays.append(max(0.0, (end.finished_at - max(row.due_at, row.planned_at)).total_seconds()))
        elif end.next.state in (State.FAILED, State.UNKNOWN) and end.next.reason:
            counts[counters.FAILED, counters.labels(reason=end.next.reason.value)] += 1
    counters.observe(counts, counters.SEND_DELAY, delays)
    return counts


# --- scan runs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScanTurn:
    """The scan that runs now. `mine` is False when another one was running already."""

    scan_id: int
    mine: bool


@atomically
def open_scan(*, trigger: str, by: str) -> ScanTurn:
    """Starts a scan's record, unless one is running: then that one is the answer (CONTRACT, rescan)."""
    with connection.cursor() as cursor:
        _run(cursor, "SELECT pg_advisory_xact_lock(%s)", [SCAN_LOCK])
        _run(
            cursor,
            "SELECT id FROM reminders_scanrun WHERE finished_at IS NULL AND alive_until > statement_timestamp()"
            " AND alive_until <= statement_timestamp() + %s ORDER BY id DESC LIMIT 1",
            [SCAN_LEASE],
        )
        if running := cursor.fetchone():
            return ScanTurn(running[0], mine=False)
        _run(
            cursor,
            """
            UPDATE reminders_scanrun
            SET finished_at = statement_timestamp(), error = 'The process ended before the scan did.'
            WHERE finished_at IS NULL
            """,
        )
        _run(
            cursor,
            """
            INSERT INTO reminders_scanrun (trigger, by, started_at, alive_until, error)
            VALUES (%s, %s, statement_timestamp(), statement_timestamp() + %s, '') RETURNING id
            """,
            [trigger, by, SCAN_LEASE],
        )
        return ScanTurn(cursor.fetchone()[0], mine=True)


@atomically
def keep_scan(scan_id: int) -> bool:
    """Says that the scan is still at work; False when its record is closed by now."""
    with connection.cursor() as cursor:
        _run(
            cursor,
            "UPDATE reminders_scanrun SET alive_until = statement_timestamp() + %s"
            " WHERE id = %s AND finished_at IS NULL",
            [SCAN_LEASE, scan_id],
        )
        return bool(cursor.rowcount)


@atomically
def close_scan(scan_id: int, *, counts: str, error: str) -> float:
    """Ends a scan's record and observes its duration, which it returns in seconds."""
    with connection.cursor() as cursor:
        _run(
            cursor,
            """
            UPDATE reminders_scanrun SET finished_at = statement_timestamp(), counts = %s::jsonb, error = %s
            WHERE id = %s AND finished_at IS NULL
            RETURNING extract(epoch FROM statement_timestamp() - started_at)::float8
            """,
            [counts, error[:500], scan_id],
        )
        found = cursor.fetchone()
        seconds = float(found[0]) if found else 0.0
        tally = counters.Counts()
        counters.observe(tally, counters.SCAN_DURATION, [seconds])
        counters.write(cursor, tally)
        return seconds


# --- operators -------------------------------------------------------------------------------------------------


OPEN_PAUSE = """
    INSERT INTO reminders_pause (by, reason, since, until, ended_by)
    SELECT %s, %s, statement_timestamp(), %s, '' WHERE NOT EXISTS ({in_force})
    RETURNING id
"""

END_PAUSE = """
    UPDATE reminders_pause SET ended_at = statement_timestamp(), ended_by = %s
    WHERE id IN ({in_force})
    RETURNING id
"""


@atomically
def open_pause(*, by: str, reason: str, until: datetime | None) -> int | None:
    """Starts a pause; None where one is in force already: never two at a time."""
    with connection.cursor() as cursor:
        _run(cursor, "SELECT pg_advisory_xact_lock(%s)", [PAUSE_LOCK])
        _run(cursor, OPEN_PAUSE.format(in_force=IN_FORCE), [by, reason, until])
        made = cursor.fetchone()
        return made[0] if made else None


@atomically
def end_pause(*, by: str) -> int | None:
    """Ends the pause in force and returns its id; None where nothing is paused."""
    with connection.cursor() as cursor:
        _run(cursor, "SELECT pg_advisory_xact_lock(%s)", [PAUSE_LOCK])
        _run(cursor, END_PAUSE.format(in_force=IN_FORCE), [by])
        ended = cursor.fetchone()
        return ended[0] if ended else None


def backlog() -> dict[tuple[Kind, Use], int]:
    """How many due rows wait to be sent, by kind and by what sending them now would still be worth.

    `policy.use` is the same rule as a pure function.
    """
    with connection.cursor() as cursor:
        _run(
            cursor,
            """
            SELECT r.kind,
                   CASE WHEN r.not_after < statement_timestamp() THEN 'too_late'
                        WHEN r.kind = 'REMINDER' AND r.planned_start < statement_timestamp() THEN 'late'
                        ELSE 'useful' END AS use,
                   count(*)
            FROM reminders_reminder r
            WHERE r.closed_at IS NULL AND r.state IN ('PLANNED', 'QUEUED') AND r.channel <> 'none'
              AND r.next_attempt_at <= statement_timestamp()
            GROUP BY 1, 2
            """,
        )
        return {(Kind(kind), Use(use)): count for kind, use, count in cursor.fetchall()}


@atomically
def skip_late() -> list[Ended]:
    """Ends the waiting reminders of work that has begun by the clock: an operator has said not to send them.

    What may have arrived already ends UNKNOWN (RULES, 11).
    """
    with connection.cursor() as cursor:
        _run(
            cursor,
            """
            WITH late AS (
                SELECT id FROM reminders_reminder
                WHERE closed_at IS NULL AND state = 'PLANNED' AND kind = 'REMINDER'
                  AND next_attempt_at <= statement_timestamp() AND planned_start < statement_timestamp()
                ORDER BY id FOR NO KEY UPDATE
            )
            UPDATE reminders_reminder r
            SET state = CASE WHEN r.ambiguous > 0 THEN 'UNKNOWN' ELSE 'SKIPPED' END,
                reason = CASE WHEN r.ambiguous > 0 THEN 'ambiguous' ELSE 'operator' END,
                closed_at = statement_timestamp()
            FROM late
            WHERE r.id = late.id AND r.state = 'PLANNED'
            RETURNING r.id AS reminder_id, r.assignment_id, r.version, r.kind, r.due_at, r.state, r.reason
            """,
        )
        ended = [Ended(**row) for row in _rows(cursor)]
        counters.write(cursor, _tally_skipped(ended))
    return ended


# --- shapes ----------------------------------------------------------------------------------------------------


def ops_recipient(address: str) -> str:
    """How the ledger names a supervisor: a hash, so that no address stands in it."""
    return "ops:" + hashlib.sha256(address.strip().lower().encode()).hexdigest()[:16]


def _run(cursor: CursorWrapper, statement: str, params: Any = None) -> None:
    """Executes a statement; psycopg adapts more types (timedelta, lists) than the stubs of Django know."""
    cursor.execute(statement, params)


def _read_instants_fast(cursor: CursorWrapper) -> None:
    """Lets psycopg's own loader (in C) read instants, in place of Django's; the session's zone is UTC.

    Eight instants a row make this a fifth of what beginning a reminder costs in Python.
    """
    if _timestamptz_loader is not None:
        cursor.cursor.adapters.register_loader(TIMESTAMPTZ, _timestamptz_loader)


def _paused(cursor: CursorWrapper) -> bool:
    _run(cursor, "SELECT EXISTS (" + IN_FORCE + ")")
    return bool(cursor.fetchone()[0])


def _rows(cursor: CursorWrapper) -> Iterator[dict[str, Any]]:
    names = [column[0] for column in cursor.description or []]
    for values in cursor.fetchall():
        yield dict(zip(names, values, strict=True))


def _row(found: Mapping[str, Any]) -> Row:
    return Row(
        id=found["id"],
        assignment_id=found["assignment_id"],
        version=found["version"],
        kind=Kind(found["kind"]),
        rule=found["rule"],
        recipient=found["recipient"],
        channel=found["channel"],
        planned_start=found["planned_start"],
        planned_at=found["planned_at"],
        due_at=found["due_at"],
        not_after=found["not_after"],
        next_attempt_at=found["next_attempt_at"],
        state=State(found["state"]),
        ticket=found["ticket"],
        attempts=found["attempts"],
        failures=found["failures"],
        ambiguous=found["ambiguous"],
    )


def _plan_of(found: Mapping[str, Any]) -> Plan:
    return Plan(
        version=found["plan_version"],
        status=Status(found["plan_status"]),
        scheduled_start=found["scheduled_start"],
        recipient=policy.recipient_of(found["assignee_id"]),
        overdue=found["overdue_at"] is not None,
    )


def _claim(row: Row, plan: Plan, found: Mapping[str, Any]) -> Claim:
    facts = Facts(
        title=found["title"],
        kind=found["assignment_kind"],
        location=found["location"],
        notes=found["notes"],
        reference=found["reference"] or "",
        start=found["scheduled_start"],
        end=found["scheduled_end"],
        assignee_name=found["name"] or "",
        assignee_email=found["email"] or "",
        assignee_phone=found["phone"] or "",
        assignee_zone=found["time_zone"] or "UTC",
        assignee_language=found["language"] or "en",
    )
    return Claim(
        row=row,
        plan=plan,
        facts=facts,
        number=row.attempts + 1,
        begun_at=found["now"],
        was_held=found["held_until"] is not None,
    )


def _ended(row: Row, state: State, reason: str) -> Ended:
    return Ended(
        reminder_id=row.id,
        assignment_id=row.assignment_id,
        version=row.version,
        kind=row.kind.value,
        due_at=row.due_at,
        state=state.value,
        reason=reason,
    )


def _ended_from_json(values: Sequence[Any]) -> Ended:
    reminder_id, assignment_id, version, kind, due_at, state, reason = values
    return Ended(
        reminder_id=reminder_id,
        assignment_id=assignment_id,
        version=version,
        kind=kind,
        due_at=datetime.fromisoformat(due_at),
        state=state,
        reason=reason,
    )


def _tally_skipped(ended: Iterable[Ended]) -> counters.Counts:
    counts = counters.Counts()
    for row in ended:
        if row.state == State.SKIPPED:
            counts[counters.SKIPPED, counters.labels(reason=row.reason)] += 1
        elif row.state == State.UNKNOWN:
            counts[counters.FAILED, counters.labels(reason=Reason.AMBIGUOUS.value)] += 1
    return counts
