"""Local wall time: every zone of the installed database, around both of its changes in a year."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.policy.wall_clock import QuietHours, at_local_time, first_instant, local_day, quiet_period

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ZONES = sorted(available_timezones() - {"Factory", "localtime", "posixrules"})
AREAS = sorted({name.split("/")[0] for name in ZONES})
YEAR = 2026
NIGHT = QuietHours(starts=time(22), until=time(7))
APIA, BERLIN, LORD_HOWE = (
    ZoneInfo(name) for name in ("Pacific/Apia", "Europe/Berlin", "Australia/Lord_Howe")
)


def shown(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def changes(zone: ZoneInfo, *, year: int = YEAR) -> list[datetime]:
    """The instants, to the second, at which the zone's offset changes in this year."""
    found = []
    day, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    offset = day.astimezone(zone).utcoffset()
    while day < end:
        before, offset = offset, (day + DAY).astimezone(zone).utcoffset()
        if before != offset:
            low, high = day, day + DAY
            while high - low > timedelta(seconds=1):
                middle = (low + (high - low) / 2).replace(microsecond=0)
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        day += DAY
    return found


def first_by_trying(local: datetime, *, zone: ZoneInfo, since: datetime) -> datetime:
    """The first minute from `since` on at which clocks show the time or a later one."""
    instant = since
    assert shown(instant, zone) < local
    while shown(instant, zone) < local:
        instant += MINUTE
    return instant


@pytest.mark.parametrize("year", [2011, YEAR])
@pytest.mark.parametrize("area", AREAS)
def test_around_each_change_a_local_time_is_the_first_instant_at_which_clocks_have_reached_it(
    area: str, year: int
) -> None:
    for name in (name for name in ZONES if name.split("/")[0] == area):
        zone = ZoneInfo(name)
        for change in changes(zone, year=year):
            if change.second:
                continue  # The trial goes by minutes.
            before, after = sorted((shown(change - MINUTE, zone) + MINUTE, shown(change, zone)))
            edges = [before - MINUTE, before, before + MINUTE, after - MINUTE, after, after + MINUTE]
            for local in [*edges, (before + (after - before) / 2).replace(second=0)]:
                tried = first_by_trying(local, zone=zone, since=change - (after - before) - 5 * MINUTE)
                assert first_instant(local, zone=zone) == tried, (name, local)


def test_the_changes_of_the_year_are_found() -> None:
    assert changes(BERLIN) == [
        datetime(2026, 3, 29, 1, tzinfo=UTC),
        datetime(2026, 10, 25, 1, tzinfo=UTC),
    ]
    assert len(changes(LORD_HOWE)) == 2
    assert changes(ZoneInfo("Asia/Tokyo")) == []


@pytest.mark.parametrize(
    ("zone", "local", "instant"),
    [
        pytest.param(
            BERLIN,
            datetime(2026, 3, 29, 2, 30),
            datetime(2026, 3, 29, 1, tzinfo=UTC),
            id="in a gap of an hour",
        ),
        pytest.param(
            BERLIN,
            datetime(2026, 10, 25, 2, 30),
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            id="occurs twice",
        ),
        pytest.param(
            LORD_HOWE,
            datetime(2026, 10, 4, 2, 15),
            datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
            id="half an hour skipped",
        ),
        pytest.param(
            LORD_HOWE,
            datetime(2026, 4, 5, 1, 45),
            datetime(2026, 4, 4, 14, 45, tzinfo=UTC),
            id="half an hour twice",
        ),
        pytest.param(
            APIA,
            datetime(2011, 12, 30, 12),
            datetime(2011, 12, 30, 10, tzinfo=UTC),
            id="on a day that was skipped",
        ),
    ],
)
def test_named_hours_of_named_zones(zone: ZoneInfo, local: datetime, instant: datetime) -> None:
    assert first_instant(local, zone=zone) == instant


def test_the_evening_before_is_counted_in_days_of_the_zone() -> None:
    start = datetime(2026, 3, 29, 22, 30, tzinfo=UTC)  # Already the 30th in Berlin.
    assert at_local_time(start, days_before=1, at=time(18), zone=BERLIN) == datetime(
        2026, 3, 29, 16, tzinfo=UTC
    )
    assert at_local_time(start, days_before=2, at=time(18), zone=BERLIN) == datetime(
        2026, 3, 28, 17, tzinfo=UTC
    )


