"""Instants and local times in text that others send. Starts and ends are stored to the second."""

import re
from datetime import UTC, datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from assignments.wording import quoted

FIRST_YEAR, LAST_YEAR = 1970, 2200
RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)([Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)
MESSAGES = {
    "invalid": _("an RFC 3339 instant is needed, such as 2026-11-23T09:00:00+01:00"),
    "naive": _(
        "a UTC offset is needed, such as 2026-11-23T09:00:00+01:00 or ...Z, because the time zone is "
        "not known"
    ),
    "unknown_time_zone": _("a zone of the IANA database is needed, such as Europe/Berlin"),
    "nonexistent": _("this time does not exist in its zone, where the clocks are put forward over it"),
    "ambiguous": _(
        "this time occurs twice in its zone, where the clocks are put back over it: send it in UTC"
    ),
    "out_of_range": format_lazy(
        _("a year from {first} to {last} is needed"), first=FIRST_YEAR, last=LAST_YEAR
    ),
}
NOT_A_PLACE = {"Factory", "localtime", "posixrules"}
"""Entries of the zone database that name no zone, or the zone of whatever machine reads them."""


class NotAnInstant(ValueError):
    """The value names no instant. `code` is a key of MESSAGES; the text names the value."""

    def __init__(self, code: str, value: object) -> None:
        super().__init__(f"{quoted(value)}: {MESSAGES[code]}")
        self.code = code


def read(value: object) -> datetime:
    """The instant in UTC, to the microsecond. Raises NotAnInstant, for a local time without an offset too."""
    found = RFC3339.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise NotAnInstant("invalid", value)
    date, time, _, fraction, offset = found.groups()
    if offset is None:
        raise NotAnInstant("naive", value)
    if fraction:
        time = time.replace(fraction, fraction[:7])
    try:
        instant = datetime.fromisoformat(f"{date}T{time}{offset.upper()}")
    except ValueError as error:
        raise NotAnInstant("invalid", value) from error
    if not FIRST_YEAR - 1 <= instant.year <= LAST_YEAR + 1:
        raise NotAnInstant("out_of_range", value)  # Years 1 and 9999 have no UTC for every offset.
    if not FIRST_YEAR <= (instant := instant.astimezone(UTC)).year <= LAST_YEAR:
        raise NotAnInstant("out_of_range", value)
    return instant


def to_second(instant: datetime) -> datetime:
    """The resolution of starts and ends: clients keep different fractions of a second, which is no change of plan."""
    return instant.replace(microsecond=0)


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones() - NOT_A_PLACE)


def known_zone(name: str) -> ZoneInfo | None:
    """The zone of this name in the IANA database, or None."""
    return ZoneInfo(name) if name in _zone_names() else None


def in_zone(local: datetime, zone: tzinfo) -> datetime:
    """The instant in UTC at which clocks in this zone show this time. Raises NotAnInstant where it is not exactly one."""
    if not FIRST_YEAR <= local.year <= LAST_YEAR:
        raise NotAnInstant("out_of_range", local.isoformat())
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first > second:
        raise NotAnInstant("nonexistent", local.isoformat())
    if first < second:
        raise NotAnInstant("ambiguous", local.isoformat())
    if first.astimezone(zone).replace(tzinfo=None, fold=0) != local.replace(fold=0):
        raise NotAnInstant("nonexistent", local.isoformat())  # Not every tzinfo tells by the fold.
    return first


def shown(instant: datetime) -> str:
    """The instant as the API and the files show it: in UTC, with a Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
