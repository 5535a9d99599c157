"""The rows of escalation chains (`policy.chains`): planned for each recipient one step at a time, moved, and ended.

They are of kind ESCALATION. Steps beyond the look-ahead have no row yet: the schedule of the assignment keeps the earliest.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from assignments.models import Answer, Assignment
from assignments.teams import effective_team_sql
from reminders.conf import NOTIFY_WINDOW, ReminderConfig
from reminders.ledger.fragments import AS_ENDED, known_way, reachable_sql, way_to_sql, ways_of
from reminders.ledger.notices import ops_recipients
from reminders.ledger.records import Ended
from reminders.ledger.rule_subjects import IF_PLANNED_SO, RuledWork, planned_so, quiet_hours_of, zone_of
from reminders.ledger.sql import Cursor, bigints, fetch, run
from reminders.models import Kind, Reason, State
from reminders.policy import chains
from reminders.policy.chains import Passed, Recipient, Step
from reminders.policy.recipients import person_recipient
from reminders.policy.rules import Audience, Rule, TriggerType

IS_STEP = "r.kind = 'ESCALATION' AND r.rule LIKE '%%:rule:%%'"
"""Rows of chains, for statements with parameters; `chains.is_step` is the same rule."""

REQUEUED = (Reason.REPLANNED.value, Reason.REASSIGNED.value)
"""Rows that ended so come back where their step is asked for again; they do not count as passed."""

LATER = timedelta(minutes=5)
"""By then a scan has planned the step that follows: half of the shortest interval between two."""

PASSED_BY = (Reason.TOO_LATE.value, Reason.OPERATOR.value)
"""Rows that ended SKIPPED so are followed by the next step."""

SUPERVISORS = f"""
    SELECT a.id AS assignment_id, q.id AS person_id, q.time_zone, coalesce(q.quiet_from, t.quiet_from) AS quiet_from,
           coalesce(q.quiet_until, t.quiet_until) AS quiet_until
    FROM assignments_assignment a
    JOIN assignments_team t ON t.id = {effective_team_sql("a")}
    JOIN assignments_team_supervisors s ON s.team_id = t.id
    JOIN assignments_assignee q ON q.id = s.assignee_id
    WHERE a.id = ANY(%s::bigint[]) AND {reachable_sql("q", "%s::text[]")}
    ORDER BY a.id, q.id
"""  # noqa: S608 - our own constant

# What was said of another start, or before an operator's reset, is no part of the chains in force.
ROWS = f"""
    SELECT r.id, r.assignment_id, r.version, r.rule, r.recipient, r.state, r.reason, r.due_at, r.closed_at
    FROM reminders_reminder r JOIN assignments_assignment a ON a.id = r.assignment_id
    WHERE a.id = ANY(%s::bigint[]) AND {IS_STEP} AND r.planned_start = a.scheduled_start
      AND (a.renudge_at IS NULL OR r.planned_at >= a.renudge_at)
    ORDER BY r.id
"""  # noqa: S608 - our own constant

WANTED = """unnest(%(ids)s::bigint[], %(rules)s::text[], %(recipients)s::text[], %(dues)s::timestamptz[])
            AS x(id, rule, recipient, due_at)"""

OF_CHAINS = f"""{IS_STEP} AND r.closed_at IS NULL AND r.assignment_id = a.id AND r.version = a.version
      AND a.id = ANY(%(assignments)s::bigint[])"""

END = f"""
    UPDATE reminders_reminder r
    SET state = 'SKIPPED', reason = 'replanned', lease_until = NULL, closed_at = statement_timestamp()
    FROM assignments_assignment a
    WHERE {OF_CHAINS} AND r.state IN ('PLANNED', 'QUEUED') AND r.ambiguous = 0
      AND NOT EXISTS (SELECT FROM {WANTED}
                      WHERE x.id = r.assignment_id AND x.rule = r.rule AND x.recipient = r.recipient)
    RETURNING {AS_ENDED}
"""  # noqa: S608 - our own constants

RETIME = f"""
    UPDATE reminders_reminder r
    SET due_at = x.due_at, next_attempt_at = x.due_at, not_after = x.due_at + %(window)s, state = 'PLANNED',
        lease_until = NULL
    FROM assignments_assignment a, {WANTED}
    WHERE {OF_CHAINS} AND x.id = a.id AND x.rule = r.rule AND x.recipient = r.recipient
      AND r.attempts = 0 AND r.due_at <> x.due_at
      AND (r.state = 'PLANNED' OR (r.state = 'QUEUED' AND x.due_at > statement_timestamp()))