def test_a_night_over_a_change_of_the_clocks_has_the_hours_that_it_has() -> None:
    spring = quiet_period(datetime(2026, 3, 29, 1, tzinfo=UTC), hours=NIGHT, zone=BERLIN)
    autumn = quiet_period(datetime(2026, 10, 25, 1, tzinfo=UTC), hours=NIGHT, zone=BERLIN)
    assert spring == (datetime(2026, 3, 28, 21, tzinfo=UTC), datetime(2026, 3, 29, 5, tzinfo=UTC))
    assert autumn == (datetime(2026, 10, 24, 20, tzinfo=UTC), datetime(2026, 10, 25, 6, tzinfo=UTC))


def test_a_skipped_day_joins_the_nights_on_both_sides_of_it() -> None:
    one_night = (datetime(2011, 12, 30, 8, tzinfo=UTC), datetime(2011, 12, 30, 17, tzinfo=UTC))
    for hour in (8, 10, 16):
        assert quiet_period(datetime(2011, 12, 30, hour, tzinfo=UTC), hours=NIGHT, zone=APIA) == one_night


def test_the_end_of_quiet_hours_is_outside_of_them() -> None:
    begins, ends = datetime(2026, 6, 1, 20, tzinfo=UTC), datetime(2026, 6, 2, 5, tzinfo=UTC)
    assert quiet_period(begins, hours=NIGHT, zone=BERLIN) == (begins, ends)
    assert quiet_period(ends - timedelta(seconds=1), hours=NIGHT, zone=BERLIN) == (begins, ends)
    assert quiet_period(ends, hours=NIGHT, zone=BERLIN) is None
    assert quiet_period(begins - timedelta(seconds=1), hours=NIGHT, zone=BERLIN) is None


def test_equal_times_and_no_times_are_no_quiet_hours() -> None:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert quiet_period(noon, hours=None, zone=BERLIN) is None
    assert quiet_period(noon, hours=QuietHours(starts=time(9), until=time(9)), zone=BERLIN) is None


@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)
def test_an_instant_is_quiet_exactly_when_some_night_has_begun_and_not_ended(
    name: str, moment: datetime, starts: time, until: time
) -> None:
    zone, instant = ZoneInfo(name), moment.replace(tzinfo=UTC)
    hours = QuietHours(starts=starts, until=until)
    expected = starts != until and any(
        first_instant(datetime.combine(day, starts), zone=zone)
        <= instant
        < first_instant(datetime.combine(day + DAY if until < starts else day, until), zone=zone)
        for day in _days_around(instant.astimezone(zone).date())
    )
    period = quiet_period(instant, hours=hours, zone=zone)
    assert (period is not None) == expected
    assert period is None or period[0] <= instant < period[1]


def _days_around(day: date) -> list[date]:
    return [day + timedelta(days=offset) for offset in range(-2, 3)]


@pytest.mark.parametrize(
    "name", [zone for zone in ZONES if zone.split("/")[0] in ("Europe", "Pacific", "Australia")]
)
def test_days_follow_one_another_without_gap_or_overlap(name):
    zone = ZoneInfo(name)
    now = datetime(YEAR, 3, 27, 12, tzinfo=UTC)
    days = [local_day(now, days_ahead=number, zone=zone) for number in range(4)]
    assert days[0][1] <= now < days[0][2]
    for (day, _, ends), (following, begins, _) in pairwise(days):
        assert (following, begins) == (day + DAY, ends)


def test_a_day_on_which_clocks_change_is_longer_or_shorter():
    now = datetime(2026, 3, 28, 12, tzinfo=UTC)
    day, begins, ends = local_day(now, days_ahead=1, zone=BERLIN)
    assert (day, ends - begins) == (date(2026, 3, 29), 23 * HOUR)
    day, begins, ends = local_day(datetime(2011, 12, 29, 12, tzinfo=UTC), days_ahead=1, zone=APIA)
    assert (day, ends - begins) == (date(2011, 12, 30), timedelta())  # Apia skipped it.
