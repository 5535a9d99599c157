"""Plans what rules ask for: for a change of plan, for a scan, and when rules have changed.

Instants are computed by `policy.rules`, in Python only; what lies beyond the look-ahead is kept as one instant for each
assignment (`RuleSchedule.next_at`), so that a scan with nothing due reads nothing. Assignments that have the built-in
rule alone are planned by `ledger.planning`, the rows for supervisors and Ops by `ledger.chains`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger.chains import ChainsPlanned, follow_chains
from reminders.ledger.events import record_ended
from reminders.ledger.fragments import ways_of
from reminders.ledger.records import Ended
from reminders.ledger.rule_statements import END_REPLACED, PLAN, RETIME
from reminders.ledger.rule_subjects import RuledWork, lock_work, read_work
from reminders.ledger.rules import enabled_rules
from reminders.ledger.sql import Cursor, bigints, fetch, fetch_one, run
from reminders.policy import chains
from reminders.policy import rules as policy_rules
from reminders.policy.recipients import assignee_recipient, assignee_recipient_sql
from reminders.policy.rules import Occurrence, Rule, TriggerType

BATCH = 1_000
"""Assignments computed per transaction."""

WRITE_SCHEDULES = """
    INSERT INTO reminders_ruleschedule (assignment_id, known_at, planned_start, recipient, next_at)
    SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::timestamptz[])
    ON CONFLICT (assignment_id) DO UPDATE SET known_at = EXCLUDED.known_at, planned_start = EXCLUDED.planned_start,
        recipient = EXCLUDED.recipient, next_at = EXCLUDED.next_at
"""


@dataclass(slots=True)
class RulesPlanned:
    """What planning by rules did."""

    planned: int = 0
    retimed: int = 0
    ended: list[Ended] = field(default_factory=list)
    due_schedules: int = 0
    """How many schedules had come near."""

    def add(self, other: "RulesPlanned") -> None:
        self.planned += other.planned
        self.retimed += other.retimed
        self.ended += other.ended
        self.due_schedules += other.due_schedules


@dataclass(frozen=True, slots=True)
class _Computed:
    """The instants of one assignment's reminders under the rules in force."""

    work: RuledWork
    rules: Sequence[Rule]
    occurrences: Sequence[Occurrence]

    @property
    def id(self) -> int:
        return self.work.id

    @property
    def is_plain(self) -> bool:
        """Whether only the built-in rule, or one lead of its own, applies: `ledger.planning` plans it."""
        return not chains.for_others(self.rules) and policy_rules.is_plain(
            self.occurrences, self.work.subject
        )

    def channels_of(self, key: str) -> Sequence[str]:
        """The channels that the rule of this key names."""
        return next((rule.channels for rule in self.rules if rule.key == key), ())

    def is_verified_only(self, key: str) -> bool:
        """Whether the rule of this key reminds at verified addresses alone."""
        return any(rule.verified_only for rule in self.rules if rule.key == key)

    def was_missed(self, found: Occurrence, rules_changed_at: datetime) -> bool:
        """Whether this instant had passed when the rules changed, and no row was still to be made of it.

        Nobody is reminded at once because a rule has changed.
        """
        if found.due_at > rules_changed_at:
            return False
        if not self.work.has_schedule:
            return found.rule != policy_rules.DEFAULT
        return self.work.next_at is None or self.work.next_at > found.due_at


def has_rules(ids: Sequence[int]) -> bool:
    """Whether anything but the built-in rule may apply to these assignments, or has applied until now."""
    with connection.cursor() as cursor:
        run(
            cursor,
            """
            SELECT EXISTS (SELECT 1 FROM reminders_reminderrule WHERE enabled)
                OR EXISTS (SELECT 1 FROM reminders_ruleschedule WHERE assignment_id = ANY(%(ids)s::bigint[]))
                OR EXISTS (SELECT 1 FROM assignments_assignment
                           WHERE id = ANY(%(ids)s::bigint[]) AND further_lead_minutes <> '')
            """,
            {"ids": bigints(ids)},
        )
        return bool(fetch_one(cursor))


