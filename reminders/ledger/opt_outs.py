"""Opt-outs of persons from rules: what is open ends, and comes back when one is undone, in the same transaction."""

from collections.abc import Sequence

from django.db import connection

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger.audit import record
from reminders.ledger.events import record_ended
from reminders.ledger.fragments import AS_ENDED, SAME_NUDGE, base_rule, ended_unsent
from reminders.ledger.records import Ended
from reminders.ledger.rule_planning import follow_rules, has_rules
from reminders.ledger.sql import Cursor, bigints, fetch, run
from reminders.models import OptOut, ReminderRule
from reminders.policy.recipients import assignee_recipient
from reminders.policy.rules import base_of

# Assignments are locked before rows of the ledger (docs/state-machine.md#lock-order).
LOCK_WORK = """
    SELECT id FROM assignments_assignment WHERE assignee_id = %s AND status = 'SCHEDULED' ORDER BY id FOR NO KEY UPDATE
"""
ADD = """
    INSERT INTO reminders_optout (person_id, rule, via, at) VALUES (%s, %s, %s, statement_timestamp())
    ON CONFLICT (person_id, rule) WHERE undone_at IS NULL DO NOTHING
"""
END_OPEN = f"""
    UPDATE reminders_reminder r
    SET {ended_unsent("'opted_out'")}
    WHERE r.assignment_id = ANY(%(ids)s::bigint[]) AND r.kind = 'REMINDER' AND r.recipient = %(recipient)s
      AND {base_rule("r.rule")} = %(rule)s AND r.state IN ('PLANNED', 'QUEUED')
    RETURNING {AS_ENDED}
"""  # noqa: S608 - our own constant
# Of the plan in force, and only what is not due yet; not where the nudge has gone another way meanwhile.
BRING_BACK = f"""
    UPDATE reminders_reminder r
    SET state = 'PLANNED', reason = '', closed_at = NULL, next_attempt_at = r.due_at
    FROM assignments_assignment a JOIN assignments_assignee p ON p.id = a.assignee_id
    WHERE a.id = ANY(%(ids)s::bigint[]) AND r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
      AND r.recipient = %(recipient)s AND {base_rule("r.rule")} = %(rule)s AND r.state = 'SKIPPED'
      AND r.reason = 'opted_out' AND r.attempts = 0 AND r.due_at > statement_timestamp()
      AND a.answer <> 'DECLINED' AND p.way <> 'none'
      AND NOT EXISTS (
          SELECT FROM reminders_reminder n WHERE {SAME_NUDGE} AND n.id > r.id)
"""  # noqa: S608 - our own constant


def is_mandatory(rule: str) -> bool:
    """Whether nobody can opt out of this rule."""
    _, _, number = rule.partition(":")
    return number.isdecimal() and ReminderRule.objects.filter(pk=int(number), mandatory=True).exists()


def in_force(person_id: int) -> list[OptOut]:
    """The opt-outs of this person that were not undone."""
    return list(OptOut.objects.filter(person_id=person_id, undone_at=None))


@atomically
def opt_out(person_id: int, rule: str, *, via: OptOut.Via, config: ReminderConfig) -> list[Ended]:
    """The person gets no reminders of this rule any more. Twice is once; returns the rows that have ended.

    What is being sent may still arrive. The caller has seen that the rule is not mandatory; of one that is, it says nothing.
    """
    rule = base_of(rule)
    with connection.cursor() as cursor:
        ids = _lock_work(cursor, person_id)
        run(cursor, ADD, [person_id, rule, via.value])
        if not cursor.rowcount:
            return []
        run(cursor, END_OPEN, _params(person_id, rule, ids))
        ended = [Ended(**row) for row in fetch(cursor)]
        record_ended(cursor, ended)
    # What was too close to a reminder that is not sent any more is sent.
    return ended + _follow(ids, config)


@atomically
def undo(
    person_id: int, rules: Sequence[str], *, by: str, reason: str, config: ReminderConfig
) -> tuple[list[str], list[Ended]]:
    """The person gets reminders of these rules again; `by` is empty where they ask for it themselves.

    Reminders that are not due yet are planned again. Returns the rules of which that was new, and the rows that have ended,
    because others are sent in their place.
    """
    named = sorted({base_of(rule) for rule in rules})
    with connection.cursor() as cursor:
        ids = _lock_work(cursor, person_id)
        run(
            cursor,
            """
            UPDATE reminders_optout SET undone_at = statement_timestamp(), undone_by = %s, undone_reason = %s
            WHERE person_id = %s AND rule = ANY(%s::text[]) AND undone_at IS NULL RETURNING rule
            """,
            [by, reason, person_id, named],
        )
        undone = sorted(row[0] for row in cursor.fetchall())
        for rule in undone:
            run(cursor, BRING_BACK, _params(person_id, rule, ids))
    if undone and by:
        record("undo_opt_out", by=by, reason=reason, selection={"person": person_id, "rules": undone})
    return undone, _follow(ids, config) if undone else []


def _lock_work(cursor: Cursor, person_id: int) -> list[int]:
    run(cursor, LOCK_WORK, [person_id])
    return [row[0] for row in cursor.fetchall()]


def _params(person_id: int, rule: str, ids: Sequence[int]) -> dict[str, object]:
    return {"ids": bigints(ids), "recipient": assignee_recipient(person_id), "rule": rule}


def _follow(ids: Sequence[int], config: ReminderConfig) -> list[Ended]:
    return follow_rules(ids, config=config).ended if config.enabled and ids and has_rules(ids) else []
