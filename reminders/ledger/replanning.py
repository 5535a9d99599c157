"""Makes the ledger follow a changed plan, a changed setting or a corrected contact."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger import chains, notices
from reminders.ledger.corrections import plan_corrections
from reminders.ledger.events import record_ended
from reminders.ledger.fragments import (
    AS_ENDED,
    GIVEN_AWAY,
    NO_LONGER_SUPERVISOR,
    PLAN_NOTIFIED,
    PLANNED_BY_RULES,
    TO_PEOPLE,
    channel_name_sql,
    is_now_sql,
)
from reminders.ledger.notified import sync_roll_up
from reminders.ledger.planning import SCOPE_IDS, plan_markers, plan_reminders
from reminders.ledger.records import Ended
from reminders.ledger.rule_planning import follow_rules, has_rules, leave_to_scan
from reminders.ledger.sql import Cursor, bigints, fetch, prepared_cursor, run
from reminders.models import Reason
from reminders.policy.escalation import TAKEN_BACK
from reminders.policy.recipients import assignee_recipient_sql
from reminders.policy.timing import overdue_base_sql


@atomically
def replan(ids: Sequence[int], config: ReminderConfig, *, new: bool = False) -> list[Ended]:
    """Makes the ledger follow a change of plan, in the service's own transaction.

    Voids what is open and no longer holds, sets the roll-up back where nobody was notified of the new plan yet, plans
    anew what lies within the look-ahead, and corrections for whoever was notified of another plan. Of `new` assignments
    there is nothing yet that could be void, rolled up or corrected. The assignments' rows are locked by the caller.
    """
    ended = [] if new else _leave_former_plan(ids, config)
    if has_rules(ids):
        if config.enabled:
            ended += follow_rules(ids, config=config, plan_changed=True).ended
        else:
            leave_to_scan(ids)
    if config.enabled:
        within = {"ids": bigints(ids), "limit": len(ids)}
        ended += plan_reminders(config, SCOPE_IDS, within).skipped
        plan_markers(config, SCOPE_IDS, within)
    if not new:
        plan_corrections(ids, config)
        sync_roll_up(config, ids)
    return ended


def _leave_former_plan(ids: Sequence[int], config: ReminderConfig) -> list[Ended]:
    ended = void(ids)
    with connection.cursor() as cursor:
        run(
            cursor,
            f"""
            UPDATE assignments_assignment a SET reminder_status = 'NONE', overdue_at = NULL
            WHERE a.id = ANY(%(ids)s) AND a.status = 'SCHEDULED' AND (
                (a.reminder_status = 'OVERDUE' AND {overdue_base_sql("a")} + %(overdue)s > statement_timestamp())
                -- the change at hand is an operator's reset
                OR (a.reminder_status = 'OVERDUE' AND a.renudge_at >= a.updated_at)
                OR (a.reminder_status = 'SENT' AND NOT {PLAN_NOTIFIED}))
            """,  # noqa: S608 - our own constant
            {"ids": list(ids), "overdue": config.overdue},
        )
        notices.carry_over(cursor, ended, config)
    return ended


VOID = f"""
    UPDATE reminders_reminder r
    SET state = CASE WHEN r.ambiguous > 0 THEN 'UNKNOWN' ELSE 'SKIPPED' END,
        reason = CASE
            WHEN r.ambiguous > 0 THEN 'ambiguous'
            WHEN a.status = 'CANCELLED' THEN 'cancelled'
            WHEN a.status <> 'SCHEDULED' THEN 'started'
            WHEN r.planned_start <> a.scheduled_start THEN 'moved'
            WHEN {NO_LONGER_SUPERVISOR} THEN 'reassigned'
            WHEN r.version = a.version AND r.kind = 'ESCALATION' AND {TAKEN_BACK}
                 THEN CASE WHEN a.answer = 'DECLINED' THEN 'declined' ELSE 'confirmed' END
            WHEN r.version = a.version AND r.kind = 'REMINDER' THEN 'declined'
            WHEN r.kind = 'REMINDER'
                 AND r.recipient <> {assignee_recipient_sql("a")} THEN 'reassigned'
            WHEN {GIVEN_AWAY} THEN 'reassigned'
            ELSE 'replanned'
        END,
        lease_until = NULL, closed_at = statement_timestamp()
    FROM assignments_assignment a
    WHERE a.id = r.assignment_id AND r.closed_at IS NULL AND r.state IN ('PLANNED', 'QUEUED') AND {{scope}}
      AND r.{TO_PEOPLE}
      AND (r.kind <> 'CORRECTION'
           OR (a.status IN ('IN_PROGRESS', 'COMPLETED') AND r.recipient = {assignee_recipient_sql("a")}))
      AND (a.version <> r.version OR a.status <> 'SCHEDULED' OR a.scheduled_start <> r.planned_start
           OR (a.answer = 'DECLINED' AND r.kind = 'REMINDER')
           OR {TAKEN_BACK} OR {NO_LONGER_SUPERVISOR})
    RETURNING {AS_ENDED}
