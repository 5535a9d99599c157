"""Finishes rows: how a send ended, with attempt, roll-up and counters, in one transaction."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from assignments.models import Status
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger import counters, digests, ways
from reminders.ledger.breakers import update_breakers
from reminders.ledger.events import TYPE_OF, Event, emit_events
from reminders.ledger.notices import tell_ops
from reminders.ledger.notified import skip_already_notified
from reminders.ledger.records import Finished, Recorded
from reminders.ledger.replanning import REQUEUE_FAILED, void
from reminders.ledger.rule_planning import follow_rules
from reminders.ledger.sql import Cursor, bigints, prepared_cursor, run, texts
from reminders.models import Kind, Reason, State
from reminders.policy import recipients
from reminders.policy.chains import is_step
from reminders.policy.ways import channel_name

# What each end has of its own travels in arrays. What many of them have in common travels once, as an outcome (`o`). What
# the later steps need of an answer comes out of `landed`, which spares them a join of every row with every other. The rows
# are named twice: by a join alone, PostgreSQL may read the whole ledger for a few of them. And the arrays are read by their
# subscripts, of which PostgreSQL expects a thousand: of `unnest` it expects ten, and may compare each row with every other.
# Assignments are locked, with the versions that `current` goes by, and named by an array for the same reason.
FINISH = """
    WITH landed AS (
        UPDATE reminders_reminder r
        SET state = x.state, reason = x.reason, lease_until = NULL,
            next_attempt_at = coalesce(x.retry_at, r.next_attempt_at),
            failures = r.failures + x.counted, ambiguous = r.ambiguous + x.doubt,
            sent_at = CASE WHEN x.state = 'SENT' THEN x.ended_at END,
            message_id = CASE WHEN x.state = 'SENT' THEN x.message_id ELSE r.message_id END,
            closed_at = CASE WHEN x.state <> 'PLANNED' THEN statement_timestamp() END
        FROM (SELECT (%(ids)s::bigint[])[i] AS id, (%(tickets)s::bigint[])[i] AS ticket, (%(numbers)s::int[])[i] AS number,
                     (%(ended)s::timestamptz[])[i] AS ended_at, (%(message_ids)s::text[])[i] AS message_id,
                     (%(current)s::boolean[])[i] AS is_current, c.*
              FROM generate_subscripts(%(ids)s::bigint[], 1) AS i
              JOIN json_to_recordset(%(common)s) AS c(
                  o int, state text, reason text, retry_at timestamptz, counted int, doubt int, begun_at timestamptz,
                  outcome text, code text, detail text, template_version bigint, template_fault text)
              ON c.o = (%(outcomes)s::int[])[i]) x
        WHERE r.id = ANY(%(ids)s::bigint[]) AND r.id = x.id AND (
            (r.state = 'SENDING' AND r.ticket = x.ticket)
            OR (x.state = 'SENT' AND r.state IN ('PLANNED', 'QUEUED') AND r.attempts = x.number))
        RETURNING r.id, r.assignment_id, r.kind, r.state, x.is_current,
                  x.number, x.ticket, x.begun_at, x.ended_at, x.outcome, x.code, x.detail,
                  x.template_version, x.template_fault
    ),
    noted AS (
        INSERT INTO reminders_attempt (reminder_id, number, ticket, started_at, finished_at, outcome, code, detail,
                                       template_version, template_fault)
        SELECT id, number, ticket, begun_at, ended_at, outcome, code, detail, template_version, template_fault FROM landed
        ON CONFLICT DO NOTHING
        RETURNING reminder_id
    ),
    rolled AS (
        UPDATE assignments_assignment SET reminder_status = 'SENT'
        WHERE id = ANY(ARRAY(SELECT assignment_id FROM landed WHERE kind = 'REMINDER' AND state = 'SENT' AND is_current))
          AND reminder_status = 'NONE'
    )
    SELECT EXISTS (SELECT FROM reminders_subscription WHERE active),
           CASE WHEN (SELECT count(*) FROM landed) < cardinality(%(ids)s::bigint[]) THEN ARRAY(SELECT id FROM landed) END,
           CASE WHEN (SELECT count(*) FROM noted) < cardinality(%(ids)s::bigint[])
                THEN ARRAY(SELECT reminder_id FROM noted) END
