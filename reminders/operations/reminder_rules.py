"""The rules that operators make: checked, written, recorded in the audit trail, and followed by the ledger."""

from collections.abc import Mapping
from datetime import time
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from accounts.reasons import checked_reason
from assignments.clock import database_now
from assignments.models import MAX_LEAD_MINUTES, Assignee, Assignment, Team
from assignments.services import Refused
from assignments.transactions import atomically
from assignments.wording import quoted
from reminders.ledger.audit import record
from reminders.ledger.rule_changes import announce_change
from reminders.models import ReminderRule
from reminders.policy.rules import LONG_BEFORE

MAX_OVERDUE_MINUTES = 10_080
MAX_DAYS_BEFORE = 30
SHORTEST_REPEAT = 5
MOST_REPEATS = 24
MOST_DIGITS = 18
"""Of an id."""

FIELDS = (
    *(
        "name",
        "enabled",
        "audience",
        "trigger",
        "minutes",
        "days_before",
        "at",
        "condition",
        "scope",
        "scope_value",
    ),
    *("quiet_hours", "when_past", "mandatory", "repeat_every_minutes", "repeat_times"),
)
"""What can be written."""

NOT_TIMING = {"name", "mandatory"}
"""A change of these moves nothing, and leaves the instants of the rule in force."""

Trigger, Scope, Audience = ReminderRule.Trigger, ReminderRule.Scope, ReminderRule.Audience
RANGES = {
    Trigger.BEFORE_START: (1, MAX_LEAD_MINUTES),
    Trigger.AFTER_OVERDUE: (0, MAX_OVERDUE_MINUTES),
    Trigger.UNANSWERED: (1, MAX_LEAD_MINUTES),
}
"""Minutes that each type of trigger takes, where it takes any."""

FOR_ASSIGNEES = {Trigger.BEFORE_START, Trigger.AT_LOCAL_TIME}


class UnknownRule(Refused):
    """There is none with this id."""

    code = "unknown_rule"


@atomically
def add_rule(values: Mapping[str, Any], *, by: str, reason: str = "") -> ReminderRule:
    """Makes a rule. Raises ValidationError, which names the field and what is accepted."""
    reason = checked_reason(reason, needed=False)
    made = unsaved(values)
    made.changed_at = made.created_at = database_now()
    check_rule(made)
    made.save()
    record("add_rule", by=by, reason=reason, selection={"rule": made.pk}, after=described(made))
    announce_change()
    return made


@atomically
def change_rule(pk: int, values: Mapping[str, Any], *, by: str, reason: str = "") -> ReminderRule:
    """Writes the given fields. Raises UnknownRule or ValidationError. The same values change nothing."""
    reason = checked_reason(reason, needed=False)
    found = locked_rule(pk)
    before = described(found)
    changed = _apply(found, values)
    if not changed:
        return found
    check_rule(found)
    if changed - NOT_TIMING:
        found.changed_at = database_now()
        announce_change()
    found.save(update_fields=[*sorted(changed), "changed_at"])
    record("change_rule", by=by, reason=reason, selection={"rule": pk}, before=before, after=described(found))
    return found


@atomically
def remove_rule(pk: int, *, by: str, reason: str = "") -> None:
    """Removes a rule; the ledger keeps what it has sent. Raises UnknownRule."""
    reason = checked_reason(reason, needed=False)
    found = locked_rule(pk)
    record("remove_rule", by=by, reason=reason, selection={"rule": pk}, before=described(found))
    found.delete()
    announce_change()


def unsaved(values: Mapping[str, Any]) -> ReminderRule:
    """A rule of these values that is not stored; what is left out has its default. Not checked yet."""
    made = ReminderRule()
    _apply(made, values)
    if "quiet_hours" not in values:
        made.quiet_hours = _usual_quiet_hours(made)
    return made


def changed_copy(pk: int, values: Mapping[str, Any]) -> ReminderRule:
    """The rule as it would be with these values; nothing is stored. Raises UnknownRule."""
    found = ReminderRule.objects.filter(pk=pk).first()
    if found is None:
        raise UnknownRule(f"there is no rule {pk}")
    _apply(found, values)
    return found


def locked_rule(pk: int) -> ReminderRule:
    """The rule, locked. Raises UnknownRule."""
    found = ReminderRule.objects.select_for_update().filter(pk=pk).first()
    if found is None:
        raise UnknownRule(f"there is no rule {pk}")
    return found


def described(rule: ReminderRule) -> dict[str, object]:
    """Every field, as the audit trail keeps it."""
    values = {name: getattr(rule, name) for name in FIELDS}
    return {name: f"{value:%H:%M}" if isinstance(value, time) else value for name, value in values.items()}


