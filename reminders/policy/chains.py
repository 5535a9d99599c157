"""Escalation chains: when supervisors and Ops are told by rules, step by step, and what ends it. Pure.

A chain is one rule for one assignment. Its step 0 is due at its trigger, and step n `n` intervals later. Each person who
is told by it has a row for one step at a time: the next one is made when that has ended. The notices that are built in
are the widest rules of their audience and trigger: any rule for supervisors that applies to the work takes their place.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from reminders.policy import escalation
from reminders.policy.rules import Audience, Rule, RuleSubject, TriggerType, instant_of
from reminders.policy.wall_clock import QuietHours, quiet_period

TRIGGERS = {
    TriggerType.AFTER_OVERDUE: escalation.EscalationTrigger.OVERDUE,
    TriggerType.ON_DECLINE: escalation.EscalationTrigger.DECLINED,
    TriggerType.UNANSWERED: escalation.EscalationTrigger.UNANSWERED,
    TriggerType.AT_LOCAL_TIME: escalation.EscalationTrigger.BRIEF,
}
"""What supervisors and Ops are told of, by the trigger of the rule."""

BEFORE_THE_START = (TriggerType.UNANSWERED, TriggerType.AT_LOCAL_TIME)
"""What is of no use once the work should have begun."""

KEY = re.compile(r"\w+:(?:(?P<act>\d+):)?(?P<rule>(?:rule|file):\w+)(?:#(?P<number>\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """The decline that is in force: the id of the act, and when it was."""

    act_id: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """What chains of one assignment count from.

    `overdue_at` is the instant at which it counts as overdue, None where it is not to be looked at: the ledger gives it
    once the work is marked OVERDUE. `is_answered`: the assignee has confirmed or declined, or there is none.
    """

    subject: RuleSubject
    overdue_at: datetime | None = None
    decline: Decline | None = None
    is_answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Somebody who is told: as the ledger names them, with their zone and quiet hours."""

    recipient: str
    zone: tzinfo
    quiet_hours: QuietHours | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One instant of a chain. `key` is its identifier in the ledger; `moved_from` is where it would be without quiet
    hours."""

    key: str
    number: int
    due_at: datetime
    moved_from: datetime | None = None

    @property
    def nominal(self) -> datetime:
        """Where it would be without quiet hours: the same for every recipient."""
        return self.moved_from or self.due_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A step of a chain that has ended for somebody, by a message or without: its number, and before which instant no
    other one is made (None: it may be any)."""

    number: int
    not_before: datetime | None


def for_others(rules: Iterable[Rule]) -> list[Rule]:
    """Those of these rules that make chains: they are for supervisors or Ops."""
    return [rule for rule in rules if rule.audience is not Audience.ASSIGNEE]


def replaces_built_in(applying: Iterable[Rule], trigger: TriggerType) -> bool:
    """Whether one of the rules that apply to some work takes the place of the notice that supervisors get without rules."""
    return any(rule.audience is Audience.SUPERVISORS and rule.trigger.type is trigger for rule in applying)


def steps(rule: Rule, *, facts: ChainFacts, recipient: Recipient) -> list[Step]:
    """Every instant of this rule for this recipient, in order; none where what it is about is not so."""
    base = _base(rule, facts, recipient)
    if base is None:
        return []
    every, times = (rule.repeat.every, rule.repeat.times) if rule.repeat else (timedelta(), 0)
    found = [
        _step(rule, number, base + number * every, facts=facts, recipient=recipient)
        for number in range(times + 1)
    ]
    if rule.trigger.type in BEFORE_THE_START:
        return [step for step in found if step.due_at < facts.subject.start]
    return found


def next_step(found: Sequence[Step], *, passed: int, not_before: datetime, now: datetime) -> Step | None:
    """Of which step the next row is made, after the one with the number `passed` (-1: none), for instants from
    `not_before` on. Of several that were missed it is the latest.
    """
    left = [step for step in found if step.number > passed and step.due_at >= not_before]
    missed = [step for step in left if step.due_at <= now]
    return missed[-1] if missed else next(iter(left), None)


def following(
    rule: Rule,
    *,
    facts: ChainFacts,
    recipient: Recipient,
    history: Sequence[Passed],
    not_before: datetime,
    now: datetime,
) -> Step | None:
    """The step whose row is made next for this recipient; `history` is what has ended of this chain, for whomever.

    So who comes later goes on where the others are. Nothing is made for instants before `not_before`, nor for those
    before the plan became known or the rule was made or changed.
    """
    not_before = max(not_before, facts.subject.known_at, rule.since or not_before)
    last = max((passed.number for passed in history), default=-1)
    not_before = max([not_before, *(passed.not_before for passed in history if passed.not_before)])
    found = steps(rule, facts=facts, recipient=recipient)
    return next_step(found, passed=last, not_before=not_before, now=now)


def earliest_after(rule: Rule, ended_at: datetime) -> datetime:
    """From when on the next step may be, where the message of the one before ended at this instant: half an interval later.

    What an outage or quiet hours have delayed is so not followed at once by the next one.
    """
    return ended_at + (rule.repeat.every / 2 if rule.repeat else timedelta())


def chain_key(rule: Rule, *, facts: ChainFacts) -> str:
    """How the ledger's keys of this chain begin: 'overdue:rule:7', 'declined:17:rule:7' with the id of the act."""
    trigger = TRIGGERS[rule.trigger.type].value
    act = f":{facts.decline.act_id}" if trigger == "declined" and facts.decline else ""
    return f"{trigger}{act}:{rule.key}"


def chain_of(key: str) -> str:
    """The chain to which the row with this key belongs (`chain_key`)."""
    return key.partition("#")[0]


def number_of(key: str) -> int:
    """Which step of its chain the row with this key is."""
    return int(key.partition("#")[2] or 0)


def rule_key_of(key: str) -> str:
    """The rule ('rule:7') that has made the row with this key; '' for a notice that is built in."""
    found = KEY.fullmatch(key)
    return found["rule"] if found else ""


def is_step(key: str) -> bool:
    """Whether a row of kind ESCALATION with this key was made by a rule."""
    return bool(rule_key_of(key))


def _base(rule: Rule, facts: ChainFacts, recipient: Recipient) -> datetime | None:
    """The instant of step 0 without quiet hours; None where what the rule is about is not so."""
    match rule.trigger.type:
        case TriggerType.AFTER_OVERDUE if facts.overdue_at is not None:
            return facts.overdue_at + rule.trigger.offset
        case TriggerType.ON_DECLINE if facts.decline is not None:
            return facts.decline.at + rule.trigger.offset
        case TriggerType.UNANSWERED if not facts.is_answered:
            return facts.subject.start - rule.trigger.offset
        case TriggerType.AT_LOCAL_TIME:
            return instant_of(rule.trigger, start=facts.subject.start, zone=recipient.zone)
    return None


def _step(rule: Rule, number: int, due: datetime, *, facts: ChainFacts, recipient: Recipient) -> Step:
    """One step, moved to the end of the recipient's quiet hours.

    Not where that is after the start of work that has not begun: then it would be of no use.
    """
    moved_from = None
    period = quiet_period(due, hours=recipient.quiet_hours, zone=recipient.zone)
    if rule.respects_quiet_hours and period is not None:
        is_before_start = rule.trigger.type is not TriggerType.AFTER_OVERDUE
        if not (is_before_start and facts.subject.start <= period[1]):
            due, moved_from = period[1], due
    key = chain_key(rule, facts=facts)
    return Step(key=f"{key}#{number}" if number else key, number=number, due_at=due, moved_from=moved_from)
