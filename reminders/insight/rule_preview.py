"""What a change of rules would do to the reminders of the coming days. It writes nothing."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from assignments.team_scope import EVERYTHING, TeamScope
from reminders.conf import MAX_LEAD, ReminderConfig
from reminders.ledger.rule_subjects import read_subjects
from reminders.ledger.rules import enabled_rules, rule_of
from reminders.models import ReminderRule
from reminders.policy import rules as policy_rules
from reminders.policy.rules import Occurrence, Rule, Subject

AHEAD = timedelta(days=7)
SOON = timedelta(hours=1)
MOST_LISTED = 50
PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A reminder that would be made, dropped or moved: `before` is None where there was none, `after` where it goes."""

    assignment_id: int
    title: str
    person: str
    rule: str
    before: datetime | None
    after: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePreview:
    """The reminders of the next seven days that a change would add, drop and move; the first of them in `listed`.

    `soon` of the added and moved ones would leave within the hour. `complete` is False where time was over before
    every assignment was looked at: the figures are then the least it would do.
    """

    since: datetime
    until: datetime
    added: int
    dropped: int
    moved: int
    soon: int
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
    until = now + AHEAD
    added = dropped = moved = soon = 0
    listed: list[Difference] = []
    complete = True
    for subject, title, person in _candidates(now, until):
        if not scope.holds(subject.team_id):
            continue
        if over is not None and time.monotonic() >= over:
            complete = False
            break
        before = _sends(subject, present, config, since=now, until=until)
        after = _sends(subject, [*others, *new], config, since=now, until=until)
        for difference in _differences(subject, title, person, before, after):
            added += difference.before is None
            dropped += difference.after is None
            moved += difference.before is not None and difference.after is not None
            soon += difference.after is not None and difference.after <= now + SOON
            if len(listed) < MOST_LISTED:
                listed.append(difference)
    return RulePreview(
        since=now,
        until=until,
        added=added,
        dropped=dropped,
        moved=moved,
        soon=soon,
        listed=tuple(listed),
        complete=complete,
    )


def _as_changed(changed: ReminderRule, *, key: str, now: datetime) -> Rule:
    """The rule as it would be in force from now on."""
    changed.changed_at = now
    rule = rule_of(changed)
    return rule if key else policy_rules.renamed(rule, "rule:new")


def _sends(
    subject: Subject, rules: Iterable[Rule], config: ReminderConfig, *, since: datetime, until: datetime
) -> dict[str, datetime]:
    """When each rule would send within the range."""
    applying = policy_rules.rules_for(subject, rules=rules, lead=config.lead)
    found: Sequence[Occurrence] = policy_rules.occurrences(subject, rules=applying)
    return {one.rule: one.due_at for one in found if one.skipped is None and since < one.due_at <= until}


def _differences(
    subject: Subject, title: str, person: str, before: dict[str, datetime], after: dict[str, datetime]
) -> Iterator[Difference]:
    for rule in sorted(before.keys() | after.keys()):
        if before.get(rule) != after.get(rule):
            yield Difference(
                assignment_id=subject.assignment_id,
                title=title,
                person=person,
                rule=rule,
                before=before.get(rule),
                after=after.get(rule),
            )


CANDIDATES = """
    SELECT a.id, a.scheduled_start, a.title, coalesce(p.name, '') FROM assignments_assignment a
    LEFT JOIN assignments_assignee p ON p.id = a.assignee_id
    WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND (a.scheduled_start, a.id) > (%s, %s)
      AND a.scheduled_start <= %s
    ORDER BY a.scheduled_start, a.id LIMIT %s
"""


def _candidates(now: datetime, until: datetime) -> Iterator[tuple[Subject, str, str]]:
    """Open work that may have a reminder within the range, by its start, a page at a time."""
    after: tuple[datetime, int] = (now, 0)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(CANDIDATES, [*after, until + MAX_LEAD, PAGE])
            page = cursor.fetchall()
            subjects = read_subjects(cursor, [row[0] for row in page])
        for pk, _, title, person in page:
            if pk in subjects:
                yield subjects[pk], title, person
        if len(page) < PAGE:
            return
        after = (page[-1][1], page[-1][0])
