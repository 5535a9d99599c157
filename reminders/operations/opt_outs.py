"""Opt-outs of reminders: a person stops those of a rule, takes it back, and operators undo it with a reason."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext

from accounts.reasons import checked_reason
from assignments.direction import isolated
from assignments.models import Assignee, Assignment
from assignments.services import Refused
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.delivery.log_lines import log_ended
from reminders.ledger import opt_outs
from reminders.models import OptOut, ReminderRule
from reminders.operations.plans import (
    ONE_BY_ONE,
    ActionPlan,
    Done,
    Selection,
    Skipped,
    Target,
    Why,
    in_parts,
    target_of,
    unknown,
)
from reminders.policy.rules import DEFAULT

logger = logging.getLogger(__name__)


class MandatoryRule(Refused):
    """Nobody can opt out of it."""

    code = "mandatory_rule"


def stop(person_id: int, rule: str, *, via: OptOut.Via, config: ReminderConfig) -> None:
    """The person gets no reminders of this rule any more. Twice is once. Raises MandatoryRule."""
    if not config.opt_out or opt_outs.is_mandatory(rule):
        raise MandatoryRule(gettext("nobody can opt out of reminders of %(rule)s") % {"rule": rule})
    log_ended(opt_outs.opt_out(person_id, rule, via=via, config=config))
    logger.info("Reminders stopped", extra={"person_id": person_id, "rule": rule, "via": via.value})


def take_back(person_id: int, rule: str, *, config: ReminderConfig) -> None:
    """The person asks for reminders of this rule again."""
    undone, ended = opt_outs.undo(person_id, [rule], by="", reason="", config=config)
    log_ended(ended)
    if undone:
        logger.info("Reminders wanted again", extra={"person_id": person_id, "rule": rule})


def name_of(rule: str) -> str:
    """A rule as people know it; '' for the built-in one and for one that is no more."""
    if rule == DEFAULT:
        return ""
    found = ReminderRule.objects.filter(pk=int(rule.partition(":")[2])).values_list("name", flat=True).first()
    return found or ""


def described_for(work: Assignment) -> list[tuple[str, OptOut]]:
    """Of which rules the assignee of this work wants no reminders, as people know them, and since when."""
    if work.assignee_id is None:
        return []
    return [(_words(one.rule), one) for one in opt_outs.in_force(work.assignee_id)]


@dataclass(frozen=True, slots=True)
class UndoPlan(ActionPlan):
    """Assignments whose assignees would get reminders again, and by person of which rules."""

    rules: tuple[tuple[int, tuple[str, ...]], ...] = ()

    def shown(self) -> list[object]:
        return [*super(UndoPlan, self).shown(), [[person, list(rules)] for person, rules in self.rules]]

    def words(self, person_id: int | None) -> str:
        """Of what the person gets reminders again."""
        named = dict(self.rules).get(person_id or 0, ())
        return ", ".join(map(_words, named))


def plan_undo(ids: Sequence[int], *, scope: TeamScope = EVERYTHING) -> UndoPlan:
    """What undoing the opt-outs of the assignees of these assignments would do now."""
    selection = Selection(ids=tuple(ids), scope=scope)
    found = list(
        Assignment.objects.visible_to(scope).select_related("assignee").filter(pk__in=ids).order_by("pk")
    )
    people = Assignee.objects.visible_to(scope).filter(pk__in={work.assignee_id for work in found})
    rules: dict[int, list[str]] = {}
    for person_id, rule in OptOut.objects.filter(person__in=people, undone_at=None).values_list(
        "person", "rule"
    ):
        rules.setdefault(person_id, []).append(rule)
    targets = [target_of(work) for work in found if work.assignee_id in rules]
    skipped = [Skipped(work.pk, Why.NOT_OPTED_OUT) for work in found if work.assignee_id not in rules]
    return UndoPlan(
        selection,
        tuple(targets),
        (*skipped, *unknown(selection, found)),
        tuple((person, tuple(sorted(named))) for person, named in sorted(rules.items())),
    )


def run_undo(plan: UndoPlan, *, by: str, reason: str, config: ReminderConfig) -> Done:
    """Undoes the opt-outs of the plan, person by person, with a line of the audit trail for each."""
    reason = checked_reason(reason)
    rules, done = dict(plan.rules), set[int]()

    @atomically
    def undo_some(part: Sequence[Target]) -> tuple[list[int], list[Skipped]]:
        for person_id in sorted({target.assignee_id for target in part if target.assignee_id} - done):
            done.add(person_id)
            _, ended = opt_outs.undo(person_id, rules[person_id], by=by, reason=reason, config=config)
            log_ended(ended)
        return [target.id for target in part], []

    return in_parts(plan, undo_some, size=ONE_BY_ONE)


def _words(rule: str) -> str:
    if rule == DEFAULT:
        return gettext("the built-in rule")
    name = name_of(rule)
    return (
        gettext('the rule "%(name)s"') % {"name": isolated(name)}
        if name
        else gettext("a rule that is no more (%(rule)s)") % {"rule": rule}
    )
