"""Rules of vCalendar 1.0 (1996), which telephones and older programs write: `W2 TU TH #27`."""

import re

FREQUENCIES = {"D": "DAILY", "W": "WEEKLY", "MP": "MONTHLY", "MD": "MONTHLY", "YM": "YEARLY", "YD": "YEARLY"}
SELECTING = {"W": "BYDAY", "MP": "BYDAY", "MD": "BYMONTHDAY", "YM": "BYMONTH", "YD": "BYYEARDAY"}
RULE = re.compile(
    r"(MP|MD|YM|YD|D|W)(\d{1,4})((?: [A-Z\d+-]+)*?) (?:(\d{8}(?:T\d{6}Z?)?)(?: #\d+)?|#(\d{1,5}))", re.ASCII
)
DAY = re.compile("MO|TU|WE|TH|FR|SA|SU")
POSITION = re.compile(r"([1-5])([+-])", re.ASCII)
MONTH_DAY = re.compile(r"(\d{1,2})([+-]?)", re.ASCII)


def from_vcalendar(text: str) -> str:
    """The rule as RFC 5545 writes it; the text itself where it is no such rule.

    A rule that says neither when it ends nor how often it applies is none: programs mean different things by it.
    """
    found = RULE.fullmatch(" ".join(text.upper().split()))
    if found is None:
        return text
    kind, interval, chosen, until, count = found[1], found[2], found[3].split(), found[4], found[5]
    selected = _selected(kind, chosen)
    if selected is None:
        return text
    parts = [f"FREQ={FREQUENCIES[kind]}", f"INTERVAL={interval}"]
    if selected:
        parts.append(f"{SELECTING[kind]}={selected}")
    if until:
        parts.append(f"UNTIL={until}")
    elif int(count):
        parts.append(f"COUNT={int(count)}")
    return ";".join(parts)


def _selected(kind: str, chosen: list[str]) -> str | None:
    """The days or months of a rule, joined by commas; None where they are not those of its kind."""
    if not chosen:
        return ""
    if kind == "D":
        return None
    if kind == "W":
        return ",".join(chosen) if all(DAY.fullmatch(one) for one in chosen) else None
    if kind == "MP":
        return _positions(chosen)
    if kind == "MD":
        return _month_days(chosen)
    return ",".join(chosen) if all(one.isdigit() for one in chosen) else None


def _positions(chosen: list[str]) -> str | None:
    """Of `2+ MO 1- FR`: 2MO,-1FR. Positions hold for all days until the next ones."""
    days: list[str] = []
    positions: list[str] = []
    in_days = True
    for one in chosen:
        if found := POSITION.fullmatch(one):
            number = f"{'-' if found[2] == '-' else ''}{found[1]}"
            positions = [number] if in_days else [*positions, number]
            in_days = False
        elif DAY.fullmatch(one) and positions:
            days += [f"{position}{one}" for position in positions]
            in_days = True
        else:
            return None
    return ",".join(days) if in_days else None


def _month_days(chosen: list[str]) -> str | None:
    days = []
    for one in chosen:
        found = MONTH_DAY.fullmatch(one)
        if one == "LD":
            days.append("-1")
        elif found:
            days.append(f"{'-' if found[2] == '-' else ''}{found[1]}")
        else:
            return None
    return ",".join(days)
