"""What each rule that reminds the assignee does for one assignment: which apply, which others replace, and their instants.

Rules for supervisors and Ops are in `explain.chains`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from assignments.direction import isolated
from assignments.models import Assignment
from reminders.conf import ReminderConfig
from reminders.insight.explain.answer import RuleExplanation
from reminders.insight.explain.wording import moment
from reminders.ledger.rule_subjects import read_subjects
from reminders.ledger.rules import enabled_rules, rule_key
from reminders.models import Kind, Reminder, ReminderRule, RuleSchedule
from reminders.policy import rules as policy_rules
from reminders.policy.rules import Occurrence, Rule, RuleSubject, Scope

SCOPES = {
    Scope.EVERYONE: _("the rule for everybody"),
    Scope.KIND: _("the rule for this kind of work"),
    Scope.TEAM: _("the team's rule"),
    Scope.PERSON: _("the person's rule"),
    Scope.ASSIGNMENT: _("this assignment's rule"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesOfWork:
    """The rules that could apply to one assignment, and their instants; `subject` is None once its work is under way,
    cancelled or overdue, for then no rule has any.
    """

    subject: RuleSubject | None
    candidates: Sequence[Rule]
    applying: Sequence[Rule]
    occurrences: Sequence[Occurrence]
    names: Mapping[str, str]
    lead: timedelta
    next_at: datetime | None = None

    def name_of(self, key: str) -> str:
        """A rule as people know it."""
        return name_of(key, candidates=self.candidates, names=self.names)

    def of_key(self, key: str) -> Occurrence | None:
        return next((found for found in self.occurrences if found.rule == key), None)

    def _shown(self, rule: Rule) -> str:
        own = gettext("its own lead") if rule.scope is Scope.ASSIGNMENT else gettext("built-in")
        return self.names.get(rule.key) or gettext("%(minutes)s before the start (%(own)s)") % {
            "minutes": minutes(rule.trigger.offset),
            "own": own,
        }

    def is_behind(self, found: Occurrence) -> bool:
        """Whether this instant had passed before its schedule looked further: no row is made of it any more."""
        return self.next_at is None or self.next_at > found.due_at

    def explained(self, summaries: Mapping[str, str]) -> list[RuleExplanation]:
        """Each rule that could apply, in the order of instants; `summaries` say what becomes of those that do."""
        told = [self._explained(rule, summaries) for rule in self.candidates]
        return sorted(told, key=lambda one: (one.due_at is None, one.due_at, one.rule))

    def _explained(self, rule: Rule, summaries: Mapping[str, str]) -> RuleExplanation:
        found = self.of_key(rule.key)
        applies = rule in self.applying
        return RuleExplanation(
            rule=rule.key,
            name=self._shown(rule),
            applies=applies,
            due_at=found.due_at if found else None,
            summary=self._summary(rule, found, summaries) if applies else self._replaced(rule),
        )

    def _summary(self, rule: Rule, found: Occurrence | None, summaries: Mapping[str, str]) -> str:
        if self.subject is None:
            return summaries.get(
                rule.key, gettext("makes nothing any more: the work is under way, cancelled or overdue")
            )
        if found is None:
            due = policy_rules.instant_of(rule.trigger, start=self.subject.start, zone=self.subject.zone)
            if due >= self.subject.start:
                return gettext("makes nothing: its instant, %(due)s, is not before the start") % {
                    "due": moment(due)
                }
            since = gettext("%(since)s, when it was made or changed") % {"since": moment(rule.since)}
            return gettext("makes nothing: its instant, %(due)s, lies before %(since)s") % {
                "due": moment(due),
                "since": since,
            }
        summary = summaries.get(
            rule.key, gettext("makes nothing: its instant had passed when the rules changed")
        )
        if found.moved_from is not None:
            summary += gettext("; it was moved there from %(moved_from)s, out of quiet hours") % {
                "moved_from": moment(found.moved_from)
            }
        return summary

    def _replaced(self, rule: Rule) -> str:
        if self.subject is None:
            return gettext("does not apply")
        others = policy_rules.replaced_by(
            rule, subject=self.subject, rules=self.candidates_of_operators, lead=self.lead
        )
        return gettext("is replaced by %(value)s") % {
            "value": gettext(" and ").join(self._narrower(other) for other in others)
        }

    def _narrower(self, rule: Rule) -> str:
        name = self.names.get(rule.key)
        return f'{SCOPES[rule.scope]} "{isolated(name)}"' if name is not None else self.name_of(rule.key)

    @property
    def candidates_of_operators(self) -> list[Rule]:
        return [rule for rule in self.candidates if rule.key in self.names]


def name_of(key: str, *, candidates: Iterable[Rule], names: Mapping[str, str]) -> str:
    """A rule as people know it: one of `names` (those that operators have made), or of the work's `candidates`."""
    if policy_rules.is_now(key):
        return gettext("an operator, who asked for it at once")
    if (name := names.get(key)) is not None:
        return gettext('the rule "%(name)s"') % {"name": isolated(name)}
    own = next((rule for rule in candidates if rule.key == key), None)
    if own is not None and own.scope is Scope.ASSIGNMENT:
        return gettext("its lead of %(minutes)s") % {"minutes": minutes(own.trigger.offset)}
    if own is not None:
        return gettext("the built-in rule (%(minutes)s before the start)") % {
            "minutes": minutes(own.trigger.offset)
        }
    return gettext("a rule that is no more (%(key)s)") % {"key": key}


def names_of_rules() -> dict[str, str]:
    """What operators call the rules that they have made, by their keys in the ledger."""
    return {rule_key(pk): name for pk, name in ReminderRule.objects.values_list("pk", "name")}


def rules_of_work(
    assignment: Assignment, rows: Iterable[Reminder], config: ReminderConfig
) -> RulesOfWork | None:
    """The rules of an assignment; None where only the built-in rule, or one lead of its own, ever had a say."""
    with connection.cursor() as cursor:
        enabled = policy_rules.for_assignee(enabled_rules(cursor))
        if not enabled and not assignment.further_lead_minutes and not _has_other_rows(rows):
            return None
        subject = read_subjects(cursor, [assignment.pk]).get(assignment.pk)
    names = names_of_rules()
    if subject is None:
        return RulesOfWork(
            subject=None, candidates=(), applying=(), occurrences=(), names=names, lead=config.lead
        )
    candidates = policy_rules.matching(subject, rules=enabled, lead=config.lead)
    applying = policy_rules.rules_for(subject, rules=enabled, lead=config.lead)
    if [rule.key for rule in candidates] == [policy_rules.DEFAULT] and not _has_other_rows(rows):
        return None
    return RulesOfWork(
        subject=subject,
        candidates=candidates,
        applying=applying,
        occurrences=policy_rules.occurrences(subject, rules=applying),
        names=names,
        lead=config.lead,
        next_at=RuleSchedule.objects.filter(assignment=assignment).values_list("next_at", flat=True).first(),
    )


def _has_other_rows(rows: Iterable[Reminder]) -> bool:
    return any(
        row.kind == Kind.REMINDER and row.rule != policy_rules.DEFAULT and not policy_rules.is_now(row.rule)
        for row in rows
    )


def minutes(lead: timedelta) -> str:
    """A length in whole minutes: "30 minutes"."""
    count = int(lead.total_seconds() // 60)
    return ngettext("%(number)s minute", "%(number)s minutes", count) % {"number": count}