"""  # noqa: S608 - our own constants


@atomically
def void(ids: Sequence[int] | None = None) -> list[Ended]:
    """Ends the open rows (never one in SENDING) whose plan no longer holds; of all assignments, or of these.

    `policy.gates.void_reason` is the same rule as a pure function.
    """
    scope = "TRUE" if ids is None else SCOPE_IDS
    with connection.cursor() if ids is None else prepared_cursor() as cursor:
        run(cursor, VOID.format(scope=scope), {"ids": bigints(ids or ())})
        ended = [Ended(**row) for row in fetch(cursor)]
        record_ended(cursor, ended)
    return ended


@atomically
def void_outdated(config: ReminderConfig) -> list[Ended]:
    """Voids what no longer holds, of all assignments; those who supervise the work now get what was not sent yet."""
    ended = void()
    reassigned = [row for row in ended if row.reason == Reason.REASSIGNED]
    with connection.cursor() as cursor:
        notices.carry_over(cursor, reassigned, config)
        chains.go_on_later(cursor, reassigned)
    return ended


@atomically
def follow_supervision(config: ReminderConfig) -> list[Ended]:
    """Makes the notices follow a change of teams or supervisors, in the service's own transaction.

    What was still to be sent to somebody who supervises the work no longer ends as reassigned; it goes to those who do
    now. What goes to Ops already stays.
    """
    ids = notices.lock_notified()
    ended = void(ids) if ids else []
    with connection.cursor() as cursor:
        notices.carry_over(cursor, ended, config, ids=ids)
    # The steps of rules go to those who supervise the work now, each at the instant that its recipient has.
    if of_chains := chains.with_steps(ids):
        if config.enabled:
            ended += follow_rules(of_chains, config=config).ended
        else:
            leave_to_scan(of_chains)
    return ended


RETIME = f"""
    WITH wanted AS (
        SELECT r.id,
               CASE WHEN r.kind = 'REMINDER' AND {PLANNED_BY_RULES} THEN r.due_at
                    WHEN r.kind = 'REMINDER'
                    THEN a.scheduled_start - coalesce(make_interval(mins => a.lead_minutes), %(lead)s)
                    ELSE {overdue_base_sql("a")} + %(overdue)s END AS due_at,
               CASE WHEN r.kind = 'REMINDER' THEN {overdue_base_sql("a")} + %(overdue)s END AS not_after
        FROM reminders_reminder r JOIN assignments_assignment a ON a.id = r.assignment_id
        WHERE r.closed_at IS NULL AND {{state}} AND r.attempts = 0 AND {{scope}}
          AND r.version = a.version
          AND (r.kind = 'REMINDER' AND NOT {is_now_sql("r.rule")} OR r.channel = 'none'))
    UPDATE reminders_reminder r
    SET due_at = w.due_at, next_attempt_at = w.due_at, not_after = w.not_after, state = 'PLANNED', lease_until = NULL,
        -- Nobody could know before now that it is due earlier, so it is not late since then.
        planned_at = CASE WHEN w.due_at < greatest(r.due_at, r.planned_at)
            THEN least(greatest(r.due_at, r.planned_at), statement_timestamp()) ELSE r.planned_at END
    FROM wanted w
    WHERE r.id = w.id AND {{state}} AND r.attempts = 0
      AND (r.due_at, r.not_after) IS DISTINCT FROM (w.due_at, w.not_after)
