"""An assignment's own lead times: one, several, or none."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from assignments.models import MAX_LEAD_MINUTES
from assignments.wording import quoted

MOST_LEADS = 5
LEAST_DISTANCE_MINUTES = 10
"""Two reminders to one person about one assignment are never closer together."""


def checked_leads(given: Sequence[Any]) -> tuple[int, ...]:
    """Several lead times in minutes, the shortest first. Raises ValidationError, which says what is accepted."""
    needed = gettext("1 to %(most_leads)s whole numbers from 1 to %(max_lead_minutes)s are needed") % {
        "most_leads": MOST_LEADS,
        "max_lead_minutes": MAX_LEAD_MINUTES,
    }
    if not 1 <= len(given) <= MOST_LEADS:
        raise ValidationError(
            gettext("%(given)s has %(number)s lead times: %(needed)s")
            % {"given": quoted(given), "number": len(given), "needed": needed},
            code="length",
        )
    for minutes in given:
        if not isinstance(minutes, int) or isinstance(minutes, bool):
            raise ValidationError(
                gettext("%(minutes)s is not a whole number: %(needed)s")
                % {"minutes": quoted(minutes), "needed": needed},
                code="invalid",
            )
        if not 1 <= minutes <= MAX_LEAD_MINUTES:
            raise ValidationError(
                gettext("%(minutes)s is out of range: %(needed)s") % {"minutes": minutes, "needed": needed},
                code="invalid",
            )
    leads = tuple(sorted(given))
    for shorter, longer in pairwise(leads):
        if longer - shorter < LEAST_DISTANCE_MINUTES:
            needed = gettext("at least %(least_distance_minutes)s minutes between them are needed") % {
                "least_distance_minutes": LEAST_DISTANCE_MINUTES
            }
            message = gettext("%(shorter)s and %(longer)s are too close: %(needed)s") % {
                "shorter": shorter,
                "longer": longer,
                "needed": needed,
            }
            raise ValidationError(message, code="too_close")
    return leads


def split_leads(given: object) -> tuple[object, str]:
    """What is stored of the lead times that are given: the shortest (None where there is none), and the others as text.

    Raises ValidationError for the field `lead_minutes`. One number alone is checked by its field.
    """
    if not isinstance(given, list | tuple):
        return given, ""
    try:
        shortest, *further = checked_leads(given)
    except ValidationError as refusal:
        raise ValidationError({"lead_minutes": refusal}) from refusal
    return shortest, " ".join(map(str, further))


def stored_leads(shortest: int | None, further: str) -> tuple[int, ...]:
    """The lead times out of what is stored, the shortest first; none where the work has none of its own."""
    return () if shortest is None else (shortest, *map(int, further.split()))


def joined_leads(shortest: int | None, further: str) -> int | list[int] | None:
    """The lead times as they are given and shown: one number, or the longest first."""
    leads = stored_leads(shortest, further)
    return sorted(leads, reverse=True) if len(leads) > 1 else shortest