"""  # noqa: S608 - our own constants

PLAN = f"""
    INSERT INTO reminders_reminder AS r (assignment_id, version, kind, rule, recipient, channel, planned_start,
        planned_at, scan_id, due_at, not_after, next_attempt_at, state)
    SELECT a.id, a.version, 'ESCALATION', x.rule, x.recipient,
           coalesce({known_way("ESCALATION", "x.rule", "x.recipient")}, {way_to_sql("x.recipient")}),
           a.scheduled_start, statement_timestamp(),
           %(scan_id)s::bigint, x.due_at, x.due_at + %(window)s, x.due_at, 'PLANNED'
    FROM {WANTED}
    JOIN assignments_assignment a ON a.id = x.id AND a.status = 'SCHEDULED'
    ORDER BY x.due_at, x.id, x.recipient, x.rule
    ON CONFLICT (assignment_id, version, kind, rule, recipient, channel) DO UPDATE
    SET state = 'PLANNED', reason = '', closed_at = NULL, due_at = EXCLUDED.due_at,
        next_attempt_at = EXCLUDED.due_at, not_after = EXCLUDED.not_after
    WHERE r.state = 'SKIPPED' AND r.reason IN {REQUEUED} AND r.ambiguous = 0
"""  # noqa: S608 - our own constants


@dataclass(frozen=True, slots=True)
class WantedStep:
    """A row that is to be open: for whom, and when it is due."""

    assignment_id: int
    rule: str
    recipient: str
    due_at: datetime


@dataclass(slots=True)
class ChainsPlanned:
    """What following the chains of some assignments did. `later` is the earliest instant without a row for each of them
    that has one; `chained` are those to which rules for supervisors or Ops apply.
    """

    planned: int = 0
    retimed: int = 0
    ended: list[Ended] = field(default_factory=list)
    later: dict[int, datetime] = field(default_factory=dict)
    chained: set[int] = field(default_factory=set)


def follow_chains(
    cursor: Cursor,
    works: Sequence[RuledWork],
    applying: Mapping[int, Sequence[Rule]],
    config: ReminderConfig,
    *,
    rules_changed_at: datetime | None,
    scan_id: int | None,
) -> ChainsPlanned:
    """Makes the open rows of chains of these assignments, which the caller has locked, those that the rules ask for.

    `applying` are the rules that apply to each. With `rules_changed_at` nothing is made for instants that had passed then.
    """
    done = ChainsPlanned(chained={id for id, rules in applying.items() if chains.for_others(rules)})
    concerned = [work for work in works if work.id in done.chained or work.has_schedule]
    if not concerned:
        return done
    ids = bigints(work.id for work in concerned)
    rows = rows_of(cursor, [work.id for work in concerned])
    if not done.chained and not rows:
        return done
    supervisors = supervisors_of(cursor, [work.id for work in concerned], config)
    wanted: list[WantedStep] = []
    for work in concerned:
        chain = _Chains(
            work, chains.for_others(applying[work.id]), rows[work.id], supervisors[work.id], config
        )
        found, later = chain.wanted(rules_changed_at)
        wanted += found
        if later is not None:
            done.later[work.id] = later
    _write(cursor, ids, wanted, done, config, scan_id)
    return done


def rows_of(cursor: Cursor, ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The rows of the chains in force of each of these assignments, by their ids; none for any other."""
    return _grouped(cursor, ROWS, [bigints(ids)])


def rows_if(cursor: Cursor, works: Sequence[Assignment]) -> dict[int, list[dict[str, Any]]]:
    """The same, if these plans, which are not stored, were in force."""
    ids = bigints([work.pk or 0 for work in works])
    return _grouped(cursor, IF_PLANNED_SO + ROWS, [planned_so(works), ids])


def supervisors_of(cursor: Cursor, ids: Sequence[int], config: ReminderConfig) -> dict[int, list[Recipient]]:
    """The supervisors of each of these assignments who can be reached; none for any other."""
    return _supervisors(_grouped(cursor, SUPERVISORS, [bigints(ids), list(config.further_channels)]))


