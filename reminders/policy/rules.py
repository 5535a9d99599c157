"""Which rules apply to an assignment, and when each of them has its instants. Pure: nothing here reads a clock.

A rule says who is told, when, and for which work. The narrowest scope that has a rule replaces the wider ones, for each
audience and type of trigger. The rule `default` is built in: the settings' lead time, for everybody.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta, tzinfo
from enum import Enum, IntEnum

from reminders.models import Reason
from reminders.policy.distance import MIN_DISTANCE
from reminders.policy.wall_clock import QuietHours, at_local_time, quiet_period

DEFAULT = "default"
"""The built-in rule: REMINDER_LEAD_MINUTES before the start, or the shortest lead of the assignment itself."""

LONG_BEFORE = timedelta(hours=4)
"""Only what is due longer before the start than this keeps quiet hours, unless the rule says otherwise."""


class Audience(Enum):
    """Who is told."""

    ASSIGNEE = "assignee"
    SUPERVISORS = "supervisors"
    OPS = "ops"


class TriggerType(Enum):
    """What makes a rule due."""

    BEFORE_START = "before_start"
    AT_LOCAL_TIME = "at_local_time"
    AFTER_OVERDUE = "after_overdue"
    ON_DECLINE = "on_decline"
    UNANSWERED = "unanswered"


class Scope(IntEnum):
    """For which work a rule is made, from wide to narrow."""

    EVERYONE = 0
    KIND = 1
    TEAM = 2
    PERSON = 3
    ASSIGNMENT = 4


class WhenPast(Enum):
    """What becomes of a reminder that quiet hours move to an instant which has passed already."""

    SEND = "send"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """When a rule is due: `offset` before the start, after the overdue instant or after a decline, or at a local time of
    the recipient."""

    type: TriggerType
    offset: timedelta = timedelta()
    days_before: int = 0
    at: time | None = None

    @property
    def is_long_before(self) -> bool:
        """Whether it is due so early that it may move out of quiet hours without losing its use."""
        if self.type is TriggerType.AT_LOCAL_TIME:
            return self.days_before > 0
        return self.type is TriggerType.BEFORE_START and self.offset > LONG_BEFORE


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A rule is due again `every` so often after its first instant, `times` times at most."""

    every: timedelta
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `key` is its identifier in the ledger, which no change of the rule changes.

    `value` is what its scope names: a kind of work, or the id of a team, a person or an assignment. `since` is the
    instant at which it was enabled or last changed: it makes nothing for instants before that. Of one that is `mandatory`
    nobody can opt out. `channels`: it reminds over each of these ("email", "sms") over which the assignee has an
    address; empty: over the first of their addresses. Of one that is `verified_only` only addresses count that they have
    verified. Only rules for supervisors and Ops repeat (`policy.chains`). One that is `unless_reached` tells
    them only of who does not know of the work and will not be told (`policy.briefs`).
    """

    key: str
    audience: Audience
    trigger: Trigger
    scope: Scope = Scope.EVERYONE
    value: str = ""
    respects_quiet_hours: bool = False
    unless_confirmed: bool = False
    unless_reached: bool = False
    when_past: WhenPast = WhenPast.SEND
    mandatory: bool = False
    verified_only: bool = False
    channels: tuple[str, ...] = ()
    repeat: Repeat | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSubject:
    """An assignment as rules see it. `known_at` is when its present plan became known: entered, moved or reassigned.

    `leads` are its own lead times; `zone` and `quiet_hours` are its assignee's, `opted_out` the rules (`base_of`) of which
    they want no reminders. `told` are the rules whose reminder has stated this start already, before the plan in force was
    made.
    `told_leads` is how long before it the built-in rule and the assignment's own leads have; where there are several leads,
    which of them has which key changes with them.
    """

    assignment_id: int
    start: datetime
    known_at: datetime
    kind: str = ""
    team_id: int | None = None
    person_id: int | None = None
    leads: tuple[timedelta, ...] = ()
    zone: tzinfo
    quiet_hours: QuietHours | None = None
    opted_out: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    told_leads: frozenset[timedelta] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One instant of one rule. `skipped` says why it is not sent; None where it is. `moved_from` is where it would
    have been without quiet hours."""

    rule: str
    due_at: datetime
    skipped: Reason | None = None
    moved_from: datetime | None = None


