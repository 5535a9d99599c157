"""Assignments as rules see them: their plan, their person, what was told before, and how far their schedule is."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from assignments.instants import known_zone
from assignments.leads import stored_leads
from assignments.models import Answer, Assignment
from assignments.teams import effective_team_sql
from reminders.conf import ReminderConfig
from reminders.ledger.fragments import ANY_OPT_OUT, notified_sql
from reminders.ledger.sql import Cursor, bigints, fetch, run
from reminders.policy import rules as policy_rules
from reminders.policy.chains import ChainFacts, Decline
from reminders.policy.recipients import assignee_recipient, assignee_recipient_sql
from reminders.policy.rules import RuleSubject
from reminders.policy.timing import overdue_base_sql
from reminders.policy.wall_clock import QuietHours

TOLD = f"""(
            SELECT json_agg(json_build_object('rule', t.rule, 'lead', extract(epoch FROM t.planned_start - t.due_at)))::text
            FROM reminders_reminder t
            WHERE t.assignment_id = a.id AND t.kind = 'REMINDER' AND t.state = 'SENT' AND t.version < a.version
              AND t.planned_start = a.scheduled_start AND t.recipient = {assignee_recipient_sql("a")}
              AND {notified_sql("t.rule")})"""  # noqa: S608 - our own constants
"""The rules whose reminder the assignee has had of the present start before the version in force, and how long before it."""

READ = f"""
    SELECT a.id, a.version, a.scheduled_start AS start, a.known_at, a.kind, a.assignee_id, a.lead_minutes,
           a.further_lead_minutes, a.renudge_at, a.answer, a.answered_at,
           a.overdue_at IS NOT NULL AS is_overdue, {overdue_base_sql("a")} AS overdue_base,
           CASE WHEN a.answer = 'DECLINED' THEN
               (SELECT max(d.id) FROM assignments_act d WHERE d.assignment_id = a.id AND d.act = 'decline')
           END AS decline_id,
           CASE WHEN a.version > 1 AND a.assignee_id IS NOT NULL THEN {TOLD} END AS told,
           {effective_team_sql("a")} AS team_id,
           CASE WHEN {ANY_OPT_OUT} THEN ARRAY(
               SELECT o.rule FROM reminders_optout o WHERE o.person_id = a.assignee_id AND o.undone_at IS NULL)
           END AS opted_out,
           p.time_zone, coalesce(p.quiet_from, t.quiet_from) AS quiet_from,
           coalesce(p.quiet_until, t.quiet_until) AS quiet_until,
           s.known_at AS schedule_known_at, s.next_at AS schedule_next_at,
           s.planned_start AS schedule_start, s.recipient AS schedule_recipient,
           statement_timestamp() AS now
    FROM assignments_assignment a
    LEFT JOIN assignments_assignee p ON p.id = a.assignee_id
    LEFT JOIN assignments_team t ON t.id = {effective_team_sql("a")}
    LEFT JOIN reminders_ruleschedule s ON s.assignment_id = a.id
    WHERE a.id = ANY(%s::bigint[]) AND a.status = 'SCHEDULED'
    ORDER BY a.id
"""  # noqa: S608 - our own constant
LOCK = """
    SELECT id FROM assignments_assignment WHERE id = ANY(%s::bigint[]) AND status = 'SCHEDULED'
    ORDER BY id FOR NO KEY UPDATE
"""

# Named like the table, so that the same statement reads work as it would be.
IF_PLANNED_SO = """
    WITH assignments_assignment AS (
        SELECT x.*, statement_timestamp() AS known_at, '' AS answer, NULL::timestamptz AS answered_at,
               NULL::timestamptz AS expected_start
        FROM json_to_recordset(%s) AS x(
            id bigint, version int, scheduled_start timestamptz, kind text, assignee_id bigint, team_id bigint,
            lead_minutes int, further_lead_minutes text, status text, renudge_at timestamptz, overdue_at timestamptz))