def supervisors_if(
    cursor: Cursor, works: Sequence[Assignment], config: ReminderConfig
) -> dict[int, list[Recipient]]:
    """The same, if these plans, which are not stored, were in force."""
    ids = bigints([work.pk or 0 for work in works])
    params = [planned_so(works), ids, list(config.further_channels)]
    return _supervisors(_grouped(cursor, IF_PLANNED_SO + SUPERVISORS, params))


def _supervisors(grouped: Mapping[int, list[dict[str, Any]]]) -> dict[int, list[Recipient]]:
    found: dict[int, list[Recipient]] = defaultdict(list)
    for assignment_id, people in grouped.items():
        found[assignment_id] = [
            Recipient(
                recipient=person_recipient(one["person_id"]),
                zone=zone_of(one),
                quiet_hours=quiet_hours_of(one),
            )
            for one in people
        ]
    return found


def recipients_of(
    rule: Rule, *, supervisors: Sequence[Recipient], assignee_id: int | None, config: ReminderConfig
) -> list[Recipient]:
    """Who is told by this rule: supervisors, or Ops in their place where none can be reached.

    Nobody is told of their own answer, though they may supervise the team.
    """
    ops = [
        Recipient(recipient=recipient, zone=timezone.get_default_timezone())
        for recipient in dict.fromkeys(ops_recipients(config))
    ]
    if rule.audience is Audience.OPS:
        return ops
    if rule.trigger.type is not TriggerType.AFTER_OVERDUE and assignee_id is not None:
        own = person_recipient(assignee_id)
        supervisors = [one for one in supervisors if one.recipient != own]
    return list(supervisors) or ops


@dataclass(frozen=True, slots=True)
class _Chains:
    """The chains of one assignment: its rules, its rows so far, and who is told."""

    work: RuledWork
    rules: Sequence[Rule]
    rows: Sequence[dict[str, Any]]
    supervisors: Sequence[Recipient]
    config: ReminderConfig

    def wanted(self, rules_changed_at: datetime | None) -> tuple[list[WantedStep], datetime | None]:
        """The rows that are to be open, and the earliest instant that gets its row later."""
        facts = self.work.chain_facts(self.config)
        found: list[WantedStep] = []
        later: list[datetime] = []
        for rule in self.rules:
            key = chains.chain_key(rule, facts=facts)
            rows = [row for row in self.rows if chains.chain_of(row["rule"]) == key]
            told = recipients_of(
                rule,
                supervisors=self.supervisors,
                assignee_id=self.work.subject.person_id,
                config=self.config,
            )
            kept = self._kept(rule, rows, told)
            found += kept
            following = self._following(rule, rows, told, {one.recipient for one in kept}, rules_changed_at)
            for recipient, step in following:
                if step.nominal <= self.work.now + self.config.lookahead:
                    found.append(WantedStep(self.work.id, step.key, recipient, step.due_at))
                else:
                    later.append(step.nominal)
        return found, min(later, default=None)

    def _kept(
        self, rule: Rule, rows: Sequence[dict[str, Any]], told: Sequence[Recipient]
    ) -> list[WantedStep]:
        """The open rows whose step the rule still asks for, at its present instant; of a changed rule none in the past.

        What goes to somebody who can't be reached any more, or to Ops in their place, stays as it is.
        """
        kept = []
        present = {one.recipient: one for one in told}
        for row in rows:
            if row["closed_at"] is not None or row["version"] != self.work.version:
                continue
            recipient = present.get(row["recipient"], Recipient(recipient=row["recipient"], zone=UTC))
            found = {step.key: step for step in self._steps(rule, recipient)}
            step = found.get(row["rule"])
            if step is None:
                continue
            due = step.due_at if row["recipient"] in present else row["due_at"]
            if due == row["due_at"] or rule.since is None or due >= rule.since:
                kept.append(WantedStep(self.work.id, row["rule"], row["recipient"], due))
        return kept

    def _following(
        self,
        rule: Rule,
        rows: Sequence[dict[str, Any]],
        told: Sequence[Recipient],
        open_for: set[str],
        rules_changed_at: datetime | None,
    ) -> Iterable[tuple[str, Step]]:
        """The next step of everybody who is told and has none that is open, or is being sent."""
        if rule.unless_confirmed and self.work.answer == Answer.CONFIRMED:
            return
        facts = self.work.chain_facts(self.config)
        history = [passed for row in rows if (passed := passed_by(rule, row, self.work)) is not None]
        for recipient in told:
            if recipient.recipient in open_for:
                continue
            step = chains.following(
                rule,
                facts=facts,
                recipient=recipient,
                history=history,
                not_before=self._not_before(rules_changed_at),
                now=self.work.now,
            )
            if step is not None:
                yield recipient.recipient, step

    def _steps(self, rule: Rule, recipient: Recipient) -> list[Step]:
        return chains.steps(rule, facts=self.work.chain_facts(self.config), recipient=recipient)

    def _not_before(self, rules_changed_at: datetime | None) -> datetime:
        """Nobody is told at once because rules have changed, unless a row was still to be made."""
        if rules_changed_at is None:
            return self.work.subject.known_at
        return min(rules_changed_at, self.work.next_at or rules_changed_at)