@atomically
def follow_rules(
    ids: Sequence[int],
    *,
    config: ReminderConfig,
    plan_changed: bool = False,
    rules_changed_at: datetime | None = None,
    scan_id: int | None = None,
) -> RulesPlanned:
    """Makes the rows of these assignments those that the rules in force ask for.

    `plan_changed`: their plan has just changed, and their rows are locked by the caller. `rules_changed_at`: it is done
    because the rules have changed, at that instant.
    """
    done = RulesPlanned()
    with connection.cursor() as cursor:
        rules = enabled_rules(cursor)
        for first in range(0, len(ids), BATCH):
            works = lock_work(cursor, ids[first : first + BATCH], plan_changed=plan_changed)
            done.add(
                _follow(cursor, works, rules, config, rules_changed_at=rules_changed_at, scan_id=scan_id)
            )
        record_ended(cursor, done.ended)
    return done


@atomically
def start_chains(ids: Sequence[int], trigger: TriggerType, *, config: ReminderConfig) -> set[int]:
    """Plans the chains of these assignments, which have just become overdue or were declined, and are locked by the caller.

    Returns those of whom supervisors are told by a rule with this trigger, and so not by the built-in notice. While
    reminders are switched off, the next scan plans them.
    """
    replaced: set[int] = set()
    done = RulesPlanned()
    with connection.cursor() as cursor:
        rules = enabled_rules(cursor)
        if not chains.for_others(rules):
            return replaced
        for first in range(0, len(ids), BATCH):
            works = read_work(cursor, ids[first : first + BATCH])
            replaced |= {
                work.id
                for work in works
                if chains.replaces_built_in(
                    policy_rules.rules_for(work.subject, rules=rules, lead=config.lead), trigger
                )
            }
            if config.enabled:
                done.add(_follow(cursor, works, rules, config, rules_changed_at=None, scan_id=None))
        record_ended(cursor, done.ended)
    if not config.enabled:
        leave_to_scan(ids)
    return replaced


LEAVE_TO_SCAN = f"""
    INSERT INTO reminders_ruleschedule AS s (assignment_id, known_at, planned_start, recipient, next_at)
    SELECT a.id, statement_timestamp(), a.scheduled_start, {assignee_recipient_sql("a")}, statement_timestamp()
    FROM assignments_assignment a
    WHERE a.id = ANY(%s::bigint[]) AND a.status = 'SCHEDULED'
      AND (a.overdue_at IS NULL OR EXISTS (SELECT FROM reminders_reminderrule WHERE enabled AND audience <> 'assignee'))
    ON CONFLICT (assignment_id) DO UPDATE SET next_at = EXCLUDED.next_at,
        known_at = CASE WHEN (s.planned_start, s.recipient) = (EXCLUDED.planned_start, EXCLUDED.recipient)
            THEN s.known_at ELSE EXCLUDED.known_at END,
        planned_start = EXCLUDED.planned_start, recipient = EXCLUDED.recipient
"""  # noqa: S608 - our own constant


@atomically
def leave_to_scan(ids: Sequence[int]) -> None:
    """Has the next scan plan these, whose plan has changed while reminders are switched off."""
    with connection.cursor() as cursor:
        run(cursor, LEAVE_TO_SCAN, [bigints(ids)])


def _follow(
    cursor: Cursor,
    works: Sequence[RuledWork],
    rules: Sequence[Rule],
    config: ReminderConfig,
    *,
    rules_changed_at: datetime | None,
    scan_id: int | None,
) -> RulesPlanned:
    """Follows the rules for assignments that are locked: their chains, then their reminders, unless they are overdue."""
    applying = {
        work.id: policy_rules.rules_for(work.subject, rules=rules, lead=config.lead) for work in works
    }
    chained = follow_chains(
        cursor, works, applying, config, rules_changed_at=rules_changed_at, scan_id=scan_id
    )
    computed = [
        _Computed(
            work,
            applying[work.id],
            [] if work.is_overdue else policy_rules.occurrences(work.subject, rules=applying[work.id]),
        )
        for work in works
    ]
    ruled = [one for one in computed if not one.is_plain or one.work.has_schedule]
    # What the built-in rule has missed, because another one applied until now, it does not send either.
    plain = {
        one.id for one in ruled if one.is_plain and not _missed(one, one.occurrences[0], rules_changed_at)
    }
    over = {one.id for one in ruled if one.work.is_overdue and one.id not in chained.chained}
    if ruled:
        run(
            cursor,
            "DELETE FROM reminders_ruleschedule WHERE assignment_id = ANY(%s::bigint[])",
            [bigints(plain | over)],
        )
    _write_schedules(cursor, [one for one in ruled if one.id not in plain | over], chained, config)
    done = _write_reminders(
        cursor,
        [one for one in ruled if not one.work.is_overdue],
        config,
        rules_changed_at=rules_changed_at,
        scan_id=scan_id,
    )
    done.add(RulesPlanned(chained.planned, chained.retimed, chained.ended))
    return done


