"""What becomes of the reminders of rules, for the simulator: of the rules in force, or of others that are tried."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from assignments.models import Assignment
from reminders.conf import ReminderConfig
from reminders.insight import forecast
from reminders.insight.forecast import AssignmentFacts, Forecast
from reminders.ledger.rule_statements import REQUEUED
from reminders.ledger.rule_subjects import read_subjects
from reminders.ledger.rules import enabled_rules
from reminders.models import Reminder, State
from reminders.policy import rows as policy_rows
from reminders.policy import rules as policy_rules
from reminders.policy.rows import Action, Row, Situation, Verdict
from reminders.policy.rules import DEFAULT, Occurrence, Rule, RuleSubject
from reminders.policy.ways import first_way


@dataclass(frozen=True, slots=True)
class RulesTried:
    """The rules of a simulation; `others` where they are not those in force."""

    rules: Sequence[Rule]
    others: bool

    @property
    def unless_confirmed(self) -> frozenset[str]:
        return frozenset(rule.key for rule in self.rules if rule.unless_confirmed)


def rules_to_try(given: Sequence[Rule] | None) -> RulesTried:
    """These rules, or those in force."""
    if given is not None:
        return RulesTried(given, others=True)
    with connection.cursor() as cursor:
        return RulesTried(enabled_rules(cursor), others=False)


def subjects_of(works: Sequence[Assignment], tried: RulesTried) -> dict[int, RuleSubject]:
    """Those of this work for which more than the built-in rule may count, as rules see them."""
    ids = [
        work.pk
        for work in works
        if tried.rules or work.further_lead_minutes or any(row.rule != DEFAULT for row in _rows(work))
    ]
    if not ids:
        return {}
    with connection.cursor() as cursor:
        return read_subjects(cursor, ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleForecast:
    """What becomes of the reminder of one rule; `row` is its open row, if there is one."""

    rule: str
    forecast: Forecast
    channel: str
    row: Row | None = None


def foresee(
    work: AssignmentFacts,
    subject: RuleSubject,
    rows: Iterable[Reminder],
    tried: RulesTried,
    situation: Situation,
    config: ReminderConfig,
) -> Iterator[RuleForecast] | None:
    """What becomes of each reminder that is not settled; None where the built-in rule is alone. `rows` are the reminders of
    its version.
    """
    applying = policy_rules.rules_for(subject, rules=tried.rules, lead=config.lead)
    found = policy_rules.occurrences(subject, rules=applying)
    known = {row.rule: row for row in rows}
    if policy_rules.is_plain(found, subject) and known.keys() <= {DEFAULT}:
        return None
    return _foreseen(work, found, known, tried, situation, config)


def _foreseen(
    work: AssignmentFacts,
    found: Iterable[Occurrence],
    rows: dict[str, Reminder],
    tried: RulesTried,
    situation: Situation,
    config: ReminderConfig,
) -> Iterator[RuleForecast]:
    for one in found:
        row = rows.get(one.rule)
        if row is not None and row.closed_at is not None:
            if row.state != State.SKIPPED or row.reason not in REQUEUED or one.skipped is not None:
                continue
            row = None
        if row is None:
            # Nobody is reminded at once because rules have changed.
            if one.due_at > situation.now or not tried.others:
                ahead = forecast.forecast_assignment(work, situation, config=config, occurrence=one)
                yield RuleForecast(rule=one.rule, forecast=ahead, channel=first_way(work.way, config))
            continue
        believed = policy_rows.from_model(row)
        if not row.attempts:
            if one.skipped is not None:
                ended = Verdict(Action.END, one.skipped, state=State.SKIPPED)
                ahead = Forecast(ended, situation.now)
                yield RuleForecast(rule=one.rule, forecast=ahead, channel=row.channel, row=believed)
                continue
            fresh = forecast.planned_row(work, now=situation.now, config=config, occurrence=one)
            believed = replace(
                believed,
                due_at=fresh.due_at,
                not_after=fresh.not_after,
                next_attempt_at=fresh.next_attempt_at,
            )
        ahead = forecast.forecast_row(believed, work.plan_for(believed.rule), situation)
        yield RuleForecast(rule=one.rule, forecast=ahead, channel=row.channel, row=believed)


def _rows(assignment: Assignment) -> list[Reminder]:
    rows: list[Any] = assignment.current_rows  # type: ignore[attr-defined]  # prefetched
    return rows
