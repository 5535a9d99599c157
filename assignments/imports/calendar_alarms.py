"""Lead times out of the alarms of an event (RFC 5545, section 3.6.6).

An alarm in a calendar is a reminder to its owner, and need not be one of the work. So an import reads no more than the one
alarm of an event, unless it asks for all of them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from icalendar import vDuration

from assignments.imports.calendar_properties import ParsedProperty, Property
from assignments.imports.fields import InvalidValue
from assignments.leads import LEAST_DISTANCE_MINUTES, MOST_LEADS
from assignments.models import MAX_LEAD_MINUTES
from assignments.wording import quoted

DURATION = re.compile(r"[+-]?P[\dWDTHMS]+", re.ASCII)
MINUTE = timedelta(minutes=1)
REMINDING = {"DISPLAY", "EMAIL"}
NEEDED = {"TRIGGER", "ACTION"}


class Alarms(Enum):
    """What an import makes of alarms: a lead time of the only one, or the lead times of all of them."""

    ONE = "one"
    LEADS = "leads"


@dataclass(slots=True)
class Alarm:
    """The properties of an alarm that are needed."""

    properties: list[Property] = field(default_factory=list)

    def named(self, name: str) -> list[Property]:
        return [one for one in self.properties if one.name == name]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlarm:
    """An alarm that became no lead time, and why."""

    code: str
    message: str


def one_lead(alarms: Sequence[Alarm]) -> int | None:
    """The minutes of the one alarm before the start; None where there is none, or none that a lead can be."""
    lengths = set()
    for trigger in (trigger for alarm in alarms for trigger in alarm.named("TRIGGER")):
        try:
            found = trigger.parsed()
        except InvalidValue:
            continue
        if (length := _before_start(found)) is not None:
            lengths.add(length)
    return _lead(lengths.pop()) if len(lengths) == 1 else None


def leads(alarms: Sequence[Alarm]) -> tuple[list[int], list[LeftAlarm]]:
    """The lead times of these alarms in minutes, the shortest first, and the alarms that become none.

    Of those that are too close together the shorter stays, and of too many the shortest.
    """
    found: set[int] = set()
    left: list[LeftAlarm] = []
    for alarm in alarms:
        try:
            found.add(_minutes(alarm))
        except InvalidValue as refusal:
            left.append(LeftAlarm(code=refusal.code, message=str(refusal)))
    kept: list[int] = []
    for minutes in sorted(found):
        refused = _not_beside(kept, minutes)
        if refused is None:
            kept.append(minutes)
        else:
            left.append(refused)
    return kept, left


def duration(found: ParsedProperty) -> timedelta | None:
    """The length that a property states; None where it states none."""
    value = found.value.strip()
    if not DURATION.fullmatch(value):
        return None
    try:
        length: timedelta = vDuration.from_ical(value)  # type: ignore[no-untyped-call]
    except (ValueError, OverflowError):
        return None
    return length


def _not_beside(kept: Sequence[int], minutes: int) -> LeftAlarm | None:
    if len(kept) == MOST_LEADS:
        return LeftAlarm(
            code="length",
            message=f"an alarm {minutes} minutes before the start: {MOST_LEADS} lead times are the most",
        )
    if kept and minutes - kept[-1] < LEAST_DISTANCE_MINUTES:
        needed = f"at least {LEAST_DISTANCE_MINUTES} minutes between lead times are needed"
        return LeftAlarm(
            code="too_close",
            message=f"an alarm {minutes} minutes before the start, and one {kept[-1]} minutes before it: {needed}",
        )
    return None


def _minutes(alarm: Alarm) -> int:
    """How long before the start it rings. Raises InvalidValue where that is no lead time."""
    action = next(_values(alarm, "ACTION"), None)
    name = action.value.strip().upper() if action else ""
    if name not in REMINDING:
        raise InvalidValue("action", f"an alarm with the ACTION {quoted(name)}: DISPLAY or EMAIL is needed")
    triggers = list(_values(alarm, "TRIGGER"))
    if len(triggers) != 1:
        raise InvalidValue("required", f"an alarm with {len(triggers)} TRIGGERs: one is needed")
    trigger = triggers[0]
    length = _before_start(trigger)
    if length is None:
        needed = "a length before the start is needed, such as -PT30M"
        raise InvalidValue("invalid", f"an alarm with the TRIGGER {quoted(trigger.value)}: {needed}")
    minutes = _lead(length)
    if minutes is None:
        needed = f"1 to {MAX_LEAD_MINUTES} whole minutes before the start are needed"
        raise InvalidValue("out_of_range", f"an alarm with the TRIGGER {quoted(trigger.value)}: {needed}")
    return minutes


def _values(alarm: Alarm, name: str) -> Iterator[ParsedProperty]:
    return (one.parsed() for one in alarm.named(name))


def _before_start(trigger: ParsedProperty) -> timedelta | None:
    """How long before the start a trigger is; None where it does not count from the start."""
    length = duration(trigger)
    if length is None or trigger.param("RELATED").upper() not in ("", "START"):
        return None
    return -length


def _lead(length: timedelta) -> int | None:
    """The length in minutes; None where no lead time can be so long."""
    minutes, rest = divmod(length, MINUTE)
    return minutes if 1 <= minutes <= MAX_LEAD_MINUTES and not rest else None
