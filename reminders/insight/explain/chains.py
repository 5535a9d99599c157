"""What rules for supervisors and Ops do for one assignment: which apply, which others replace, and their steps to come."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from django.db import connection
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from assignments.direction import isolated
from assignments.models import Assignment
from reminders.conf import ReminderConfig
from reminders.insight.chain_forecast import ChainedWork, ForeseenStep, foresee_steps, read_chained
from reminders.insight.explain.answer import RuleExplanation, TimelineEntry
from reminders.insight.explain.rules import SCOPES, minutes, names_of_rules
from reminders.insight.explain.wording import TRIGGERS, moment
from reminders.ledger.rules import enabled_rules
from reminders.policy import chains, escalation
from reminders.policy import rules as policy_rules
from reminders.policy.rules import Audience, Rule, TriggerType

MOST_STEPS = 3
"""Of one chain to one recipient so many steps are listed one by one."""

UNLESS = {
    TriggerType.AFTER_OVERDUE: _("unless somebody has started the work by then"),
    TriggerType.ON_DECLINE: _("unless the assignee can make it after all, or somebody else gets it"),
    TriggerType.UNANSWERED: _("unless the assignee has answered by then"),
    TriggerType.AT_LOCAL_TIME: _("unless the assignee knows of it by then, or a message will tell them"),
}
"""What ends a chain in the transaction in which it becomes so."""

BUILT_IN = {
    TriggerType.ON_DECLINE: _("when the assignee declines (built-in)"),
    TriggerType.AFTER_OVERDUE: _("when the work becomes overdue (built-in)"),
}
"""The notices that supervisors get without rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainsOfWork:
    """The rules for supervisors and Ops that could apply to one assignment, and what comes of those that do."""

    chained: ChainedWork
    candidates: Sequence[Rule]
    applying: Sequence[Rule]
    rules: Sequence[Rule]
    steps: Mapping[str, Sequence[ForeseenStep]]
    names: Mapping[str, str]
    config: ReminderConfig

    def explained(self, name_of: Callable[[str], str]) -> Iterator[RuleExplanation]:
        """Each rule that could apply, and the notices that are built in; `name_of` names a recipient."""
        for trigger, name in BUILT_IN.items():
            replacing = [
                rule
                for rule in self.applying
                if rule.audience is Audience.SUPERVISORS and rule.trigger.type is trigger
            ]
            yield RuleExplanation(
                rule=chains.TRIGGERS[trigger].value,
                name=str(name),
                applies=not replacing,
                due_at=None,
                summary=gettext("is replaced by %(named)s") % {"named": self._named(replacing)}
                if replacing
                else gettext("tells the supervisors at once"),
            )
        for rule in self.candidates:
            applies = rule in self.applying
            steps = self.steps.get(rule.key, ())
            yield RuleExplanation(
                rule=rule.key,
                name=self.names.get(rule.key, rule.key),
                applies=applies,
                due_at=min((one.due_at for one in steps), default=None),
                summary=self._summary(rule, steps, name_of)
                if applies
                else gettext("is replaced by %(replacing)s") % {"replacing": self._replacing(rule)},
            )

    def upcoming(self, name_of: Callable[[str], str]) -> Iterator[TimelineEntry]:
        """The steps that have no row yet; those that have one are told as rows."""
        for rule in self.applying:
            steps = sorted(self.steps.get(rule.key, ()), key=lambda one: (one.due_at, one.recipient))
            coming = [one for one in steps if not one.is_open]
            together = [list(found) for _, found in groupby(coming, key=lambda one: one.due_at)]
            for found in together[:MOST_STEPS]:
                to = _listed([name_of(one.recipient) for one in found])
                yield TimelineEntry(found[0].due_at, f"{self._sentence(rule, to, found[0])}.")
            if left := together[MOST_STEPS:]:
                times = _times(len(left))
                last = (
                    ""
                    if len(left) == 1
                    else gettext(", the last time at %(due_at)s") % {"due_at": moment(left[-1][0].due_at)}
                )
                yield TimelineEntry(
                    left[0][0].due_at,
                    gettext("%(quoted)s is due %(times)s from then on%(last)s, %(unless)s.")
                    % {
                        "quoted": capfirst(self._quoted(rule)),
                        "times": times,
                        "last": last,
                        "unless": _unless(rule),
                    },
                )

    def dropped(self, after: "ChainsOfWork | None", name_of: Callable[[str], str]) -> Iterator[str]:
        """Who no longer hears of the work by which rule, a sentence for each rule; `after` is what becomes of the work."""
        kept = {
            (key, one.recipient) for key, steps in (after.steps if after else {}).items() for one in steps
        }
        for rule in self.applying:
            gone = sorted(
                {
                    one.recipient
                    for one in self.steps.get(rule.key, ())
                    if (rule.key, one.recipient) not in kept
                }
            )
            if gone:
                to = _listed([name_of(one) for one in gone])
                yield ngettext(
                    "%(to)s no longer hears of it by %(quoted)s.",
                    "%(to)s no longer hear of it by %(quoted)s.",
                    len(gone),
                ) % {"to": to, "quoted": self._quoted(rule)}

    def name_of_step(self, key: str) -> str:
        """The rule that has made a row, as people know it; empty for a notice that is built in."""
        rule = chains.rule_key_of(key)
        return (
            gettext('the rule "%(names)s"') % {"names": isolated(self.names[rule])}
            if rule in self.names
            else ""
        )

    def _sentence(self, rule: Rule, to: str, one: ForeseenStep) -> str:
        about = TRIGGERS[chains.TRIGGERS[rule.trigger.type]]
        moved = one.step.moved_from
        late = (
            gettext(" (at the end of quiet hours, not at %(moved)s)") % {"moved": moment(moved)}
            if moved is not None
            else ""
        )
        again = gettext(", repeat %(number)s") % {"number": one.step.number} if one.step.number else ""
        return gettext(
            "%(to)s hears at %(due_at)s%(late)s that %(about)s (%(quoted)s%(again)s), %(unless)s"
        ) % {
            "to": to,
            "due_at": moment(one.due_at),
            "late": late,
            "about": about,
            "quoted": self._quoted(rule),
            "again": again,
            "unless": _unless(rule),
        }

    def _summary(self, rule: Rule, steps: Sequence[ForeseenStep], name_of: Callable[[str], str]) -> str:
        told = self.chained.told_by(rule, self.config)
        if not told:
            return gettext("tells nobody: no supervisor can be reached, and there is no address of Ops")
        to = _listed([name_of(one.recipient) for one in told])
        if steps:
            first = min(steps, key=lambda one: one.due_at)
            return gettext("tells %(to)s at %(due_at)s%(repeats)s, %(unless)s") % {
                "to": to,
                "due_at": moment(first.due_at),
                "repeats": _repeats(rule),
                "unless": _unless(rule),
            }
        if rule.trigger.type is TriggerType.ON_DECLINE and self.chained.work.decline is None:
            return gettext("tells %(to)s %(after)s the assignee declines%(repeats)s") % {
                "to": to,
                "after": _after(rule.trigger.offset),
                "repeats": _repeats(rule),
            }
        return gettext("tells nobody any more: its instants have passed, or what it is about is not so")

    def _replacing(self, rule: Rule) -> str:
        return self._named(
            policy_rules.replaced_by(
                rule, subject=self.chained.work.subject, rules=self.rules, lead=self.config.lead
            )
        )

    def _named(self, rules: Sequence[Rule]) -> str:
        return " and ".join(f'{SCOPES[rule.scope]} "{self._name(rule)}"' for rule in rules)

    def _quoted(self, rule: Rule) -> str:
        return gettext('the rule "%(name)s"') % {"name": self._name(rule)}

    def _name(self, rule: Rule) -> str:
        """What operators call it; one that is being removed just now has its key alone."""
        return isolated(self.names.get(rule.key, rule.key))


