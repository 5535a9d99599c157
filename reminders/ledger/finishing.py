"""Finishes rows: how a send ended, with attempt, roll-up and counters, in one transaction."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from assignments.models import Status
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger import counters
from reminders.ledger.counters import Cursor
from reminders.ledger.events import FAILED, SENT, Event, emit_events
from reminders.ledger.records import Finished
from reminders.ledger.replanning import REQUEUE_FAILED, void
from reminders.ledger.sql import bigints, prepared_cursor, run
from reminders.models import Kind, Reason, State
from reminders.policy import retries
from reminders.policy.retries import Result

# The answers travel as one JSON text: half the work of fourteen arrays, for both sides. What the later steps
# need of an answer comes out of `landed`, which spares them a join of every row with every other.
FINISH = """
    WITH landed AS (
        UPDATE reminders_reminder r
        SET state = x.state, reason = x.reason, lease_until = NULL,
            next_attempt_at = coalesce(x.retry_at, r.next_attempt_at),
            failures = r.failures + x.counted, ambiguous = r.ambiguous + x.doubt,
            sent_at = CASE WHEN x.state = 'SENT' THEN x.ended_at END,
            message_id = CASE WHEN x.state = 'SENT' THEN x.message_id ELSE r.message_id END,
            closed_at = CASE WHEN x.state <> 'PLANNED' THEN statement_timestamp() END
        FROM json_to_recordset(%s) AS x(
            id bigint, ticket bigint, number int, state text, reason text, retry_at timestamptz, counted int,
            doubt int, begun_at timestamptz, ended_at timestamptz, outcome text, code text, detail text,
            message_id text)
        WHERE r.id = x.id AND (
            (r.state = 'SENDING' AND r.ticket = x.ticket)
            OR (x.state = 'SENT' AND r.state IN ('PLANNED', 'QUEUED') AND r.attempts = x.number))
        RETURNING r.id, r.assignment_id, r.version, r.kind, r.state,
                  x.number, x.ticket, x.begun_at, x.ended_at, x.outcome, x.code, x.detail
    ),
    noted AS (
        INSERT INTO reminders_attempt (reminder_id, number, ticket, started_at, finished_at, outcome, code, detail)
        SELECT id, number, ticket, begun_at, ended_at, outcome, code, detail FROM landed
        ON CONFLICT DO NOTHING
        RETURNING reminder_id
    ),
    rolled AS (
        UPDATE assignments_assignment a SET reminder_status = 'SENT'
        FROM landed
        WHERE a.id = landed.assignment_id AND a.version = landed.version AND landed.kind = 'REMINDER'
          AND landed.state = 'SENT' AND a.reminder_status = 'NONE'
    )
    SELECT id, FALSE AS noted, EXISTS (SELECT FROM reminders_subscription WHERE active) FROM landed
    UNION ALL SELECT reminder_id, TRUE, NULL FROM noted
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
    with prepared_cursor() as cursor:
        run(
            cursor,
            "SELECT id, version FROM assignments_assignment WHERE id = ANY(%s::bigint[])"
            " ORDER BY id FOR NO KEY UPDATE",
            [bigints({end.claim.row.assignment_id for end in ends})],
        )
        versions = dict(cursor.fetchall())
        ends = _update_breakers(cursor, ends)
        run(
            cursor,
            FINISH,
            [json.dumps([_answer(end) for end in ends])],
        )
        answers = cursor.fetchall()
        ids = {reminder_id for reminder_id, noted, _ in answers if not noted}
        landed = [end for end in ends if end.claim.row.id in ids]
        counters.write(cursor, _count_finished(landed, noted={row[0] for row in answers if row[1]}))
        if any(somebody_listens for _, _, somebody_listens in answers):
            emit_events(cursor, _events(landed))
        _skip_already_notified(cursor, landed, versions)
        _use_corrected_contacts(cursor, landed)
    if back := [end.claim.row.assignment_id for end in landed if end.transition.state is State.PLANNED]:
        void(sorted(set(back)))  # A failure of an old plan is not tried again.
    return landed


def _answer(end: Finished) -> dict[str, object]:
    """What FINISH needs to know of an end."""
    return {
        "id": end.claim.row.id,
        "ticket": end.claim.row.ticket,
        "number": end.claim.number,
        "state": end.transition.state.value,
        "reason": end.transition.reason.value if end.transition.reason else "",
        "retry_at": end.transition.retry_at and end.transition.retry_at.isoformat(),
        "counted": int(end.transition.counted),
        "doubt": int(end.transition.ambiguous),
        "begun_at": end.claim.begun_at.isoformat(),
        "ended_at": end.finished_at.isoformat(),
        "outcome": end.result.value,
        "code": end.code[:40],
        "detail": end.detail[:500],
        "message_id": end.message_id,
    }


