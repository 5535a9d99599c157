"""All arithmetic on local wall time: a zone, a date and a time of day become an instant.

Everything else computes with instants. PostgreSQL takes the second of a time that occurs twice and shifts a time that
does not exist by the length of its gap, and its zone data may differ: so these instants are computed here and stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAY = timedelta(days=1)
LONGEST_GAP = timedelta(days=2)
"""Longer than any time that clocks have skipped (Apia skipped 2011-12-30 whole)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """The hours of each day at which a person is not to be disturbed: local time, up to `until`, which is outside.

    `starts` may be later than `until`: the hours then go over midnight. Equal times mean no quiet hours.
    """

    starts: time
    until: time


def first_instant(local: datetime, *, zone: tzinfo) -> datetime:
    """The first instant (aware UTC) at which clocks in the zone show this naive time, or have gone past it.

    So a time that occurs twice is the first of the two, and one that is skipped is the end of the gap.
    """
    earlier, later = sorted(local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if earlier == later or _shown(earlier, zone) == local:
        return earlier
    return _end_of_gap(earlier, later, local=local, zone=zone)


def at_local_time(start: datetime, *, days_before: int, at: time, zone: tzinfo) -> datetime:
    """The instant of `at` on the day that lies so many days before the day of `start`, all in this zone."""
    day = start.astimezone(zone).date() - timedelta(days=days_before)
    return first_instant(datetime.combine(day, at), zone=zone)


def quiet_period(
    instant: datetime, *, hours: QuietHours | None, zone: tzinfo
) -> tuple[datetime, datetime] | None:
    """Beginning and end (outside) of the quiet hours in which this instant lies; None where it lies in none."""
    if hours is None or hours.starts == hours.until:
        return None
    found = None
    for begins, ends in _periods(instant, hours=hours, zone=zone):
        if found is not None and begins <= found[1]:
            found = (found[0], max(found[1], ends))  # A skipped day joins the nights on both sides of it.
        elif found is None or found[1] <= instant:
            found = (begins, ends)
    return found if found is not None and found[0] <= instant < found[1] else None


def _periods(instant: datetime, *, hours: QuietHours, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    """The quiet hours of the days around an instant, in order, without those that a gap has swallowed."""
    day = instant.astimezone(zone).date() - LONGEST_GAP
    for _ in range(2 * LONGEST_GAP.days + 2):
        begins, ends = (
            first_instant(datetime.combine(on, at), zone=zone)
            for on, at in ((day, hours.starts), (_last_day(day, hours), hours.until))
        )
        if begins < ends:
            yield begins, ends
        day += DAY


def _last_day(day: date, hours: QuietHours) -> date:
    return day + DAY if hours.until < hours.starts else day


def _shown(instant: datetime, zone: tzinfo) -> datetime:
    """What clocks in the zone show, without zone and fold."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _end_of_gap(before: datetime, after: datetime, *, local: datetime, zone: tzinfo) -> datetime:
    """The first instant, to the second, at which clocks show `local` or later; between these two it lies.

    `before` is still shown as an earlier time than `local`, `after` as a later one.
    """
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if _shown(middle, zone) >= local:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)


def local_day(now: datetime, *, days_ahead: int, zone: tzinfo) -> tuple[date, datetime, datetime]:
    """The day so many days after that of `now` in this zone: its date, and its beginning and end (outside)."""
    day = now.astimezone(zone).date() + days_ahead * DAY
    begins, ends = (first_instant(datetime.combine(on, time()), zone=zone) for on in (day, day + DAY))
    return day, begins, ends