"""
"""Answers in one row: nothing is said of each end where all have landed, as nearly always."""


@atomically
def finish(ends: Sequence[Finished], *, config: ReminderConfig) -> Recorded:
    """Records how sends ended: row, attempt, roll-up and counters in one transaction.

    Guarded by state and ticket, not by the clock: a late answer of the rightful worker counts, that of any
    other does not. An acceptance also lands on a row that was taken back and not begun again: what was sent is SENT.
    """
    if not ends:
        return Recorded([], [])
    ends = [*ends]
    with prepared_cursor() as cursor:
        run(
            cursor,
            "SELECT id, version FROM assignments_assignment WHERE id = ANY(%s::bigint[])"
            " ORDER BY id FOR NO KEY UPDATE",
            [bigints({end.claim.row.assignment_id for end in ends})],
        )
        versions = dict(cursor.fetchall())
        ends = update_breakers(cursor, ends, config=config)
        run(cursor, FINISH, _finish_params(ends, versions))
        ((somebody_listens, some_landed, some_noted),) = cursor.fetchall()
        landed = ends if some_landed is None else _those_of(ends, some_landed)
        noted = ends if some_noted is None else _those_of(ends, some_noted)
        counters.write(cursor, _count_finished(landed, noted={end.claim.row.id for end in noted}))
        if somebody_listens:
            emit_events(cursor, _events(landed))
        ended = skip_already_notified(cursor, landed, versions)
        _use_corrected_contacts(cursor, landed)
        digests.settle_failed(cursor, landed)
        ways.fall_back(cursor, landed, config)
        tell_ops(cursor, _failed_notices(landed), config)
    if back := {end.claim.row.assignment_id for end in landed if end.transition.state is State.PLANNED}:
        ended += void(sorted(back))  # A failure of an old plan is not tried again.
    if steps := {end.claim.row.assignment_id for end in landed if _ends_step(end)}:
        ended += follow_rules(sorted(steps), config=config).ended
    return Recorded(landed, ended)


def _those_of(ends: Sequence[Finished], ids: Sequence[int]) -> list[Finished]:
    among = set(ids)
    return [end for end in ends if end.claim.row.id in among]


def _finish_params(ends: Sequence[Finished], versions: Mapping[int, int]) -> dict[str, str]:
    """What FINISH needs to know of these ends. `versions`: those in force, by assignment, which are locked."""
    outcomes: dict[tuple[object, ...], int] = {}
    outcome_of = []
    for end in ends:
        transition = end.transition
        outcome = (
            transition.state.value,
            transition.reason.value if transition.reason else "",
            transition.retry_at,
            int(transition.counted),
            int(transition.ambiguous),
            end.claim.begun_at,
            end.result.value,
            end.code[:40],
            end.detail[:500],
            end.wording.version,
            end.wording.fault[:200],
        )
        outcome_of.append(outcomes.setdefault(outcome, len(outcomes)))
    names = (
        *("state", "reason", "retry_at", "counted", "doubt", "begun_at", "outcome", "code", "detail"),
        *("template_version", "template_fault"),
    )
    rows = [end.claim.row for end in ends]
    of_current_plan = [versions.get(row.assignment_id) == row.version for row in rows]
    common = [{"o": number, **dict(zip(names, outcome, strict=True))} for outcome, number in outcomes.items()]
    return {
        "ids": bigints([end.claim.row.id for end in ends]),
        "tickets": bigints([end.claim.row.ticket for end in ends]),
        "numbers": bigints([end.claim.number for end in ends]),
        "outcomes": bigints(outcome_of),
        "ended": "{" + ",".join([end.finished_at.isoformat() for end in ends]) + "}",
        "message_ids": texts([end.message_id for end in ends]),
        "current": "{" + ",".join(["t" if is_current else "f" for is_current in of_current_plan]) + "}",
        "common": json.dumps(common, default=datetime.isoformat),
    }


def _failed_notices(landed: Sequence[Finished]) -> list[int]:
    return [
        end.claim.row.id
        for end in landed
        if end.transition.state is State.FAILED
        and recipients.person_id_of(end.claim.row.recipient) is not None
    ]


def _ends_step(end: Finished) -> bool:
    """Whether a step of a chain has ended, so that the next one gets its row."""
    return (
        end.claim.row.is_escalation
        and is_step(end.claim.row.rule)
        and end.transition.state is not State.PLANNED
    )


def _use_corrected_contacts(cursor: Cursor, landed: Sequence[Finished]) -> None:
    """A contact that was corrected during the send gets a send of its own."""
    failed = [
        end.claim.row.id for end in landed if end.transition.reason in (Reason.NO_CONTACT, Reason.REJECTED)
    ]
    if failed:
        run(cursor, REQUEUE_FAILED.format(scope="r.id = ANY(%s) AND p.updated_at > r.begun_at"), [failed])


def _events(landed: Iterable[Finished]) -> list[Event]:
    """What programs hear of these ends: reminders and corrections that were sent, or never will be."""
    return [
        Event(
            TYPE_OF[end.claim.row.kind, end.transition.state is State.SENT],
            end.claim.row.assignment_id,
            source=f"{end.claim.row.id}.{end.claim.number}",
            reminder_id=end.claim.row.id,
        )
        for end in landed
        if end.claim.row.kind in (Kind.REMINDER, Kind.CORRECTION)
        and end.transition.state in (State.SENT, State.FAILED, State.UNKNOWN)
    ]


def _count_finished(landed: Sequence[Finished], *, noted: Collection[int]) -> counters.Counts:
    """What landed. An attempt that was recorded as unknowable before its late answer came stays that, and is not
    counted a second time.
    """
    counts = counters.Counts()
    alike = Counter(
        (
            channel_name(end.claim.row.channel),
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
        if kind is Kind.CORRECTION and state is not State.PLANNED:
            counts[counters.correction(state, reason.value if reason else "")] += number
        if kind is Kind.EVENT:
            if state is not State.PLANNED:
                counts[counters.EVENTS, counters.labels(state=state.value)] += number
        elif state is State.SENT and kind is Kind.REMINDER:
            counts[counters.SENT, counters.labels(status=Status.SCHEDULED.value)] += number
        elif state in (State.FAILED, State.UNKNOWN) and reason:
            counts[counters.FAILED, counters.labels(reason=reason.value)] += number
    counts.update(
        counters.escalation(end.claim.row.rule)
        for end in landed
        if end.claim.row.is_escalation and end.transition.state is State.SENT
    )
    counters.observe(
        counts,
        counters.SEND_DELAY,
        (
            _delay(end)
            for end in landed
            if end.transition.state is State.SENT and end.claim.row.kind is not Kind.EVENT
        ),
    )
    joined = Counter(
        end.claim.row.digest_id
        for end in landed
        if end.transition.state is State.SENT and end.claim.row.digest_id is not None
    )
    counts.update(
        counters.template_fallback(channel_name(end.claim.row.channel))
        for end in landed
        if end.wording.fault
        and end.claim.row.id in noted
        and end.claim.row.digest_id in (None, end.claim.row.id)
    )
    counts[counters.DIGESTS, ""] += len(joined)
    counts[counters.DIGEST_ROWS, ""] += joined.total()
    return counts


def _delay(end: Finished) -> float:
    """Seconds from when the row could be sent at the earliest: the later of its due instant and its planning."""
    row = end.claim.row
    return max(0.0, (end.finished_at - max(row.due_at, row.planned_at)).total_seconds())
