"""Makes reminder rules, for tests: in force for a long time, unless they say otherwise."""

from datetime import UTC, datetime, time
from typing import Any

from reminders.ledger import rule_changes, rules
from reminders.models import ReminderRule

PAST = datetime(2026, 1, 1, tzinfo=UTC)


def rule(**values: Any) -> ReminderRule:
    """An enabled rule for assignees, in force for a long time; an hour before the start unless it says otherwise."""
    given = {
        "name": f"Rule {ReminderRule.objects.count()}",
        "audience": "assignee",
        "trigger": "before_start",
    }
    if "at" not in values:
        given["minutes"] = 60
    made = ReminderRule.objects.create(**{**given, "quiet_hours": "ignore", "changed_at": PAST, **values})
    rule_changes.announce_change()
    return made


def evening(**values: Any) -> ReminderRule:
    """A rule at 18:00 on the day before."""
    return rule(**{"trigger": "at_local_time", "days_before": 1, "at": time(18), **values})


def key(made: ReminderRule) -> str:
    """How the ledger calls it."""
    return rules.rule_key(made.pk)
