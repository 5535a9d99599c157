"""One line of the checklist, and the one rule that several of them share."""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from django.utils.translation import gettext

SKEW_NOTICED, SKEW_HARMFUL = timedelta(seconds=2), timedelta(seconds=60)


class Level(Enum):
    """How well it is."""

    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist. `fix` says what to do; it is empty where all is well."""

    name: str
    level: Level
    seen: str
    fix: str = ""


def skew(name: str, ahead: timedelta) -> Check:
    """How far a clock is ahead of another one: the name says whose, and `ahead` is negative where it is behind."""
    seconds = ahead.total_seconds()
    words = gettext("%(seconds)s s ahead") if seconds > 0 else gettext("%(seconds)s s behind")
    seen = words % {"seconds": f"{abs(seconds):.1f}"}
    if abs(ahead) <= SKEW_NOTICED:
        return Check(name, Level.PASS, seen)
    level = Level.WARN if abs(ahead) <= SKEW_HARMFUL else Level.FAIL
    return Check(
        name, level, seen, gettext("Let all hosts keep time by NTP: reminders go by the database's clock.")
    )
