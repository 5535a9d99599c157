"""Rows that go in one message: which rows are begun together, and until when the next ones wait."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from reminders.conf import ReminderConfig
from reminders.ledger.fragments import NOTICES, ROW_AND_PLAN
from reminders.ledger.records import Claim, Digest, Finished, Hint, facts_of, plan_of, row_of
from reminders.ledger.sending import make_sending
from reminders.ledger.sql import Cursor, bigints, fetch, run
from reminders.models import State
from reminders.policy import digests, gates, recipients
from reminders.policy.digests import MOST_ROWS, Group

# What is due goes along with the row that was handed over, though nobody has handed it over itself.
JOIN = f"""
    WITH others AS (
        SELECT id FROM reminders_reminder
        WHERE closed_at IS NULL AND {NOTICES} AND recipient = %(recipient)s AND channel = %(channel)s
          AND lease_until IS NULL AND next_attempt_at <= statement_timestamp()
          AND digest_id IS NULL AND ambiguous = 0
        ORDER BY next_attempt_at, id
        LIMIT %(most)s
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE reminders_reminder r
    SET state = 'QUEUED', ticket = r.ticket + 1, lease_until = statement_timestamp() + %(lease)s
    FROM others
    WHERE r.id = others.id AND r.state = 'PLANNED'
    RETURNING r.id, r.ticket
"""  # noqa: S608 - our own constants

# Reminders to a person that have been handed over already are taken too: whoever holds their former tickets finds them
# stale. So are those that wait for the rate, for they go in this message.
JOIN_REMINDERS = """
    WITH others AS (
        SELECT id FROM reminders_reminder
        WHERE closed_at IS NULL AND kind = 'REMINDER' AND recipient = %(recipient)s AND channel = %(channel)s
          AND state IN ('PLANNED', 'QUEUED') AND digest_id IS NULL AND ambiguous = 0
          AND due_at <= statement_timestamp() AND id <> ALL(%(known)s::bigint[])
          AND (next_attempt_at <= statement_timestamp() OR (state = 'PLANNED' AND reason = 'to_be_joined'))
        ORDER BY next_attempt_at, id
        LIMIT %(most)s
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE reminders_reminder r
    SET state = 'QUEUED', ticket = r.ticket + 1, lease_until = statement_timestamp() + %(lease)s,
        next_attempt_at = least(r.next_attempt_at, statement_timestamp())
    FROM others
    WHERE r.id = others.id AND r.state IN ('PLANNED', 'QUEUED')
    RETURNING r.id, r.ticket
"""

# The members of a settled digest go together, whoever of them was handed over.
JOIN_SETTLED = """
    WITH others AS (
        SELECT id FROM reminders_reminder
        WHERE digest_id = %(digest_id)s AND closed_at IS NULL AND state IN ('PLANNED', 'QUEUED')
          AND id <> ALL(%(known)s::bigint[])
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE reminders_reminder r
    SET state = 'QUEUED', ticket = r.ticket + 1, lease_until = statement_timestamp() + %(lease)s,
        next_attempt_at = least(r.next_attempt_at, statement_timestamp())
    FROM others
    WHERE r.id = others.id AND r.state IN ('PLANNED', 'QUEUED')
    RETURNING r.id, r.ticket
"""

LEAVE = """
    UPDATE reminders_reminder r SET state = 'PLANNED', lease_until = NULL
    WHERE r.id = ANY(%s::bigint[]) AND r.state = 'QUEUED'
"""

OPEN_WINDOW = """
    INSERT INTO reminders_digestwindow (recipient, channel, until)
    VALUES (%s, %s, statement_timestamp() + %s)
    ON CONFLICT (recipient, channel) DO UPDATE SET until = excluded.until
"""

# All rows of a settled digest: a repeat to a supervisor lists those too that are no longer open.
ENTRIES = f"""
    SELECT {ROW_AND_PLAN}
    FROM reminders_reminder r
    JOIN assignments_assignment a ON a.id = r.assignment_id
    LEFT JOIN assignments_assignee p ON p.id = a.assignee_id
    WHERE r.digest_id = %s
"""  # noqa: S608 - our own constants

WAITING = f"""
    SELECT count(*) FROM reminders_reminder
    WHERE closed_at IS NULL AND {NOTICES} AND recipient = %s AND channel = %s AND lease_until IS NULL
"""  # noqa: S608 - our own constant


def joined_hints(
    cursor: Cursor, group: Group, known: Collection[int], number: int, config: ReminderConfig
) -> list[Hint]:
    """Claims the rows that go in one message with `number` others, in begin's own transaction; each draws a ticket. None of
    the `known` ones.
    """
    values = {
        "recipient": group.recipient,
        "channel": group.channel,
        "digest_id": group.digest_id,
        "most": max(0, MOST_ROWS - number),
        "known": list(known),
        "lease": config.lease,
    }
    open_to_all = JOIN if recipients.is_supervisor(group.recipient) else JOIN_REMINDERS
    run(cursor, open_to_all if group.digest_id is None else JOIN_SETTLED, values)
    return [Hint(reminder_id, ticket) for reminder_id, ticket in cursor.fetchall()]


def leave(cursor: Cursor, ids: Iterable[int]) -> None:
    """Puts rows back that were claimed to be joined, and whose assignment somebody holds locked just now."""
    run(cursor, LEAVE, [bigints(ids)])


def begin_group(cursor: Cursor, group: Group, claims: Sequence[Claim], config: ReminderConfig) -> Claim:
    """Makes the rows of a message SENDING, and opens its recipient's window; returns the claim that sends it.

    A repeat to a supervisor, who reads what has happened, lists all rows that the message had. One to whoever is to do the
    work lists what is still so; where its lead has left it, it is led by another row and so has another Message-ID.
    """
    claims = _in_order(claims)
    to_supervisor = recipients.is_supervisor(group.recipient)
    found: list[dict[str, Any]] = []
    if group.digest_id is not None:
        run(cursor, ENTRIES, [group.digest_id])
        begun = {claim.row.id for claim in claims}
        found = [
            one
            for one in fetch(cursor)
            if one["id"] not in begun
            and one["ambiguous"]
            and (to_supervisor or gates.void_reason(row_of(one), plan_of(one)) is None)
        ]
    ids = {claim.row.id for claim in claims} | {one["id"] for one in found}
    lead_id = group.digest_id if group.digest_id in ids else claims[0].row.id
    several = len(ids) > 1
    make_sending(cursor, claims, digest_id=lead_id if several else None, config=config)
    if config.digest_wait and to_supervisor:
        run(cursor, OPEN_WINDOW, [group.recipient, group.channel, config.digest_wait])
    if not several:
        return claims[0]
    waiting = 0
    if to_supervisor:
        run(cursor, WAITING, [group.recipient, group.channel])
        ((waiting,),) = cursor.fetchall()
    claims = [replace(claim, row=replace(claim.row, digest_id=lead_id)) for claim in claims]
    listed = [(claim.row, claim.facts) for claim in claims] + [(row_of(one), facts_of(one)) for one in found]
    facts = {row.id: of for row, of in listed}
    rows = digests.in_order([row for row, _ in listed])
    digest = Digest(
        lead=next(row for row in rows if row.id == lead_id),
        entries=tuple((row, facts[row.id]) for row in rows),
        members=tuple(claims[1:]),
        waiting=waiting,
    )
    return replace(claims[0], digest=digest)


def settle_failed(cursor: Cursor, landed: Sequence[Finished]) -> None:
    """What becomes of a message that was certainly not accepted: its rows go their own ways, or in halves, and the next one
    to its recipient need not wait.
    """
    failed = [
        end
        for end in landed
        if end.transition.state is State.PLANNED
        and (recipients.is_supervisor(end.claim.row.recipient) or end.claim.row.digest_id is not None)
        and digests.group_of(end.claim.row) is not None
        and not (end.claim.row.ambiguous or end.transition.ambiguous)
    ]
    if not failed:
        return
    run(
        cursor,
        """
        UPDATE reminders_reminder r SET digest_id = x.digest_id
        FROM unnest(%s::bigint[], %s::bigint[]) AS x(id, digest_id)
        WHERE r.id = x.id AND r.state = 'PLANNED' AND r.ambiguous = 0 AND r.digest_id IS DISTINCT FROM x.digest_id
        """,
        [[end.claim.row.id for end in failed], [end.half for end in failed]],
    )
    for recipient, channel in sorted({(end.claim.row.recipient, end.claim.row.channel) for end in failed}):
        run(
            cursor,
            "DELETE FROM reminders_digestwindow WHERE recipient = %s AND channel = %s",
            [recipient, channel],
        )


def _in_order(claims: Sequence[Claim]) -> list[Claim]:
    by_id = {claim.row.id: claim for claim in claims}
    return [by_id[row.id] for row in digests.in_order([claim.row for claim in claims])]
