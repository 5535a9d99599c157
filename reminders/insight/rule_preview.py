"""What a change of rules would do to the messages of the coming days. It writes nothing.

What supervisors and Ops would be told is foreseen for what is so now: declined, overdue, and not answered if nobody answers.
What they would be told besides, if nobody started any of the work, is counted apart.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from django.db import connection

from assignments.models import Assignee
from assignments.team_scope import EVERYTHING, TeamScope
from reminders.conf import MAX_LEAD, ReminderConfig
from reminders.insight.chain_forecast import ChainedWork, foresee_steps, read_chained, read_without_rows
from reminders.insight.recipient_names import recipient_names
from reminders.ledger.rules import enabled_rules, rule_of
from reminders.ledger.sql import Cursor
from reminders.models import ReminderRule
from reminders.policy import chains
from reminders.policy import rules as policy_rules
from reminders.policy.rules import Rule, TriggerType

AHEAD = timedelta(days=7)
SOON = timedelta(hours=1)
MOST_LISTED = 50
PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A message that would be made, dropped or moved: `before` is None where there was none, `after` where it goes.

    `person` is who would get it.
    """

    assignment_id: int
    title: str
    person: str
    rule: str
    before: datetime | None
    after: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePreview:
    """The messages of the next seven days that a change would add, drop and move; the first of them in `listed`.

    `soon` of the added and moved ones would leave within the hour. `applies`: to how many of the assignments that were
    looked at the rule would apply. Supervisors would no longer get the built-in notice for `built_in_replaced` of these, and
    get it again for `built_in_restored`. If nobody started any work in time, there would besides be `added_if_not_started`
    more notices about it, and `dropped_if_not_started` fewer. `complete` is False where time was over before every
    assignment was looked at: the figures are then the least it would do.
    """

    since: datetime
    until: datetime
    added: int
    dropped: int
    moved: int
    soon: int
    applies: int
    built_in_replaced: int
    built_in_restored: int
    added_if_not_started: int
    dropped_if_not_started: int
    listed: tuple[Difference, ...]
    complete: bool


def preview_change(
    *,
    stored: ReminderRule | None,
    changed: ReminderRule | None,
    config: ReminderConfig,
    scope: TeamScope = EVERYTHING,
    budget: timedelta | None = None,
) -> RulePreview:
    """Compares the rules in force with those after the change of one: `stored` is it now, `changed` as it would be.

    None stands for a rule that does not exist yet, or no longer. Work outside of the scope is not looked at.
    """
    over = None if budget is None else time.monotonic() + budget.total_seconds()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
        present = enabled_rules(cursor)
    key = f"rule:{stored.pk}" if stored else ""
    others = [rule for rule in present if rule.key != key]
    new = [_as_changed(changed, key=key, now=now)] if changed is not None and changed.enabled else []
    compared = _Compared(
        before=present,
        after=[*others, *new],
        new=new[0] if new else None,
        with_chains=bool(chains.for_others([*new, *(rule for rule in present if rule.key == key)])),
        config=config,
        since=now,
        until=now + AHEAD,
    )
    complete = True
    for work in _candidates(compared):
        if not scope.holds(work.chained.work.subject.team_id):
            continue
        if over is not None and time.monotonic() >= over:
            complete = False
            break
        compared.look_at(work)
    return RulePreview(
        since=compared.since,
        until=compared.until,
        added=compared.added,
        dropped=compared.dropped,
        moved=compared.moved,
        soon=compared.soon,
        applies=compared.applies,
        built_in_replaced=compared.built_in_replaced,
        built_in_restored=compared.built_in_restored,
        added_if_not_started=compared.added_if_not_started,
        dropped_if_not_started=compared.dropped_if_not_started,
        listed=_named(compared.listed),
        complete=complete,
    )


def _as_changed(changed: ReminderRule, *, key: str, now: datetime) -> Rule:
    """The rule as it would be in force from now on."""
    changed.changed_at = now
    rule = rule_of(changed)
    return rule if key else policy_rules.renamed(rule, "rule:new")


@dataclass(frozen=True, slots=True)
class _Work:
    """One assignment that is looked at."""

    chained: ChainedWork
    title: str
    person: str


