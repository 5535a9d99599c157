"""How instants are written for people: in their zone and their language."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.utils import translation
from django.utils.formats import date_format

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FAR = timedelta(days=180)
"""What is further away than this is written with its year."""
SPAN = {"en": "{} to {}"}
ZONE = {"en": "{} time"}
"""How a span and a zone are put into words, by language; other languages have a dash and the place alone."""


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


def time_line(start: datetime, end: datetime | None, zone: str, language: str, *, now: datetime) -> str:
    """'Wed 25 Nov, 22:53 to 23:53 (Stockholm time)': when something is, in one line.

    The day of the end stands there where it is another one, the year where it is far away from now, and the zone's
    abbreviation beside a time that the clocks show twice that day.
    """
    return _time_line(
        (start - EPOCH) // MINUTE,
        (end - EPOCH) // MINUTE if end else None,
        zone,
        language,
        year=abs(start - now) > FAR,
    )


@lru_cache(maxsize=4096)
def _time_line(start: int, end: int | None, zone: str, language: str, *, year: bool) -> str:
    place = known_zone(zone)
    begins = (EPOCH + start * MINUTE).astimezone(place)
    with translation.override(language):
        day = date_format(begins, "D j M Y" if year else "D j M", use_l10n=False)
        written = f"{day}, {_clock_time(begins)}"
        if end is not None:
            ends = (EPOCH + end * MINUTE).astimezone(place)
            until = _clock_time(ends)
            if ends.date() != begins.date():
                until = f"{date_format(ends, 'D j M', use_l10n=False)}, {until}"
            written = SPAN.get(language, "{} \u2013 {}").format(written, until)
    return f"{written} ({zone_name(zone, language)})"


def _clock_time(local: datetime) -> str:
    """'02:30', or '02:30 CET' where the clocks show it twice."""
    twice = local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset()
    return f"{local:%H:%M} {local.tzname()}" if twice else f"{local:%H:%M}"


@lru_cache(maxsize=1024)
def zone_name(zone: str, language: str) -> str:
    """'Stockholm time' for Europe/Stockholm; a zone that is named after no place by its own name or distance, such as UTC
    or UTC-05.
    """
    place = known_zone(zone)
    region, _, city = place.key.rpartition("/")
    if region == "Etc":  # Etc/GMT+5 is five hours behind: its name has the sign of POSIX
        distance = EPOCH.astimezone(place).tzname() or city
        return f"UTC{distance}" if distance[0] in "+-" else distance
    if not region:
        return city
    return ZONE.get(language, "{}").format(city.replace("_", " "))


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
