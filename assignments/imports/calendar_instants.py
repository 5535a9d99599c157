"""The times of a calendar: local times with their zone, and whole days (RFC 5545, sections 3.3.4 and 3.3.5)."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from icalendar import vDate, vDatetime

from assignments import instants
from assignments.imports import calendar_alarms
from assignments.imports.calendar_options import CalendarOptions
from assignments.imports.calendar_properties import ParsedProperty
from assignments.imports.calendar_zones import CalendarZones, missing_zone
from assignments.imports.fields import InvalidValue
from assignments.instants import NotAnInstant
from assignments.validators import default_time_zone
from assignments.wording import quoted

DATE = re.compile(r"(\d{8})Z?", re.ASCII)
DATE_TIME = re.compile(r"(\d{8}T\d{6})(Z?)", re.ASCII)
DAYS = re.compile(r"(\+?P)(?:(\d{1,5})W|(\d{1,5})D)?(T[\dHMS]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class CalendarTime:
    """A local time on the clocks of a zone, or, where `local` is a date, a whole day there.

    `name` is the property that states it, `zone_name` what the calendar calls the zone.
    """

    name: str
    local: datetime | date
    zone: tzinfo
    zone_name: str

    @property
    def whole_day(self) -> bool:
        return not isinstance(self.local, datetime)

    @property
    def aware(self) -> datetime | date:
        """The local time with its zone; a whole day as its date."""
        return self.local.replace(tzinfo=self.zone) if isinstance(self.local, datetime) else self.local

    def begins(self, at: time | None) -> datetime:
        """The local time, or that at which a whole day begins, without its zone. Raises InvalidValue without one."""
        if isinstance(self.local, datetime):
            return self.local
        if at is None:
            value = f"{self.local:%Y%m%d}"
            message = (
                f"{self.name} {quoted(value)} is a whole day: a time is needed, such as {value}T090000, or the import "
                "says at which time whole days begin (all_day)"
            )
            raise InvalidValue("all_day", message)
        return datetime.combine(self.local, at)

    def instant(self, at: time | None) -> datetime:
        """The one instant in UTC at which clocks show this time. Raises InvalidValue where there are none, or two."""
        local = self.begins(at)
        try:
            return instants.in_zone(local, self.zone)
        except NotAnInstant as refusal:
            where = f"{local.isoformat()} in {self.zone_name}" if self.zone is not UTC else local.isoformat()
            raise InvalidValue(refusal.code, f"{self.name} {NotAnInstant(refusal.code, where)}") from refusal

    def instant_in_series(self, at: time | None) -> datetime:
        """The instant of one date of a series: of a time that clocks show twice the first, of one that they skip
        the instant by the offset before (RFC 5545, section 3.3.5). Raises InvalidValue."""
        local = self.begins(at)
        if not instants.FIRST_YEAR <= local.year <= instants.LAST_YEAR:
            raise InvalidValue(
                "out_of_range", f"{self.name} {NotAnInstant('out_of_range', local.isoformat())}"
            )
        return local.replace(tzinfo=self.zone, fold=0).astimezone(UTC)


def read_time(found: ParsedProperty, *, zones: CalendarZones, options: CalendarOptions) -> CalendarTime:
    """The time that a property states. Raises InvalidValue."""
    return time_of(found.name, found.value, found.param("TZID"), zones=zones, options=options)


def time_of(
    name: str, text: str, zone_name: str, *, zones: CalendarZones, options: CalendarOptions
) -> CalendarTime:
    """The time of a text and the TZID beside it, '' where there is none. Raises InvalidValue."""
    value, zone_name = text.strip(), zone_name.strip()
    try:
        if found := DATE.fullmatch(value):
            day: date = vDate.from_ical(found[1])  # type: ignore[no-untyped-call]
            known = zone_name or options.zone or zones.default or default_time_zone()
            return CalendarTime(name, day, _known(name, known, zones), known)
        parts = DATE_TIME.fullmatch(value)
        local: datetime = vDatetime.from_ical(parts[1] if parts else value)  # type: ignore[no-untyped-call]
    except ValueError as error:
        message = f"{name} {quoted(value)} is not a time: a form like 20260615T130000Z is needed"
        raise InvalidValue("invalid", message) from error
    if parts and parts[2]:
        # A time in UTC is in UTC whatever TZID stands beside it (RFC 5545, section 3.2.19).
        return CalendarTime(name, local, UTC, "UTC")
    zone_name = zone_name or options.zone or zones.default
    if not zone_name:
        raise InvalidValue("naive", f"{name} {missing_zone(value)}")
    return CalendarTime(name, local.replace(tzinfo=None), _known(name, zone_name, zones), zone_name)


def _known(name: str, zone_name: str, zones: CalendarZones) -> tzinfo:
    zone = zones.zone(zone_name)
    if zone is None:
        raise InvalidValue("unknown_time_zone", f"{name} {NotAnInstant('unknown_time_zone', zone_name)}")
    return zone


def after(start: CalendarTime, stated: ParsedProperty, *, begin: datetime) -> datetime:
    """The end of what begins at the instant `begin` and lasts as long as a DURATION states. Raises InvalidValue.

    Days and weeks are days of the calendar, hours are exact (RFC 5545, section 3.3.6).
    """
    value = stated.value.strip()
    length = calendar_alarms.duration(stated)
    found = DAYS.fullmatch(value)
    if length is None or found is None or length < timedelta(0) or length > timedelta(days=3660):
        message = f"{quoted(value)} is not a DURATION, such as PT1H30M"
        raise InvalidValue("invalid", message)
    days = int(found[2] or 0) * 7 + int(found[3] or 0)
    if not days:
        return begin + length
    moved = begin.astimezone(start.zone).replace(tzinfo=None) + timedelta(days=days)
    local = moved.replace(tzinfo=start.zone, fold=0)
    return local.astimezone(UTC) + (length - timedelta(days=days))
