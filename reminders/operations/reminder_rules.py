"""The rules that operators make: checked, written, recorded in the audit trail, and followed by the ledger."""

import re
from collections.abc import Iterator, Mapping
from datetime import time
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext

from accounts.reasons import checked_reason
from assignments.clock import database_now
from assignments.models import MAX_LEAD_MINUTES, Assignee, Assignment, Team
from assignments.services import Refused
from assignments.transactions import atomically
from assignments.validation import stored_name
from assignments.wording import quoted
from reminders.ledger.audit import record
from reminders.ledger.rule_changes import announce_change
from reminders.ledger.rules import trigger_of
from reminders.models import ReminderRule

MAX_DAYS_BEFORE = 30
MAX_MINUTES_AFTER = 10_080
"""Minutes after the overdue instant or a decline; a repeat is no longer apart either."""
MIN_REPEAT_MINUTES = 10
MAX_REPEATS = 20
ID = re.compile(r"[1-9][0-9]{0,17}")
"""An id as it is compared with: 7, and not 07."""

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
    *("quiet_hours", "when_past", "mandatory", "verified_only", "channels", "repeat_minutes", "repeat_times"),
)
"""What can be written."""

NOT_TIMING = {"name"}
"""A change of these moves nothing, and leaves the instants of the rule in force."""

Audience, Trigger, Scope = ReminderRule.Audience, ReminderRule.Trigger, ReminderRule.Scope
Condition = ReminderRule.Condition

MINUTES = {
    Trigger.BEFORE_START: (1, MAX_LEAD_MINUTES),
    Trigger.UNANSWERED: (1, MAX_LEAD_MINUTES),
    Trigger.AFTER_OVERDUE: (0, MAX_MINUTES_AFTER),
    Trigger.ON_DECLINE: (0, MAX_MINUTES_AFTER),
}
"""The least and the most that these triggers accept; without minutes `on_decline` is due at once."""

OF_ASSIGNEES = (Trigger.BEFORE_START, Trigger.AT_LOCAL_TIME)
OF_OTHERS = (Trigger.AFTER_OVERDUE, Trigger.ON_DECLINE, Trigger.UNANSWERED, Trigger.AT_LOCAL_TIME)


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
        raise UnknownRule(gettext("there is no rule %(pk)s") % {"pk": pk})
    _apply(found, values)
    return found


def locked_rule(pk: int) -> ReminderRule:
    """The rule, locked. Raises UnknownRule."""
    found = ReminderRule.objects.select_for_update().filter(pk=pk).first()
    if found is None:
        raise UnknownRule(gettext("there is no rule %(pk)s") % {"pk": pk})
    return found


def described(rule: ReminderRule) -> dict[str, object]:
    """Every field, as the audit trail keeps it."""
    values = {name: getattr(rule, name) for name in FIELDS}
    return {name: f"{value:%H:%M}" if isinstance(value, time) else value for name, value in values.items()}


def check_rule(rule: ReminderRule, *, unique: bool = True) -> None:
    """Refuses what makes no sense. Raises ValidationError with every field that is not accepted.

    `unique`: its name must be no other rule's.
    """
    errors: dict[str, list[ValidationError]] = {}
    try:
        rule.full_clean(exclude=["created_at", "changed_at"], validate_unique=unique)
    except ValidationError as refusal:
        errors = dict(refusal.error_dict)
    for name, message in (
        *(_trigger_errors(rule) if rule.trigger in Trigger.values else ()),
        *_repeat_errors(rule),
        *_channel_errors(rule),
        *_scope_errors(rule),
    ):
        errors.setdefault(name, []).append(ValidationError(message, code="invalid"))
    if errors:
        raise ValidationError(errors)


def _apply(rule: ReminderRule, values: Mapping[str, Any]) -> set[str]:
    unknown = set(values) - set(FIELDS)
    if unknown:
        raise ValueError(f"not writable: {sorted(unknown)}")
    stored = {**values, **({"name": stored_name(values["name"])} if "name" in values else {})}
    changed = {name for name, value in stored.items() if getattr(rule, name) != value}
    for name in changed:
        setattr(rule, name, stored[name])
    return changed


def _usual_quiet_hours(rule: ReminderRule) -> str:
    """To an assignee only what comes long before the start respects them; what supervisors are told waits for their end."""
    if rule.audience in Audience.values and rule.audience != Audience.ASSIGNEE:
        return ReminderRule.QuietHours.RESPECT
    is_long_before = rule.trigger in Trigger.values and trigger_of(rule).is_long_before
    return ReminderRule.QuietHours.RESPECT if is_long_before else ReminderRule.QuietHours.IGNORE