"""
PLANNED_SO = (
    *("version", "scheduled_start", "kind", "assignee_id", "team_id", "lead_minutes", "further_lead_minutes"),
    *("status", "overdue_at"),
)


def planned_so(works: Iterable[Assignment]) -> str:
    """The parameter of IF_PLANNED_SO: plans that are not stored, of which nobody has said anything."""
    plans = [
        {
            "id": work.pk or 0,
            "renudge_at": work.reset_at,
            **{name: getattr(work, name) for name in PLANNED_SO},
        }
        for work in works
    ]
    return json.dumps(plans, default=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuledWork:
    """An assignment that is SCHEDULED, as rules see it at `now`, and its schedule (`models.RuleSchedule`).

    `is_overdue`: it is marked OVERDUE, so that nobody is reminded of it any more. `overdue_base` is the instant from which
    the overdue time counts.
    """

    subject: RuleSubject
    version: int
    is_overdue: bool
    overdue_base: datetime
    answer: Answer
    decline: Decline | None
    has_schedule: bool
    next_at: datetime | None
    now: datetime

    @property
    def id(self) -> int:
        return self.subject.assignment_id

    def chain_facts(self, config: ReminderConfig, *, will_be_overdue: bool = False) -> ChainFacts:
        """What its escalation chains count from; with `will_be_overdue` as if nobody ever started it."""
        is_overdue = self.is_overdue or will_be_overdue
        return ChainFacts(
            subject=self.subject,
            overdue_at=self.overdue_base + config.overdue if is_overdue else None,
            decline=self.decline,
            is_answered=self.answer != Answer.NONE or self.subject.person_id is None,
        )


def lock_work(cursor: Cursor, ids: Sequence[int], *, plan_changed: bool) -> list[RuledWork]:
    """Those of these assignments that are SCHEDULED, locked. `plan_changed`: their plan has just changed.

    They are read once they are locked: a statement that waits for a lock reads acts, schedules and rows of the ledger as
    they were before.
    """
    run(cursor, LOCK, [bigints(ids)])
    cursor.fetchall()
    run(cursor, READ, [bigints(ids)])
    return [_work(found, plan_changed=plan_changed) for found in fetch(cursor)]


def read_work(cursor: Cursor, ids: Sequence[int]) -> list[RuledWork]:
    """The same without a lock."""
    run(cursor, READ, [bigints(ids)])
    return [_work(found, plan_changed=False) for found in fetch(cursor)]


def read_subjects(cursor: Cursor, ids: Sequence[int]) -> dict[int, RuleSubject]:
    """Assignments by their ids of which somebody may still be reminded, as rules see them now."""
    return {work.id: work.subject for work in read_work(cursor, ids) if not work.is_overdue}


def read_work_if(cursor: Cursor, works: Sequence[Assignment]) -> list[RuledWork]:
    """Those of these plans, which are not stored, that are SCHEDULED: as rules would see them if they were in force from
    now on. What is not stored at all has the id 0.
    """
    run(cursor, IF_PLANNED_SO + READ, [planned_so(works), bigints([work.pk or 0 for work in works])])
    return [_work(found, plan_changed=True) for found in fetch(cursor)]


def quiet_hours_of(found: dict[str, Any]) -> QuietHours | None:
    """The quiet hours in a row that was read."""
    if found["quiet_from"] is None or found["quiet_until"] is None:
        return None
    return QuietHours(starts=found["quiet_from"], until=found["quiet_until"])


def zone_of(found: dict[str, Any]) -> ZoneInfo:
    """The time zone in a row that was read."""
    return known_zone(found["time_zone"] or "UTC") or ZoneInfo("UTC")


def _work(found: dict[str, Any], *, plan_changed: bool) -> RuledWork:
    return RuledWork(
        subject=_subject(found, plan_changed=plan_changed),
        version=found["version"],
        is_overdue=found["is_overdue"],
        overdue_base=found["overdue_base"],
        answer=Answer(found["answer"]),
        decline=Decline(act_id=found["decline_id"], at=found["answered_at"]) if found["decline_id"] else None,
        has_schedule=found["schedule_known_at"] is not None,
        next_at=found["schedule_next_at"],
        now=found["now"],
    )


def _subject(found: dict[str, Any], *, plan_changed: bool) -> RuleSubject:
    """The assignment as rules see it. A plan that stays the same keeps the instant at which it became known."""
    same = (found["schedule_start"], found["schedule_recipient"]) == (
        found["start"],
        assignee_recipient(found["assignee_id"]),
    )
    if same:
        # An operator's reset and a reinstatement make it known anew.
        known_at = max(
            found["schedule_known_at"], found["known_at"], found["renudge_at"] or found["known_at"]
        )
    else:
        known_at = found["now"] if plan_changed else found["known_at"]
    leads = stored_leads(found["lead_minutes"], found["further_lead_minutes"])
    told = json.loads(found["told"] or "[]")
    return RuleSubject(
        assignment_id=found["id"],
        start=found["start"],
        known_at=known_at,
        kind=found["kind"],
        team_id=found["team_id"],
        person_id=found["assignee_id"],
        leads=tuple(timedelta(minutes=minutes) for minutes in leads),
        zone=zone_of(found),
        quiet_hours=quiet_hours_of(found),
        opted_out=frozenset(found["opted_out"] or ()),
        told=frozenset(one["rule"] for one in told),
        told_leads=frozenset(
            timedelta(seconds=one["lead"])
            for one in told
            if one["rule"].partition(":")[0] == policy_rules.DEFAULT
        ),
    )
