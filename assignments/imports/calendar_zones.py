"""Which zone a TZID of a calendar names: one of the IANA database, one of Windows, or one that the file defines."""

import re
from datetime import UTC, datetime, tzinfo
from typing import Any

from icalendar import Timezone
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from assignments import instants
from assignments.imports.bounded_calls import CallBudget, TooManyCalls
from assignments.imports.calendar_zone_names import displayed_zone
from assignments.wording import quoted

EARLIEST = re.compile(r"(?im)^(DTSTART[^:\r\n]*:)(?:0\d|1[0-5])\d\d")
"""Years before 1600: where definitions say that a rule has always held, and arithmetic comes to its end."""

BEGIN_MONTH = re.compile(r"(?i)DTSTART[^:]*:\d{4}(\d\d)", re.ASCII)
TWELVE_MONTHS = re.compile(r"(?i)FREQ=MONTHLY;INTERVAL=12(?=;BYDAY)")

CALLS_OF_A_ZONE, SECONDS_OF_A_FILE = 300_000, 10.0
"""What reading one definition may cost, and all those of a file together."""

MAX_ZONES = 200
"""Definitions that are kept of one file."""


def new_budget() -> CallBudget:
    """What the definitions of one file may cost."""
    return CallBudget(calls=CALLS_OF_A_ZONE, seconds=SECONDS_OF_A_FILE)


class CalendarZones:
    """The zones of one calendar. `default` is the name of the zone that the calendar is in (X-WR-TIMEZONE), or ''."""

    def __init__(self, budget: CallBudget | None = None) -> None:
        self.default = ""
        self._budget = budget or new_budget()
        self._definitions: dict[str, str] = {}
        self._zones: dict[str, tzinfo | None] = {}

    def define(self, text: str) -> None:
        """Takes a VTIMEZONE of the file."""
        for line in text.splitlines():
            name, colon, value = line.partition(":")
            named = name.split(";")[0].upper() == "TZID"
            if colon and named and len(self._definitions) < MAX_ZONES:
                self._definitions.setdefault(value.strip(), text)
                return

    def zone(self, name: str) -> tzinfo | None:
        """The zone of this name; None where it is not known, or its definition cannot be read."""
        if name not in self._zones:
            if len(self._zones) > MAX_ZONES:
                self._zones.clear()
            self._zones[name] = self._find(name)
        return self._zones[name]

    def _find(self, name: str) -> tzinfo | None:
        """A name with an area is the IANA zone; others, such as EST, mean what the file defines, if it defines them."""
        if "/" in name and (zone := _with_prefix(name)):
            return zone
        if name in WINDOWS_TO_OLSON:
            return instants.known_zone(WINDOWS_TO_OLSON[name])
        if name in self._definitions:
            return _defined(self._definitions[name], self._budget)
        return instants.known_zone(name) or displayed_zone(name) or _with_other_separator(name)


def _with_prefix(name: str) -> tzinfo | None:
    """Europe/Berlin, and /example.org/20260101/Europe/Berlin too (RFC 5545, section 3.8.3.1)."""
    parts = name.split("/")
    if name.startswith("/") and parts[-1] in ("GMT", "UTC"):
        return UTC
    tails = ["/".join(parts[-length:]) for length in (3, 2)] if name.startswith("/") else [name]
    return next((zone for tail in tails if "/" in tail and (zone := instants.known_zone(tail))), None)


def _with_other_separator(name: str) -> tzinfo | None:
    """US-Eastern and America_New_York: an IANA zone with another character behind its area."""
    return next(
        (zone for one in "-_" if one in name and (zone := instants.known_zone(name.replace(one, "/", 1)))),
        None,
    )


def _by_years(text: str) -> str:
    """A VTIMEZONE in which "every 12 months" is "every year in the month of the start"."""
    month, lines = "", []
    for line in text.splitlines():
        if begin := BEGIN_MONTH.match(line):
            month = begin[1]
        lines.append(TWELVE_MONTHS.sub(f"FREQ=YEARLY;BYMONTH={int(month)}", line) if month else line)
    return "\r\n".join(lines)


def _defined(text: str, budget: CallBudget) -> tzinfo | None:
    """The zone of a VTIMEZONE, or None if it cannot be read."""
    text = _by_years(text)
    # Offsets change once a year by a rule; others name more instants than anybody needs.
    rules = [line for line in text.splitlines() if line.upper().startswith("RRULE")]
    if any("FREQ=YEARLY" not in rule.upper() or "BY" not in rule.upper() for rule in rules):
        return None
    try:
        with budget.one():
            component: Any = Timezone.from_ical(EARLIEST.sub(r"\g<1>1601", text))
            zone: tzinfo = component.to_tz(lookup_tzid=False)
            zone.utcoffset(datetime(instants.LAST_YEAR, 12, 31))  # noqa: DTZ001 the zone's own clock
    except (Exception, TooManyCalls):
        return None
    return zone


def missing_zone(value: str) -> str:
    """The message for a local time without a TZID."""
    return f"{quoted(value)} has no time zone: a TZID such as Europe/Berlin is needed, or UTC with a Z at the end"