def _trigger_errors(rule: ReminderRule) -> Iterator[tuple[str, str]]:
    if rule.audience in Audience.values:
        accepted = OF_ASSIGNEES if rule.audience == Audience.ASSIGNEE else OF_OTHERS
        if rule.trigger not in accepted:
            words = ", ".join(accepted)
            yield (
                "trigger",
                gettext("%(trigger)s: for the audience %(audience)s one of %(words)s is needed")
                % {"trigger": rule.trigger, "audience": rule.audience, "words": words},
            )
    is_brief = rule.trigger == Trigger.AT_LOCAL_TIME and rule.audience in (Audience.SUPERVISORS, Audience.OPS)
    if is_brief and rule.condition == Condition.NOT_CONFIRMED:
        yield (
            "condition",
            gettext("at_local_time for supervisors and Ops: always, not_started or not_reached is needed"),
        )
    if not is_brief and rule.condition == Condition.NOT_REACHED:
        yield "condition", gettext("not_reached is for supervisors and Ops, with the trigger at_local_time")
    if rule.trigger == Trigger.AT_LOCAL_TIME:
        if rule.minutes is not None:
            yield (
                "minutes",
                gettext("%(minutes)s: at_local_time takes no minutes") % {"minutes": rule.minutes},
            )
        if rule.at is None:
            yield "at", gettext("a local time is needed, such as 18:00")
        if rule.days_before is None or rule.days_before > MAX_DAYS_BEFORE:
            needed = gettext("0 to %(max_days_before)s days are needed for at_local_time") % {
                "max_days_before": MAX_DAYS_BEFORE
            }
            yield "days_before", f"{_shown(rule.days_before)}: {needed}"
        return
    for name in ("at", "days_before"):
        if getattr(rule, name) is not None:
            yield name, gettext("%(trigger)s takes no local time") % {"trigger": rule.trigger}
    least, most = MINUTES[Trigger(rule.trigger)]
    minutes = 0 if rule.minutes is None and rule.trigger == Trigger.ON_DECLINE else rule.minutes
    if minutes is None or not least <= minutes <= most:
        yield (
            "minutes",
            gettext("%(shown)s: %(least)s to %(most)s minutes are needed for %(trigger)s")
            % {"shown": _shown(rule.minutes), "least": least, "most": most, "trigger": rule.trigger},
        )


def _repeat_errors(rule: ReminderRule) -> Iterator[tuple[str, str]]:
    every, times = rule.repeat_minutes, rule.repeat_times
    if every is None and times is None:
        return
    if rule.audience == Audience.ASSIGNEE:
        yield "repeat_minutes", gettext("a reminder to an assignee is not repeated")
    elif rule.trigger == Trigger.AT_LOCAL_TIME:
        yield "repeat_minutes", gettext("what is due at a local time comes once a day, and is not repeated")
    if every is None or not MIN_REPEAT_MINUTES <= every <= MAX_MINUTES_AFTER:
        needed = gettext(
            "%(min_repeat_minutes)s to %(max_minutes_after)s minutes are needed between repeats"
        ) % {"min_repeat_minutes": MIN_REPEAT_MINUTES, "max_minutes_after": MAX_MINUTES_AFTER}
        yield "repeat_minutes", f"{_shown(every)}: {needed}"
    if times is None or not 1 <= times <= MAX_REPEATS:
        yield (
            "repeat_times",
            gettext("%(shown)s: 1 to %(max_repeats)s repeats are accepted")
            % {"shown": _shown(times), "max_repeats": MAX_REPEATS},
        )


def _channel_errors(rule: ReminderRule) -> Iterator[tuple[str, str]]:
    if rule.channels and rule.audience != Audience.ASSIGNEE:
        yield (
            "channels",
            gettext("supervisors and Ops are told over the first of their addresses: [] is accepted"),
        )
    if rule.verified_only and rule.audience != Audience.ASSIGNEE:
        yield (
            "verified_only",
            gettext(
                "supervisors and Ops are told at addresses that nobody has verified too: false is accepted"
            ),
        )
    if len(set(rule.channels)) < len(rule.channels):
        yield "channels", gettext("%(list)s: each channel is named once") % {"list": ", ".join(rule.channels)}


def _shown(number: int | None) -> str:
    return "nothing" if number is None else str(number)


def _scope_errors(rule: ReminderRule) -> list[tuple[str, str]]:
    value = rule.scope_value
    if rule.scope == Scope.EVERYONE:
        return (
            [
                (
                    "scope_value",
                    gettext("%(value)s: a rule for everyone names nothing") % {"value": quoted(value)},
                )
            ]
            if value
            else []
        )
    if rule.scope == Scope.KIND:
        return [] if value else [("scope_value", gettext("a kind of work is needed"))]
    named: dict[str, models.QuerySet[Any]] = {
        Scope.TEAM: Team.objects.all(),
        Scope.PERSON: Assignee.objects.all(),
        Scope.ASSIGNMENT: Assignment.objects.all(),
    }
    if rule.scope not in named or (ID.fullmatch(value) and named[rule.scope].filter(pk=int(value)).exists()):
        return []
    return [
        (
            "scope_value",
            gettext("%(value)s: the id of a known %(scope)s is needed")
            % {"value": quoted(value), "scope": rule.scope},
        )
    ]