def renamed(rule: Rule, key: str) -> Rule:
    """The same rule under another identifier."""
    return replace(rule, key=key)


def own_rules(leads: Sequence[timedelta]) -> tuple[Rule, ...]:
    """The rules that an assignment's own lead times make. The shortest is the rule `default`."""
    return tuple(
        Rule(
            key=DEFAULT if number == 1 else f"{DEFAULT}:{number}",
            audience=Audience.ASSIGNEE,
            trigger=Trigger(type=TriggerType.BEFORE_START, offset=lead),
            scope=Scope.ASSIGNMENT,
        )
        for number, lead in enumerate(sorted(leads), 1)
    )


def base_of(key: str) -> str:
    """The rule that an opt-out names: all lead times of an assignment are one, `default` (`ledger.fragments.base_rule`)."""
    return DEFAULT if key.partition(":")[0] == DEFAULT else key


NOW = f"{DEFAULT}:now:"
"""How the keys of reminders begin that operators send at once (`ledger.reminding`); a number follows. By `base_of` they are
reminders of the built-in rule, so who has opted out of that gets none."""


def is_now(key: str) -> bool:
    """Whether an operator sends the reminder of this key at once, whatever the plan says (`ledger.fragments.is_now_sql`)."""
    return key.startswith(NOW)


def is_opted_out(rule: Rule, opted_out: Set[str]) -> bool:
    """Whether somebody with these opt-outs gets no reminder of the rule."""
    return bool(opted_out) and not rule.mandatory and base_of(rule.key) in opted_out


def default_rule(lead: timedelta) -> Rule:
    """The built-in rule."""
    return Rule(
        key=DEFAULT,
        audience=Audience.ASSIGNEE,
        trigger=Trigger(type=TriggerType.BEFORE_START, offset=lead),
    )


def matching(subject: RuleSubject, *, rules: Iterable[Rule], lead: timedelta) -> list[Rule]:
    """The rules in whose scope this assignment is: the built-in one, or its own leads in place of that, and operators'."""
    own = own_rules(subject.leads) or (default_rule(lead),)
    return [*own, *(rule for rule in rules if _matches(rule, subject))]


def rules_for(subject: RuleSubject, *, rules: Iterable[Rule], lead: timedelta) -> list[Rule]:
    """The rules that apply to this assignment, those that narrower ones replace left out."""
    candidates = matching(subject, rules=rules, lead=lead)
    narrowest: dict[tuple[Audience, TriggerType], Scope] = {}
    for rule in candidates:
        group = (rule.audience, rule.trigger.type)
        narrowest[group] = max(rule.scope, narrowest.get(group, Scope.EVERYONE))
    return [rule for rule in candidates if rule.scope is narrowest[rule.audience, rule.trigger.type]]


def replaced_by(rule: Rule, *, subject: RuleSubject, rules: Iterable[Rule], lead: timedelta) -> list[Rule]:
    """The narrower rules because of which this one makes nothing for this assignment; empty where it applies."""
    applying = rules_for(subject, rules=rules, lead=lead)
    group = (rule.audience, rule.trigger.type)
    return [
        other
        for other in applying
        if (other.audience, other.trigger.type) == group and other.scope > rule.scope
    ]


