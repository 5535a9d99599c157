"""Which steps of escalation chains come, for whom and when, if nobody changes anything. It writes nothing.

`policy.chains` decides, as it does where the ledger plans them. A step beyond the next one is foreseen as if the ones
before had left at their instants.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from assignments.models import Answer, Assignment
from reminders.conf import ReminderConfig
from reminders.ledger.chains import (
    passed_by,
    recipients_of,
    rows_if,
    rows_of,
    supervisors_if,
    supervisors_of,
)
from reminders.ledger.rule_subjects import RuledWork, read_work
from reminders.ledger.sql import Cursor
from reminders.policy import chains
from reminders.policy.chains import ChainFacts, Passed, Recipient, Step
from reminders.policy.rules import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainedWork:
    """Work with what its chains count from: the rows that they have made, and the supervisors who can be reached."""

    work: RuledWork
    rows: Sequence[Mapping[str, Any]]
    supervisors: Sequence[Recipient]

    @property
    def id(self) -> int:
        return self.work.id

    def told_by(self, rule: Rule, config: ReminderConfig) -> list[Recipient]:
        """Who is told by this rule; empty where nobody can be."""
        assignee_id = self.work.subject.person_id
        return recipients_of(rule, supervisors=self.supervisors, assignee_id=assignee_id, config=config)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenStep:
    """A step that comes for one recipient; `row_id` is its row, where it has one already."""

    rule: Rule
    recipient: str
    step: Step
    row_id: int | None = None

    @property
    def is_open(self) -> bool:
        return self.row_id is not None

    @property
    def due_at(self) -> datetime:
        return self.step.due_at


def read_chained(cursor: Cursor, ids: Sequence[int], config: ReminderConfig) -> dict[int, ChainedWork]:
    """Those of these assignments that are SCHEDULED, by their ids."""
    works = read_work(cursor, ids)
    known = [work.id for work in works]
    return _chained(works, rows_of(cursor, known), supervisors_of(cursor, known, config))


def chained_if(
    cursor: Cursor, plans: Sequence[Assignment], works: Sequence[RuledWork], config: ReminderConfig
) -> dict[int, ChainedWork]:
    """The same of plans that are not stored; `works` is what `read_work_if` has read of them."""
    return _chained(works, rows_if(cursor, plans), supervisors_if(cursor, plans, config))


def _chained(
    works: Sequence[RuledWork],
    rows: Mapping[int, Sequence[Mapping[str, Any]]],
    supervisors: Mapping[int, Sequence[Recipient]],
) -> dict[int, ChainedWork]:
    return {
        work.id: ChainedWork(work=work, rows=rows.get(work.id, ()), supervisors=supervisors.get(work.id, ()))
        for work in works
    }


def read_without_rows(cursor: Cursor, ids: Sequence[int]) -> dict[int, ChainedWork]:
    """The same, where nobody asks for steps: without rows and supervisors."""
    return {work.id: ChainedWork(work=work, rows=(), supervisors=()) for work in read_work(cursor, ids)}


def foresee_steps(
    chained: ChainedWork, rules: Iterable[Rule], *, config: ReminderConfig, if_overdue: bool = False
) -> Iterator[ForeseenStep]:
    """The steps of these rules, which apply to the work, in the order of each chain: of what is so now, and that the
    assignee has not answered, if nobody does until then. With `if_overdue` also those that come if nobody ever starts it.
    """
    facts = chained.work.chain_facts(config, will_be_overdue=if_overdue)
    for rule in chains.for_others(rules):
        if rule.unless_confirmed and chained.work.answer == Answer.CONFIRMED:
            continue
        rows = [
            row for row in chained.rows if chains.chain_of(row["rule"]) == chains.chain_key(rule, facts=facts)
        ]
        for recipient in chained.told_by(rule, config):
            yield from _of_recipient(rule, recipient, facts, rows, chained.work)


def _of_recipient(
    rule: Rule, recipient: Recipient, facts: ChainFacts, rows: Sequence[Mapping[str, Any]], work: RuledWork
) -> Iterator[ForeseenStep]:
    history = [passed for row in rows if (passed := passed_by(rule, row, work)) is not None]
    at = work.now
    opened = _open_step(rule, recipient, facts, rows, work)
    if opened is not None:
        yield opened
        at = max(at, opened.due_at)
        history.append(Passed(number=opened.step.number, not_before=chains.earliest_after(rule, at)))
    # What had passed before the schedule looked further gets no row any more.
    waits = work.next_at is not None and work.next_at <= work.now
    not_before = work.subject.known_at if waits or opened is not None else work.now
    while True:
        step = chains.following(
            rule, facts=facts, recipient=recipient, history=history, not_before=not_before, now=at
        )
        if step is None:
            return
        yield ForeseenStep(rule=rule, recipient=recipient.recipient, step=step)
        at = max(at, step.due_at)
        history.append(Passed(number=step.number, not_before=chains.earliest_after(rule, at)))


def _open_step(
    rule: Rule, recipient: Recipient, facts: ChainFacts, rows: Sequence[Mapping[str, Any]], work: RuledWork
) -> ForeseenStep | None:
    """The step whose row is open for this recipient, where the rule asks for it: at the instant that it has now."""
    asked = {step.key: step for step in chains.steps(rule, facts=facts, recipient=recipient)}
    for row in rows:
        is_theirs = row["recipient"] == recipient.recipient and row["version"] == work.version
        step = asked.get(row["rule"]) if is_theirs and row["closed_at"] is None else None
        if step is not None and (step.due_at == row["due_at"] or step.due_at >= (rule.since or step.due_at)):
            return ForeseenStep(rule=rule, recipient=recipient.recipient, step=step, row_id=row["id"])
    return None