def _skip_already_notified(cursor: Cursor, landed: Sequence[Finished], versions: Mapping[int, int]) -> None:
    """A plan that changed during a send, yet tells this person the same start, is not told again (RULES, 23)."""
    outdated = [
        end
        for end in landed
        if end.transition.state is State.SENT
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


def _use_corrected_contacts(cursor: Cursor, landed: Sequence[Finished]) -> None:
    """A contact that was corrected during the send deserves a send of its own (RULES, 19)."""
    failed = [
        end.claim.row.id for end in landed if end.transition.reason in (Reason.NO_CONTACT, Reason.REJECTED)
    ]
    if failed:
        run(cursor, REQUEUE_FAILED.format(scope="r.id = ANY(%s) AND p.updated_at > r.begun_at"), [failed])


def _events(landed: Iterable[Finished]) -> list[Event]:
    """What programs hear of these ends: reminders that were sent, or never will be."""
    return [
        Event(
            SENT if end.transition.state is State.SENT else FAILED,
            end.claim.row.assignment_id,
            source=f"{end.claim.row.id}.{end.claim.number}",
            reminder_id=end.claim.row.id,
        )
        for end in landed
        if end.claim.row.kind is Kind.REMINDER
        and end.transition.state in (State.SENT, State.FAILED, State.UNKNOWN)
    ]


def _update_breakers(cursor: Cursor, ends: list[Finished]) -> list[Finished]:
    """Holds roads that are down and opens those that work; rows of a held road wait for it."""
    down = {end.claim.row.route: end for end in ends if retries.trips_breaker(end.claim.row, end.result)}
    answered = (Result.ACCEPTED, Result.REJECTED, Result.REFUSED_FOR_NOW)
    works = {
        end.claim.row.route: end.claim
        for end in ends
        if end.result in answered and end.claim.was_open_breaker
    }
    for route in sorted(works.keys() - down.keys()):
        # Only a hold that was over when this send began: a later one says something newer.
        run(
            cursor,
            "DELETE FROM reminders_channelhold WHERE channel = %s AND until <= %s",
            [route, works[route].begun_at],
        )
    until: dict[str, datetime] = {}
    for route, end in sorted(down.items()):
        run(
            cursor,
            "SELECT failures, until, statement_timestamp() FROM reminders_channelhold"
            " WHERE channel = %s FOR UPDATE",
            [route],
        )
        failures, breaker_until, now = cursor.fetchone() or (0, None, end.finished_at)
        if breaker_until is None or breaker_until <= now:  # Workers that fail together count once.
            failures += 1
            endpoint = end.claim.row.is_webhook
            breaker_until = now + retries.breaker_delay(
                failures, endpoint=endpoint, retry_after=end.retry_after
            )
        run(
            cursor,
            """
            INSERT INTO reminders_channelhold (channel, since, until, failures, code, detail)
            VALUES (%s, statement_timestamp(), %s, %s, %s, %s)
            ON CONFLICT (channel) DO UPDATE
            SET until = excluded.until, failures = excluded.failures, code = excluded.code, detail = excluded.detail
            """,
            [route, breaker_until, failures, end.code[:40], end.detail[:500]],
        )
        until[route] = breaker_until
    return [
        replace(
            end,
            transition=retries.wait_for_breaker(
                end.claim.row, end.result, end.transition, until[end.claim.row.route]
            ),
        )
        if end.transition.state is State.PLANNED
        and (end.result is Result.HANDED_BACK or retries.trips_breaker(end.claim.row, end.result))
        and end.claim.row.route in until
        else end
        for end in ends
    ]


def _count_finished(landed: Sequence[Finished], *, noted: Collection[int]) -> counters.Counts:
    """What landed. An attempt that was recorded as unknowable before its late answer came stays that, and is not
    counted a second time.
    """
    counts = counters.Counts()
    alike = Counter(
        (
            end.claim.row.channel,
            end.claim.row.kind,
            end.result,
            end.transition.state,
            end.transition.reason,
            end.transition.ambiguous,
            end.claim.row.id in noted,
        )
        for end in landed
    )
    for (channel, kind, result, state, reason, ambiguous, is_noted), number in alike.items():
        if is_noted:
            counts[counters.ATTEMPTS, counters.labels(channel=channel, outcome=result.value)] += number
        if ambiguous:
            counts[counters.AMBIGUOUS, counters.labels(channel=channel)] += number
        if kind is Kind.EVENT:
            if state is not State.PLANNED:
                counts[counters.EVENTS, counters.labels(state=state.value)] += number
        elif state is State.SENT and kind is Kind.REMINDER:
            counts[counters.SENT, counters.labels(status=Status.SCHEDULED.value)] += number
        elif state in (State.FAILED, State.UNKNOWN) and reason:
            counts[counters.FAILED, counters.labels(reason=reason.value)] += number
    counters.observe(
        counts,
        counters.SEND_DELAY,
        (
            _delay(end)
            for end in landed
            if end.transition.state is State.SENT and end.claim.row.kind is not Kind.EVENT
        ),
    )
    return counts


def _delay(end: Finished) -> float:
    """Seconds from when the row could be sent at the earliest (RULES, 22)."""
    row = end.claim.row
    return max(0.0, (end.finished_at - max(row.due_at, row.planned_at)).total_seconds())
