"""How instants are written for people: in their zone and their language."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext, pgettext, pgettext_lazy

from reminders.content.cities import city_name

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FAR = timedelta(days=180)
"""What is further away than this is written with its year."""
A_MINUTE, AN_HOUR, A_DAY = 1, 60, 1440


def relative_time(left: timedelta, language: str, *, planned: bool = False) -> str:
    """'starts in 30 minutes', 'started 5 minutes ago'; whole minutes, hours or days, never a lie by rounding up.

    Of what lies behind it says "was to start" where the start was `planned` and nobody is known to have begun.
    """
    # Most work of a scan is equally far away.
    return _relative_minutes(round(left.total_seconds() / 60), language, planned)


@lru_cache(maxsize=1024)
def _relative_minutes(left: int, language: str, planned: bool) -> str:
    minutes = abs(left)
    with translation.override(language):
        if minutes < A_MINUTE:
            return gettext("starts now")
        unit = A_DAY if minutes >= 2 * A_DAY else AN_HOUR if minutes >= 2 * AN_HOUR else A_MINUTE
        if left > 0:
            words = _ahead(unit, minutes // unit)
        else:
            words = _was_planned(unit, minutes // unit) if planned else _behind(unit, minutes // unit)
        return words % {"count": minutes // unit}


def _ahead(unit: int, count: int) -> str:
    if unit == A_DAY:
        return ngettext("starts in %(count)s day", "starts in %(count)s days", count)
    if unit == AN_HOUR:
        return ngettext("starts in %(count)s hour", "starts in %(count)s hours", count)
    return ngettext("starts in %(count)s minute", "starts in %(count)s minutes", count)


def _behind(unit: int, count: int) -> str:
    if unit == A_DAY:
        return ngettext("started %(count)s day ago", "started %(count)s days ago", count)
    if unit == AN_HOUR:
        return ngettext("started %(count)s hour ago", "started %(count)s hours ago", count)
    return ngettext("started %(count)s minute ago", "started %(count)s minutes ago", count)


def _was_planned(unit: int, count: int) -> str:
    if unit == A_DAY:
        return ngettext("was to start %(count)s day ago", "was to start %(count)s days ago", count)
    if unit == AN_HOUR:
        return ngettext("was to start %(count)s hour ago", "was to start %(count)s hours ago", count)
    return ngettext("was to start %(count)s minute ago", "was to start %(count)s minutes ago", count)


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
        day = written_day(begins, "D j M Y" if year else "D j M")
        written = f"{day}, {_clock_time(begins)}"
        if end is not None:
            ends = (EPOCH + end * MINUTE).astimezone(place)
            until = _clock_time(ends)
            if ends.date() != begins.date():
                until = f"{written_day(ends, 'D j M')}, {until}"
            written = gettext("%(start)s to %(end)s") % {"start": written, "end": until}
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
    with translation.override(language):
        return gettext("%(place)s time") % {"place": city_name(city.replace("_", " "))}


@lru_cache(maxsize=4096)
def _local_minute(minute: int, zone: str, language: str, long: bool) -> str:
    place = known_zone(zone)
    local, zone = (EPOCH + minute * MINUTE).astimezone(place), place.key
    with translation.override(language):
        if not long:
            return f"{written_day(local, 'D j M')}, {local:%H:%M}"
        written = f"{written_day(local, 'l j F Y')}, {local:%H:%M}"
    abbreviation = local.tzname() or ""
    named = f"{abbreviation}, {zone}" if abbreviation and abbreviation != zone else zone
    return f"{written} ({named})"


_FORMS = {
    "D j M": pgettext_lazy("date format", "D j M"),
    "D j M Y": pgettext_lazy("date format", "D j M Y"),
    "l j F Y": pgettext_lazy("date format", "l j F Y"),
}


def written_day(local: date, form: str) -> str:
    """'Mon 23 Nov', 'Monday 23 November 2026': a day in the language in force, by one of `_FORMS`."""
    translated = str(_FORMS[form])
    if local.day == 1:
        # Translators: how the number of the first day of a month is written: "1er" in French
        translated = translated.replace("j", pgettext("date format of the first", "j"))
    return date_format(local, translated, use_l10n=False)


def known_zone(name: str) -> ZoneInfo:
    """The zone of this name; UTC where the time zone database does not know it any more."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return ZoneInfo("UTC")
