"""What is an instant in text that others send: RFC 3339 with an offset, in years that people plan in."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

FIRST_YEAR, LAST_YEAR = 1970, 2200
RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)([Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)
COMPLAINTS = {
    "invalid": "an RFC 3339 instant is needed, such as 2026-11-23T09:00:00+01:00",
    "naive": "an offset is needed, such as 2026-11-23T09:00:00+01:00 or ...Z: nobody knows which zone is meant",
    "unknown_time_zone": "a zone of the IANA database is needed, such as Europe/Berlin",
    "nonexistent": "the clocks are put forward over this time: it does not exist in its zone",
    "ambiguous": "the clocks are put back over this time: it comes twice in its zone, so give it in UTC",
    "out_of_range": f"a year from {FIRST_YEAR} to {LAST_YEAR} is needed",
}


class NotAnInstant(ValueError):
    """The text names no instant. `code` is one of COMPLAINTS."""

    def __init__(self, code: str) -> None:
        super().__init__(COMPLAINTS[code])
        self.code = code


def read(text: object) -> datetime:
    """The instant in UTC, to the microsecond. Raises NotAnInstant, for a local time without an offset too."""
    found = RFC3339.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise NotAnInstant("invalid")
    date, time, _, fraction, offset = found.groups()
    if offset is None:
        raise NotAnInstant("naive")
    if fraction:
        time = time.replace(fraction, fraction[:7])  # PostgreSQL keeps microseconds.
    try:
        instant = datetime.fromisoformat(f"{date}T{time}{offset.upper()}")
    except ValueError as error:
        raise NotAnInstant("invalid") from error
    if not FIRST_YEAR - 1 <= instant.year <= LAST_YEAR + 1:
        raise NotAnInstant("out_of_range")  # Years 1 and 9999 have no UTC for every offset.
    if not FIRST_YEAR <= (instant := instant.astimezone(UTC)).year <= LAST_YEAR:
        raise NotAnInstant("out_of_range")
    return instant


def in_zone(local: datetime, zone: str) -> datetime:
    """The instant in UTC at which clocks in this zone show this time. Raises NotAnInstant where it is not exactly one."""
    if not zone:
        raise NotAnInstant("naive")
    try:
        known = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise NotAnInstant("unknown_time_zone") from error
    if not FIRST_YEAR <= local.year <= LAST_YEAR:
        raise NotAnInstant("out_of_range")
    first, second = (local.replace(tzinfo=known, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first > second:
        raise NotAnInstant("nonexistent")
    if first < second:
        raise NotAnInstant("ambiguous")
    return first


def shown(instant: datetime) -> str:
    """The instant as the API and the files say it: in UTC, with a Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