def chains_of_work(assignment: Assignment, config: ReminderConfig) -> ChainsOfWork | None:
    """The chains of an assignment; None where no rule for supervisors or Ops could apply, or the work is not SCHEDULED."""
    with connection.cursor() as cursor:
        enabled = enabled_rules(cursor)
        if not chains.for_others(enabled):
            return None
        chained = read_chained(cursor, [assignment.pk], config).get(assignment.pk)
    if chained is None:
        return None
    return chains_of(chained, enabled, names_of_rules(), config, if_overdue=True)


def chains_of(
    chained: ChainedWork,
    enabled: Sequence[Rule],
    names: Mapping[str, str],
    config: ReminderConfig,
    *,
    if_overdue: bool,
) -> ChainsOfWork | None:
    """The same of work that was read, under these rules; with `if_overdue` also the steps that come if nobody starts it."""
    subject = chained.work.subject
    candidates = chains.for_others(policy_rules.matching(subject, rules=enabled, lead=config.lead))
    if not candidates:
        return None
    applying = chains.for_others(policy_rules.rules_for(subject, rules=enabled, lead=config.lead))
    steps: dict[str, list[ForeseenStep]] = {}
    for one in foresee_steps(chained, applying, config=config, if_overdue=if_overdue):
        steps.setdefault(one.rule.key, []).append(one)
    return ChainsOfWork(
        chained=chained,
        candidates=candidates,
        applying=applying,
        rules=enabled,
        steps=steps,
        names=names,
        config=config,
    )


def about(key: str) -> str:
    """What a row of kind ESCALATION tells."""
    return str(TRIGGERS[escalation.trigger_of(key)])


def _unless(rule: Rule) -> str:
    if rule.trigger.type is TriggerType.AT_LOCAL_TIME and not rule.unless_reached:
        return gettext("or that they are")
    return str(UNLESS[rule.trigger.type])


def _repeats(rule: Rule) -> str:
    if rule.repeat is None:
        return ""
    most = _times(rule.repeat.times)
    return gettext(", then every %(minutes)s, %(most)s at most") % {
        "minutes": minutes(rule.repeat.every),
        "most": most,
    }


def _after(offset: timedelta) -> str:
    return gettext("%(minutes)s after") % {"minutes": minutes(offset)} if offset else gettext("as soon as")


def _listed(given: Sequence[str]) -> str:
    names = list(dict.fromkeys(given))
    return (
        names[0]
        if len(names) == 1
        else gettext("%(names)s and %(names2)s") % {"names": ", ".join(names[:-1]), "names2": names[-1]}
    )


def _times(number: int) -> str:
    return ngettext("once more", "%(number)s more times", number) % {"number": number}