"""  # noqa: S608 - our own constants


def retime(config: ReminderConfig) -> int:
    """Moves the instants of rows that nobody has begun, after the lead or the overdue time has changed.

    Rows that have begun keep theirs. Returns how many moved.
    """
    return _retime(config, state="r.state = 'PLANNED'", scope="TRUE")


def retime_late(ids: Sequence[int], config: ReminderConfig) -> int:
    """The same for these assignments, whose assignees will begin later. A marker that is QUEUED goes back to PLANNED:
    the hint that is on its way finds no row. The assignments' rows are locked by the caller.
    """
    unbegun = "(r.state = 'PLANNED' OR (r.state = 'QUEUED' AND r.channel = 'none'))"
    return _retime(config, state=unbegun, scope=SCOPE_IDS, ids=ids)


@atomically
def _retime(config: ReminderConfig, *, state: str, scope: str, ids: Sequence[int] = ()) -> int:
    with connection.cursor() as cursor:
        run(
            cursor,
            RETIME.format(state=state, scope=scope),
            {"lead": config.lead, "overdue": config.overdue, "ids": list(ids)},
        )
        return int(cursor.rowcount)


@atomically
def requeue_declined(ids: Sequence[int], config: ReminderConfig) -> list[Ended]:
    """Puts rows that ended because the assignee had declined back to PLANNED, once they confirm after all.

    Only of the version in force, and only what is not due yet. Rules may have changed meanwhile: returns the rows that
    end, because none asks for them any more. The assignments' rows are locked by the caller.
    """
    with connection.cursor() as cursor:
        run(
            cursor,
            """
            UPDATE reminders_reminder r
            SET state = 'PLANNED', reason = '', closed_at = NULL, next_attempt_at = r.due_at
            FROM assignments_assignment a
            WHERE a.id = ANY(%s) AND r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
              AND r.state = 'SKIPPED' AND r.reason = 'declined' AND r.due_at > statement_timestamp()
            """,
            [list(ids)],
        )
    return follow_rules(ids, config=config).ended if config.enabled and has_rules(ids) else []


LATER_DUE = """EXISTS (
        SELECT FROM reminders_reminder later
        WHERE r.kind = 'REMINDER' AND later.assignment_id = r.assignment_id AND later.version = r.version
          AND later.kind = 'REMINDER' AND later.recipient = r.recipient AND later.due_at > r.due_at
          AND later.due_at <= statement_timestamp())"""
"""Whether a later reminder to the same person is due already: one message at once is enough."""

REQUEUE_FAILED = f"""
    UPDATE reminders_reminder r
    SET state = 'PLANNED', reason = '', closed_at = NULL, failures = 0, next_attempt_at = statement_timestamp()
    FROM assignments_assignment a JOIN assignments_assignee p ON p.id = a.assignee_id
    WHERE {{scope}} AND a.id = r.assignment_id AND a.version = r.version AND a.status = 'SCHEDULED'
      AND a.answer <> 'DECLINED' AND r.recipient = {assignee_recipient_sql("a")} AND r.state = 'FAILED'
      AND r.reason IN ('no_contact', 'rejected') AND statement_timestamp() < r.not_after AND NOT {LATER_DUE}
"""  # noqa: S608 - our own constants


# FAILED rows are locked only where nobody else has them: this happens in the middle of a finish.
REQUEUE_MISTAKEN = f"""
    UPDATE reminders_reminder r
    SET state = 'PLANNED', reason = '', closed_at = NULL, failures = 0, next_attempt_at = statement_timestamp()
    FROM (
        SELECT r.id FROM reminders_reminder r JOIN assignments_assignment a ON a.id = r.assignment_id
        WHERE {{scope}} AND r.state = 'FAILED' AND r.reason IN ('rejected', 'exhausted') AND r.{TO_PEOPLE}
          AND a.version = r.version AND a.status = 'SCHEDULED' AND a.scheduled_start = r.planned_start
          AND (r.kind <> 'REMINDER' OR (a.answer <> 'DECLINED' AND r.recipient = {assignee_recipient_sql("a")}))
          AND statement_timestamp() < r.not_after AND NOT {LATER_DUE}
        FOR NO KEY UPDATE OF r SKIP LOCKED) mistaken
    WHERE r.id = mistaken.id AND r.state = 'FAILED'
"""  # noqa: S608 - our own constants
REFUSED_ALIKE = f"""
    {channel_name_sql("r.channel")} = %s AND r.closed_at >= %s - interval '1 minute' AND EXISTS (
        SELECT FROM reminders_attempt t
        WHERE t.reminder_id = r.id AND t.number = r.attempts AND t.outcome IN ('rejected', 'refused_for_now')
          AND t.code = %s AND t.detail = %s)
"""


@atomically
def requeue_mistaken(ids: Sequence[int]) -> int:
    """Puts those of these rows back to PLANNED that failed by a refusal that was not about them; returns how many."""
    if not ids:
        return 0
    with connection.cursor() as cursor:
        run(cursor, REQUEUE_MISTAKEN.format(scope="r.id = ANY(%s)"), [list(ids)])
        return int(cursor.rowcount)


def requeue_refused(cursor: Cursor, *, channel: str, since: datetime, code: str, detail: str) -> int:
    """Puts rows back to PLANNED that have failed, in any process, by the very refusal for which the channel was left alone.

    The detail names no recipient, and so is the same for all of them.
    """
    run(cursor, REQUEUE_MISTAKEN.format(scope=REFUSED_ALIKE), [channel, since, code, detail])
    return int(cursor.rowcount)


def requeue_failed(assignee_ids: Sequence[int]) -> int:
    """Puts rows that failed for want of a good contact back to PLANNED, once the contact was corrected.

    Only of the current version and while the message is still of use. Returns how many.
    """
    return _requeue("p.id = ANY(%s)", assignee_ids)


@atomically
def _requeue(scope: str, ids: Sequence[int]) -> int:
    with connection.cursor() as cursor:
        run(cursor, REQUEUE_FAILED.format(scope=scope), [list(ids)])
        return int(cursor.rowcount)
