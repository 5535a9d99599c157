"""How often a caller may do something, over all web processes: stored in the database (docs/decisions/0013).

One row per caller holds the time at which its allowance is full again: the generic cell rate algorithm (ITU-T I.371,
annex A). A caller can use its whole allowance at once, and then once each time `each` has passed.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection

from accounts.statements import first_row

TAKE_ONE = """
    INSERT INTO access_allowance AS a (caller, full_at) VALUES (%(caller)s, statement_timestamp() + %(each)s)
    ON CONFLICT (caller) DO UPDATE SET full_at = greatest(a.full_at, statement_timestamp()) + %(each)s
    WHERE a.full_at + %(each)s <= statement_timestamp() + %(most)s
    RETURNING 0
"""
WAIT_SECONDS = """
    SELECT extract(epoch FROM full_at + %(each)s - %(most)s - statement_timestamp())::float8
    FROM access_allowance WHERE caller = %(caller)s
"""
GIVE_BACK = "UPDATE access_allowance SET full_at = full_at - %(each)s WHERE caller = %(caller)s"
REFILL = "DELETE FROM access_allowance WHERE caller = %(caller)s"
# A full allowance is the same as no row.
FORGET_FULL = "DELETE FROM access_allowance WHERE full_at <= statement_timestamp()"


@dataclass(frozen=True, slots=True)
class Rate:
    """`at_once` times, and then once each time `each` has passed."""

    at_once: int
    each: timedelta


def take(caller: str, rate: Rate) -> float | None:
    """Takes one from the allowance. None: done; otherwise the seconds until there is one again. Raises DatabaseError."""
    values: dict[str, Any] = {"caller": caller, "each": rate.each, "most": rate.each * rate.at_once}
    if first_row(TAKE_ONE, values):
        return None
    (seconds,) = first_row(WAIT_SECONDS, values) or (0.0,)
    return max(float(seconds), 0.001)


def give_back(caller: str, rate: Rate) -> None:
    """Gives back what `take` has taken."""
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"caller": caller, "each": rate.each}
        cursor.execute(GIVE_BACK, values)


def refill(caller: str) -> None:
    """Makes the allowance full."""
    with connection.cursor() as cursor:
        cursor.execute(REFILL, {"caller": caller})


def prune() -> None:
    """Removes the rows of callers whose allowance is full."""
    with connection.cursor() as cursor:
        cursor.execute(FORGET_FULL)
