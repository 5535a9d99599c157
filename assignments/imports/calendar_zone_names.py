"""Names that Outlook and Exchange show for zones, and sometimes write where the zone's own name belongs.

Such as "(UTC-05:00) Eastern Time (US & Canada)". The offset in front must be that of the zone, or the name is not known.
"""

import re
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from assignments import instants

PREFIX = re.compile(r"\((?:UTC|GMT)(?:([+-])(\d{2})[:.](\d{2}))?\)\s*(.+)", re.ASCII)
FIXED = re.compile(r"(?:UTC|GMT)([+-])(\d{2})(?::?(\d{2}))?", re.ASCII)
YEAR = 2026
"""In which the offsets of these names hold."""

DISPLAYED = {
    "Hawaii": "Hawaiian Standard Time",
    "Alaska": "Alaskan Standard Time",
    "Pacific Time (US & Canada)": "Pacific Standard Time",
    "Pacific Time (US & Canada); Tijuana": "Pacific Standard Time",
    "Pacific Time (US & Canada)/Tijuana": "Pacific Standard Time",
    "Arizona": "US Mountain Standard Time",
    "Chihuahua, La Paz, Mazatlan": "Mountain Standard Time (Mexico)",
    "Mountain Time (US & Canada)": "Mountain Standard Time",
    "Central America": "Central America Standard Time",
    "Central Time (US & Canada)": "Central Standard Time",
    "Guadalajara, Mexico City, Monterrey": "Central Standard Time (Mexico)",
    "Saskatchewan": "Canada Central Standard Time",
    "Bogota, Lima, Quito": "SA Pacific Standard Time",
    "Bogota, Lima, Quito, Rio Branco": "SA Pacific Standard Time",
    "Eastern Time (US & Canada)": "Eastern Standard Time",
    "Indiana (East)": "US Eastern Standard Time",
    "Atlantic Time (Canada)": "Atlantic Standard Time",
    "Georgetown, La Paz, Manaus, San Juan": "SA Western Standard Time",
    "Newfoundland": "Newfoundland Standard Time",
    "Brasilia": "E. South America Standard Time",
    "City of Buenos Aires": "Argentina Standard Time",
    "Cayenne, Fortaleza": "SA Eastern Standard Time",
    "Montevideo": "Montevideo Standard Time",
    "Azores": "Azores Standard Time",
    "Coordinated Universal Time": "UTC",
    "Dublin, Edinburgh, Lisbon, London": "GMT Standard Time",
    "Greenwich Mean Time : Dublin, Edinburgh, Lisbon, London": "GMT Standard Time",
    "Monrovia, Reykjavik": "Greenwich Standard Time",
    "Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna": "W. Europe Standard Time",
    "Amsterdam, Berlin, Bern, Rom, Stockholm, Wien": "W. Europe Standard Time",
    "Belgrade, Bratislava, Budapest, Ljubljana, Prague": "Central Europe Standard Time",
    "Brussels, Copenhagen, Madrid, Paris": "Romance Standard Time",
    "Sarajevo, Skopje, Warsaw, Zagreb": "Central European Standard Time",
    "West Central Africa": "W. Central Africa Standard Time",
    "Athens, Bucharest": "GTB Standard Time",
    "Athens, Bucharest, Istanbul": "GTB Standard Time",
    "Cairo": "Egypt Standard Time",
    "Harare, Pretoria": "South Africa Standard Time",
    "Helsinki, Kyiv, Riga, Sofia, Tallinn, Vilnius": "FLE Standard Time",
    "Helsinki, Kiev, Riga, Sofia, Tallinn, Vilnius": "FLE Standard Time",
    "Jerusalem": "Israel Standard Time",
    "Istanbul": "Turkey Standard Time",
    "Baghdad": "Arabic Standard Time",
    "Kuwait, Riyadh": "Arab Standard Time",
    "Moscow, St. Petersburg": "Russian Standard Time",
    "Moscow, St. Petersburg, Volgograd": "Russian Standard Time",
    "Nairobi": "E. Africa Standard Time",
    "Tehran": "Iran Standard Time",
    "Abu Dhabi, Muscat": "Arabian Standard Time",
    "Baku": "Azerbaijan Standard Time",
    "Tbilisi": "Georgian Standard Time",
    "Yerevan": "Caucasus Standard Time",
    "Kabul": "Afghanistan Standard Time",
    "Islamabad, Karachi": "Pakistan Standard Time",
    "Chennai, Kolkata, Mumbai, New Delhi": "India Standard Time",
    "Sri Jayawardenepura": "Sri Lanka Standard Time",
    "Kathmandu": "Nepal Standard Time",
    "Dhaka": "Bangladesh Standard Time",
    "Yangon (Rangoon)": "Myanmar Standard Time",
    "Bangkok, Hanoi, Jakarta": "SE Asia Standard Time",
    "Beijing, Chongqing, Hong Kong, Urumqi": "China Standard Time",
    "Kuala Lumpur, Singapore": "Singapore Standard Time",
    "Perth": "W. Australia Standard Time",
    "Taipei": "Taipei Standard Time",
    "Osaka, Sapporo, Tokyo": "Tokyo Standard Time",
    "Seoul": "Korea Standard Time",
    "Adelaide": "Cen. Australia Standard Time",
    "Darwin": "AUS Central Standard Time",
    "Brisbane": "E. Australia Standard Time",
    "Canberra, Melbourne, Sydney": "AUS Eastern Standard Time",
    "Guam, Port Moresby": "West Pacific Standard Time",
    "Hobart": "Tasmania Standard Time",
    "Auckland, Wellington": "New Zealand Standard Time",
    "Fiji": "Fiji Standard Time",
}
"""What stands behind the offset, by the name of the zone in Windows."""


def displayed_zone(name: str) -> tzinfo | None:
    """The zone of a name as Outlook shows it, or of a fixed offset such as UTC+01:00; None for any other."""
    if fixed := FIXED.fullmatch(name):
        return _fixed(fixed[1], fixed[2], fixed[3] or "00")
    found = PREFIX.fullmatch(name)
    windows = DISPLAYED.get(found[4].strip()) if found else None
    if found is None or windows is None:
        return None
    zone = instants.known_zone(WINDOWS_TO_OLSON.get(windows, windows))
    stated = _fixed(found[1] or "+", found[2] or "00", found[3] or "00")
    return (
        zone
        if zone is not None and stated is not None and _standard(zone) == stated.utcoffset(None)
        else None
    )


def _fixed(sign: str, hours: str, minutes: str) -> timezone | None:
    offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    return timezone(offset) if int(minutes) < 60 and abs(offset) <= timedelta(hours=14) else None


def _standard(zone: ZoneInfo) -> timedelta:
    """The offset of the zone outside of summer time."""
    return min(datetime(YEAR, month, 1, tzinfo=zone).utcoffset() or timedelta() for month in (1, 7))
