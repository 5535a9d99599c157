"""Plans the notices to supervisors about what people did, in the transaction of the act."""

import json
from collections.abc import Sequence
from enum import Enum

from assignments.models import Act, ActKind, Assignment
from reminders.conf import NOTIFY_WINDOW, ReminderConfig
from reminders.ledger.fragments import ANSWER_TOLD, way_to_sql, ways_of
from reminders.ledger.notices import ops_recipients, recipients_sql
from reminders.ledger.rule_planning import start_chains
from reminders.ledger.sql import Cursor, run
from reminders.models import Kind, Reminder, State
from reminders.policy.escalation import TRIGGERS, EscalationTrigger, act_of, rule_of
from reminders.policy.rules import TriggerType


class Heard(Enum):
    """Whether supervisors know what an assignee did."""

    TOLD = "told"
    BEING_TOLD = "being_told"
    NO = "no"


PLAN = f"""
    INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
        planned_at, due_at, not_after, next_attempt_at, state)
    SELECT a.id, a.version, 'ESCALATION', x.rule, told.recipient, {way_to_sql("told.recipient")}, a.scheduled_start,
           statement_timestamp(), statement_timestamp(), statement_timestamp() + %(window)s, statement_timestamp(),
           'PLANNED'
    FROM json_to_recordset(%(acts)s) AS x(assignment_id bigint, rule text)
    JOIN assignments_assignment a ON a.id = x.assignment_id AND a.status = 'SCHEDULED'
    CROSS JOIN LATERAL {{recipients}} AS told(recipient)
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own constants

# The assignee is not told what they have said themselves, though they may be a supervisor.
PLAN_FOR_SUPERVISORS = PLAN.format(recipients=recipients_sql("q.id IS DISTINCT FROM a.assignee_id"))

HEARD_OF_DECLINE = f"""
        SELECT DISTINCT ON (told.recipient) told.recipient, split_part(told.rule, ':', 1) = 'declined' AS declined
        FROM reminders_reminder told
        WHERE told.assignment_id = a.id AND told.version = a.version AND {ANSWER_TOLD}
        ORDER BY told.recipient, told.begun_at DESC, told.id DESC"""  # noqa: S608 - our own constant
"""The supervisors who may have been told an answer of this version of the assignment `a`, with what they were told last."""

PLAN_FOR_WHO_HEARD = PLAN.format(
    recipients=f"(SELECT heard.recipient FROM ({HEARD_OF_DECLINE}) heard WHERE heard.declined)"  # noqa: S608
)


def plan_escalations(cursor: Cursor, acts: Sequence[Act], config: ReminderConfig) -> None:
    """Plans what supervisors are told of these acts. The assignments' rows are locked by the caller.

    Planned also while reminders are switched off, since no scan would. Of a confirmation only those are told who were, or
    may have been, told that the assignee can't make it. Of a decline those are not told whom a rule tells of it.
    """
    declined = [act.assignment_id for act in acts if act.act == ActKind.DECLINE]
    by_rules = start_chains(declined, TriggerType.ON_DECLINE, config=config) if declined else set()
    for statement, triggers in (
        (PLAN_FOR_SUPERVISORS, (EscalationTrigger.DECLINED, EscalationTrigger.LATE)),
        (PLAN_FOR_WHO_HEARD, (EscalationTrigger.CONFIRMED_AFTER_ALL,)),
    ):
        wanted = [
            {"assignment_id": act.assignment_id, "rule": rule_of(trigger, act.pk)}
            for act in acts
            if (trigger := TRIGGERS.get(ActKind(act.act))) is not None and trigger in triggers
            if trigger is not EscalationTrigger.DECLINED or act.assignment_id not in by_rules
        ]
        if wanted:
            values = {"acts": json.dumps(wanted), **ways_of(config), "window": NOTIFY_WINDOW}
            run(cursor, statement, {**values, "ops": ops_recipients(config)})


def heard_of(assignment: Assignment, trigger: EscalationTrigger) -> Heard:
    """Whether a supervisor was told of the latest act of this kind about the plan in force. TOLD: a mail server has accepted
    at least one notice of it.
    """
    rows = Reminder.objects.filter(
        assignment=assignment,
        version=assignment.version,
        kind=Kind.ESCALATION,
        rule__startswith=f"{trigger.value}:",
    )
    found = list(rows.order_by("-planned_at", "-id").values_list("rule", "state"))
    states = {state for rule, state in found if act_of(rule) == act_of(found[0][0])}
    if State.SENT in states:
        return Heard.TOLD
    return Heard.BEING_TOLD if states & {State.PLANNED, State.QUEUED, State.SENDING} else Heard.NO