def occurrences(subject: RuleSubject, *, rules: Iterable[Rule]) -> list[Occurrence]:
    """When the assignee is reminded by these rules, in order.

    Of the instants that had passed when the plan became known the latest is sent at once, and the others are skipped
    for the short notice. The answer is the same whenever it is asked for: rows that exist and explanations agree.
    """
    timed = sorted(
        (found for rule in for_assignee(rules) if (found := _occurrence(rule, subject=subject))),
        key=lambda found: (found.due_at, found.rule),
    )
    return _at_a_distance(_at_short_notice(timed, subject=subject), subject=subject)


def for_assignee(rules: Iterable[Rule]) -> list[Rule]:
    """Those of these rules that remind the assignee; the others are for supervisors and Ops (`policy.chains`)."""
    return [rule for rule in rules if rule.audience is Audience.ASSIGNEE]


def is_plain(found: Sequence[Occurrence], subject: RuleSubject) -> bool:
    """Whether only the built-in rule, or one lead of its own, applies."""
    return [one.rule for one in found] == [DEFAULT] and len(subject.leads) <= 1


def instant_of(trigger: Trigger, *, start: datetime, zone: tzinfo) -> datetime:
    """The instant of a trigger for work that starts at `start`; `zone` is the recipient's."""
    if trigger.at is None:
        return start - trigger.offset
    return at_local_time(start, days_before=trigger.days_before, at=trigger.at, zone=zone)


def _matches(rule: Rule, subject: RuleSubject) -> bool:
    match rule.scope:
        case Scope.EVERYONE:
            return True
        case Scope.KIND:
            return rule.value == subject.kind
        case Scope.TEAM:
            return rule.value == str(subject.team_id)
        case Scope.PERSON:
            return rule.value == str(subject.person_id)
        case Scope.ASSIGNMENT:
            return rule.value == str(subject.assignment_id)


def _occurrence(rule: Rule, *, subject: RuleSubject) -> Occurrence | None:
    """The instant of one rule, moved out of quiet hours; None where the rule has none for this work."""
    due = instant_of(rule.trigger, start=subject.start, zone=subject.zone)
    if due >= subject.start:
        return None
    moved_from = None
    known = subject.known_at if rule.since is None else max(subject.known_at, rule.since)
    period = quiet_period(due, hours=subject.quiet_hours, zone=subject.zone)
    skipped = Reason.ALREADY_TOLD if _has_told(rule, subject) else None
    if skipped is None and is_opted_out(rule, subject.opted_out):
        skipped = Reason.OPTED_OUT
    if skipped is None and rule.respects_quiet_hours and period is not None:
        if period[0] >= known:
            due, moved_from = period[0], None if period[0] == due else due
        elif rule.when_past is WhenPast.SKIP:
            skipped = Reason.QUIET_HOURS
    if rule.since is not None and due < rule.since:
        return None
    return Occurrence(rule=rule.key, due_at=due, skipped=skipped, moved_from=moved_from)


def _has_told(rule: Rule, subject: RuleSubject) -> bool:
    if len(subject.leads) > 1 and rule.key.partition(":")[0] == DEFAULT:
        return rule.trigger.offset in subject.told_leads
    return rule.key in subject.told


def _at_short_notice(timed: Sequence[Occurrence], *, subject: RuleSubject) -> list[Occurrence]:
    missed = [found for found in timed if found.due_at <= subject.known_at and found.skipped is None]
    return [replace(found, skipped=Reason.SHORT_NOTICE) if found in missed[:-1] else found for found in timed]


def _at_a_distance(timed: Sequence[Occurrence], *, subject: RuleSubject) -> list[Occurrence]:
    """Skips what would leave too soon after the one before; what was missed leaves when the plan became known."""
    kept: list[Occurrence] = []
    last: datetime | None = None
    for found in timed:
        leaves = max(found.due_at, subject.known_at)
        if found.skipped is None and last is not None and leaves - last < MIN_DISTANCE:
            found = replace(found, skipped=Reason.TOO_CLOSE)
        if found.skipped is None:
            last = leaves
        kept.append(found)
    return kept
