"""Claims due rows for the workers. `ledger.leases` takes back those whose lease is over."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger import counters, leases, paces
from reminders.ledger.fragments import ACTIVE_PAUSE, HELD, NOTICES, TO_PEOPLE, channel_name_sql
from reminders.ledger.records import Claimed, Hint
from reminders.ledger.sql import Cursor, fetch, fetch_one, prepared_cursor, run
from reminders.policy.pace import ONE_IN, notices_share

DISPATCH_LOCK = 0x72656D01

GROUP_INSPECTED = 200
"""Notices of one supervisor that are looked at to see whether one of them is under way: those are the oldest."""

CHANNEL = channel_name_sql("channel")

NOTICES_SHARE = 10
"""So many supervisors are told however many reminders wait: it is one message for each."""

MARKER_BATCHES = 3
"""So many messages of markers for each process of a worker are handed over at a time: a second or two of its work. More
follow when half of them are done, so that messages stay full."""

PEOPLE = f"""NOT {NOTICES} AND channel <> 'none' AND NOT %(paused)s
          AND (digest_id IS NULL OR id = (SELECT min(d.id) FROM reminders_reminder d
                                          WHERE d.digest_id = reminders_reminder.digest_id AND d.closed_at IS NULL))"""  # noqa: S608
"""Reminders to people who can still come. Of a digest that is repeated one row is handed over; it takes the others along."""

MARKERS = "channel = 'none'"
"""Markers write to nobody, and are claimed while paused too."""

TOO_LATE = "not_after < statement_timestamp()"
"""What `policy.gates` ends unsent when it is begun."""

IN_TURN = "next_attempt_at"
MOST_URGENT = "not_after NULLS LAST, next_attempt_at, id"
"""The order where not all that is due can leave; `policy.departures` is the same rule."""

# The rows are updated by an array of their ids: a join with `due`, of whose length PostgreSQL knows nothing, reads the whole
# ledger. So the statement can be prepared, which spares a lone reminder most of its cost.
CLAIM = f"""
    WITH held AS MATERIALIZED ({HELD}),
    due AS (
        SELECT id FROM reminders_reminder
        WHERE closed_at IS NULL AND lease_until IS NULL AND next_attempt_at <= statement_timestamp() + %(ahead)s
          AND {TO_PEOPLE} AND {{which}} AND {CHANNEL} NOT IN (SELECT channel FROM held)
          AND {CHANNEL} <> ALL(%(paced)s) AND (%(only)s::text IS NULL OR {CHANNEL} = %(only)s)
        ORDER BY {{order}}
        LIMIT %(room)s
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE reminders_reminder r
    SET state = 'QUEUED', ticket = r.ticket + 1, lease_until = statement_timestamp() + %(lease)s
    WHERE r.id = ANY(ARRAY(SELECT id FROM due)) AND r.state = 'PLANNED'
    RETURNING r.id, r.ticket, r.assignment_id, r.version, r.kind, r.due_at, r.ambiguous > 0 AS alone, r.scan_id,
              statement_timestamp() AS claimed_at,
              greatest(r.next_attempt_at - statement_timestamp(), interval '0') AS wait
"""  # noqa: S608 - our own constants

# One notice for each supervisor, which takes the others along when it is begun (`ledger.digests`): the groups are found by
# jumping through an index from one to the next, so that many waiting notices cost no more than few.
CLAIM_NOTICES = f"""
    WITH RECURSIVE held AS MATERIALIZED ({HELD}),
    groups AS (
        (SELECT recipient, channel FROM reminders_reminder WHERE closed_at IS NULL AND {NOTICES}
         ORDER BY recipient, channel LIMIT 1)
        UNION ALL
        SELECT following.recipient, following.channel FROM groups g, LATERAL (
            SELECT recipient, channel FROM reminders_reminder
            WHERE closed_at IS NULL AND {NOTICES} AND (recipient, channel) > (g.recipient, g.channel)
            ORDER BY recipient, channel LIMIT 1) following
    ),
    leads AS (
        SELECT first.id FROM groups g
        LEFT JOIN reminders_digestwindow w ON w.recipient = g.recipient AND w.channel = g.channel
        CROSS JOIN LATERAL (
            SELECT (array_agg(id ORDER BY next_attempt_at, id) FILTER (
                       WHERE lease_until IS NULL AND next_attempt_at <= statement_timestamp() + %(ahead)s
                         AND (w.until IS NULL OR w.until <= statement_timestamp()
                              OR digest_id IS NOT NULL OR ambiguous > 0)))[1] AS id,
                   bool_or(lease_until IS NOT NULL) AS busy
            FROM (SELECT id, next_attempt_at, lease_until, digest_id, ambiguous FROM reminders_reminder
                  WHERE closed_at IS NULL AND {NOTICES} AND recipient = g.recipient AND channel = g.channel
                  ORDER BY next_attempt_at LIMIT %(inspected)s) oldest) first
        WHERE NOT first.busy AND first.id IS NOT NULL AND {channel_name_sql("g.channel")} NOT IN (SELECT channel FROM held)
          AND {channel_name_sql("g.channel")} <> ALL(%(paced)s)
          AND (%(only)s::text IS NULL OR {channel_name_sql("g.channel")} = %(only)s)
        LIMIT %(room)s
    ),
    due AS (
        SELECT id FROM reminders_reminder WHERE id IN (SELECT id FROM leads) AND closed_at IS NULL
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE reminders_reminder r
    SET state = 'QUEUED', ticket = r.ticket + 1, lease_until = statement_timestamp() + %(lease)s
    WHERE r.id = ANY(ARRAY(SELECT id FROM due)) AND r.state = 'PLANNED'
    RETURNING r.id, r.ticket, r.assignment_id, r.version, r.kind, r.due_at, TRUE AS alone, r.scan_id,
              statement_timestamp() AS claimed_at,
              greatest(r.next_attempt_at - statement_timestamp(), interval '0') AS wait
"""  # noqa: S608 - our own constants

# Asked first, so that a tick without work costs no more. ORDER BY keeps the planner at the index of open rows. Losing the
# commit of a claim loses nothing: the rows are PLANNED again, and no hint has left yet.
WORK = f"""
    SELECT pg_try_advisory_xact_lock(%s) AS is_alone, set_config('synchronous_commit', 'off', TRUE),
           EXISTS ({ACTIVE_PAUSE}) AS is_paused, EXISTS (SELECT FROM reminders_channelpace) AS has_paces,
           (SELECT id FROM reminders_reminder WHERE closed_at IS NULL AND {NOTICES}
            ORDER BY recipient, channel LIMIT 1) IS NOT NULL AS has_notices,
           (SELECT id FROM reminders_reminder
            WHERE closed_at IS NULL AND lease_until IS NULL AND {TO_PEOPLE}
              AND next_attempt_at <= statement_timestamp() + %s
            ORDER BY next_attempt_at LIMIT 1) IS NOT NULL AS is_due
"""  # noqa: S608 - our own constants

ANYTHING = """
    SELECT EXISTS (SELECT FROM reminders_reminder
                   WHERE closed_at IS NULL AND next_attempt_at <= statement_timestamp() + %s)
"""

# Nothing is claimed that is due later than a tick and a quarter from now: what comes after is not looked at.
QUEUED_MARKERS = f"""
    SELECT count(*) FILTER (WHERE state = 'QUEUED') AS queued,
           bool_or(state = 'PLANNED' AND next_attempt_at <= statement_timestamp() + %(ahead)s) AS is_due
    FROM reminders_reminder
    WHERE closed_at IS NULL AND state IN ('PLANNED', 'QUEUED') AND {MARKERS}
      AND next_attempt_at <= statement_timestamp() + %(soon)s
"""  # noqa: S608 - our own constant


@atomically
def claim(config: ReminderConfig, *, room: int, ahead: timedelta) -> list[Claimed] | None:
    """Claims up to `room` rows that are due within `ahead`, oldest first; each gets the next ticket and a lease.

    People who can still come go first, then notices, one for each supervisor, which takes the others along, and
    then markers, of which a few are handed over at a time, so that no reminder waits behind thousands. A channel
    with a pace gives no more than it takes. None when another dispatcher is at work: one at a time. While paused
    only markers are claimed.
    """
    with prepared_cursor() as cursor:
        run(cursor, WORK, [DISPATCH_LOCK, ahead])
        (work,) = fetch(cursor)
        if not work["is_alone"]:
            return None
        if not work["is_due"]:
            return []
        has_paces = work["has_paces"] or config.email_rate
        allowed = paces.allowances(cursor, config) if has_paces else {}
        claim = _Claim(cursor, config, ahead, work["is_paused"], list(allowed))
        claimed = claim.reminders(room)
        if work["has_notices"]:
            claimed += claim.notices(max(room - len(claimed), NOTICES_SHARE))
        claimed += claim.markers(room - len(claimed))
        for channel, tokens in allowed.items():
            claimed += claim.paced(channel, tokens, room=room - len(claimed))
        return claimed


@dataclass(slots=True)
class _Claim:
    """One claim in its transaction. `paced` are the channels that have a pace."""

    cursor: Cursor
    config: ReminderConfig
    ahead: timedelta
    is_paused: bool
    channels: list[str]

    def reminders(self, room: int, *, only: str | None = None) -> list[Claimed]:
        """Reminders to people: of all channels without a pace, or of one that has one, there the most urgent first; none
        while paused."""
        return self._run(CLAIM.format(which=PEOPLE, order=MOST_URGENT if only else IN_TURN), room, only)

    def too_late(self, room: int, *, only: str) -> list[Claimed]:
        """Reminders of this channel that can only be ended."""
        return self._run(CLAIM.format(which=f"{PEOPLE} AND {TOO_LATE}", order=IN_TURN), room, only)

    def markers(self, room: int) -> list[Claimed]:
        """As many as may be under way at a time; none before half of those are done."""
        if room <= 0:
            return []
        run(self.cursor, QUEUED_MARKERS, {"ahead": self.ahead, "soon": self.config.soon})
        ((queued, is_due),) = self.cursor.fetchall()
        most = MARKER_BATCHES * self.config.batch_size * self.config.concurrency
        if not is_due or queued > most // 2:
            return []
        return self._run(CLAIM.format(which=MARKERS, order=IN_TURN), min(room, most - queued), None)

    def notices(self, room: int, *, only: str | None = None) -> list[Claimed]:
        """Notices to supervisors, at most one for each; none while paused."""
        return [] if self.is_paused else self._run(CLAIM_NOTICES, room, only)

    def _run(self, statement: str, room: int, only: str | None) -> list[Claimed]:
        if room <= 0:
            return []
        params = {
            "ahead": self.ahead,
            "room": room,
            "lease": self.config.lease,
            "paused": self.is_paused,
            "paced": [] if only else self.channels,
            "only": only,
            "inspected": GROUP_INSPECTED,
        }
        run(self.cursor, statement, params)
        return [claimed_row(row) for row in fetch(self.cursor)]

    def paced(self, channel: str, tokens: int, *, room: int) -> list[Claimed]:
        """What the pace allows: people who can still come first, and a tenth for notices, so that none waits for ever.

        What is too late by now is handed over to be ended: it takes no token, or those behind it would come too late too.
        """
        if min(tokens, room) <= 0:
            return []
        too_late = self.too_late(room, only=channel)
        tokens = min(tokens, room - len(too_late))
        share = notices_share(tokens, draw=random.randrange(ONE_IN))
        claimed = self.notices(share, only=channel)
        claimed += self.reminders(tokens - len(claimed), only=channel)
        claimed += self.notices(tokens - len(claimed), only=channel)
        paces.spend(self.cursor, channel, len(claimed))
        return too_late + claimed


def claimed_row(row: Mapping[str, Any]) -> Claimed:
    """What a claim returns of a row."""
    return Claimed(
        hint=Hint(row["id"], row["ticket"]),
        assignment_id=row["assignment_id"],
        version=row["version"],
        kind=row["kind"],
        due_at=row["due_at"],
        claimed_at=row["claimed_at"],
        wait=row["wait"],
        alone=row["alone"],
        scan_id=row["scan_id"],
    )


def is_anything_by(ahead: timedelta) -> bool:
    """Whether any open row is due within `ahead`, or was when it was claimed: without one, dispatch has nothing to do.

    One look into an index, for the ticks of a system at rest.
    """
    with prepared_cursor() as cursor:
        run(cursor, ANYTHING, [ahead])
        return bool(fetch_one(cursor))


@atomically
def count_failure(reason: str) -> None:
    """One more failure that belongs to no row, such as a broker that does not answer."""
    with connection.cursor() as cursor:
        counters.write(cursor, counters.Counts({(counters.FAILED, counters.labels(reason=reason)): 1}))


def queued(config: ReminderConfig) -> int:
    """How many rows are claimed and not begun, of those that are due first (`leases.front`).

    Where much is due, of which none can leave, what is claimed may lie behind it: dispatch counts messages too.
    """
    with prepared_cursor() as cursor:
        run(
            cursor,
            """
            SELECT count(*) FROM (SELECT state FROM reminders_reminder
                                  WHERE closed_at IS NULL AND next_attempt_at <= statement_timestamp() + %s
                                  ORDER BY next_attempt_at LIMIT %s) front
            WHERE state = 'QUEUED'
            """,
            [config.soon, leases.front(config)],
        )
        return int(fetch_one(cursor))