def passed_by(rule: Rule, row: Mapping[str, Any], work: RuledWork) -> Passed | None:
    """The step of this row, if it has ended, or is being sent of an older plan.

    What an operator has skipped is not made up for; what came too late for another reason is, by the latest step.
    """
    state, reason = row["state"], row["reason"]
    if state == State.SKIPPED and reason not in PASSED_BY:
        return None
    if row["closed_at"] is None and (state != State.SENDING or row["version"] == work.version):
        return None
    ended_at: datetime | None = row["closed_at"] or work.now
    if reason == Reason.TOO_LATE:
        ended_at = None
    elif ended_at is not None and state != State.SKIPPED:
        ended_at = chains.earliest_after(rule, ended_at)
    return Passed(number=chains.number_of(row["rule"]), not_before=ended_at)


def _write(
    cursor: Cursor,
    ids: str,
    wanted: Sequence[WantedStep],
    done: ChainsPlanned,
    config: ReminderConfig,
    scan_id: int | None,
) -> None:
    params = {
        "assignments": ids,
        "ids": bigints(one.assignment_id for one in wanted),
        "rules": [one.rule for one in wanted],
        "recipients": [one.recipient for one in wanted],
        "dues": [one.due_at for one in wanted],
        "window": NOTIFY_WINDOW,
        **ways_of(config),
        "scan_id": scan_id,
    }
    run(cursor, END, params)
    done.ended += [Ended(**row) for row in fetch(cursor)]
    run(cursor, RETIME, params)
    done.retimed = cursor.rowcount
    run(cursor, PLAN, params)
    done.planned = cursor.rowcount


def _grouped(cursor: Cursor, statement: str, params: Sequence[Any]) -> dict[int, list[dict[str, Any]]]:
    """The rows that a statement reads, by assignment."""
    run(cursor, statement, params)
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in fetch(cursor):
        found[row["assignment_id"]].append(row)
    return found


def goes_on_after(row: Ended) -> bool:
    """Whether another step may follow this row, which was settled without a send, or is to be planned for others."""
    return row.kind == Kind.ESCALATION and row.reason in (*PASSED_BY, Reason.REASSIGNED.value)


WITH_STEPS = f"""
    SELECT DISTINCT r.assignment_id FROM reminders_reminder r
    WHERE r.assignment_id = ANY(%s::bigint[]) AND {IS_STEP}
"""  # noqa: S608 - our own constant


def with_steps(ids: Sequence[int]) -> list[int]:
    """Those of these assignments about which rules have told, or will tell, somebody."""
    if not ids:
        return []
    with connection.cursor() as cursor:
        run(cursor, WITH_STEPS, [bigints(ids)])
        return sorted(row[0] for row in cursor.fetchall())


# Within the look-ahead, so that the next scan finds it, and not in the past, which would count as unaccounted for.
GO_ON_LATER = """
    UPDATE reminders_ruleschedule s SET next_at = least(s.next_at, statement_timestamp() + %s)
    WHERE s.assignment_id = ANY(%s::bigint[])
"""


def go_on_later(cursor: Cursor, ended: Iterable[Ended]) -> None:
    """Has the next scan plan the steps that follow these rows, whose assignments the caller has not locked."""
    ids = {row.assignment_id for row in ended if row.kind == Kind.ESCALATION}
    if ids:
        run(cursor, GO_ON_LATER, [LATER, bigints(sorted(ids))])