def check_rule(rule: ReminderRule) -> None:
    """Refuses what makes no sense. Raises ValidationError with every field that is not accepted."""
    errors: dict[str, list[ValidationError]] = {}
    try:
        rule.full_clean(exclude=["created_at", "changed_at"])
    except ValidationError as refusal:
        errors = dict(refusal.error_dict)
    for name, message in (*_trigger_errors(rule), *_scope_errors(rule), *_repeat_errors(rule)):
        errors.setdefault(name, []).append(ValidationError(message, code="invalid"))
    if errors:
        raise ValidationError(errors)


def _apply(rule: ReminderRule, values: Mapping[str, Any]) -> set[str]:
    unknown = set(values) - set(FIELDS)
    if unknown:
        raise ValueError(f"not writable: {sorted(unknown)}")
    changed = {name for name, value in values.items() if getattr(rule, name) != value}
    for name in changed:
        setattr(rule, name, values[name])
    return changed


def _usual_quiet_hours(rule: ReminderRule) -> str:
    """What comes shortly before the start ignores quiet hours; only what comes long before keeps them."""
    is_long_before = (rule.trigger == Trigger.AT_LOCAL_TIME and bool(rule.days_before)) or (
        rule.trigger == Trigger.BEFORE_START and (rule.minutes or 0) * 60 > LONG_BEFORE.total_seconds()
    )
    for_others = rule.audience != Audience.ASSIGNEE
    return ReminderRule.QuietHours.RESPECT if is_long_before or for_others else ReminderRule.QuietHours.IGNORE


def _trigger_errors(rule: ReminderRule) -> list[tuple[str, str]]:
    found = []
    if rule.audience == Audience.ASSIGNEE and rule.trigger in set(Trigger.values) - FOR_ASSIGNEES:
        accepted = " or ".join(sorted(FOR_ASSIGNEES))
        found.append(("trigger", f"{quoted(rule.trigger)} does not go to assignees: {accepted} is needed"))
    if rule.trigger in RANGES:
        least, most = RANGES[Trigger(rule.trigger)]
        if rule.minutes is None or not least <= rule.minutes <= most:
            shown = "nothing" if rule.minutes is None else rule.minutes
            found.append(("minutes", f"{shown}: {least} to {most} minutes are needed for {rule.trigger}"))
    elif rule.minutes is not None:
        found.append(("minutes", f"{rule.minutes}: {rule.trigger} takes no minutes"))
    if rule.trigger == Trigger.AT_LOCAL_TIME:
        if rule.at is None:
            found.append(("at", "a local time is needed, such as 18:00"))
        if rule.days_before is None or rule.days_before > MAX_DAYS_BEFORE:
            shown = "nothing" if rule.days_before is None else rule.days_before
            found.append(
                ("days_before", f"{shown}: 0 to {MAX_DAYS_BEFORE} days are needed for {rule.trigger}")
            )
    else:
        found += [
            (name, f"{rule.trigger} takes no local time")
            for name in ("at", "days_before")
            if getattr(rule, name) is not None
        ]
    return found


def _scope_errors(rule: ReminderRule) -> list[tuple[str, str]]:
    value = rule.scope_value
    if rule.scope == Scope.EVERYONE:
        return [("scope_value", f"{quoted(value)}: a rule for everyone names nothing")] if value else []
    if rule.scope == Scope.KIND:
        return [] if value else [("scope_value", "a kind of work is needed")]
    named: dict[str, models.QuerySet[Any]] = {
        Scope.TEAM: Team.objects.all(),
        Scope.PERSON: Assignee.objects.all(),
        Scope.ASSIGNMENT: Assignment.objects.all(),
    }
    if rule.scope not in named or (
        value.isdecimal() and len(value) <= MOST_DIGITS and named[rule.scope].filter(pk=int(value)).exists()
    ):
        return []
    return [("scope_value", f"{quoted(value)}: the id of a known {rule.scope} is needed")]


def _repeat_errors(rule: ReminderRule) -> list[tuple[str, str]]:
    if not rule.repeat_times and rule.repeat_every_minutes is None:
        return []
    if rule.audience == Audience.ASSIGNEE:
        return [("repeat_times", "only what goes to supervisors or ops is repeated")]
    found = []
    if not 1 <= (rule.repeat_times or 0) <= MOST_REPEATS:
        found.append(("repeat_times", f"{rule.repeat_times}: 1 to {MOST_REPEATS} times are needed"))
    if (
        rule.repeat_every_minutes is None
        or not SHORTEST_REPEAT <= rule.repeat_every_minutes <= MAX_OVERDUE_MINUTES
    ):
        shown = "nothing" if rule.repeat_every_minutes is None else rule.repeat_every_minutes
        found.append(
            (
                "repeat_every_minutes",
                f"{shown}: {SHORTEST_REPEAT} to {MAX_OVERDUE_MINUTES} minutes are needed",
            )
        )
    return found
