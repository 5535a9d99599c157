"""Rules in a file, in the form of the API, for a simulation that tries them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from assignments.clock import database_now
from assignments.imports.fields import InvalidValue, Number, Text, TimeOfDay
from assignments.imports.json_text import parsed
from assignments.models import MAX_LEAD_MINUTES
from assignments.wording import quoted
from reminders.ledger.rules import rule_of
from reminders.models import ReminderRule
from reminders.operations.reminder_rules import FIELDS, check_rule, unsaved
from reminders.policy.rules import Rule, renamed

MOST_RULES = 1_000
MOST_BYTES = 1_000_000
IGNORED = {"id", "changed_at", "created_at"}
"""What the API shows of a rule and nobody can set."""
NUMBERS = {"minutes", "days_before", "repeat_minutes", "repeat_times", "every_minutes", "times"}
NUMBER, LOCAL_TIME = Number(minimum=0, maximum=MAX_LEAD_MINUTES), TimeOfDay()
TEXT = Text(max_length=MOST_BYTES, none=None)
NESTED = {
    "trigger": {"type": "trigger", "minutes": "minutes", "days_before": "days_before", "at": "at"},
    "scope": {"type": "scope", "value": "scope_value"},
    "repeat": {"every_minutes": "repeat_minutes", "times": "repeat_times"},
}


class UnreadableRules(Exception):
    """The file holds no rules. The text says where, and what is needed."""


def read_rules(path: Path) -> list[Rule]:
    """The enabled rules of a JSON file: a list, or `{"results": [...]}` as `GET /api/rules` answers. They would be in force
    from now on. Those with the id of a known rule take its place. Raises UnreadableRules.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableRules(f"{path}: {error.strerror}") from error
    if len(text) > MOST_BYTES:
        raise UnreadableRules(
            gettext("%(path)s: no more than %(most_bytes)s bytes are read")
            % {"path": path, "most_bytes": f"{MOST_BYTES:,}"}
        )
    try:
        given = parsed(text)
    except ValueError as error:
        raise UnreadableRules(
            gettext("%(path)s is not JSON: %(error)s") % {"path": path, "error": error}
        ) from error
    found = given.get("results") if isinstance(given, Mapping) else given
    if not isinstance(found, list) or len(found) > MOST_RULES:
        raise UnreadableRules(
            gettext("%(path)s: a list of at most %(most_rules)s rules is needed")
            % {"path": path, "most_rules": f"{MOST_RULES:,}"}
        )
    return [rule for number, one in enumerate(found, 1) if (rule := _rule(one, path, number)) is not None]


def _rule(given: Any, path: Path, number: int) -> Rule | None:
    try:
        made = unsaved(_values(given))
        known = given.get("id")
        made.pk = known if isinstance(known, int) and ReminderRule.objects.filter(pk=known).exists() else None
        made.changed_at = database_now()
        check_rule(made, unique=False)
    except ValidationError as refusal:
        wrong = "; ".join(f"{name}: {' '.join(said)}" for name, said in refusal.message_dict.items())
        raise UnreadableRules(
            gettext("%(path)s, rule %(number)s: %(wrong)s") % {"path": path, "number": number, "wrong": wrong}
        ) from refusal
    if not made.enabled:
        return None
    return rule_of(made) if made.pk is not None else renamed(rule_of(made), f"file:{number}")


def _values(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise ValidationError(
            {
                "rule": gettext("%(given)s is not an object with the fields of a rule")
                % {"given": quoted(given)}
            }
        )
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in NESTED:
            values |= _nested(name, value)
        elif name in FIELDS:
            values[name] = _checked(name, value)
        elif name not in IGNORED:
            raise ValidationError({name: gettext("this is no field of a rule")})
    return values


def _nested(name: str, given: Any) -> dict[str, Any]:
    columns = NESTED[name]
    if name == "repeat" and given is None:
        return {}
    if not isinstance(given, Mapping) or (unknown := given.keys() - columns.keys()):
        seen = (
            quoted(given)
            if not isinstance(given, Mapping)
            else gettext("unknown: %(list)s") % {"list": ", ".join(sorted(unknown))}
        )
        raise ValidationError(
            {
                name: gettext("%(seen)s: an object with %(list)s is needed")
                % {"seen": seen, "list": ", ".join(columns)}
            }
        )
    return {columns[part]: _checked(part, value) for part, value in given.items()}


def _checked(name: str, value: Any) -> Any:
    """What is stored of the value, where it is of the form that the API takes."""
    if name in ("enabled", "mandatory", "verified_only"):
        if not isinstance(value, bool):
            raise ValidationError(
                {name: gettext("%(value)s: true or false is needed") % {"value": quoted(value)}}
            )
        return value
    if name == "channels":
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ValidationError(
                {name: gettext("%(value)s: a list of channels is needed") % {"value": quoted(value)}}
            )
        return value
    form = NUMBER if name in NUMBERS else LOCAL_TIME if name == "at" else TEXT
    try:
        return form.read(value)
    except InvalidValue as refusal:
        raise ValidationError({name: str(refusal)}) from refusal
