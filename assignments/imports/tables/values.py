"""What the cells of tables mean: dates, times of day, durations, yes and no. Every reader raises NotAccepted."""

import math
import re
from datetime import date, datetime, time, timedelta

from django.utils.translation import gettext, gettext_noop

from assignments import instants
from assignments.imports.tables.table import Cell, Unusable
from assignments.wording import quoted

DATE_FORMATS = {
    "iso": "2026-11-23",
    "day_first": "23.11.2026, 23/11/2026 or 23-11-2026",
    "month_first": "11/23/2026",
    "excel": gettext_noop("46349, a date as spreadsheets count days"),
}
"""How dates that could mean several days are written, each with an example."""

YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})\.?", re.ASCII)
YEAR_LAST = re.compile(r"(\d{1,2})([-/.])\s?(\d{1,2})\2\s?(\d{4}|\d{2})\.?", re.ASCII)
DAY_NAME = re.compile(r"^[^\W\d_]+\.?,?\s+(?=\d)|^[^\W\d_]+\.?,\s+")
NAMED = (
    re.compile(
        r"(?P<d>\d{1,2})(?:\.|st|nd|rd|th)?[ -](?:de )?(?P<m>[^\W\d_]+)\.?,?[ -](?:de )?(?P<y>\d{4}|\d{2})"
    ),
    re.compile(r"(?P<m>[^\W\d_]+)\.? (?P<d>\d{1,2})(?:st|nd|rd|th)?,? (?P<y>\d{4})"),
)
MONTHS = (
    ("january", "januar", "janner", "enero", "janvier"),
    ("february", "februar", "feber", "febrero", "fevrier"),
    ("march", "marz", "maerz", "marzo", "mars"),
    ("april", "abril", "avril"),
    ("may", "mai", "mayo"),
    ("june", "juni", "junio", "juin"),
    ("july", "juli", "julio", "juillet"),
    ("august", "agosto", "aout"),
    ("september", "septiembre", "setiembre", "septembre"),
    ("october", "oktober", "octubre", "octobre"),
    ("november", "noviembre", "novembre"),
    ("december", "dezember", "diciembre", "decembre"),
)
CLOCK = re.compile(
    r"(\d{1,2})(?:[:.h](\d{2}|\d(?=:\d\d)))?(?:[:.](\d{2})(?:[.,]\d+)?)?\s*(?:(a|p)\.?\s?m\.?|(uhr|h))?",
    re.ASCII | re.IGNORECASE,
)
NUMBER = re.compile(r"[+-]?\d{1,12}(\.\d{1,12})?", re.ASCII)
PARTS = re.compile(
    r"(\d+(?:[.,]\d+)?)\s*(h|hrs?|hours?|std|stunden?|heures?|horas?|m|mins?|minutes?|minuten|minutos)\b\.?",
    re.I,
)
H_MM = re.compile(r"(\d{1,3}):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
YES = {"true", "yes", "y", "1", "x", "on", "ein", "wahr", "ja", "vrai", "oui", "verdadero", "si", "sí"}
NO = {"", "false", "no", "n", "0", "off", "aus", "falsch", "nein", "faux", "non", "falso"}
BETWEEN = re.compile(r"\s*(?:-|\u2013|\u2014|to|bis|\u00e0)\s*")
MIDNIGHT = datetime(1970, 1, 1)  # noqa: DTZ001 (local)
FIRST_SERIAL, LAST_SERIAL = datetime(1899, 12, 30), 2_958_465  # noqa: DTZ001 (local)
LONGEST_DURATION = timedelta(days=31)


class ValueNotAccepted(ValueError):
    """The value of a cell is not of the accepted form; the text names the value and the form."""

    def __init__(self, value: object, needed: str, code: str = "invalid") -> None:
        super().__init__(needed if code == "unusable" else f"{quoted(value)} {needed}")
        self.code = code


def as_text(cell: Cell) -> str:
    """The cell as text, whole numbers without a fraction. Raises NotAccepted for one without a usable value."""
    match cell:
        case Unusable(why):
            raise ValueNotAccepted("", gettext("this cell holds %(why)s") % {"why": gettext(why)}, "unusable")
        case str():
            return cell.strip()
        case bool():
            return "true" if cell else "false"
        case float():
            return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else f"{cell:.10g}"
        case datetime():
            return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ")
        case time():
            return cell.isoformat("seconds")
    minutes, seconds = divmod(round(cell.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")


def read_date(cell: Cell, date_format: str | None) -> date:
    """A date, also one with 00:00 behind it, as many programs write a date alone.

    Day and month are taken in the order of the format; what can mean one day only is always accepted.
    """
    if isinstance(cell, datetime):
        return cell.date()
    text = as_text(cell)
    if date_format == "excel" and (serial := _serial(text)) is not None:
        return serial.date()
    found = _dated(text, date_format) or next(
        (
            day
            for written, rest in _split(text)
            if _clock(rest) == time() and (day := _dated(written, date_format))
        ),
        None,
    )
    if found is None:
        raise ValueNotAccepted(
            text,
            gettext("is not a date: %(forms)s is needed") % {"forms": _forms(date_format)},
            "invalid_date",
        )
    return found


def read_moment(cell: Cell, date_format: str | None) -> datetime:
    """A date and a time in one cell: local without an offset, else with one. A date alone is refused."""
    if isinstance(cell, datetime):
        return cell
    text = as_text(cell)
    try:
        return instants.read(text)
    except instants.NotAnInstant as refusal:
        if refusal.code == "out_of_range":
            raise ValueNotAccepted(
                text,
                gettext("is out of range: %(needed)s") % {"needed": instants.MESSAGES["out_of_range"]},
                "out_of_range",
            ) from refusal
    if date_format == "excel" and (serial := _serial(text)) is not None:
        return serial
    for day, rest in _split(text):
        if (found := _dated(day, date_format)) is not None and (clock := _clock(rest)) is not None:
            return datetime.combine(found, clock)
    needed = gettext("is not a date with a time: %(forms)s and a time such as 09:00 are needed") % {
        "forms": _forms(date_format)
    }
    raise ValueNotAccepted(text, needed, "invalid_date")


def read_time(cell: Cell) -> time:
    """A time of day."""
    if isinstance(cell, datetime):
        return cell.time()
    if isinstance(cell, time):
        return cell
    if isinstance(cell, float) and 0 <= cell < 1:
        found: time | None = (MIDNIGHT + timedelta(seconds=min(round(cell * 86_400), 86_399))).time()
    else:
        text = as_text(cell)
        number = _either_number(text)
        if number is not None and 0 < number < 1:
            return read_time(number)
        found = _clock(text) if text else None
    if found is None:
        raise ValueNotAccepted(
            as_text(cell), gettext("is not a time: one such as 09:00 or 9:00 AM is needed"), "invalid_time"
        )
    return found


def read_times(cell: Cell) -> tuple[time, time | None]:
    """A span of times such as 9:00 AM - 10:00 AM, or one time."""
    if isinstance(cell, str) and len(parts := BETWEEN.split(cell.strip(), maxsplit=1)) == 2:
        return read_time(parts[0]), read_time(parts[1])
    return read_time(cell), None


def read_duration(cell: Cell, unit: str | None, decimal: str) -> timedelta:
    """A duration: a number of `unit` (minutes or hours), 1:30, or with its own units as in 1 h 30 min."""
    text = as_text(cell)
    found: timedelta | None = None
    if isinstance(cell, timedelta):
        found = cell
    elif isinstance(cell, time):
        found = timedelta(hours=cell.hour, minutes=cell.minute, seconds=cell.second)
    elif clock := H_MM.fullmatch(text):
        found = timedelta(hours=int(clock[1]), minutes=int(clock[2]), seconds=int(clock[3] or 0))
    elif (number := cell if isinstance(cell, float) else _number(text, decimal)) is not None and unit:
        found = timedelta(**{unit: number}) if abs(number) < 1e6 else None
    elif (pieces := PARTS.findall(text)) and not PARTS.sub("", text).strip(" ,"):
        found = timedelta()
        for amount, of in pieces:
            own = "minutes" if of.lower().startswith("m") else "hours"
            found += timedelta(**{own: min(float(amount.replace(",", ".")), 1e6)})
    if found is None or not timedelta() <= found <= LONGEST_DURATION:
        form = (
            gettext("a number of %(unit)s (decimals behind %(decimal)s)")
            % {"unit": unit, "decimal": quoted(decimal)}
            if unit
            else gettext("one such as 1:30 or 90 min")
        )
        raise ValueNotAccepted(
            text, gettext("is not a duration: %(form)s is needed") % {"form": form}, "invalid_duration"
        )
    return found


def read_flag(cell: Cell) -> bool:
    """Yes or no, in a few languages; nothing is no."""
    word = as_text(cell).lower()
    if word in YES:
        return True
    if word in NO:
        return False
    raise ValueNotAccepted(
        as_text(cell), gettext("is not yes or no: true or false is needed"), "invalid_flag"
    )


def orders(text: str) -> set[str]:
    """Under which of day_first and month_first this text is a date, where its order has to be known; else nothing.

    With full stops the day is first: no language writes them behind a month before the day (CLDR, date formats).
    """
    for day in (text, *(day for day, _ in _split(text))):
        if found := YEAR_LAST.fullmatch(_without_day_name(day)):
            fitting = {one for one in ("day_first", "month_first") if _dated(day, one)}
            return fitting & {"day_first"} or fitting if found[2] == "." else fitting
    return set()


def is_date(text: str, date_format: str | None) -> bool:
    """Whether the text is a date, or a date and a time, under the format."""
    return _dated(text, date_format) is not None or any(
        _dated(day, date_format) is not None and _clock(rest) is not None for day, rest in _split(text)
    )


def is_date_alone(cell: Cell, date_format: str | None) -> bool:
    """Whether a cell of moments has a date and no time, not even 00:00."""
    if not isinstance(cell, (str, float)):
        return False
    text = as_text(cell)
    serial = _either_number(text) if date_format == "excel" else None
    return serial.is_integer() if serial is not None else _dated(text, date_format) is not None


def is_serial(text: str) -> bool:
    """Whether the text may be a date of our times as spreadsheets count days."""
    number = _either_number(text)
    return number is not None and 30_000 < number < 80_000


def _forms(date_format: str | None) -> str:
    return gettext("one such as %(example)s") % {"example": gettext(DATE_FORMATS[date_format or "iso"])}


def _without_day_name(text: str) -> str:
    return DAY_NAME.sub("", text.strip(), count=1) if DAY_NAME.match(text.strip()) else text.strip()


def _split(text: str) -> list[tuple[str, str]]:
    """The ways to cut a text into a date and a time behind it."""
    text = text.strip()
    if len(text) > 60:
        return []
    cuts = [found.span() for found in re.finditer(r",?\s+(?:at |um |a las |à )?|(?<=\d)T(?=\d)", text)]
    return [(text[:begin], text[end:]) for begin, end in cuts]


def _dated(text: str, date_format: str | None) -> date | None:
    text = text.strip()
    for form in (text, _without_day_name(text)):
        if len(form) <= 40 and (found := _dated_exactly(form, date_format)) is not None:
            return found
    return None


def _dated_exactly(text: str, date_format: str | None) -> date | None:
    if found := YEAR_FIRST.fullmatch(text):
        return _day(int(found[1]), int(found[3]), int(found[4]))
    if found := YEAR_LAST.fullmatch(text):
        one, other, year = int(found[1]), int(found[3]), _year(found[4])
        if date_format == "day_first":
            return _day(year, other, one)
        return _day(year, one, other) if date_format == "month_first" else None
    for pattern in NAMED:
        if found := pattern.fullmatch(text):
            month = _month(found["m"])
            return _day(_year(found["y"]), month, int(found["d"])) if month else None
    return None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if instants.FIRST_YEAR <= year <= instants.LAST_YEAR else None
    except ValueError:
        return None


def _year(text: str) -> int:
    year = int(text)
    return year if len(text) == 4 else year + (2000 if year < 70 else 1900)


def _month(word: str) -> int:
    plain = word.lower().translate(str.maketrans("äéûô", "aeuo"))
    if len(plain) < 3:
        return 0
    for number, names in enumerate(MONTHS, 1):
        if any(name == plain or (name.startswith(plain) and len(plain) < 5) for name in names):
            return number
    return 0


def _clock(text: str) -> time | None:
    found = CLOCK.fullmatch(text.strip())
    if found is None or not (found[2] or found[4] or found[5]):
        return None
    hour, minute, second, half = (
        int(found[1]),
        int(found[2] or 0),
        int(found[3] or 0),
        (found[4] or "").lower(),
    )
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    return time(hour, minute, second) if hour < 24 and minute < 60 and second < 60 else None


def _number(text: str, decimal: str) -> float | None:
    text = text.strip()
    if decimal == ",":
        text = text.replace(".", "\0").replace(",", ".")
    number = float(text) if NUMBER.fullmatch(text) else None
    return number if number is not None and math.isfinite(number) else None


def _either_number(text: str) -> float | None:
    """The number, with a point or with a comma before its decimals."""
    number = _number(text, ".")
    return _number(text, ",") if number is None else number


def _serial(text: str) -> datetime | None:
    number = _either_number(text)
    if number is None or not 1 <= number <= LAST_SERIAL:
        return None
    # Spreadsheets have a 29th of February 1900, which never was.
    return FIRST_SERIAL + timedelta(days=1 if number < 60 else 0, seconds=round(number * 86_400))