@dataclass(slots=True, kw_only=True)
class _Compared:
    """The rules before and after the change, and what the difference has come to so far."""

    before: Sequence[Rule]
    after: Sequence[Rule]
    new: Rule | None
    with_chains: bool
    config: ReminderConfig
    since: datetime
    until: datetime
    added: int = 0
    dropped: int = 0
    moved: int = 0
    soon: int = 0
    applies: int = 0
    built_in_replaced: int = 0
    built_in_restored: int = 0
    added_if_not_started: int = 0
    dropped_if_not_started: int = 0
    listed: list[tuple[str, Difference]] = field(default_factory=list)
    """With whom each goes to, as the ledger calls them; '' stands for the assignee."""

    def look_at(self, work: _Work) -> None:
        subject = work.chained.work.subject
        before = policy_rules.rules_for(subject, rules=self.before, lead=self.config.lead)
        after = policy_rules.rules_for(subject, rules=self.after, lead=self.config.lead)
        self.applies += self.new in after
        for trigger in (TriggerType.ON_DECLINE, TriggerType.AFTER_OVERDUE):
            was, would = (chains.replaces_built_in(rules, trigger) for rules in (before, after))
            self.built_in_replaced += would and not was
            self.built_in_restored += was and not would
        sent, would_be = self._sends(work, before), self._sends(work, after)
        for rule, to in sorted(sent.keys() | would_be.keys()):
            if sent.get((rule, to)) != would_be.get((rule, to)):
                self._count(work, rule, to, sent.get((rule, to)), would_be.get((rule, to)))
        was_late, would_be_late = self._if_not_started(work, before), self._if_not_started(work, after)
        self.added_if_not_started += len(would_be_late - was_late)
        self.dropped_if_not_started += len(was_late - would_be_late)

    def _if_not_started(self, work: _Work, applying: Sequence[Rule]) -> set[tuple[str, str]]:
        """The steps within the range that come only if nobody starts the work, and for whom."""
        of_overdue = [rule for rule in applying if rule.trigger.type is TriggerType.AFTER_OVERDUE]
        if not self.with_chains or not of_overdue or work.chained.work.is_overdue:
            return set()
        steps = foresee_steps(work.chained, of_overdue, config=self.config, if_overdue=True)
        return {(one.step.key, one.recipient) for one in steps if self.since < one.due_at <= self.until}

    def _sends(self, work: _Work, applying: Sequence[Rule]) -> dict[tuple[str, str], datetime]:
        """When each rule would send to whom within the range; '' stands for the assignee."""
        found: dict[tuple[str, str], datetime] = {}
        if not work.chained.work.is_overdue:
            occurrences = policy_rules.occurrences(work.chained.work.subject, rules=applying)
            found |= {(one.rule, ""): one.due_at for one in occurrences if one.skipped is None}
        if self.with_chains:
            steps = foresee_steps(work.chained, applying, config=self.config)
            found |= {(one.step.key, one.recipient): one.due_at for one in steps}
        return {name: at for name, at in found.items() if self.since < at <= self.until}

    def _count(
        self, work: _Work, rule: str, to: str, before: datetime | None, after: datetime | None
    ) -> None:
        self.added += before is None
        self.dropped += after is None
        self.moved += before is not None and after is not None
        self.soon += after is not None and after <= self.since + SOON
        if len(self.listed) < MOST_LISTED:
            difference = Difference(
                assignment_id=work.chained.id,
                title=work.title,
                person=work.person,
                rule=rule,
                before=before,
                after=after,
            )
            self.listed.append((to, difference))


def _named(listed: Sequence[tuple[str, Difference]]) -> tuple[Difference, ...]:
    """The differences, those for others than the assignee with their names."""
    names = recipient_names({to for to, _ in listed if to}, Assignee.objects.all())
    return tuple(replace(one, person=names[to]) if to else one for to, one in listed)


# Work that is not overdue, by its start; overdue work by the instant at which it became so.
CANDIDATES = """
    SELECT a.id, a.scheduled_start, a.title, coalesce(p.name, '') FROM assignments_assignment a
    LEFT JOIN assignments_assignee p ON p.id = a.assignee_id
    WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND (a.scheduled_start, a.id) > (%s, %s)
      AND a.scheduled_start <= %s
    ORDER BY a.scheduled_start, a.id LIMIT %s
"""
OVERDUE = """
    SELECT a.id, a.overdue_at, a.title, coalesce(p.name, '') FROM assignments_assignment a
    LEFT JOIN assignments_assignee p ON p.id = a.assignee_id
    WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NOT NULL AND (a.overdue_at, a.id) > (%s, %s)
      AND a.overdue_at <= %s
    ORDER BY a.overdue_at, a.id LIMIT %s
"""


def _candidates(compared: _Compared) -> Iterator[_Work]:
    """Work that may have a message within the range."""
    read = partial(read_chained, config=compared.config) if compared.with_chains else read_without_rows
    yield from _pages(CANDIDATES, compared.since, compared.until + MAX_LEAD, read)
    if compared.with_chains:
        yield from _pages(OVERDUE, datetime.min.replace(tzinfo=UTC), compared.since, read)


def _pages(
    statement: str,
    since: datetime,
    until: datetime,
    read: Callable[[Cursor, Sequence[int]], Mapping[int, ChainedWork]],
) -> Iterator[_Work]:
    """The work between two instants, a page at a time."""
    after: tuple[datetime, int] = (since, 0)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, [*after, until, PAGE])
            page = cursor.fetchall()
            chained = read(cursor, [row[0] for row in page])
        for pk, _, title, person in page:
            if pk in chained:
                yield _Work(chained[pk], title, person)
        if len(page) < PAGE:
            return
        after = (page[-1][1], page[-1][0])