def _write_reminders(
    cursor: Cursor,
    ruled: Sequence[_Computed],
    config: ReminderConfig,
    *,
    rules_changed_at: datetime | None,
    scan_id: int | None,
) -> RulesPlanned:
    if not ruled:
        return RulesPlanned()
    near = [
        (one, found)
        for one in ruled
        for found in one.occurrences
        if _is_near(found, one.work.now, config) and not _missed(one, found, rules_changed_at)
    ]
    every = [(one, found) for one in ruled for found in one.occurrences]
    params = {
        "assignments": bigints(one.id for one in ruled),
        "overdue": config.overdue,
        **ways_of(config),
        "scan_id": scan_id,
    }
    done = RulesPlanned()
    run(cursor, END_REPLACED, {**params, **_columns(every)})
    done.ended += [Ended(**row) for row in fetch(cursor)]
    run(cursor, RETIME, {**params, **_columns(every)})
    done.retimed = cursor.rowcount
    run(cursor, PLAN, {**params, **_columns(near)})
    made = [Ended(**row) for row in fetch(cursor)]
    done.planned = sum(row.state == "PLANNED" for row in made)
    done.ended += [row for row in made if row.state != "PLANNED"]
    return done


def _missed(one: _Computed, found: Occurrence, rules_changed_at: datetime | None) -> bool:
    return rules_changed_at is not None and one.was_missed(found, rules_changed_at)


def _is_near(found: Occurrence, now: datetime, config: ReminderConfig) -> bool:
    return found.due_at <= now + config.lookahead


def _columns(found: Iterable[tuple[_Computed, Occurrence]]) -> dict[str, Any]:
    pairs = list(found)
    return {
        "ids": bigints(one.id for one, _ in pairs),
        "versions": [one.work.version for one, _ in pairs],
        "rules": [occurrence.rule for _, occurrence in pairs],
        "dues": [occurrence.due_at for _, occurrence in pairs],
        "reasons": [occurrence.skipped.value if occurrence.skipped else "" for _, occurrence in pairs],
        "channels": [" ".join(one.channels_of(occurrence.rule)) for one, occurrence in pairs],
        "verified_only": [one.is_verified_only(occurrence.rule) for one, occurrence in pairs],
    }


def _write_schedules(
    cursor: Cursor, ruled: Sequence[_Computed], chained: ChainsPlanned, config: ReminderConfig
) -> None:
    if not ruled:
        return
    subjects = [one.work.subject for one in ruled]
    run(
        cursor,
        WRITE_SCHEDULES,
        [
            bigints(one.id for one in ruled),
            [subject.known_at for subject in subjects],
            [subject.start for subject in subjects],
            [assignee_recipient(subject.person_id) for subject in subjects],
            [_next_instant(one, chained, config) for one in ruled],
        ],
    )


def _next_instant(one: _Computed, chained: ChainsPlanned, config: ReminderConfig) -> datetime | None:
    """The earliest instant of an assignment that lies beyond the look-ahead.

    It has no row yet, unless a row was moved there: such a row stays, and is compared with the rules once it comes near.
    """
    later = [found.due_at for found in one.occurrences if not _is_near(found, one.work.now, config)]
    if one.id in chained.later:
        later.append(chained.later[one.id])
    return min(later, default=None)


DUE_SCHEDULES = """
    SELECT assignment_id FROM reminders_ruleschedule
    WHERE next_at <= statement_timestamp() + %(lookahead)s
    ORDER BY next_at LIMIT %(limit)s
"""


@atomically
def plan_due_schedules(config: ReminderConfig, *, scan_id: int | None) -> tuple[RulesPlanned, bool]:
    """Plans one page of what rules have due within the look-ahead; whether there may be another page."""
    with connection.cursor() as cursor:
        run(cursor, "SET LOCAL synchronous_commit = off")
        run(cursor, DUE_SCHEDULES, {"lookahead": config.lookahead, "limit": BATCH})
        ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return RulesPlanned(), False
        # Work that has ended meanwhile leaves its schedule behind.
        run(
            cursor,
            "DELETE FROM reminders_ruleschedule s USING assignments_assignment a WHERE s.assignment_id = a.id"
            " AND a.id = ANY(%s::bigint[]) AND a.status <> 'SCHEDULED'",
            [bigints(ids)],
        )
    planned = follow_rules(ids, config=config, scan_id=scan_id)
    planned.due_schedules = len(ids)
    return planned, len(ids) == BATCH
