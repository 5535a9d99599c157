"""How instants are written for people: in their zone and their language."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.utils import translation
from django.utils.formats import date_format

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def relative_time(left: timedelta, *, past: str = "started") -> str:
    """'starts in 30 minutes', 'started 5 minutes ago'; whole minutes, hours or days, never a lie by rounding up.

    `past` is the verb of what lies behind.
    """
    minutes = round(abs(left).total_seconds() / 60)
    if minutes < 1:
        return "starts now"
    amount, unit = minutes, "minute"
    if minutes >= 2 * 1440:
        amount, unit = minutes // 1440, "day"
    elif minutes >= 120:
        amount, unit = minutes // 60, "hour"
    words = f"{amount} {unit}{'' if amount == 1 else 's'}"
    return f"starts in {words}" if left > timedelta() else f"{past} {words} ago"


def local_time(instant: datetime, zone: str, language: str, *, long: bool = True) -> str:
    """'Monday 23 November 2026, 10:00 (CET, Europe/Berlin)', or short: 'Mon 23 Nov, 10:00'."""
    # Nobody reads seconds here, and most work starts on the same few minutes: each is written out once.
    return _local_minute((instant - EPOCH) // MINUTE, zone, language, long)


@lru_cache(maxsize=4096)
def _local_minute(minute: int, zone: str, language: str, long: bool) -> str:
    place = known_zone(zone)
    local, zone = (EPOCH + minute * MINUTE).astimezone(place), place.key
    with translation.override(language):
        if not long:
            return date_format(local, "D j M, H:i", use_l10n=False)
        written = date_format(local, "l j F Y, H:i", use_l10n=False)
    abbreviation = local.tzname() or ""
    named = f"{abbreviation}, {zone}" if abbreviation and abbreviation != zone else zone
    return f"{written} ({named})"


def known_zone(name: str) -> ZoneInfo:
    """The zone of this name; UTC where the time zone database does not know it any more."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return ZoneInfo("UTC")
