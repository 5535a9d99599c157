"""Merge a person who was entered twice: what would move, and the one call that moves it with a reason."""

import hashlib
import json
from dataclasses import dataclass

from django.utils.translation import gettext

from accounts.reasons import checked_reason
from assignments import merging
from assignments.merging import Merge
from assignments.models import Assignee, Assignment
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.delivery.log_lines import log_ended
from reminders.ledger import opt_outs
from reminders.ledger.audit import record
from reminders.models import OptOut, ReminderRule
from reminders.operations import reminder_rules
from reminders.operations.contact_points import UnknownPerson
from reminders.operations.plans import PlanChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """What moves: besides that of the people themselves, the rules for the second person and their opt-outs, by rule."""

    merge: Merge
    rules: tuple[ReminderRule, ...]
    opt_outs: tuple[OptOut, ...]

    @property
    def work(self) -> list[Assignment]:
        """The assignments that move, the latest first."""
        rows = Assignment.objects.filter(pk__in=self.merge.assignments).select_related("assignee")
        return list(rows.order_by("-scheduled_start", "-pk"))

    @property
    def fingerprint(self) -> str:
        """The same for a plan that does the same."""
        merge = self.merge
        shown = [
            merge.kept.pk,
            merge.gone.pk,
            list(merge.assignments),
            list(merge.teams),
            [point.pk for point in (*merge.points, *merge.known)],
            [rule.pk for rule in self.rules],
            [one.rule for one in self.opt_outs],
        ]
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]


def plan_merge(kept_id: int, gone_id: int, *, scope: TeamScope = EVERYTHING) -> MergePlan:
    """What merging the second into the first would do now. Raises UnknownPerson or NotMergeable."""
    try:
        merge = merging.plan_merge(kept_id, gone_id, scope=scope)
    except Assignee.DoesNotExist as missing:
        raise UnknownPerson(str(missing)) from missing
    rules = ReminderRule.objects.filter(scope="person", scope_value=str(gone_id)).order_by("pk")
    in_force = {one.rule for one in opt_outs.in_force(kept_id)}
    stopped = [one for one in opt_outs.in_force(gone_id) if one.rule not in in_force]
    return MergePlan(merge=merge, rules=tuple(rules), opt_outs=tuple(stopped))


@atomically
def merge(
    kept_id: int,
    gone_id: int,
    *,
    by: str,
    reason: str,
    config: ReminderConfig,
    plan: str = "",
    scope: TeamScope = EVERYTHING,
) -> MergePlan:
    """Merges the second person into the first; returns what was moved. `plan` is the fingerprint of what was shown.

    Raises UnknownPerson, NotMergeable, PlanChanged or ValidationError.
    """
    reason = checked_reason(reason)
    found = plan_merge(kept_id, gone_id, scope=scope)
    if plan and plan != found.fingerprint:
        raise PlanChanged(gettext("what would be moved has changed since it was shown: look at it again"))
    done = merging.merge_people(kept_id, gone_id, scope=scope)
    for rule in found.rules:
        reminder_rules.change_rule(rule.pk, {"scope_value": str(kept_id)}, by=by, reason=reason)
    for one in found.opt_outs:
        log_ended(opt_outs.opt_out(kept_id, one.rule, via=OptOut.Via(one.via), config=config))
    record(
        "merge_people",
        by=by,
        reason=reason,
        selection={"kept": kept_id, "gone": gone_id},
        before={"name": done.gone.name, "reference": done.gone.reference},
        after={
            "assignments": list(done.assignments),
            "teams": list(done.teams),
            "contact_points": [point.pk for point in done.points],
            "rules": [rule.pk for rule in found.rules],
            "opt_outs": [one.rule for one in found.opt_outs],
        },
    )
    return found
