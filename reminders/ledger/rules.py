"""The rules that operators have made, as policy reads them, and how far the ledger has followed their last change."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from reminders.ledger.sql import Cursor, fetch, run
from reminders.models import ReminderRule
from reminders.policy.rules import Audience, Repeat, Rule, Scope, Trigger, TriggerType, WhenPast

COLUMNS = (
    "id, audience, trigger, minutes, days_before, at, scope, scope_value, condition, quiet_hours, when_past,"
    " mandatory, verified_only, channels, repeat_minutes, repeat_times, changed_at"
)


def enabled_rules(cursor: Cursor) -> list[Rule]:
    """The enabled rules, in the order of their ids."""
    run(cursor, f"SELECT {COLUMNS} FROM reminders_reminderrule WHERE enabled ORDER BY id")  # noqa: S608
    return [_rule(found) for found in fetch(cursor)]


def rules_unless_confirmed() -> set[str]:
    """The keys of the rules that do not remind who has confirmed (`fragments.unless_confirmed`)."""
    return _keys_of(ReminderRule.objects.filter(condition=ReminderRule.Condition.NOT_CONFIRMED))


def mandatory_rules() -> set[str]:
    """The keys of the rules of which nobody can opt out, and which no rate holds (`fragments.rule_is`)."""
    return _keys_of(ReminderRule.objects.filter(mandatory=True))


def verified_only_rules() -> set[str]:
    """The keys of the rules that remind at verified addresses alone (`fragments.rule_is`)."""
    return _keys_of(ReminderRule.objects.filter(verified_only=True))


def _keys_of(rules: QuerySet[ReminderRule]) -> set[str]:
    return {rule_key(pk) for pk in rules.values_list("pk", flat=True)}


def rule_key(pk: int) -> str:
    """How the ledger calls a rule."""
    return f"rule:{pk}"


def rule_of(stored: ReminderRule) -> Rule:
    """The rule as policy reads it."""
    return _rule({name: getattr(stored, name) for name in COLUMNS.split(", ")})


def trigger_of(stored: ReminderRule) -> Trigger:
    """The trigger of a rule whose type of trigger is known."""
    return _trigger({name: getattr(stored, name) for name in ("trigger", "minutes", "days_before", "at")})


def _trigger(found: dict[str, Any]) -> Trigger:
    return Trigger(
        type=TriggerType(found["trigger"]),
        offset=timedelta(minutes=found["minutes"] or 0),
        days_before=found["days_before"] or 0,
        at=found["at"],
    )


def _repeat(found: dict[str, Any]) -> Repeat | None:
    if not found["repeat_minutes"] or not found["repeat_times"]:
        return None
    return Repeat(every=timedelta(minutes=found["repeat_minutes"]), times=found["repeat_times"])


def _rule(found: dict[str, Any]) -> Rule:
    return Rule(
        key=rule_key(found["id"]),
        audience=Audience(found["audience"]),
        trigger=_trigger(found),
        scope=Scope[found["scope"].upper()],
        value=found["scope_value"],
        respects_quiet_hours=found["quiet_hours"] == ReminderRule.QuietHours.RESPECT,
        unless_confirmed=found["condition"] == ReminderRule.Condition.NOT_CONFIRMED,
        unless_reached=found["condition"] == ReminderRule.Condition.NOT_REACHED,
        when_past=WhenPast(found["when_past"]),
        mandatory=found["mandatory"],
        verified_only=found["verified_only"],
        channels=tuple(found["channels"]),
        repeat=_repeat(found),
        since=found["changed_at"],
    )
