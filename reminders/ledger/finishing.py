"""Finishes rows: how a send ended, with attempt, roll-up and counters, in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.db import connection
from django.db.backends.utils import CursorWrapper

from assignments.models import Status
from assignments.transactions import atomically
from reminders import counters, policy
from reminders.conf import ReminderConfig
from reminders.ledger.planning import REVIVE, void
from reminders.ledger.rows import Finished, run
from reminders.models import Kind, Reason, State
from reminders.policy import Result

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
        run(
            cursor,
            "SELECT id, version FROM assignments_assignment WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
            [sorted({end.claim.row.assignment_id for end in ends})],
        )
        versions = dict(cursor.fetchall())
        ends = _hold_channels(cursor, ends)
        run(
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
    run(
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
        run(
            cursor,
            "UPDATE assignments_assignment SET reminder_status = 'SENT'"
            " WHERE id = ANY(%s) AND reminder_status = 'NONE'",
            [spared],
        )


def _use_corrected_contacts(cursor: CursorWrapper, landed: Sequence[Finished]) -> None:
    """A contact that was corrected during the send deserves a send of its own (RULES, 19)."""
    failed = [end.claim.row.id for end in landed if end.next.reason in (Reason.NO_CONTACT, Reason.REJECTED)]
    if failed:
        run(cursor, REVIVE.format(scope="r.id = ANY(%s) AND p.updated_at > r.begun_at"), [failed])


def _hold_channels(cursor: CursorWrapper, ends: list[Finished]) -> list[Finished]:
    """Holds channels that are down and opens those that work; rows of a held channel wait for it."""
    down = {end.claim.row.channel: end for end in ends if end.result is Result.CHANNEL_DOWN}
    answered = (Result.ACCEPTED, Result.REJECTED, Result.REFUSED_FOR_NOW)
    works = {
        end.claim.row.channel: end.claim for end in ends if end.result in answered and end.claim.was_held
    }
    for channel in sorted(works.keys() - down.keys()):
        # Only a hold that was over when this send began: a later one says something newer.
        run(
            cursor,
            "DELETE FROM reminders_channelhold WHERE channel = %s AND until <= %s",
            [channel, works[channel].begun_at],
        )
    until: dict[str, datetime] = {}
    for channel, end in sorted(down.items()):
        run(
            cursor,
            "SELECT failures, until, statement_timestamp() FROM reminders_channelhold"
            " WHERE channel = %s FOR UPDATE",
            [channel],
        )
        failures, held_until, now = cursor.fetchone() or (0, None, end.finished_at)
        if held_until is None or held_until <= now:  # Workers that fail together count once.
            failures += 1
            held_until = now + policy.hold(failures)
        run(
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
