"""The rule of a repeating event as the library takes it, read strictly (RFC 5545, section 3.3.10)."""

import re
from datetime import UTC, date, datetime, time, timedelta

from dateutil.rrule import rrulestr

from assignments.imports.calendar_instants import CalendarTime
from assignments.imports.fields import InvalidValue
from assignments.imports.vcalendar_rules import from_vcalendar
from assignments.wording import quoted

PARTS = {
    "FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYSECOND", "BYMINUTE", "BYHOUR", "BYDAY", "BYMONTHDAY", "BYYEARDAY",
    "BYWEEKNO", "BYMONTH", "BYSETPOS",
}  # fmt: skip
UNITS = {
    "SECONDLY": timedelta(seconds=1),
    "MINUTELY": timedelta(minutes=1),
    "HOURLY": timedelta(hours=1),
    "DAILY": timedelta(days=1),
    "WEEKLY": timedelta(weeks=1),
}
"""Frequencies whose steps are of equal length on the local clock."""

UNTIL = re.compile(r"(\d{8})Z?(?:T(\d{6})(Z?))?", re.ASCII)
PLAIN_DAY = re.compile("[A-Z]{2}")
WHOLE = re.compile(r"\d{1,6}", re.ASCII)
SELECTING = {"BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH", "BYSETPOS"}
LAST_CYCLE = 9_200
LONGEST_RULE = 2_000


def rule_parts(text: str) -> dict[str, str]:
    """The parts of a rule by their names. Raises InvalidValue for what the Gregorian calendar does not have."""
    parts: dict[str, str] = {}
    text = from_vcalendar(text)
    for piece in text.strip().strip(";").split(";"):
        name, equals, value = piece.partition("=")
        name, value = name.strip().upper(), "".join(value.split()).upper()
        if name in ("RSCALE", "SKIP") and value in ("GREGORIAN", "OMIT"):
            continue
        if name.startswith("X-"):
            continue
        if not equals or not value or name not in PARTS or name in parts:
            raise _refused(text)
        parts[name] = value
    count, interval = parts.get("COUNT", "1"), parts.get("INTERVAL", "1")
    if "FREQ" not in parts or len(text) > LONGEST_RULE or not WHOLE.fullmatch(interval) or int(interval) < 1:
        raise _refused(text)
    if not WHOLE.fullmatch(count) or int(count) < 1:
        parts.pop("COUNT")  # -1 is how some programs write that there is no end.
    if parts["FREQ"] in ("MONTHLY", "YEARLY") and "BYDAY" in parts:
        parts["BYDAY"] = _numbered(
            parts["BYDAY"], most=5 if parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts else 53
        )
    return parts


def _numbered(days: str, *, most: int) -> str:
    """The days of a list in which some have a number (2MO) and others have none (TU), which then are all of theirs.

    The library would take the dates that are of both kinds.
    """
    kinds = [PLAIN_DAY.fullmatch(one) is not None for one in days.split(",")]
    if all(kinds) or not any(kinds):
        return days
    found = [
        [f"{number}{one}" for number in range(1, most + 1)] if plain else [one]
        for one, plain in zip(days.split(","), kinds, strict=True)
    ]
    return ",".join(day for one in found for day in one)


def written(parts: dict[str, str], *, start: CalendarTime) -> str:
    """The rule as text, with the end in the form that belongs to its start. Raises InvalidValue.

    An end that is a date holds that whole day, one without a zone is on the clocks of the start.
    """
    if "UNTIL" in parts:
        parts = {**parts, "UNTIL": _until(parts["UNTIL"], start=start)}
    return _joined(parts)


def has_dates(parts: dict[str, str], start: datetime | date) -> bool:
    """Whether the rule has any date at all, for a rule by months or years: the library looks for one until year 9999.

    The calendar is the same every 400 years, so it is asked as if it began in the last of them.
    """
    if parts["FREQ"] not in ("MONTHLY", "YEARLY") or not SELECTING & parts.keys():
        return True
    late = LAST_CYCLE + (start.year - LAST_CYCLE) % 400
    plain = {name: value for name, value in parts.items() if name not in ("UNTIL", "COUNT")}
    rule = rrulestr(_joined(plain), dtstart=datetime(late, start.month, start.day))  # noqa: DTZ001
    return next(iter(rule), None) is not None


def _joined(parts: dict[str, str]) -> str:
    return ";".join(f"{name}={value}" for name, value in parts.items())


def brought_forward(start: datetime | date, parts: dict[str, str], *, near: datetime) -> datetime | date:
    """A start of the same rule that is near the instant `near` and before it, so that no years are gone through.

    The given one where the rule counts its dates, or its steps are of unequal length.
    """
    unit = UNITS.get(parts["FREQ"])
    if unit is None or "COUNT" in parts:
        return start
    here = start.replace(tzinfo=None) if isinstance(start, datetime) else datetime.combine(start, time())
    step = unit * int(parts.get("INTERVAL", "1"))
    steps = (near.replace(tzinfo=None) - timedelta(days=8) - here) // step
    if steps <= 0:
        return start
    moved = here + steps * step
    return moved.replace(tzinfo=start.tzinfo) if isinstance(start, datetime) else moved.date()


def _until(value: str, *, start: CalendarTime) -> str:
    found = UNTIL.fullmatch(value)
    if found is None:
        raise _refused(f"UNTIL={value}")
    try:
        day = datetime.strptime(found[1], "%Y%m%d")  # noqa: DTZ007 the zone follows
        clock = datetime.strptime(found[2], "%H%M%S").time() if found[2] else time(23, 59, 59)  # noqa: DTZ007
        if start.whole_day:
            return found[1]
        local = datetime.combine(day, clock)
        zone = UTC if found[3] else start.zone
        return local.replace(tzinfo=zone).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    except (ValueError, OverflowError) as error:
        raise _refused(f"UNTIL={value}") from error


def _refused(text: str) -> InvalidValue:
    message = f"RRULE {quoted(text)} is not a rule of RFC 5545: a form like FREQ=WEEKLY;BYDAY=MO is needed"
    return InvalidValue("invalid", message)
